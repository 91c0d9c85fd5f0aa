"""`leakguard respond`: from a finding to an incident that says what to do first."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import click

from leakguard import event as ev
from leakguard.cli import console, intake, spotless, whereabouts
from leakguard.cli.crew import cores
from leakguard.cli.desk import Desk, pass_desk, width
from leakguard.cli.named import when
from leakguard.cli.reported import reported
from leakguard.errors import UsageError
from leakguard.facts import ANSWERS, AUDIENCES, CHANNELS, ENVIRONMENTS
from leakguard.incident import Incident
from leakguard.leak import Leak
from leakguard.read import repository
from leakguard.report.layout import fold
from leakguard.report.style import clean, words
from leakguard.respond import opening
from leakguard.respond.opening import Reported
from leakguard.rule import CLASSES

MOST_COMPANIONS = 20
"""Other secrets of the same dump that join at once; a dump of more needs a person."""


@click.command()
@click.argument("finding", metavar="[FINDING|INCIDENT|-]", required=False)
@click.option("--report", "path", metavar="FILE", help="Of leakguard or another scanner.")
@click.option("--manual", is_flag=True, help="By hand: a chat, a screenshot, a call.")
@click.option("--class", "kind", type=click.Choice(CLASSES), metavar="CLASS",
              help="With --manual and -: what kind of secret.")  # fmt: skip
@click.option("--label", default="", help="Its public name: a variable, a role, a key id.")
@click.option("--provider", default="", help="Who issued it.")
@click.option("--environment", type=click.Choice(ENVIRONMENTS), help="What it opens.")
@click.option("--channel", type=click.Choice(CHANNELS), metavar="CHANNEL",
              help="Where it got out: " + ", ".join(CHANNELS[:6]) + ", ...")  # fmt: skip
@click.option("--where", default="", help="The exact place: a link, a room, a run.")
@click.option("--audience", type=click.Choice(AUDIENCES), help="Who could have read it.")
@click.option("--since", default="", metavar="TIME", help="First readable: 2026-11-21T14:02Z.")
@click.option("--used", type=click.Choice(ANSWERS), help="Was it seen used by somebody else?")
@click.option("--other-half", type=click.Choice(ANSWERS), help="Was the other half there too?")
@click.option("--fact", "facts", multiple=True, metavar="NAME=VALUE",
              help="Any other fact; leakguard explain lists them.")  # fmt: skip
@click.option("--subject", default="", metavar="S1", help="Of which secret, copy, tenant.")
@click.option("--title", default="", help="A name for people.")
@click.option("--suspected", is_flag=True, help="Not sure yet that it is a secret.")
@click.option("--drill", is_flag=True, help="An exercise; every message says so.")
@click.option("--preset", default="strictest", show_default=True, metavar="NAME",
              help="Names of levels and times: sev, p, strictest.")  # fmt: skip
@click.option("--no-questions", is_flag=True, help="Ask nothing: the cautious answer counts.")
@click.option("--no-search", is_flag=True, help="Do not search the history for it.")
@click.option("--out", metavar="DIR", help="Write record, checklist, notice, timeline there.")
@pass_desk
def command(desk: Desk, finding: str | None, path: str | None, manual: bool, **said: Any) -> None:
    """Open an incident, say how bad it is, and what to do first.

    FINDING is the id of a report, - a value from standard input (never printed).
    What can be found out is: where it got to, since when, who uses it. What is
    not answered gets the cautious answer. For a known INCIDENT, --fact adds to it.

    \b
    Examples:
      leakguard respond 7f3a9c
      leakguard respond 19c04e --report leakguard.json --audience internal
      leakguard respond --manual --class database-password --channel chat \\
          --where "#ops" --label billing_rw --environment production
      pbpaste | leakguard respond -
      leakguard respond LG-2026-0001 --fact evidence-of-use=yes
    """
    if finding and _is_incident(finding):
        _only_facts(said, manual=manual, report=path)
        told = _stated(said)
        if told:
            desk.change(finding, lambda _: list(told))
        _show(desk, desk.incident(finding), said["out"], "")
        return
    spotless.check([ev.Noted(said[name]) for name in ("label", "provider", "where", "title")])
    top = repository.find_top()
    leak, others, source = _taken(finding, path, manual, said, top)
    report = _reported(desk, leak, others, source, said, top)
    known = desk.knows(report)
    if known:
        before = desk.incident(known[0])
        incident = desk.again(report, known)
        _show(desk, incident, said["out"], _grown(before, incident))
        return
    events = [*opening.events(report)]
    if not said["no_questions"] and sys.stdin.isatty() and sys.stdout.isatty():
        events += _asked(desk, events, said["preset"])
    _show(desk, desk.open(events, said["preset"]), said["out"])


def _is_incident(word: str) -> bool:
    """`LG-2026-0012`, `2026-12` or `12`; ids of findings have more digits."""
    return word.upper().startswith("LG-") or bool(re.fullmatch(r"\d{1,3}|\d{4}-\d+", word))


def _only_facts(said: dict[str, Any], **others: object) -> None:
    """Raises UsageError for an option that says nothing about an incident that is open already."""
    known = {"facts", "subject", "out", "used", "other_half", "preset", "no_questions", "no_search"}
    given = [name for name, value in {**said, **others}.items() if value and name not in known]
    if given:
        raise UsageError(
            f"--{given[0]} goes with a new incident, not with one that is open",
            "a fact: --fact NAME=VALUE",
            "a place: leakguard exposure add    a secret: leakguard secret add",
        )


def _taken(
    finding: str | None, path: str | None, manual: bool, said: dict[str, Any], top: str | None
) -> tuple[Leak, list[Leak], str]:
    """The leak, what stood beside it, and where we have it from."""
    if manual:
        if finding or path:
            raise UsageError("--manual goes without a finding", "leakguard respond --manual ...")
        if not said["kind"] or not said["label"]:
            raise UsageError(
                "say what leaked: --class and --label",
                "leakguard respond --manual --class generic --label NAME --channel chat",
            )
        name = f"{said['label']} ({said['kind']})"
        return Leak("", "", said["kind"], (), name=name, provider=said["provider"]), [], "manual"
    if finding == "-":
        leak = intake.pasted(top)
        return _classed(leak, said["kind"]), [], "pasted"
    if path:
        found = intake.of_report(path, top)
        leak = intake.choose(found, finding, path)
        return leak, intake.beside(leak, found), "report"
    found = intake.of_last_run(top)
    leak = intake.choose(found, finding, "the last run here")
    return leak, intake.beside(leak, found), "finding"


def _classed(leak: Leak, kind: str | None) -> Leak:
    from dataclasses import replace

    return replace(leak, secret_class=kind) if kind and leak.rule_id == "pasted" else leak


def _reported(
    desk: Desk, leak: Leak, others: list[Leak], source: str, said: dict[str, Any], top: str | None
) -> Reported:
    """What the search finds, and what the options say of it."""
    where = whereabouts.look(leak, top, cores(), search=not said["no_search"])
    found = whereabouts.exposures(where, leak, "S1", said["channel"], said["audience"] or "unknown")
    if said["where"] or said["since"]:
        found = [_placed(one, said["where"], when(said["since"])) for one in found]
    return reported(
        desk, leak, where, found, said,
        source=source,
        preset=said["preset"],
        title=said["title"],
        confirmed=not said["suspected"],
        drill=said["drill"],
        beside=tuple(others[:MOST_COMPANIONS]),
        answers=_stated(said),
    )  # fmt: skip


def _placed(one: ev.ExposureAdded, where: str, since: str) -> ev.ExposureAdded:
    from dataclasses import replace

    certainty = "exact" if since else one.certainty
    return replace(one, where=where or one.where, since=since or one.since, certainty=certainty)


def _stated(said: dict[str, Any]) -> tuple[ev.Stated, ...]:
    """The facts that options tell. Raises UsageError for one that is not NAME=VALUE."""
    try:
        told = list(opening.answers(said["facts"], said["subject"]))
    except ValueError as error:
        raise UsageError(f"{error} is not NAME=VALUE", "--fact evidence-of-use=yes") from None
    for one in told:
        _known(one)
    why = "said by a person"
    if said["used"]:
        told.append(ev.Stated("evidence-of-use", said["used"], why=why))
    if said["other_half"]:
        told.append(ev.Stated("other-half", said["other_half"], why=why))
    return tuple(told)


def _known(told: ev.Stated) -> None:
    """Raises UsageError for a fact that nothing asks for, or a value it cannot have."""
    from leakguard.load.document import suggest
    from leakguard.load.templates import asked
    from leakguard.respond.actions import WORKED_OUT
    from leakguard.respond.classify import VALUES
    from leakguard.respond.compose import VOCABULARY

    if told.fact in WORKED_OUT and told.fact != "gate-installed":
        raise UsageError(f"{told.fact} follows from the record; nobody just says it")
    values = VALUES.get(told.fact, VOCABULARY.get(told.fact))
    if values is not None:
        if values and told.value not in values:
            raise UsageError(
                f"{told.fact} cannot be {told.value!r}", *suggest(told.value, [*values])
            )
    elif told.fact not in (known := {*VALUES, *VOCABULARY, *asked()}):
        raise UsageError(f"unknown fact {told.fact!r}", *suggest(told.fact, sorted(known)))


def _asked(desk: Desk, events: Sequence[ev.Event], preset: str) -> list[ev.Stated]:
    """What a person at the terminal answers; Enter is the cautious answer."""
    from leakguard.respond.consequences import asked

    answers = []
    found = asked(events, desk.knowledge(preset), desk.now())
    if found:
        console.show("Enter: not known, which counts as the worst.\n", sys.stderr)
    for question in found:
        console.show(f"{question.text}\n", sys.stderr)
        given = click.prompt(
            "  " + " / ".join(question.choices), default=question.default,
            type=click.Choice(question.choices), show_choices=False, err=True,
        )  # fmt: skip
        answers.append(ev.Stated(question.fact, given, question.subject, "said by a person"))
    return answers


def _show(desk: Desk, incident: Incident, out: str | None, known: str | None = None) -> None:
    """What to do first. `known` is what there is to say of an incident that was open already."""
    from leakguard.cli.folder import write
    from leakguard.respond.checklist import opened_text

    preset, told = desk.preset(incident), desk.told(incident)
    place = f"Written to {clean(write(desk, incident, out))}\n\n" if out else ""
    text = opened_text(incident, preset, desk.now(), told, width(), opened=known is None)
    console.show(f"{known or ''}{place}{text}")


def _grown(before: Incident, now: Incident) -> str:
    """What an incident has learned of a secret that it knew, in a few lines."""
    fresh = [one for one in now.copies.values() if before.copies.get(one.id) != one]
    lines = [f"{now.id} knows this secret already."]
    lines += [f"New: {one.id}, {one.added.channel}: {one.added.where}" for one in fresh]
    old, new = (one.severity.label if one.severity else "" for one in (before, now))
    lines += [f"The severity was {old}, now it is {new}."] if old != new else []
    return "".join("\n".join(fold("", words(line), 2)) + "\n" for line in lines) + "\n"
