"""`leakguard secret`: the credentials of an incident, never their values."""

from __future__ import annotations

import click

from leakguard import event as ev
from leakguard.cli import console
from leakguard.cli.desk import Desk, pass_desk, refuse
from leakguard.cli.named import secret_of
from leakguard.facts import ENVIRONMENTS
from leakguard.incident import Incident, SecretState
from leakguard.report.style import clean
from leakguard.respond import actions
from leakguard.rule import CLASSES


@click.group()
def secret() -> None:
    """The credentials of an incident, never their values.

    \b
    Examples:
      leakguard secret add 12 --class database-password --label billing
      leakguard secret list 12
    """


@secret.command("add")
@click.argument("number", metavar="INCIDENT")
@click.option("--class", "kind", type=click.Choice(CLASSES), required=True, metavar="CLASS",
              help="What kind: see leakguard rules list.")  # fmt: skip
@click.option("--label", required=True, help="Its public name: a variable, a role, a key id.")
@click.option("--provider", default="", help="Who issues it.")
@click.option("--environment", type=click.Choice(ENVIRONMENTS), default="unknown",
              show_default=True, help="What it opens.")  # fmt: skip
@click.option("--within", default="", metavar="S1", help="The secret that gave access to it.")
@click.option("--together-with", default="", metavar="S1", help="It stood in the same dump.")
@pass_desk
def secret_add(
    desk: Desk, number: str, kind: str, label: str, provider: str, environment: str, within: str,
    together_with: str,
) -> None:  # fmt: skip
    """Note one more credential that leaked, or that a leaked one gave access to.

    \b
    Examples:
      leakguard secret add 12 --class oauth-client-secret --label checkout \\
          --within S1
    """

    def decide(now: Incident) -> list[ev.Event]:
        holder = secret_of(now, within) if within else ""
        dump = now.secrets[secret_of(now, together_with)].added.dump if together_with else ""
        reason = f"contained-in:{holder}" if holder else "found"
        return [
            ev.SecretAdded(
                f"S{len(now.secrets) + 1}", kind, provider=provider, label=label,
                environment=environment, reason=reason, within=holder, dump=dump,
            )
        ]  # fmt: skip

    desk.tell(desk.change(number, decide))


@secret.command("move")
@click.argument("number", metavar="INCIDENT")
@click.argument("subject", metavar="S1")
@click.argument("state", type=click.Choice([one.value for one in SecretState]))
@click.option("--why", required=True, help="What was done.")
@pass_desk
def secret_move(desk: Desk, number: str, subject: str, state: str, why: str) -> None:
    """Record how far a credential is, where no step or rotation did.

    \b
    Examples:
      leakguard secret move 12 S1 revoked --why "deleted in the console"
    """

    def decide(now: Incident) -> list[ev.Event]:
        event = ev.SecretMoved(secret_of(now, subject), state, why)
        refuse(f"{subject} does not become {state}", actions.move(now, event))
        return [event]

    desk.tell(desk.change(number, decide))


@secret.command("list")
@click.argument("number", metavar="INCIDENT")
@pass_desk
def secret_list(desk: Desk, number: str) -> None:
    """The credentials: number, state, class, name, environment, why they belong to it.

    \b
    Examples:
      leakguard secret list 12
    """
    for one in desk.incident(number).secrets.values():
        added = one.added
        line = f"{one.id:<4} {one.state:<12} {added.secret_class:<24} {one.name}"
        console.show(f"{clean(line)}  {added.environment}  {clean(added.reason)}\n")
