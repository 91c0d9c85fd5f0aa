"""`leakguard respond`: from a finding to an incident that says what to do first."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import click

from leakguard import event as ev
from leakguard.cli import console, intake, whereabouts
from leakguard.cli.desk import Desk, pass_desk
from leakguard.cli.named import when
from leakguard.cli.scan import cores
from leakguard.errors import UsageError
from leakguard.facts import ANSWERS, AUDIENCES, CHANNELS, ENVIRONMENTS
from leakguard.incident import STOPPED, Incident
from leakguard.leak import Leak
from leakguard.read import repository
from leakguard.report.layout import fold
from leakguard.report.style import clean, words
from leakguard.respond import opening
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
        _show(desk, desk.incident(finding), said["out"])
        return
    top = repository.find_top()
    leak, others, source = _taken(finding, path, manual, said, top)
    report = _reported(desk, leak, others, source, said, top)
    known = desk.knows(report)
    if known:
        number, secret = known
        incident = desk.change(number, lambda now: opening.occurrence(now, secret, report))
        _show(desk, incident, said["out"], known=True)
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
) -> opening.Reported:
    """Everything that can be found out without asking."""
    from leakguard.respond.classify import environment

    where = whereabouts.look(leak, top, cores(), search=not said["no_search"])
    label = said["label"] or where.label
    found = whereabouts.exposures(where, leak, "S1", said["channel"], said["audience"] or "unknown")
    if said["where"] or said["since"]:
        found = [_placed(one, said["where"], when(said["since"])) for one in found]
    path = leak.places[0].path if leak.places else ""
    return opening.Reported(
        leak=leak,
        source=source,
        detected_at=ev.stamp(desk.now()),
        preset=said["preset"],
        keyed=desk.store.keyed,
        title=said["title"],
        label=label,
        environment=said["environment"] or environment(path, label, leak.rule_id),
        confirmed=not said["suspected"],
        drill=said["drill"],
        exposures=tuple(found),
        beside=tuple(others[:MOST_COMPANIONS]),
        uses=where.uses,
        revoke=_revoke(leak),
        answers=_stated(said),
    )


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
    for question in asked(events, desk.knowledge(preset), desk.now()):
        console.show(f"{question.text}\n", sys.stderr)
        given = click.prompt(
            "  " + " / ".join(question.choices), default=question.default,
            type=click.Choice(question.choices), show_choices=False, err=True,
        )  # fmt: skip
        answers.append(ev.Stated(question.fact, given, question.subject, "said by a person"))
    return answers


def _revoke(leak: Leak) -> tuple[str, str]:
    """Where and how the owner kills it, as our own rule says; a repository's rules do not decide
    where people go with a leaked credential.
    """
    from leakguard.load.pack import open_pack

    rule = next((one for one in open_pack(None).book.rules if one.id == leak.rule_id), None)
    return (rule.revoke.url, rule.revoke.how) if rule else ("", "")


def _show(desk: Desk, incident: Incident, out: str | None, *, known: bool = False) -> None:
    from leakguard.cli.folder import write
    from leakguard.respond.checklist import opened_text

    preset = desk.preset(incident)
    text = opened_text(incident, preset, desk.now(), desk.told(incident))
    said = f"{incident.id} knows this secret already; what is new was added\n" if known else ""
    console.show(said + text + _where_to_revoke(incident))
    if out:
        console.show(f"\nWritten to {write(desk, incident, out)}\n")


def _where_to_revoke(incident: Incident) -> str:
    """The issuer's own page for each secret that is still alive, and what to do there."""
    told = [
        (one.id, one.added.revoke_url, one.added.revoke_how)
        for one in incident.secrets.values()
        if one.state not in STOPPED and one.added.revoke_url
    ]
    lines = [f"Revoke {name} at {clean(url)}" + (f": {clean(how)}" if how else "")
             for name, url, how in told]  # fmt: skip
    return "".join("\n".join(fold("", words(line), 2)) + "\n" for line in lines)
