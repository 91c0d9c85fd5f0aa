"""`leakguard exposure`: where a secret could be read, and what became of it."""

from __future__ import annotations

import click

from leakguard import event as ev
from leakguard.cli.desk import Desk, pass_desk, refuse
from leakguard.cli.named import ids, secret_of, when
from leakguard.errors import UsageError
from leakguard.facts import AUDIENCES, CHANNELS
from leakguard.incident import Incident
from leakguard.respond import actions

CLOSED = ("removal-requested", "removed-claimed", "confirmed-gone", "persists", "unverifiable")


@click.group()
def exposure() -> None:
    """Places where the secret could be read, and what became of each copy.

    A removed copy never makes a secret safe: it is revoked first.

    \b
    Examples:
      leakguard exposure add 12 --channel chat --where "#ops" --audience internal
      leakguard exposure close 12 X1 --state confirmed-gone
    """


@exposure.command("add")
@click.argument("number", metavar="INCIDENT")
@click.option("--channel", type=click.Choice(CHANNELS), required=True, metavar="CHANNEL",
              help="Where it got out: " + ", ".join(CHANNELS) + ".")  # fmt: skip
@click.option("--where", required=True, help="The exact place: a link, a channel, a file.")
@click.option("--audience", type=click.Choice(AUDIENCES), default="unknown", show_default=True,
              help="Who could have read it.")  # fmt: skip
@click.option("--secret", "subject", metavar="S1", help="Which secret; the only one by default.")
@click.option("--since", default="", metavar="TIME", help="First readable: 2026-11-21T14:02Z.")
@click.option("--gone", is_flag=True, help="It cannot be read there any more.")
@pass_desk
def exposure_add(
    desk: Desk, number: str, channel: str, where: str, audience: str, subject: str | None,
    since: str, gone: bool,
) -> None:  # fmt: skip
    """Note one more place where it could be read.

    \b
    Examples:
      leakguard exposure add 12 --channel ticket --where OPS-9
    """
    at = when(since)

    def decide(now: Incident) -> list[ev.Event]:
        return [
            ev.ExposureAdded(
                f"X{len(now.copies) + 1}", secret_of(now, subject), channel, where, audience, at,
                "exact" if at else "unknown", active=not gone,
            )
        ]  # fmt: skip

    desk.tell(desk.change(number, decide))


@exposure.command("close")
@click.argument("number", metavar="INCIDENT")
@click.argument("copy", metavar="X1")
@click.option("--state", type=click.Choice(CLOSED), required=True, metavar="STATE",
              help="What became of it: " + ", ".join(CLOSED) + ".")  # fmt: skip
@click.option("--detail", default="", help="In a few words.")
@pass_desk
def exposure_close(desk: Desk, number: str, copy: str, state: str, detail: str) -> None:
    """Say what became of a copy. Refused while the secret still works.

    \b
    Examples:
      leakguard exposure close 12 X1 --state removed-claimed --detail "deleted"
    """

    def decide(now: Incident) -> list[ev.Event]:
        if copy not in now.copies:
            raise UsageError(f"{now.id} has no exposure {copy!r}", f"there are: {ids(now.copies)}")
        refuse(f"{copy} stays open", actions.close_copy(now, copy, state))
        return [ev.ExposureClosed(copy, state, detail)]

    desk.tell(desk.change(number, decide))
