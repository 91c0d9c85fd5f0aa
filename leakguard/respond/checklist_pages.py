"""A checklist as Markdown, as JSON and as a page that can be printed. No secret stands in any."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from leakguard.event import stamp
from leakguard.incident import Incident, StepState
from leakguard.playbook import Risk
from leakguard.preset import Preset
from leakguard.report.escape import code, line, xml
from leakguard.report.escape import markdown as quoted
from leakguard.respond.checklist_rows import (
    Row,
    Section,
    filled,
    next_command,
    next_row,
    sections,
    shell,
    subject_name,
)
from leakguard.respond.compose import Checklist
from leakguard.respond.page import page

SCHEMA = "leakguard-checklist/1"


def markdown(
    incident: Incident, preset: Preset, now: datetime, told: Checklist | None = None
) -> str:
    """For a ticket: boxes to tick, by phase; foreign text stays text."""
    found = sections(incident, preset, now)
    parts = [
        f"# {_drill(incident)}{incident.id}: {quoted(line(incident.opened.title))}",
        "",
        f"{quoted(_state(incident, preset, found))}, {now:%Y-%m-%d %H:%M} UTC",
    ]
    for statement in told.risk_statements if told else ():
        parts += ["", f"> {quoted(line(statement))}"]
    for section in found:
        parts += ["", f"## {_title(section)}", ""]
        parts += [one for row in section.rows for one in _markdown_row(row, incident)]
    if told and told.residual:
        parts += ["", "## What remains", ""]
        parts += [f"- {quoted(line(text))}" for text in told.residual]
    return "\n".join(parts) + "\n"


def json_text(
    incident: Incident, preset: Preset, now: datetime, told: Checklist | None = None
) -> str:
    """For programs: docs/schema/leakguard-checklist-1.json."""
    return json.dumps(as_json(incident, preset, now, told), indent=1, ensure_ascii=True) + "\n"


def as_json(
    incident: Incident, preset: Preset, now: datetime, told: Checklist | None = None
) -> dict[str, Any]:
    """The checklist as plain values. Within a version fields are added, never renamed."""
    found = sections(incident, preset, now)
    first = None if incident.over else next_row(found)
    return {
        "schema": SCHEMA,
        "incident": incident.id,
        "title": incident.opened.title,
        "status": incident.status.value,
        "level": incident.level,
        "label": _label(incident, preset),
        "drill": incident.opened.drill,
        "preset": preset.name,
        "at": stamp(now),
        "settled": sum(one.settled for one in found),
        "total": sum(len(one.rows) for one in found),
        "next": {"step": first.key, "command": next_command(first, incident)} if first else None,
        "risk_statements": list(told.risk_statements) if told else [],
        "residual": list(told.residual) if told else [],
        "questions": [
            {"fact": fact, "question": text} for fact, text in (told.questions if told else ())
        ],
        "phases": [_json_phase(one, incident) for one in found],
    }


def html(incident: Incident, preset: Preset, now: datetime, told: Checklist | None = None) -> str:
    """A page of its own: no script, nothing fetched, made to be printed."""
    found = sections(incident, preset, now)
    title = f"{_drill(incident)}{incident.id}: {line(incident.opened.title)}"
    state = _state(incident, preset, found)
    statements = told.risk_statements if told else ()
    body = [
        f"<h1>{xml(title)}</h1>\n",
        f'<p class="soft">{xml(state)}, {now:%Y-%m-%d %H:%M} UTC</p>\n',
        *(f'<p class="warn">{xml(text)}</p>\n' for text in statements),
    ]
    for section in found:
        rows = "".join(_html_row(row, incident) for row in section.rows)
        body.append(f"<h2>{xml(_title(section))}</h2>\n<ol>\n{rows}</ol>\n")
    if told and told.residual:
        remains = "".join(f"<li>{xml(text)}</li>\n" for text in told.residual)
        body.append(f"<h2>What remains</h2>\n<ul>\n{remains}</ul>\n")
    return page(title, "".join(body))


def _drill(incident: Incident) -> str:
    return "DRILL " if incident.opened.drill else ""


def _label(incident: Incident, preset: Preset) -> str:
    return incident.severity.label if incident.severity else preset.label(incident.level)


def _state(incident: Incident, preset: Preset, found: Iterable[Section]) -> str:
    every = list(found)
    settled, total = sum(one.settled for one in every), sum(len(one.rows) for one in every)
    return f"{_label(incident, preset)}, {incident.status.value}, {settled} of {total} settled"


def _title(section: Section) -> str:
    within = f", within {section.within}" if section.within else ""
    return f"{section.phase.value.capitalize()}{within}"


def _facts(row: Row) -> Iterator[tuple[str, str]]:
    """What stands below a step, as (name, text); commands are shown by the callers."""
    step, task = row.step, row.task
    if task.assignee:
        yield "Who", task.assignee
    if task.state is StepState.OPEN and task.note:
        yield "Open again", task.note
    if task.state is not StepState.OPEN:
        when = f" {task.at:%Y-%m-%d %H:%M} UTC" if task.at else ""
        yield task.state.value.capitalize(), f"{task.by}{when}: {task.note}".rstrip(": ")
    if step.inputs:
        yield "Needs", "; ".join(step.inputs)
    if step.verification:
        yield "Done when", step.verification
    if step.risk is not Risk.NONE:
        yield "Risk", step.risk.value + (f"; undo: {step.undo}" if step.undo else "")


def _due(row: Row) -> str:
    late = " - overdue" if row.late else ""
    return f"{row.due:%Y-%m-%d %H:%M} UTC{late}"


def _markdown_row(row: Row, incident: Incident) -> Iterator[str]:
    step = row.step
    ticked = "x" if row.task.settled else " "
    mark = {"-": " (left out)", "!": " **(!)**"}.get(row.mark, "")
    name = line(subject_name(step, incident), 80)
    of = f" - {code(name)}" if name else ""
    may = "" if step.mandatory else " (optional)"
    yield f"- [{ticked}]{mark} {code(row.key)} **{quoted(line(step.title))}**{of}{may}"
    yield f"  - {quoted(line(step.why))} ({quoted(', '.join(step.source))})"
    if row.due and not row.task.settled:
        yield f"  - Due: {_due(row)}"
    if row.waits:
        yield f"  - After: {', '.join(map(code, row.waits))}"
    for fact, text in _facts(row):
        yield f"  - {fact}: {quoted(line(text))}"
    for command in _commands(row):
        yield f"  - Run: {code(command)}"


def _html_row(row: Row, incident: Incident) -> str:
    step = row.step
    name = line(subject_name(step, incident), 80)
    of = f" <code>{xml(name)}</code>" if name else ""
    may = "" if step.mandatory else ' <span class="soft">(optional)</span>'
    late = ' class="late"' if row.mark == "!" else ""
    head = f'<li><span class="mark"><code{late}>[{row.mark}]</code></span><p>'
    lines = [
        f"{head}<strong>{xml(line(step.title))}</strong>{of}{may} <code>{xml(row.key)}</code></p>",
        f'<p class="soft">{xml(line(step.why))} ({xml(", ".join(step.source))})</p>',
        *([f"<p>Due: {_due(row)}</p>"] if row.due and not row.task.settled else []),
        *([f"<p>After: {xml(', '.join(row.waits))}</p>"] if row.waits else []),
        *(f"<p>{fact}: {xml(line(text))}</p>" for fact, text in _facts(row)),
        *(f"<p><code>{xml(command)}</code></p>" for command in _commands(row)),
    ]
    return "\n".join(lines) + "</li>\n"


def _commands(row: Row) -> tuple[str, ...]:
    found = (f"{row.automated_by} --dry-run" if row.automated_by else "", shell(row.command))
    return tuple(dict.fromkeys(one for one in found if one))


def _json_phase(section: Section, incident: Incident) -> dict[str, Any]:
    span = section.within
    return {
        "phase": section.phase.value,
        "within": str(span) if span else None,
        "settled": section.settled,
        "steps": [_json_row(row, incident) for row in section.rows],
    }


def _json_row(row: Row, incident: Incident) -> dict[str, Any]:
    step, task = row.step, row.task
    return {
        "key": row.key,
        "id": step.id,
        "subject": step.subject or None,
        "subject_name": subject_name(step, incident) or None,
        "title": step.title,
        "why": step.why,
        "source": list(step.source),
        "playbook": step.fragment,
        "mark": row.mark,
        "state": task.state.value,
        "due": stamp(row.due) if row.due else None,
        "overdue": row.late,
        "at": stamp(task.at) if task.at else None,
        "by": task.by or None,
        "note": task.note or None,
        "approver": task.approver or None,
        "assignee": task.assignee or None,
        "evidence": list(task.evidence),
        "depends_on": list(step.depends_on),
        "waits_for": list(row.waits),
        "needs": {name: list(values) for name, values in step.needs.items()},
        "command": list(row.command),
        "automated_by": row.automated_by or None,
        "inputs": [filled(one, step, incident) for one in step.inputs],
        "risk": step.risk.value,
        "undo": filled(step.undo, step, incident) or None,
        "undo_step": step.undo_step or None,
        "verification": filled(step.verification, step, incident) or None,
        "mandatory": step.mandatory,
        "destructive": step.destructive,
        "sets": step.sets or None,
        "proves": step.proves or None,
    }
