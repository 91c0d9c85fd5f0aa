"""One HTML page that needs nothing else: no network, no other file, and no script to be read.

A content security policy allows this page's own style and script by their
hashes and forbids everything else, so that foreign text could not act even if
it got past the escaping. The script only filters.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256

from leakguard import __version__
from leakguard.finding import Finding, Location, Outcome, surroundings
from leakguard.report.advice import advise
from leakguard.report.escape import is_address, line, xml
from leakguard.report.next_steps import of_one
from leakguard.report.summary import headline
from leakguard.report.wording import clean_line, verdict, where
from leakguard.rule import SEVERITIES

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --page: #fff; --soft: #5f6368;
  --line: #d5d7da; --card: #f7f7f8; --bad: #b3261e; --warn: #8a5a00; --good: #1e6b34; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8ea; --page: #17181a;
  --soft: #a3a7ad; --line: #3a3d41; --card: #202225; --bad: #ff8a80; --warn: #f0bd5b;
  --good: #7fd695; } }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem; background: var(--page);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; } h2 { font-size: 1.05rem; margin: 0; }
code, pre { font: .9em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; margin: .3rem 0; }
form { display: flex; flex-wrap: wrap; gap: .7rem; margin: 1rem 0; align-items: center; }
form[hidden], article[hidden] { display: none; }
input, select { font: inherit; padding: .25rem .5rem; } [type=search] { flex: 1 1 12rem; }
input::placeholder { color: var(--soft); opacity: 1; }
article, aside { border: 1px solid var(--line); border-left: .35rem solid var(--soft);
  border-radius: .3rem; background: var(--card); padding: .7rem 1rem; margin: .8rem 0; }
article.blocking, aside { border-left-color: var(--bad); }
article.warning { border-left-color: var(--warn); }
article.allowed { border-left-color: var(--good); }
.kind { font-weight: 600; } .blocking .kind { color: var(--bad); }
.warning .kind { color: var(--warn); } .allowed .kind { color: var(--good); }
dl { display: grid; grid-template-columns: 7rem 1fr; gap: .2rem .8rem; margin: .5rem 0 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
ul { margin: 0; padding-left: 1.1rem; } footer, .soft { color: var(--soft); }
aside h2 { margin-bottom: .3rem; } header p { margin: 0 0 .3rem; }
@media screen and (max-width: 36rem) { body { padding: 1rem; } dl { display: block; }
  dt { font-size: .85rem; } dd { margin: 0 0 .4rem; } }
@media print { :root { --ink: #000; --page: #fff; --card: #fff; --soft: #444; --line: #999;
  --bad: #900; --warn: #640; --good: #050; } body { max-width: none; padding: 0; }
  form { display: none !important; } article, aside { break-inside: avoid; } }
"""

_SCRIPT = """
(() => {
  "use strict";
  const form = document.querySelector("form");
  if (!form) return;
  const cards = [...document.querySelectorAll("article")].map(
    card => [card, card.textContent.toLowerCase()]);
  const filter = () => {
    const words = form.words.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0;
    for (const [card, text] of cards) {
      const fits = ["kind", "severity", "confidence"].every(
        name => !form[name].value || card.dataset[name] === form[name].value
      ) && words.every(word => text.includes(word));
      card.hidden = !fits;
      shown += fits;
    }
    document.getElementById("shown").textContent = shown + " of " + cards.length + " shown";
  };
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", event => event.preventDefault());
  filter();
})();
"""


def _hash(text: str) -> str:
    return "'sha256-" + b64encode(sha256(text.encode()).digest()).decode() + "'"


_POLICY = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; "
    "base-uri 'none'; form-action 'none'"
)

_MOST_PLACES = 100
"""Places of one finding that are listed; the rest is counted."""


def render(outcome: Outcome, *, explain: bool = False) -> str:
    """The page; `explain` adds what decided each finding."""
    kinds = (
        ("blocking", outcome.blocking),
        ("warning", outcome.warnings),
        ("allowed", outcome.allowed),
    )
    cards = [
        _card(found, kind, outcome.mode, explain) for kind, findings in kinds for found in findings
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="robots" content="noindex">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>leakguard: {xml(headline(outcome))}</title>\n<style>{_STYLE}</style>\n"
        f"</head>\n<body>\n{_head(outcome)}{_unread(outcome.unread)}"
        f"{_form() if cards else ''}<main>\n{''.join(cards)}</main>\n"
        f'<footer class="soft"><p>leakguard {xml(__version__)}. No secret stands in this '
        f"report; who reads it still learns where to look.</p></footer>\n"
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def _head(outcome: Outcome) -> str:
    quiet = not (outcome.blocking or outcome.warnings or outcome.unread)
    said = clean_line(outcome) if quiet else verdict(outcome)
    known = outcome.scanned.scope
    scope = f'<p class="soft">{xml(line(known))}</p>' if known else ""
    return f"<header><h1>{xml(headline(outcome))}</h1>\n<p>{xml(said)}</p>{scope}</header>\n"


def _unread(unread: Iterable[tuple[str, str]]) -> str:
    rows = [f"<li><code>{xml(name)}</code>: {xml(line(reason))}</li>\n" for name, reason in unread]
    if not rows:
        return ""
    return f"<aside><h2>Not scanned, which is not clean</h2>\n<ul>\n{''.join(rows)}</ul></aside>\n"


def _form() -> str:
    """Hidden until the script, which alone can use it, shows it."""
    return (
        '<form hidden><input type="search" name="words" placeholder="words, paths, ids" '
        'aria-label="words to look for">\n'
        + _choice("kind", ("blocking", "warning", "allowed"))
        + _choice("severity", SEVERITIES[::-1])
        + _choice("confidence", ("confirmed", "likely", "possible"))
        + '<output id="shown"></output></form>\n'
    )


def _choice(name: str, values: Iterable[str]) -> str:
    options = "".join(f"<option>{value}</option>" for value in values)
    return (
        f'<select name="{name}" aria-label="{name}"><option value="">any {name}</option>'
        f"{options}</select>\n"
    )


def _card(found: Finding, kind: str, mode: str, explain: bool) -> str:
    return (
        f'<article class="{kind}" data-kind="{kind}" data-severity="{xml(found.severity)}" '
        f'data-confidence="{xml(found.confidence)}">\n'
        f'<h2><span class="kind">{kind}</span> {xml(line(found.rule.name))} '
        f"{xml(where(found, mode))}</h2>\n"
        f"<dl>\n{''.join(_rows(found, mode, explain))}</dl>\n</article>\n"
    )


def _rows(found: Finding, mode: str, explain: bool) -> Iterable[str]:
    rule, advice = found.rule, advise(found, mode)
    yield _row("value", f"<code>{xml(found.preview)}</code>")
    yield _row("where", _places(found))
    if with_it := surroundings(found):
        yield _row("stands", xml(line("; ".join(with_it))))
    sure = f"severity {found.severity}, confidence {found.confidence}, validity {found.validity}"
    yield _row("how bad", xml(f"{sure}, {found.exposure}"))
    yield _row("why", xml(line(rule.why)))
    if found.suppression is None:
        example = "\n".join(map(xml, advice.lines))
        yield _row("fix", xml(line(advice.text)) + (f"<pre>{example}</pre>" if example else ""))
    else:
        yield _row("allowed", xml(line(found.suppression.justification)))
    if rule.revoke.how or rule.revoke.url:
        yield _row("rotate", f"{xml(line(rule.revoke.how))} {_link(rule.revoke.url)}".strip())
    if rule.references:
        yield _row("see", " ".join(map(_link, rule.references)))
    if explain:
        reasons = "".join(
            f"<li>{xml(line(seen.term))}: {xml(line(seen.detail))}</li>" for seen in found.evidence
        )
        yield _row("evidence", f"<ul>{reasons}</ul>")
    yield _row("finding", f"<code>{found.short_id}</code> <code>{xml(found.rule_id)}</code>")
    if found.suppression is None:
        yield _row("next", "<br>".join(_commands(found)))


def _row(label: str, inner: str) -> str:
    return f"<dt>{label}</dt><dd>{inner}</dd>\n"


def _commands(found: Finding) -> Iterable[str]:
    for label, command in of_one(found):
        yield f"{xml(label)} <code>{xml(command)}</code>"


def _places(found: Finding) -> str:
    if len(found.locations) + found.more_places == 1:
        return _spot(found.locations[0])
    rows = "".join(f"<li>{_spot(place)}</li>" for place in found.locations[:_MOST_PLACES])
    rest = len(found.locations[_MOST_PLACES:]) + found.more_places
    return f"<ul>{rows}{f'<li>and {rest} more</li>' if rest else ''}</ul>"


def _spot(place: Location) -> str:
    spot = f"<code>{xml(place.path)}:{place.start_line}:{place.start_column}</code>"
    commit = f"commit {place.commit[:7]}" if place.commit else ""
    said = ", ".join(filter(None, (commit, place.author_date[:10])))
    return f"{spot} ({xml(said)})" if said else spot


def _link(url: str) -> str:
    """A link only where it is one; a name that only looks like one stays text."""
    if not is_address(url):
        return xml(url)
    return f'<a href="{xml(url)}" rel="noopener noreferrer">{xml(url)}</a>'
