"""An incident as JSON: `leakguard-incident/1`, described by docs/schema/leakguard-incident-1.json.

Within a version fields are added, never renamed or removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any

from leakguard import __version__
from leakguard.event import Entry, stamp
from leakguard.incident import Consumer, Copy, Incident, LeakedSecret, Message, Task
from leakguard.respond import guards
from leakguard.respond.checklist_rows import filled
from leakguard.respond.timeline import lines

SCHEMA = "leakguard-incident/1"


def as_json(incident: Incident, entries: Iterable[Entry] = ()) -> dict[str, Any]:
    """The whole record; with `entries` its timeline too."""
    following = guards.next_status(incident)
    return {
        "schema": SCHEMA,
        "version": __version__,
        "id": incident.id,
        "title": incident.opened.title,
        "status": incident.status.value,
        "drill": incident.opened.drill,
        "source": incident.opened.source,
        "preset": incident.opened.preset,
        "detected_at": incident.opened.detected_at,
        "opened_at": stamp(incident.opened_at),
        "opened_by": incident.opened_by,
        "reached": {status.value: stamp(at) for status, at in incident.reached.items()},
        "severity": _severity(incident),
        "roles": dict(incident.roles),
        "facts": [
            {"fact": fact, "of": subject, "value": told.value, "why": told.why}
            for (fact, subject), told in incident.stated.items()
        ],
        "secrets": [_secret(one) for one in incident.secrets.values()],
        "exposures": [_copy(one) for one in incident.copies.values()],
        "consumers": [_consumer(one) for one in incident.consumers.values()],
        "steps": [_task(key, one, incident) for key, one in incident.tasks.items()],
        "evidence": [_plain(one) for one in incident.evidence.values()],
        "anomalies": [
            {**_plain(found), **({"decided": _plain(decided)} if decided else {})}
            for found, decided in incident.anomalies.values()
        ],
        "messages": [_message(one) for one in incident.messages.values()],
        "rotations": {
            name: [_plain(one) for one in told] for name, told in incident.rotations.items()
        },
        "mitigations": [_plain(one) for one in incident.mitigations],
        "post_mortem": _plain(incident.post_mortem) if incident.post_mortem else None,
        "merged_into": incident.merged_into or None,
        "absorbed": list(incident.absorbed),
        "on_hold": incident.hold or None,
        "next": {
            "status": following.value if following else None,
            "missing": [gap._asdict() for gap in guards.gaps(incident, following)]
            if following
            else [],
        },
        "timeline": [{"at": at, "by": who, "what": what} for at, who, what in lines(entries)],
    }


def _severity(incident: Incident) -> dict[str, Any] | None:
    judged = incident.severity
    if judged is None:
        return None
    return {
        "level": judged.level,
        "label": judged.label,
        "rotation": judged.rotation,
        "notification": judged.notification,
        "rules": [{"rule": rule, "level": level, "why": why} for rule, level, why in judged.rules],
        "lowered": _plain(judged.lowered) if judged.lowered else None,
    }


def _secret(secret: LeakedSecret) -> dict[str, Any]:
    return {
        **_plain(secret.added),
        "state": secret.state.value,
        "moved": {state.value: stamp(at) for state, at in secret.moved.items()},
        "rotation": secret.rotation,
        "consumers_counted": secret.counted or None,
        "proofs": [{"at": stamp(at), **_plain(proof)} for at, proof in secret.proofs],
        "reviews": [_plain(one) for one in secret.reviews],
    }


def _copy(copy: Copy) -> dict[str, Any]:
    closed = stamp(copy.closed_at) if copy.closed_at else None
    state = {"state": copy.state, "detail": copy.detail, "closed_at": closed}
    return {**_plain(copy.added), **state}


def _consumer(consumer: Consumer) -> dict[str, Any]:
    return {
        **_plain(consumer.added),
        "settled": consumer.settled,
        "proof": _plain(consumer.proof) if consumer.proof else None,
        "exception": _plain(consumer.exception) if consumer.exception else None,
    }


def _task(key: str, task: Task, incident: Incident) -> dict[str, Any]:
    step = task.step
    return {
        "key": key,
        "title": step.title,
        "why": step.why,
        "source": list(step.source),
        "phase": step.phase.value,
        "mandatory": step.mandatory,
        "command": [filled(word, step, incident) for word in step.command],
        "state": task.state.value,
        "at": stamp(task.at) if task.at else None,
        "by": task.by or None,
        "note": task.note,
        "approver": task.approver or None,
        "assignee": task.assignee or None,
        "evidence": list(task.evidence),
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        **_plain(message.draft),
        "state": message.state,
        "author": message.author,
        "at": stamp(message.at),
        "approvals": [_plain(one) for one in message.approvals],
        "sent": [{"at": stamp(at), **_plain(one)} for at, one in message.sent],
        "failed": [{"at": stamp(at), **_plain(one)} for at, one in message.failed],
    }


def _plain(event: Any) -> dict[str, Any]:
    """The fields of an event; tuples as lists."""
    return {one.name: _value(getattr(event, one.name)) for one in fields(event)}


def _value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_value(one) for one in value]
    return stamp(value) if isinstance(value, datetime) else value
