"""`leakguard watch`: what is overdue, for cron and pipelines."""

from __future__ import annotations

import time
from datetime import datetime

import click

from leakguard import exits
from leakguard.cli import console
from leakguard.cli.desk import Desk, pass_desk
from leakguard.report.style import clean


@click.command()
@click.option("--once", is_flag=True, help="Look once and leave; for cron and pipelines.")
@click.option("--every", type=click.IntRange(min=5), default=60, show_default=True,
              metavar="SECONDS", help="Without --once: how often to look.")  # fmt: skip
@pass_desk
def command(desk: Desk, once: bool, every: int) -> int:
    """Name every step, update and rotation that is overdue.

    Exit code 7 when there is one, 0 when there is none.

    \b
    Examples:
      leakguard watch --once
      leakguard watch --every 300
    """
    told: set[str] = set()
    while True:
        late = _late(desk)
        console.show("".join(f"{line}\n" for line in late if once or line not in told))
        told |= set(late)
        if once:
            if not late:
                console.show("Nothing is overdue.\n")
            return exits.OVERDUE if late else exits.CLEAN
        time.sleep(every)


def _late(desk: Desk) -> list[str]:
    from leakguard.respond.comms_order import next_update
    from leakguard.respond.due import overdue

    now = desk.now()
    lines = []
    for row in desk.store.listing(open_only=True):
        incident = desk.store.load(row.id)
        preset = desk.preset(incident)
        update = next_update(incident, preset, now)
        promised = [("the next update", update.at)] if update and update.overdue else []
        for what, at in [*overdue(incident, preset, now), *promised]:
            minutes = int((now - at).total_seconds() // 60)
            lines.append(clean(f"{incident.id}  {what}  due {at:%Y-%m-%d %H:%M} UTC, "
                               f"{minutes} min ago"))  # fmt: skip
    return [*lines, *_overlaps(desk, now)]


def _overlaps(desk: Desk, now: datetime) -> list[str]:
    """Rotations whose old value should have ended by now (G-29)."""
    from leakguard.keep.journal import Journal
    from leakguard.rotate.policy import RUNNING, End

    late = [
        one
        for one in Journal(desk.store).list([one for one in RUNNING if one != End.DEAD])
        if one.revoke_by is not None and one.revoke_by < now
    ]
    return [
        clean(f"{one.incident}  the old value of {one.secret} was to end at "
              f"{one.revoke_by:%Y-%m-%d %H:%M} UTC: leakguard rotate {one.incident} --resume")
        for one in late
    ]  # fmt: skip
