"""`leakguard done`, `skip` and `assign`: what became of the steps of a checklist."""

from __future__ import annotations

import click

from leakguard import event as ev
from leakguard.cli.desk import Desk, pass_desk, refuse
from leakguard.errors import UsageError
from leakguard.incident import Incident, SecretState
from leakguard.respond import actions

ROLES = ("commander", "fixer", "scribe", "legal", "comms")


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.argument("step")
@click.option("--note", default="", help="What was done, in a few words. Never a secret.")
@click.option("--outcome", type=click.Choice(["succeeded", "failed", "unknown"]),
              default="succeeded", show_default=True, help="What came of it.")  # fmt: skip
@click.option("--evidence", "kept", multiple=True, metavar="E1",
              help="Evidence that shows it: leakguard evidence add.")  # fmt: skip
@click.option("--approver", default="", metavar="NAME",
              help="Who else agrees; for what cannot be undone, at a serious level.")  # fmt: skip
@pass_desk
def done(
    desk: Desk, number: str, step: str, note: str, outcome: str, kept: tuple[str, ...],
    approver: str,
) -> None:  # fmt: skip
    """Record that a STEP was carried out.

    A step that others come before, or that needs proof, is refused with what is
    missing. A step that ends a credential moves its state; only proof makes it
    dead.

    \b
    Examples:
      leakguard done 12 revoke:S1 --note "deleted in the console"
      leakguard done LG-2026-0012 hide:X1 --evidence E2
      leakguard done 12 purge --outcome unknown --note "no answer"
    """

    def decide(now: Incident) -> list[ev.Event]:
        key = step_of(now, step)
        event = ev.StepDone(key, note, outcome, evidence_of(now, kept), approver)
        moved = _moved(now, key, outcome)
        second = bool(approver) and approver.casefold() != desk.actor.casefold()
        gaps = actions.finish(now, key, event, desk.facts(now, key), second)
        gaps += [gap for move in moved for gap in actions.move(now, move)]
        refuse(f"{key} is not recorded as done", gaps)
        return [event, *moved]

    desk.tell(desk.change(number, decide))


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.argument("step")
@click.option("--reason", required=True, help="Why it need not be done here.")
@click.option(
    "--approver", default="", metavar="NAME", help="Who else agrees; for a mandatory step."
)
@pass_desk
def skip(desk: Desk, number: str, step: str, reason: str, approver: str) -> None:
    """Leave a STEP out, with the reason.

    A mandatory step is not skipped by one person alone.

    \b
    Examples:
      leakguard skip 12 spread --reason "the token was used in this job only"
      leakguard skip 12 tell --reason "no customers yet" --approver li
    """

    def decide(now: Incident) -> list[ev.Event]:
        key = step_of(now, step)
        event = ev.StepSkipped(key, reason, approver)
        refuse(f"{key} is not skipped", actions.skip(now, key, event, desk.actor))
        return [event]

    desk.tell(desk.change(number, decide))


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.argument("step", required=False)
@click.option("--to", "who", metavar="NAME", help="Who does it; you by default.")
@click.option("--role", type=click.Choice(ROLES), help="Give a role instead of a step.")
@pass_desk
def assign(desk: Desk, number: str, step: str | None, who: str | None, role: str | None) -> None:
    """Say who does a STEP, or who has a role.

    \b
    Examples:
      leakguard assign 12 --role commander
      leakguard assign 12 revoke:S1 --to li
    """
    if (step is None) == (role is None):
        raise UsageError("name a step or a role", "leakguard assign 12 --role commander --to NAME")
    who = who or desk.actor

    def decide(now: Incident) -> list[ev.Event]:
        if role is None:
            return [ev.StepAssigned(step_of(now, str(step)), who)]
        event = ev.RoleTaken(role, who)
        refuse(f"{who} does not become {role}", actions.take_role(now, event))
        return [event]

    desk.tell(desk.change(number, decide))


def step_of(incident: Incident, wanted: str) -> str:
    """The key of a step, from the key or, where only one begins so, from its beginning.

    Raises UsageError with the candidates.
    """
    if wanted in incident.tasks:
        return wanted
    fitting = [key for key in incident.tasks if key.startswith(wanted)]
    open_ones = [key for key in fitting if not incident.tasks[key].settled]
    if len(fitting) == 1 or len(open_ones) == 1:
        return (open_ones or fitting)[0]
    if fitting:
        raise UsageError(f"{wanted!r} fits {len(fitting)} steps", "one of: " + ", ".join(fitting))
    from leakguard.load.document import suggest

    raise UsageError(
        f"{incident.id} has no step {wanted!r}", *suggest(wanted, list(incident.tasks))
    )


def evidence_of(incident: Incident, kept: tuple[str, ...]) -> tuple[str, ...]:
    """The ids of evidence, checked. Raises UsageError for one that is not there."""
    for one in kept:
        if one not in incident.evidence:
            raise UsageError(
                f"{incident.id} has no evidence {one!r}",
                f"leakguard evidence add {incident.id} FILE",
            )
    return kept


def _moved(incident: Incident, key: str, outcome: str) -> list[ev.SecretMoved]:
    """Where a step that was done brings its secret; a state that it has passed stays."""
    step = incident.tasks[key].step
    if outcome != "succeeded" or not step.sets or step.subject not in incident.secrets:
        return []
    order = tuple(SecretState)
    secret = incident.secrets[step.subject]
    if order.index(SecretState(step.sets)) <= order.index(secret.state):
        return []
    return [ev.SecretMoved(step.subject, step.sets, f"step {key}")]
