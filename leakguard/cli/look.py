"""`leakguard status`, `list`, `timeline`, `explain`, `checklist`: looking at incidents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from leakguard.cli import console
from leakguard.cli.desk import Desk, pass_desk
from leakguard.errors import UsageError
from leakguard.event import stamp
from leakguard.incident import Incident
from leakguard.report.style import clean
from leakguard.respond import timeline as times

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
        _listing(desk, everything=False, as_json=as_json)
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
        console.show("".join(f"{clean(line)}\n" for line in why(incident, desk.preset(incident))))
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


def clean_lines(text: str) -> str:
    """Text of several lines without control characters."""
    return "".join(f"{clean(line)}\n" for line in text.splitlines())


def _json(incident: Incident) -> str:
    from leakguard.respond.record import as_json

    return json.dumps(as_json(incident), indent=1, ensure_ascii=True) + "\n"


def _listing(desk: Desk, *, everything: bool, as_json: bool) -> None:
    rows = desk.store.listing(open_only=not everything)
    if as_json:
        console.show(json.dumps([_row(row) for row in rows], indent=1) + "\n")
        return
    if not rows:
        console.show("No open incidents.\n" if not everything else "No incidents.\n")
    for row in rows:
        label = row.label or f"level {row.level}"
        opened = f"{row.opened_at:%Y-%m-%d %H:%M}"
        line = f"{row.id}  {label:<8}  {row.status:<14}  {opened}  {row.title}"
        console.show(f"{clean(line)[:120]}\n")


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
    ]
    if not said:
        raise UsageError("nothing is known of that step")
    return "".join(f"{name:<10} {clean(text)}\n" for name, text in said if text)
