"""A checklist for the terminal; `markdown`, `json_text` and `html` show it elsewhere."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from leakguard.incident import STOPPED, Incident, Status, StepState
from leakguard.playbook import Phase
from leakguard.preset import Preset
from leakguard.report.escape import line
from leakguard.respond.checklist_pages import html, json_text, markdown
from leakguard.respond.checklist_rows import (
    Row,
    Section,
    next_command,
    next_row,
    sections,
)
from leakguard.respond.compose import Checklist

__all__ = ["html", "json_text", "markdown", "opened_text", "status_text"]

WIDTH = 79

_PHASE_OF = {
    Status.ERADICATED: (Phase.INVESTIGATE, Phase.RECOVER),
    Status.RECOVERED: (Phase.INVESTIGATE,),
    Status.REVIEWING: (Phase.LEARN,),
}
"""What people work on at a status; before these it is containing."""


def opened_text(
    incident: Incident, preset: Preset, now: datetime, told: Checklist | None = None,
    width: int = WIDTH, *, opened: bool = True,
) -> str:  # fmt: skip
    """What an incident is about, and what to do first; the rest as counts, to fit a screen."""
    found = sections(incident, preset, now)
    parts = [*_opening(incident, told, width, "Opened " if opened else "")]
    for section in found[:1]:
        parts += ["", *_wrapped(_heading(section), "", width), *_new_rows(section, width)]
    parts += [""]
    for section in found[1:]:
        count = sum(1 for row in section.rows if row.step.mandatory and not _takes_back(row))
        parts += [f"{_heading(section)}: {count} step{'s' * (count != 1)}"] if count else []
    parts += ["", *_elsewhere(incident), *_issuers(incident, width)]
    parts += [f"All of them: leakguard checklist {incident.id}"]
    return "\n".join([*parts, *_next(found, incident)]) + "\n"


def status_text(incident: Incident, preset: Preset, now: datetime, width: int = WIDTH) -> str:
    """Where an incident stands: what is done, late and next; later phases as counts."""
    found = sections(incident, preset, now)
    parts = [*_state(incident, preset, found, width)]
    here = _PHASE_OF.get(incident.status, (Phase.CONTAIN,))
    for section in found:
        counted = f"{_heading(section)}: {section.settled} of {len(section.rows)} settled"
        parts += ["", *_wrapped(counted, "", width)]
        shown = [row for row in section.rows if _shown(row, section, here)]
        parts += [one for row in shown for one in _status_row(row, shown, now, width)]
    return "\n".join([*parts, *_next(found, incident)]) + "\n"


def _opening(incident: Incident, told: Checklist | None, width: int, lead: str) -> Iterator[str]:
    drill = "DRILL: " if incident.opened.drill else ""
    title = f"{drill}{lead}{incident.id}: {line(incident.opened.title)}"
    yield from _wrapped(title, "  ", width)
    yield ""
    severity = incident.severity
    if severity:
        why = next((why for _, level, why in severity.rules if level == severity.level), "")
        yield from _fact("Severity", severity.label, why, width)
    for secret in incident.secrets.values():
        kept = secret.added
        words = (secret.secret_class, secret.name, kept.preview, kept.environment)
        said = ", ".join(dict.fromkeys(filter(None, words)))
        yield from _fact("Secret", secret.id, said, width)
    for copy in incident.copies.values():
        said = f"{copy.added.channel}: {copy.added.where} (read by: {copy.added.audience})"
        yield from _fact("Exposure", copy.id, said, width)
    for statement in told.risk_statements if told else ():
        yield from ("", *_wrapped(statement, "", width))


def _fact(name: str, word: str, text: str, width: int) -> list[str]:
    return _hanging(f"  {name:<10} {line(word):<10} ", line(text), width)


def _elsewhere(incident: Incident) -> list[str]:
    """What is called no leak may be one all the same."""
    if {one.added.channel for one in incident.copies.values()} != {"local-commit"}:
        return []
    how = f"leakguard exposure add {incident.id} --channel CHANNEL --where PLACE"
    return ["Did it get out another way, a chat, a log?", f"  {how}", ""]


def _issuers(incident: Incident, width: int) -> list[str]:
    """The issuer's own page for each secret that is still alive, and what to do there."""
    lines = []
    for one in incident.secrets.values():
        if one.added.revoke_url and one.state not in STOPPED:
            how = f": {line(one.added.revoke_how)}" if one.added.revoke_how else ""
            said = f"Revoke {one.id} at {line(one.added.revoke_url)}{how}"
            lines += [*_wrapped(said, "  ", width), ""]
    return lines


def _heading(section: Section) -> str:
    within = f", within {section.within}" if section.within else ""
    return f"{section.phase.value.capitalize()}{within}"


def _new_rows(section: Section, width: int) -> Iterator[str]:
    rows = [row for row in section.rows if row.step.mandatory and not _takes_back(row)]
    column = _column(rows)
    for row in rows:
        automated = "  (automated)" if row.automated_by else ""
        text = line(row.step.title) + automated
        yield from _hanging(f"  [{row.mark}] {row.key:<{column}}  ", text, width)


def _takes_back(row: Row) -> bool:
    """Whether it ends a block that nobody has set yet."""
    return row.step.id.startswith("undo-")


def _column(rows: Sequence[Row]) -> int:
    """As wide as the keys, but no key takes the room of the words."""
    return min(max((len(row.key) for row in rows), default=0), 24)


def _state(
    incident: Incident, preset: Preset, found: Sequence[Section], width: int
) -> Iterator[str]:
    label = incident.severity.label if incident.severity else preset.label(incident.level)
    total, settled = sum(len(one.rows) for one in found), sum(one.settled for one in found)
    drill = "DRILL  " if incident.opened.drill else ""
    counted = f"{settled} of {total} settled"
    head = f"{drill}{incident.id}  {label}  {_reached(incident)}  {counted}"
    yield from _wrapped(head, "  ", width)
    yield from _wrapped(line(incident.opened.title), "", width)
    opened = f"{incident.opened_at:%Y-%m-%d %H:%M} UTC by {line(incident.opened_by, 40)}"
    yield f"opened {opened}"
    if incident.hold:
        yield from _wrapped(f"waits for: {line(incident.hold)}", "  ", width)


def _reached(incident: Incident) -> str:
    """`contained after 11 min`: the status, and how long it took."""
    at = incident.reached.get(incident.status)
    first = at is None or incident.status in (Status.SUSPECTED, Status.DECLARED)
    if first or at is None:
        return incident.status.value
    return f"{incident.status.value} after {lasting(at - incident.opened_at)}"


def lasting(time: timedelta) -> str:
    """A length of time in one unit: `11 min`, `5 h`, `3 days`."""
    minutes = max(0, int(time.total_seconds() // 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def _shown(row: Row, section: Section, here: Sequence[Phase]) -> bool:
    """Everything that happened or is late; what is open only where people work now."""
    if row.task.state is not StepState.OPEN or row.late:
        return True
    return section.phase in here and row.step.mandatory and not _takes_back(row)


def _status_row(row: Row, beside: Sequence[Row], now: datetime, width: int) -> list[str]:
    head = f"  [{row.mark}] {row.key:<{_column(beside)}}  "
    return _hanging(head, _said(row, now), width)


def _said(row: Row, now: datetime) -> str:
    task = row.task
    if task.at is not None and task.state is not StepState.OPEN:
        when, who = f"{task.at:%d %b %H:%M} UTC", line(task.by, 40)
        what = {
            StepState.SKIPPED: f'skipped: "{line(task.note, 200)}"',
            StepState.FAILED: f"failed: {line(task.note, 200)}",
            StepState.UNKNOWN: f"outcome unknown, verify it first: {line(task.note, 200)}",
        }.get(task.state, line(task.note or row.step.title, 200))
        return f"{when} {who}  {what}"
    owner = f", {line(task.assignee, 40)}" if task.assignee else ""
    title = line(row.step.title)
    if row.late and row.due:
        return f"overdue by {lasting(now - row.due)}{owner}: {title}{_again(row)}"
    due = f"due {row.due:%d %b %H:%M} UTC{owner}  " if row.due else ""
    return f"{due}{title}{_again(row)}{_after(row.waits)}"


def _again(row: Row) -> str:
    """Why a step that was done is open."""
    return f" ({line(row.task.note, 200)})" if row.task.note else ""


def _after(waits: Sequence[str]) -> str:
    if not waits:
        return ""
    more = f" and {len(waits) - 3} more" if len(waits) > 3 else ""
    return f" (after {', '.join(waits[:3])}{more})"


def _next(found: Sequence[Section], incident: Incident) -> list[str]:
    row = None if incident.over else next_row(found)
    return ["", f"Next: {next_command(row, incident)}"] if row else []


def _hanging(head: str, text: str, width: int) -> list[str]:
    """`text` behind `head`; what does not fit goes below, under the same column."""
    indent = " " * min(len(head), 32, width // 2)
    return textwrap.wrap(
        head + text, width, subsequent_indent=indent, break_on_hyphens=False,
        drop_whitespace=True, replace_whitespace=False, break_long_words=True,
    ) or [head.rstrip()]  # fmt: skip


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
