"""`leakguard advance`, `reopen`, `merge`, `hold`, `dismiss`: the course of an incident."""

from __future__ import annotations

import click

from leakguard import event as ev
from leakguard.cli.desk import Desk, pass_desk, refuse
from leakguard.errors import UsageError
from leakguard.incident import PATH, Incident, Status
from leakguard.respond import actions, guards
from leakguard.respond.merge import carried


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.option("--to", "status", type=click.Choice([one.value for one in PATH[1:]]),
              help="How far; by default one step.")  # fmt: skip
@click.option("--why", default="", help="A few words for the record.")
@pass_desk
def advance(desk: Desk, number: str, status: str | None, why: str) -> None:
    """Take an incident a step further, when nothing is missing.

    declared, contained, eradicated, recovered, reviewing, closed: each stands
    for proof. When something is missing, all of it is listed, each with the
    command that supplies it, and the exit code is 6.

    \b
    Examples:
      leakguard advance 12
      leakguard advance 12 --to closed
    """
    intact = desk.intact()

    def decide(now: Incident) -> list[ev.Event]:
        target = Status(status) if status else guards.next_status(now)
        if target is None:
            raise UsageError(f"{now.id} is {now.status}; nothing comes after that")
        missing = guards.gaps(now, target, chain_intact=intact)
        refuse(f"{now.id} is not {target} yet", missing)
        return [ev.Advanced(target.value, why)]

    desk.tell(desk.change(number, decide))


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.option("--reason", required=True, help="What came up.")
@pass_desk
def reopen(desk: Desk, number: str, reason: str) -> None:
    """It is not over: a new occurrence, a use of the old value, an anomaly.

    What was done stays in the record.

    \b
    Examples:
      leakguard reopen 12 --reason "the old key was used again at 03:12 UTC"
    """

    def decide(now: Incident) -> list[ev.Event]:
        if not actions.reopenable(now):
            raise UsageError(f"{now.id} is {now.status}; it need not be opened again")
        return [ev.Reopened(reason)]

    desk.tell(desk.change(number, decide))


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.option("--into", "other", required=True, metavar="INCIDENT", help="The one that goes on.")
@click.option("--reason", required=True, help="Why they are one.")
@pass_desk
def merge(desk: Desk, number: str, other: str, reason: str) -> None:
    """Let another incident go on with this one's secrets and exposures.

    \b
    Examples:
      leakguard merge 13 --into 12 --reason "both halves of one pair"
    """
    gone = desk.incident(number)
    kept = desk.incident(other)
    if gone.id == kept.id or gone.over or kept.over:
        raise UsageError(f"{gone.id} cannot be merged into {kept.id}", "name two open incidents")
    if gone.opened.drill != kept.opened.drill:
        raise UsageError("a drill is not merged with a real incident")

    def decide(now: Incident) -> list[ev.Event]:
        if gone.id in now.absorbed:  # a run that was killed half-way goes on
            return []
        return [ev.Absorbed(gone.id), *carried(gone, now)]

    desk.tell(desk.change(kept.id, decide))
    desk.change(gone.id, lambda _: [ev.MergedInto(kept.id, reason)])


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.option("--reason", default="", help="What it waits for.")
@click.option("--off", is_flag=True, help="It waits no more.")
@pass_desk
def hold(desk: Desk, number: str, reason: str, off: bool) -> None:
    """Note that an incident waits for somebody outside, or no more.

    \b
    Examples:
      leakguard hold 12 --reason "the vendor confirms the deletion"
      leakguard hold 12 --off
    """
    if not off and not reason:
        raise UsageError("say what it waits for", "leakguard hold 12 --reason ...")
    desk.tell(desk.change(number, lambda _: [ev.HoldSet(not off, reason)]))


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.option("--reason", required=True, help="Why it is no secret, or never was one.")
@click.option("--approver", default="", metavar="NAME", help="Who else agrees; at a serious level.")
@pass_desk
def dismiss(desk: Desk, number: str, reason: str, approver: str) -> None:
    """Close an incident that was none. Not while the credential works.

    \b
    Examples:
      leakguard dismiss 12 --reason "the sample of the vendor's documentation"
    """

    def decide(now: Incident) -> list[ev.Event]:
        if now.over:
            raise UsageError(f"{now.id} is {now.status} already")
        gaps = actions.false_positive(now, approver, desk.actor)
        refuse(f"{now.id} is not dismissed", gaps)
        return [ev.FalsePositive(reason, approver)]

    desk.tell(desk.change(number, decide))


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.option("--to", "level", type=click.IntRange(0, 3), required=True, help="0 is worst.")
@click.option("--reason", required=True, help="Why it is less bad than the policy says.")
@click.option("--approver", default="", metavar="NAME", help="Who else agrees; at a serious level.")
@pass_desk
def lower(desk: Desk, number: str, level: int, reason: str, approver: str) -> None:
    """Lower the level of an incident; up it goes by itself.

    \b
    Examples:
      leakguard lower 12 --to 2 --reason "nobody but us read that log"
    """

    def decide(now: Incident) -> list[ev.Event]:
        if level <= now.level:
            raise UsageError(f"{now.id} is at level {now.level}; --to {level} is not lower")
        gaps = actions.lower(now, level, approver, desk.actor)
        refuse("the level stays", gaps)
        return [ev.SeverityLowered(level, reason, approver)]

    desk.tell(desk.change(number, decide))
