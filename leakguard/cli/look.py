"""`leakguard status`, `list`, `timeline`, `explain`, `checklist`: looking at incidents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from leakguard.cli import console
from leakguard.cli.desk import Desk, pass_desk, width
from leakguard.errors import UsageError
from leakguard.event import stamp
from leakguard.incident import Incident
from leakguard.report.escape import clip
from leakguard.report.layout import fold
from leakguard.report.style import clean, words
from leakguard.respond import timeline as times
from leakguard.respond.checklist import lasting

if TYPE_CHECKING:
    from leakguard.keep.summary import Summary


@click.command()
@click.argument("number", metavar="[INCIDENT]", required=False)
@click.option("--json", "as_json", is_flag=True, help="The record for programs.")
@pass_desk
def status(desk: Desk, number: str | None, as_json: bool) -> None:
    """Where an incident stands and what is next; without a number, all open ones.

    \b
    Examples:
      leakguard status
      leakguard status LG-2026-0012
      leakguard status 12 --json
    """
    if number is None:
        rows = _listing(desk, everything=False, as_json=as_json)
        if rows and not as_json:
            console.show(f"\nNext: leakguard status {rows[0].id}\n")
        return
    incident = desk.incident(number)
    if as_json:
        console.show(_json(incident))
    else:
        desk.tell(incident)


@click.command("list")
@click.option("--all", "everything", is_flag=True, help="Closed ones too.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@pass_desk
def listing(desk: Desk, everything: bool, as_json: bool) -> None:
    """Open incidents, the newest first.

    \b
    Examples:
      leakguard list
      leakguard list --all --json
    """
    _listing(desk, everything=everything, as_json=as_json)


@click.command()
@click.argument("number", metavar="INCIDENT")
@pass_desk
def timeline(desk: Desk, number: str) -> None:
    """Everything that happened, in order, in UTC.

    \b
    Examples:
      leakguard timeline 12
    """
    console.show(clean_lines(times.text(desk.store.entries(desk.store.resolve(number)))))


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.argument("step", required=False)
@pass_desk
def explain(desk: Desk, number: str, step: str | None) -> None:
    """Why this severity: every rule that spoke, and the facts. With a STEP: why that step.

    \b
    Examples:
      leakguard explain 12
      leakguard explain 12 revoke:S1
    """
    from leakguard.respond.severity import explain as why

    incident = desk.incident(number)
    if step is None:
        told = [*why(incident, desk.preset(incident)), "", *_facts(desk, incident)]
        told += ["", f"Why a step: leakguard explain {incident.id} STEP"]
        console.show("".join(f"{clean(line)}\n" for line in told))
        return
    console.show(_why(incident, step))


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.option("--format", "shape", type=click.Choice(["md", "json", "html"]), default="md",
              show_default=True, help="Markdown, JSON, or a page of its own.")  # fmt: skip
@pass_desk
def checklist(desk: Desk, number: str, shape: str) -> None:
    """The steps of an incident, for a ticket or to print.

    \b
    Examples:
      leakguard checklist 12
      leakguard checklist 12 --format html > incident.html
    """
    from leakguard.respond.checklist import html, json_text, markdown

    incident = desk.incident(number)
    render = {"md": markdown, "json": json_text, "html": html}[shape]
    preset, told = desk.preset(incident), desk.told(incident)
    console.show(render(incident, preset, desk.now(), told))


def _facts(desk: Desk, incident: Incident) -> Iterator[str]:
    """What is known, and what nobody said yet, with the option that says it."""
    from leakguard.respond.consequences import facts_for

    known = facts_for(incident, "", desk.knowledge(incident.opened.preset))
    yield "Known:"
    for name, values in sorted(known.items()):
        if "unknown" not in values:
            yield from fold(f"  {name} ", words(", ".join(sorted(values))), 6)
    open_ones = sorted(name for name, values in known.items() if "unknown" in values)
    if open_ones:
        yield "Not known; where it matters, the worst counts:"
        yield from fold("  ", [f"{name}," for name in open_ones[:-1]] + open_ones[-1:], 2)
        yield f"  leakguard respond {incident.id} --fact {open_ones[0]}=VALUE"


def clean_lines(text: str) -> str:
    """Text of several lines without control characters."""
    return "".join(f"{clean(line)}\n" for line in text.splitlines())


def _json(incident: Incident) -> str:
    from leakguard.respond.record import as_json

    return json.dumps(as_json(incident), indent=1, ensure_ascii=True) + "\n"


def _listing(desk: Desk, *, everything: bool, as_json: bool) -> list[Summary]:
    rows = desk.store.listing(open_only=not everything)
    if as_json:
        console.show(json.dumps([_row(row) for row in rows], indent=1) + "\n")
        return rows
    if not rows:
        console.show("No open incidents.\n" if not everything else "No incidents.\n")
    _table([_cells(row, desk.now()) for row in rows])
    return rows


def _cells(row: Summary, now: datetime) -> tuple[str, ...]:
    """An incident in a line: how bad, how far, how much time is left, what it is about."""
    label = row.label or f"level {row.level}"
    late = row.next_due is not None and row.next_due < now
    left = lasting(abs(row.next_due - now)) if row.next_due else ""
    due = f"{left} late" if late else f"due in {left}" if left else "-"
    drill = "DRILL: " if row.drill else ""
    return row.id, label, row.status.value, due, f"{drill}{row.title}"


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as they must be; the last is cut where a line ends."""
    most = width()
    columns = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [f"{clean(cell):<{wide}}" for cell, wide in zip(row, columns, strict=True)]
        console.show(f"{clip('  '.join(cells).rstrip(), most)}\n")


def _row(row: Summary) -> dict[str, object]:
    """One line of the list, for programs."""
    return {
        "id": row.id,
        "title": row.title,
        "status": row.status.value,
        "level": row.level,
        "label": row.label,
        "drill": row.drill,
        "on_hold": row.hold or None,
        "secrets": row.secrets,
        "proven_dead": row.proven,
        "opened_at": stamp(row.opened_at),
        "changed_at": stamp(row.changed_at),
        "next_due": stamp(row.next_due) if row.next_due else None,
    }


def _why(incident: Incident, wanted: str) -> str:
    from leakguard.cli.steps import step_of
    from leakguard.respond.checklist_rows import filled, shell

    task = incident.tasks[step_of(incident, wanted)]
    step = task.step
    said = [
        ("step", f"{step.key}: {step.title}"),
        ("why", step.why),
        ("source", ", ".join(step.source)),
        ("playbook", step.fragment),
        ("after", ", ".join(step.depends_on)),
        ("run", shell(filled(word, step, incident) for word in step.command)),
        ("undo", filled(step.undo, step, incident)),
        ("verify", filled(step.verification, step, incident)),
        ("mandatory", "yes" if step.mandatory else "no"),
        ("state", f"{task.state} {task.by} {task.note}".strip()),
        ("agreed by", task.approver),
    ]
    if not said:
        raise UsageError("nothing is known of that step")
    return "".join(f"{name:<10} {clean(text)}\n" for name, text in said if text)
