"""The report for people: what, where, why, fix, allow, and the next commands last."""

from __future__ import annotations

from itertools import chain

from leakguard.finding import Finding, Location, Outcome
from leakguard.report import next_steps
from leakguard.report.advice import advise
from leakguard.report.layout import arrow, detail, fold, gutter, snippet
from leakguard.report.style import Style, clean, words
from leakguard.report.wording import NO_FILES, clean_line, since, the_rest, verdict, where

__all__ = ["clean_line", "render"]

MORE_PLACES = 3
"""How many further places of a value are named."""


def render(
    outcome: Outcome, style: Style, *, limit: int | None = None, explain: bool = False
) -> str:
    """The whole report, ending in a newline; `limit` is how many findings fit one screen."""
    open_findings = (*outcome.blocking, *outcome.warnings)
    shown = open_findings[:limit]
    several = len(open_findings) > 1
    blocks = _unread(outcome, style, limit)
    blocks += [_finding(found, outcome, style, explain, several) for found in shown]
    if len(open_findings) > len(shown):
        blocks.append(fold("", the_rest(outcome.mode, len(open_findings) - len(shown)).split(), 0))
    if explain:
        blocks += _allowed(outcome, style)
    blocks += _allowances(outcome)
    if not open_findings and not outcome.unread:
        blocks.append([clean_line(outcome)])
    else:
        blocks.append(fold("", verdict(outcome).split(), 0))
        blocks.append(next_steps.lines(shown, style))
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _finding(
    found: Finding, outcome: Outcome, style: Style, explain: bool, several: bool
) -> list[str]:
    stops = found.blocks(outcome.block_severity, outcome.block_confidence)
    kind = f"{'error' if stops else 'warning'}[{clean(found.rule_id)}]:"
    headline = words(found.rule.name) + where(found, outcome.mode).split()
    first = found.locations[0]
    place = f"{clean(first.path)}:{first.start_line}:{first.start_column}"
    deep = gutter(first.start_line)
    return [
        *fold(style.paint("rule", kind) + " ", headline, 2),
        arrow(style, place, since(first, found.exposure)),
        *_source(found, style),
        *detail("why", words(found.rule.why), deep),
        *_fix(found, outcome.mode, deep),
        *_also(found, deep),
        *_notes(found, deep, explain),
        *(detail("finding", [found.short_id], deep) if several else ()),
    ]


def _source(found: Finding, style: Style) -> list[str]:
    """The masked line with carets under the value's preview."""
    line = found.locations[0].start_line
    confidence = f"confidence {found.confidence}"
    start = found.excerpt.rfind(found.preview)
    if start < 0:
        return detail("confidence", [found.confidence], gutter(line))
    return snippet(style, line, found.excerpt, start, len(found.preview), confidence)


def _fix(found: Finding, mode: str, deep: int) -> list[str]:
    advice = advise(found, mode)
    lines = detail("fix", words(advice.text), deep)
    return lines + [f"{'':{deep + 9}}{line}" for line in advice.lines]


def _also(found: Finding, deep: int) -> list[str]:
    others = found.locations[1:]
    count = len(others) + found.more_places
    if not count:
        return []
    named = [_short(place) for place in others[:MORE_PLACES]]
    if count > len(named) > 0:
        named.append("...")
    lead = f"in {count} more place{'s' if count > 1 else ''}" + (":" if named else "")
    commas = [f"{name}," for name in named[:-1]] + named[-1:]
    return detail("also", [*lead.split(), *commas], deep)


def _short(place: Location) -> str:
    commit = f" ({clean(place.commit[:7])})" if place.commit else ""
    return f"{clean(place.path)}:{place.start_line}{commit}"


def _notes(found: Finding, deep: int, explain: bool) -> list[str]:
    """What else it could be, why a comment did not allow it, and on request every reason."""
    lines = []
    if found.alternatives:
        lines += detail("note", words(f"also looks like {', '.join(found.alternatives)}"), deep)
    for evidence in found.evidence:
        if evidence.term == "allow":
            lines += detail("note", words(evidence.detail), deep)
        elif explain:
            lines += detail("evidence", words(f"{evidence.term}: {evidence.detail}"), deep)
    if explain:
        said = (
            f"{found.fingerprint}, severity {found.severity}, validity {found.validity}, "
            f"class {found.rule.secret_class}"
        )
        lines += detail("details", words(said), deep)
    return lines


def _unread(outcome: Outcome, style: Style, limit: int | None) -> list[list[str]]:
    """Not scanned is a headline. A reason may end in `; ` and what to do about it."""
    blocks = []
    for name, reason in outcome.unread[:limit]:
        cause, _, hint = reason.partition("; ")
        hint = hint or ("" if name in NO_FILES else _EXCLUDE)
        blocks.append([
            *fold(style.paint("rule", "error:") + " ", ["not", "scanned:", clean(name)], 2),
            *fold("  cause: ", words(cause), 9),
            *(fold("  hint: ", words(hint), 8) if hint else ()),
        ])  # fmt: skip
    beyond = len(outcome.unread) - len(blocks)
    if beyond:
        blocks.append([f"and {beyond} more not scanned"])
    return blocks


def _allowed(outcome: Outcome, style: Style) -> list[list[str]]:
    lines = []
    for found in outcome.allowed:
        if found.suppression is None:
            continue  # for the type checker: `allowed` has only suppressed ones
        head = style.paint("rule", f"allowed[{clean(found.rule_id)}]:") + " "
        reason = words(found.suppression.justification)
        lines += fold(head, [_short(found.locations[0]) + ":", *reason], 2)
    return [lines]


def _allowances(outcome: Outcome) -> list[list[str]]:
    """Allowances that no longer count or no longer match, and what to do with them."""
    expired = (
        fold("note: ", chain(["expired", "allowance"], _named(line), _EXPIRED.split()), 2)
        for line in outcome.expired
    )
    unused = (
        fold("note: ", chain(["unused", "allowance"], _named(line), _UNUSED.split()), 2)
        for line in outcome.unused
    )
    return [list(chain.from_iterable(chain(expired, unused)))]


_EXCLUDE = "if it cannot hold secrets, exclude its path in .leakguard.yml"
_EXPIRED = "- remove the secret, or allow it again"
_UNUSED = "- delete its line in .leakguard/allow"


def _named(line: str) -> list[str]:
    """The short id, rule, day and path of an allowance as its file spells it."""
    fields = line.split(None, 4)
    if len(fields) < 4:
        return words(line)
    fingerprint, rule_id, until, path = map(clean, fields[:4])
    day = [] if until == "never" else [f"until {until}"]
    inside = ", ".join([rule_id, *([] if path == "*" else [path]), *day])
    return [fingerprint[:6], *f"({inside})".split(" ")]
