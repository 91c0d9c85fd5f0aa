"""The job summary in Markdown: the verdict, a table, and folded what to do.

GitHub drops a summary of more than 1 MiB as a whole, and Buildkite refuses it:
this one stops before, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from leakguard.finding import Finding, Location, Outcome, surroundings
from leakguard.report.advice import advise
from leakguard.report.escape import clip, code, is_address, line, markdown
from leakguard.report.next_steps import ESCAPED, of_one
from leakguard.report.style import clean
from leakguard.report.wording import plural
from leakguard.rule import TIERS

LIMIT = 900 * 1024
"""Bytes; the rest of the 1 MiB is left to other steps of the job."""

_ROOM = 2000
"""Bytes kept free for closing lines and the line that says what was left out."""

_MOST_PATH = 300


class Section(NamedTuple):
    """Lines that belong together: rows may be left out, what opens is closed."""

    what: str
    opening: tuple[str, ...]
    rows: tuple[str, ...]
    closing: tuple[str, ...] = ()


def render(outcome: Outcome, *, limit: int = LIMIT) -> str:
    """At most `limit` bytes, all ASCII."""
    page = [f"### leakguard: {headline(outcome)}\n", "\n", _scanned(outcome) + "\n", "\n"]
    size = sum(map(len, page))
    cut: list[str] = []
    for section in filter(lambda part: part.rows, _sections(outcome)):
        fixed = sum(len(text) + 1 for text in section.opening + section.closing) + 1
        kept: list[str] = []
        size += fixed
        for row in section.rows:
            if size + len(row) + 1 > limit - _ROOM:
                break
            kept.append(row)
            size += len(row) + 1
        if len(kept) < len(section.rows):
            cut.append(f"{len(section.rows) - len(kept)} of {len(section.rows)} {section.what}")
        if not kept:
            size -= fixed
            continue
        page += [f"{text}\n" for text in (*section.opening, *kept, *section.closing, "")]
    if cut:
        page.append(f"**Cut at {limit // 1024} KiB.** Left out: {', '.join(cut)}. "
                    "The other reports hold everything.\n")  # fmt: skip
    return "".join(page).rstrip("\n") + "\n"


def headline(outcome: Outcome) -> str:
    """The verdict in a few words. What got out has to be rotated, the rest taken out."""
    out = [found for found in outcome.blocking if found.exposure in ESCAPED]
    rest = len(outcome.blocking) - len(out)
    said = [
        f"{plural(len(out), 'secret')} must be rotated" if out else "",
        f"{plural(rest, 'secret')} must be taken out" if rest else "",
        "not everything was scanned" if outcome.unread else "",
    ]
    if not any(said):
        soft = outcome.warnings
        unsure = all(found.confidence == TIERS[0] for found in soft)
        kind = "possible secret" if unsure else "minor finding"
        needs = "needs" if len(soft) == 1 else "need"
        return f"{plural(len(soft), kind)} {needs} a look" if soft else "no secrets found"
    return ", ".join(filter(None, said))


def _scanned(outcome: Outcome) -> str:
    scanned = outcome.scanned
    what = (
        plural(scanned.commits, "commit")
        if scanned.commits
        else plural(scanned.items, scanned.what)
    )
    scope = f" ({code(line(scanned.scope, 200))})" if scanned.scope else ""
    said = f"Scanned {what}{scope} in {outcome.seconds:.1f} s."
    if outcome.allowed:
        verb = "was" if len(outcome.allowed) == 1 else "were"
        said += f" {plural(len(outcome.allowed), 'allowed secret')} {verb} seen and did not block."
    return said


def _sections(outcome: Outcome) -> list[Section]:
    open_findings = (*outcome.blocking, *outcome.warnings)
    table = ("| Finding | What | Where | Since | Do now |", "|---|---|---|---|---|")
    return [
        Section(
            "inputs that were not scanned",
            ("**Not scanned**, which is not clean:", ""),
            tuple(f"- {_path(name)}: {markdown(line(why))}" for name, why in outcome.unread),
        ),
        Section("blocking findings", table, _rows(outcome.blocking, outcome.mode)),
        _folded(
            f"{plural(len(outcome.warnings), 'finding')} that do not block"
            if len(outcome.warnings) != 1
            else "1 finding that does not block",
            Section("findings that do not block", table, _rows(outcome.warnings, outcome.mode)),
        ),
        _folded(
            "What to do, finding by finding",
            Section(
                "instructions", (), tuple(_guide(each, outcome.mode) for each in open_findings)
            ),
        ),
        _folded(
            "Allowed",
            Section("allowed findings", (), tuple(_allowed(found) for found in outcome.allowed)),
        ),
    ]


def _folded(title: str, section: Section) -> Section:
    """GitHub reads Markdown inside `details` after an empty line."""
    opening = (f"<details><summary>{title}</summary>", "", *section.opening)
    return section._replace(opening=opening, closing=("", "</details>"))


def _rows(findings: Iterable[Finding], mode: str) -> tuple[str, ...]:
    return tuple(_row(found, mode) for found in findings)


def _row(found: Finding, mode: str) -> str:
    first = found.locations[0]
    more = len(found.locations) - 1 + found.more_places
    cells = (
        code(found.short_id),
        f"{_name(found)}, {code(clip(found.preview, 100))} ({found.severity}, {found.confidence})",
        _spot(first) + (f" and {plural(more, 'more place')}" if more else ""),
        markdown(line(first.author_date.replace("T", " ")[:16])),
        _now(found, mode),
    )
    return "| " + " | ".join(cells) + " |"


def _now(found: Finding, mode: str) -> str:
    """The advice; with the address where a value that got out is revoked."""
    said = markdown(line(advise(found, mode).text))
    url = found.rule.revoke.url
    return f"{said} (<{url}>)" if found.exposure in ESCAPED and is_address(url) else said


def _guide(found: Finding, mode: str) -> str:
    """Why, how to fix, and the next commands of one finding, as a list item."""
    advice = advise(found, mode)
    said = [
        f"- {code(found.short_id)} {_name(found)} at {_spot(found.locations[0])}",
        *(f"  - **stands** {markdown(line(one))}" for one in surroundings(found)),
        f"  - **why** {markdown(line(found.rule.why))}",
        f"  - **fix** {markdown(line(advice.text))}",
        *(f"    - {code(text)}" for text in advice.lines),
    ]
    said += [f"  - **{label}** {code(command)}" for label, command in of_one(found)]
    return "\n".join(said)


def _allowed(found: Finding) -> str:
    reason = found.suppression.justification if found.suppression else ""
    return (
        f"- {code(found.short_id)} {_name(found)} at {_spot(found.locations[0])}: "
        f"{markdown(line(reason))}"
    )


def _name(found: Finding) -> str:
    return markdown(line(found.rule.name, 200))


def _spot(place: Location) -> str:
    commit = f" (commit {code(place.commit[:7])})" if place.commit else ""
    return f"{_path(place.path, f':{place.start_line}')}{commit}"


def _path(path: str, end: str = "") -> str:
    return code(clip(clean(path), _MOST_PATH) + end) if path or end else "(unnamed)"
