"""`leakguard ci --respond` and `leakguard logs --respond`: incidents without questions.

A pipeline answers nothing, so the cautious answers count. Where its machine is
thrown away, the folder that is written is the record: keep it as an artifact,
or point LEAKGUARD_STORE at a database that stays.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from leakguard import event as ev
from leakguard.cli import console, intake, whereabouts
from leakguard.cli.crew import cores
from leakguard.cli.desk import WHO, Desk
from leakguard.cli.folder import write
from leakguard.cli.reported import reported
from leakguard.finding import Outcome
from leakguard.incident import Incident
from leakguard.leak import Leak
from leakguard.load import leaks
from leakguard.report import json_v1
from leakguard.respond import opening

PRESET = "strictest"


def respond(outcome: Outcome, top: str | None, service: str, folder: str) -> list[str]:
    """Open an incident for each dump of blocking findings; the numbers, oldest first.

    What the record knows already gets its new place.
    """
    os.environ.setdefault(WHO, f"ci:{service}")
    desk = Desk()
    blocking = {found.fingerprint for found in outcome.blocking}
    found = [
        one
        for one in leaks.parse(json_v1.render(outcome).encode(), "this run")
        if one.fingerprint in blocking
    ]
    numbers = []
    done: set[str] = set()
    for leak in found:
        if leak.id in done:
            continue
        beside = [one for one in intake.beside(leak, found) if one.id not in done]
        done |= {leak.id, *(one.id for one in beside)}
        incident = _opened(desk, leak, beside, top)
        numbers.append(incident.id)
        label = incident.severity.label if incident.severity else ""
        place = write(desk, incident, folder)
        told = f"Opened {incident.id} ({label}) for finding {leak.id[:6]}: {place}\n"
        console.show(told, sys.stderr)
    return numbers


def contained(
    numbers: Sequence[str],
    folder: str,
    kept: Sequence[Mapping[str, Any]],
    deleted: Sequence[Mapping[str, Any]],
) -> None:
    """Record what a run's logs were (`name`, `sha256`, `bytes`), and that the service `deleted`
    them (`what`, `done`), in the incidents that they opened, and write their folders again.
    """
    gone = [str(one["what"]) for one in deleted if one["done"]]
    all_gone = bool(gone) and len(gone) == len(deleted)
    desk = Desk()

    def decide(now: Incident) -> list[ev.Event]:
        logs = [one.id for one in now.copies.values()
                if one.added.channel == "ci-log" and one.state == "found"]  # fmt: skip
        events: list[ev.Event] = []
        for copy in logs:
            for one in kept:
                name = f"E{len(now.evidence) + len(events) + 1}"
                how = "fetched from the service before anything was deleted"
                events.append(ev.EvidenceAdded(name, one["name"], one["sha256"], one["bytes"],
                                               how, of=copy))  # fmt: skip
        said = "the service deleted " + ", ".join(gone)
        closed = [ev.ExposureClosed(one, "removed-claimed", said) for one in logs if all_gone]
        return [*events, *closed]

    for number in dict.fromkeys(numbers):
        write(desk, desk.change(number, decide, found=True), folder)


def _opened(desk: Desk, leak: Leak, beside: list[Leak], top: str | None) -> Incident:
    where = _pushed(whereabouts.look(leak, top, cores(), search=False))
    places = whereabouts.exposures(where, leak, "S1", None, "unknown")
    report = reported(
        desk, leak, where, places, {}, source="pipeline", preset=PRESET, beside=tuple(beside)
    )
    known = desk.knows(report)
    return desk.again(report, known) if known else desk.open(opening.events(report), PRESET)


def _pushed(where: whereabouts.Whereabouts) -> whereabouts.Whereabouts:
    """What a pipeline sees has been pushed, whatever the checkout's references say."""
    from dataclasses import replace

    reached = tuple(
        one if one.pushed else replace(one, remotes=("the remote of this pipeline",))
        for one in where.reached
    )
    return replace(where, reached=reached)
