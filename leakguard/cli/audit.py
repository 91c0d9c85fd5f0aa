"""`leakguard audit`: proof that the record is whole."""

from __future__ import annotations

import click

from leakguard import event as ev
from leakguard import exits
from leakguard.cli import console, spotless
from leakguard.cli.desk import Desk, pass_desk
from leakguard.report.style import clean


@click.group()
def command() -> None:
    """Prove that nobody edited, removed or reordered the record.

    \b
    Examples:
      leakguard audit verify
    """


@command.command("accept-loss")
@click.option("--reason", required=True, help="Why what is missing is missing.")
@pass_desk
def accept_loss(desk: Desk, reason: str) -> None:
    """Go on after the record was restored from a backup; the chain tells of it for ever.

    \b
    Examples:
      leakguard audit accept-loss --reason "restored from Tuesday's backup"
    """
    spotless.check([ev.Noted(reason)])
    desk.store.accept_loss(reason, actor=desk.actor, at=desk.now())
    console.show("Recorded. What is left is whole; what was lost stays named as lost.\n")


@command.command("verify")
@pass_desk
def verify(desk: Desk) -> int:
    """Follow the chain of hashes through every event and check every signature.

    Exit code 0 when all of it holds, 4 when something does not.

    \b
    Examples:
      leakguard audit verify
    """
    problems = desk.store.verify()
    for problem in problems:
        console.show(f"error: {clean(str(problem))}\n")
    if problems:
        return exits.UNREAD
    console.show("The record is whole: every event, in order, as it was written.\n")
    return exits.CLEAN
