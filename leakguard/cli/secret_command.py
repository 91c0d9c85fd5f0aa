"""`leakguard secret`: the credentials of an incident, never their values."""

from __future__ import annotations

from collections.abc import Sequence

import click

from leakguard import event as ev
from leakguard.cli import console
from leakguard.cli.desk import Desk, pass_desk, refuse
from leakguard.cli.named import ids, secret_of
from leakguard.errors import UsageError
from leakguard.facts import ENVIRONMENTS
from leakguard.incident import Incident, SecretState
from leakguard.load.inventory import inventory
from leakguard.report.style import clean
from leakguard.respond import actions
from leakguard.respond.containers import Contained, expand
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


@secret.command("import")
@click.argument("number", metavar="INCIDENT")
@click.argument("path", metavar="FILE")
@click.option("--within", required=True, metavar="S1", help="The secret that opened it.")
@click.option("--container", help="Which container of the file; the only one by default.")
@pass_desk
def secret_import(desk: Desk, number: str, path: str, within: str, container: str | None) -> None:
    """Add everything that a container held, and the containers within it (docs/response.md).

    What the file does not list has to be listed first; it is named, and the step
    that asks for it stays open.

    \b
    Examples:
      leakguard secret import 12 inventory.yml --within S1 --container vault/prod
    """
    known = inventory(path)
    start = container or (next(iter(known)) if len(known) == 1 else "")
    if start not in known:
        raise UsageError("which container?", f"there are: {ids(known)}")
    found = expand(known, start)

    def decide(now: Incident) -> list[ev.Event]:
        return _held(now, secret_of(now, within), start, found.contents)

    incident = desk.change(number, decide)
    desk.tell(incident)
    for name, why in found.enumerate_first:
        console.show(f"Not listed: {clean(name)} ({clean(why)})\n")


def _held(now: Incident, opener: str, start: str, contents: Sequence[Contained]) -> list[ev.Event]:
    """Each content as a secret of its own, under the one that opened it."""
    owners = {start: opener}
    events: list[ev.Event] = []
    for one in contents:
        content = one.content
        name = f"S{len(now.secrets) + len(events) + 1}"
        holder = owners[one.within]
        events.append(
            ev.SecretAdded(
                name, content.secret_class, provider=content.provider, label=content.name,
                environment=content.environment, reason=f"contained-in:{holder}", within=holder,
            )
        )  # fmt: skip
        if content.opens:
            owners.setdefault(content.opens, name)
    return events


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
