"""`leakguard ci --respond` and `leakguard logs --respond`: incidents without questions.

A pipeline answers nothing, so the cautious answers count. Where its machine is
thrown away, the folder that is written is the record: keep it as an artifact,
or point LEAKGUARD_STORE at a database that stays.
"""

from __future__ import annotations

import os
import sys

from leakguard import event as ev
from leakguard.cli import console, intake, whereabouts
from leakguard.cli.desk import WHO, Desk
from leakguard.cli.folder import write
from leakguard.cli.scan import cores
from leakguard.finding import Outcome
from leakguard.incident import Incident
from leakguard.leak import Leak
from leakguard.load import leaks
from leakguard.report import json_v1
from leakguard.respond import classify, opening

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


def _opened(desk: Desk, leak: Leak, beside: list[Leak], top: str | None) -> Incident:
    where = whereabouts.look(leak, top, cores(), search=False)
    path = leak.places[0].path if leak.places else ""
    report = opening.Reported(
        leak=leak,
        source="pipeline",
        detected_at=ev.stamp(desk.now()),
        preset=PRESET,
        keyed=desk.store.keyed,
        label=where.label,
        environment=classify.environment(path, where.label, leak.rule_id),
        exposures=tuple(whereabouts.exposures(_pushed(where), leak, "S1", None, "unknown")),
        beside=tuple(beside),
        uses=where.uses,
    )
    known = desk.knows(report)
    if known:
        number, secret = known
        return desk.change(number, lambda now: opening.occurrence(now, secret, report))
    return desk.open(opening.events(report), PRESET)


def _pushed(where: whereabouts.Whereabouts) -> whereabouts.Whereabouts:
    """What a pipeline sees has been pushed, whatever the checkout's references say."""
    from dataclasses import replace

    reached = tuple(
        one if one.pushed else replace(one, remotes=("the remote of this pipeline",))
        for one in where.reached
    )
    return replace(where, reached=reached)
