"""`leakguard consumers`: everything that uses a secret, and what it uses now."""

from __future__ import annotations

import click

from leakguard import event as ev
from leakguard.cli import console
from leakguard.cli.desk import Desk, pass_desk, refuse
from leakguard.cli.named import known_consumer, secret_of
from leakguard.incident import Incident
from leakguard.report.style import clean
from leakguard.respond import actions


@click.group()
def consumers() -> None:
    """Everything that uses the secret, and the proof that it uses the new one.

    \b
    Examples:
      leakguard consumers add 12 --name billing --where k8s/prod
      leakguard consumers confirm 12 C1 --method health --detail "generation 7"
      leakguard consumers complete 12 S1
    """


@consumers.command("add")
@click.argument("number", metavar="INCIDENT")
@click.option("--name", required=True, help="What people call it.")
@click.option("--kind", default="service", show_default=True, help="service, ci, store, person.")
@click.option("--where", default="", help="Where it runs, or where its copy lies.")
@click.option("--secret", "subject", metavar="S1", help="Which secret; the only one by default.")
@pass_desk
def consumers_add(
    desk: Desk, number: str, name: str, kind: str, where: str, subject: str | None
) -> None:
    """Note something that uses the secret.

    \b
    Examples:
      leakguard consumers add 12 --name billing --where k8s/prod
    """

    def decide(now: Incident) -> list[ev.Event]:
        number_of = f"C{len(now.consumers) + 1}"
        return [ev.ConsumerAdded(number_of, secret_of(now, subject), name, kind, where)]

    desk.tell(desk.change(number, decide))


@consumers.command("confirm")
@click.argument("number", metavar="INCIDENT")
@click.argument("consumer", metavar="C1")
@click.option("--method", type=click.Choice(["health", "usage", "probe", "config", "attestation"]),
              required=True, help="How it was seen.")  # fmt: skip
@click.option("--detail", required=True, help="What was seen: a generation, a deploy id, a time.")
@pass_desk
def consumers_confirm(desk: Desk, number: str, consumer: str, method: str, detail: str) -> None:
    """Record what shows that a consumer uses the new value. Look at what runs, not at the store.

    \b
    Examples:
      leakguard consumers confirm 12 C1 --method health --detail "generation 7"
    """

    def decide(now: Incident) -> list[ev.Event]:
        known_consumer(now, consumer)
        return [ev.Proved("switch", consumer, method, holds=True, detail=detail)]

    desk.tell(desk.change(number, decide))


@consumers.command("except")
@click.argument("number", metavar="INCIDENT")
@click.argument("consumer", metavar="C1")
@click.option("--reason", required=True, help="Why it will not be proven.")
@click.option("--approver", required=True, metavar="NAME", help="Who accepts that.")
@pass_desk
def consumers_except(desk: Desk, number: str, consumer: str, reason: str, approver: str) -> None:
    """Accept that a consumer is not proven, with the reason and who accepts it.

    At the two worst levels that is somebody else than you.

    \b
    Examples:
      leakguard consumers except 12 C2 --reason "switched off" --approver li
    """

    def decide(now: Incident) -> list[ev.Event]:
        known_consumer(now, consumer)
        gaps = actions.except_consumer(now, consumer, approver, desk.actor)
        refuse(f"{consumer} stays open", gaps)
        return [ev.ConsumerExcepted(consumer, reason, approver)]

    desk.tell(desk.change(number, decide))


@consumers.command("complete")
@click.argument("number", metavar="INCIDENT")
@click.argument("subject", metavar="[S1]", required=False)
@click.option(
    "--unknown", metavar="WHY", help="Nobody can say; that is an answer, with the reason."
)
@pass_desk
def consumers_complete(desk: Desk, number: str, subject: str | None, unknown: str | None) -> None:
    """Say that all consumers are listed, or that nobody can say.

    \b
    Examples:
      leakguard consumers complete 12
      leakguard consumers complete 12 S1 --unknown "an old shared password"
    """

    def decide(now: Incident) -> list[ev.Event]:
        answer = "unknown" if unknown else "yes"
        return [ev.ConsumersCounted(secret_of(now, subject), answer, unknown or "")]

    desk.tell(desk.change(number, decide))


@consumers.command("list")
@click.argument("number", metavar="INCIDENT")
@pass_desk
def consumers_list(desk: Desk, number: str) -> None:
    """The consumers and what is known of each.

    \b
    Examples:
      leakguard consumers list 12
    """
    for one in desk.incident(number).consumers.values():
        proof = one.proof.detail if one.proof else ""
        state = "excepted" if one.exception else "on the new value" if one.proof else "open"
        line = f"{one.id:<4} {one.added.secret:<4} {state:<17} {one.added.name}  {one.added.where}"
        console.show(f"{clean(line)}  {clean(proof)}".rstrip() + "\n")
