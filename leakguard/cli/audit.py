"""`leakguard audit`: proof that the record is whole."""

from __future__ import annotations

import re

import click

from leakguard import event as ev
from leakguard import exits
from leakguard.cli import console, spotless
from leakguard.cli.desk import Desk, pass_desk
from leakguard.errors import UsageError
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
@click.option("--holds", metavar="EVENT:HASH", help="An end that was written down earlier.")
@pass_desk
def verify(desk: Desk, holds: str | None) -> int:
    """Follow the chain of hashes through every event and check every signature.

    Exit code 0 when all of it holds, 4 when something does not. What it prints
    as the end of the record belongs into a ticket or a mail: with --holds it
    shows later that nothing before it was exchanged, keys and all.

    \b
    Examples:
      leakguard audit verify
      leakguard audit verify --holds 120:9f2c...
    """
    wanted = _end(holds) if holds else None
    problems = [str(one) for one in desk.store.verify()]
    if wanted and not desk.store.holds(*wanted):
        problems.append(f"event {wanted[0]} is not the one that was written down")
    for problem in problems:
        console.show(f"error: {clean(problem)}\n")
    if problems:
        return exits.UNREAD
    tip = desk.store.tip()
    console.show(
        f"The record is whole: {tip.position} events, in order, as they were written.\n"
        f"It ends at {tip.position}:{tip.hash}\n"
    )
    return exits.CLEAN


def _end(text: str) -> tuple[int, str]:
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text)
    if found is None:
        raise UsageError(f"{text!r} is no end of a record", "as leakguard audit verify prints it")
    return int(found[1]), found[2]
