"""What the events of an incident add up to. `fold` is the only way to make or change one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, assert_never

from leakguard import event as ev
from leakguard.event import Entry
from leakguard.incident import (
    PROVEN,
    Consumer,
    Copy,
    Incident,
    LeakedSecret,
    Message,
    SecretState,
    Severity,
    Status,
    StepState,
    Task,
)
from leakguard.playbook import Phase, step


class Impossible(Exception):
    """Events that cannot follow each other: the store was tampered with, or holds a bug."""


def fold(entries: Iterable[Entry]) -> Incident:
    """The incident behind its entries, in order. Raises Impossible when they make no sense."""
    incident = None
    for entry in entries:
        incident = apply(incident, entry)
    if incident is None:
        raise Impossible("an incident without events")
    return incident


def apply(incident: Incident | None, entry: Entry) -> Incident:
    """The incident after one more event."""
    if incident is None:
        if not isinstance(entry.event, ev.Opened):
            raise Impossible(f"{entry.incident} begins with {type(entry.event).__name__}")
        return _opened(entry, entry.event)
    if entry.seq != incident.seq + 1:
        raise Impossible(f"{entry.incident} has no event {incident.seq + 1}")
    try:
        changed = _changed(incident, entry)
    except (KeyError, ValueError) as error:
        what = type(entry.event).__name__
        raise Impossible(f"{what} of {entry.incident} names an unknown {error}") from None
    people = changed.people | {entry.actor}
    return replace(changed, seq=entry.seq, changed_at=entry.at, people=people)


def _opened(entry: Entry, event: ev.Opened) -> Incident:
    status = Status.DECLARED if event.confirmed else Status.SUSPECTED
    return Incident(
        id=entry.incident,
        opened=event,
        opened_at=entry.at,
        opened_by=entry.actor,
        status=status,
        reached={status: entry.at},
        people=frozenset({entry.actor}),
        seq=entry.seq,
        changed_at=entry.at,
    )


def _changed(now: Incident, entry: Entry) -> Incident:
    at, who, event = entry.at, entry.actor, entry.event
    match event:
        case ev.Opened():
            raise Impossible(f"{now.id} is opened twice")

        # What leaked, where it could be read, who uses it
        case ev.SecretAdded():
            fresh = LeakedSecret(event.secret, event, moved={SecretState.IDENTIFIED: at})
            return _put(now, "secrets", event.secret, fresh)
        case ev.SecretMoved():
            return _put(now, "secrets", event.secret, _moved(now, event, at))
        case ev.ExposureAdded():
            return _put(now, "copies", event.exposure, Copy(event.exposure, event))
        case ev.ExposureClosed():
            return _turn(now, "copies", event.exposure,
                         state=event.state, detail=event.detail, closed_at=at)  # fmt: skip
        case ev.ConsumerAdded():
            return _put(now, "consumers", event.consumer, Consumer(event.consumer, event))
        case ev.ConsumerExcepted():
            return _turn(now, "consumers", event.consumer, exception=event)
        case ev.ConsumersCounted():
            return _turn(now, "secrets", event.secret, counted=event.complete)
        case ev.Stated():
            return _put(now, "stated", (event.fact, event.subject), event)

        # How bad it is, and what there is to do
        case ev.SeverityJudged():
            return replace(now, severity=_severity(now.severity, event))
        case ev.SeverityLowered():
            judged = now.severity or Severity(event.level, "", "", "")
            return replace(now, severity=replace(judged, level=event.level, lowered=event))
        case ev.ChecklistComposed():
            return replace(now, tasks=_tasks(now.tasks, event), playbooks=event.playbooks)
        case ev.StepDone():
            return _turn(now, "tasks", event.step,
                         state=_DONE[event.outcome], at=at, by=who, note=event.note,
                         approver=event.approver, evidence=event.evidence)  # fmt: skip
        case ev.StepSkipped():
            return _turn(now, "tasks", event.step,
                         state=StepState.SKIPPED, at=at, by=who, note=event.reason,
                         approver=event.approver)  # fmt: skip
        case ev.StepAssigned():
            return _turn(now, "tasks", event.step, assignee=event.who)
        case ev.StepReopened():
            return _turn(now, "tasks", event.step, state=StepState.OPEN, note=event.reason)
        case ev.RoleTaken():
            return _put(now, "roles", event.role, event.who)

        # What was shown
        case ev.Proved():
            return _proved(now, event, at)
        case ev.EvidenceAdded():
            return _put(now, "evidence", event.evidence, event)
        case ev.LogReviewed():
            before = now.secrets[event.secret].reviews
            return _turn(now, "secrets", event.secret, reviews=(*before, event))
        case ev.AnomalyFound():
            return _put(now, "anomalies", event.anomaly, (event, None))
        case ev.AnomalyDecided():
            found, _ = now.anomalies[event.anomaly]
            return _put(now, "anomalies", event.anomaly, (found, event))

        # Its course
        case ev.Advanced():
            return _reaching(now, Status(event.status), at)
        case ev.Reopened():
            again = replace(now, reopened=now.reopened + 1, merged_into="")
            return _reaching(_anew(again), Status.DECLARED, at)
        case ev.FalsePositive():
            return _reaching(now, Status.FALSE_POSITIVE, at)
        case ev.MergedInto():
            return _reaching(replace(now, merged_into=event.other), Status.MERGED, at)
        case ev.Absorbed():
            return replace(now, absorbed=(*now.absorbed, event.other))
        case ev.HoldSet():
            return replace(now, hold=event.reason if event.on else "")
        case ev.Noted():
            return now

        # Who was told
        case ev.MessageDrafted():
            return _put(now, "messages", event.message, Message(event.message, event, who, at))
        case ev.MessageApproved():
            agreed = now.messages[event.message].approvals
            return _turn(now, "messages", event.message, approvals=(*agreed, event))
        case ev.MessageSent():
            sent = now.messages[event.message].sent
            return _turn(now, "messages", event.message, sent=(*sent, (at, event)))
        case ev.MessageFailed():
            failed = now.messages[event.message].failed
            return _turn(now, "messages", event.message, failed=(*failed, (at, event)))

        # What came of it
        case ev.MitigationSet():
            return replace(now, mitigations=(*now.mitigations, event))
        case ev.PostMortem():
            return replace(now, post_mortem=event)
        case ev.RotationNoted():
            told = (*now.rotations.get(event.rotation, ()), event)
            return _put(now, "rotations", event.rotation, told)
        case _:
            assert_never(event)


_DONE = {
    "succeeded": StepState.DONE,
    "failed": StepState.FAILED,
    "unknown": StepState.UNKNOWN,
}


def _put(now: Incident, among: str, name: object, thing: object) -> Incident:
    """The incident with one thing more, or another one of that name."""
    changes: dict[str, Any] = {among: {**getattr(now, among), name: thing}}
    return replace(now, **changes)


def _turn(now: Incident, among: str, name: str, **changes: Any) -> Incident:
    """The incident with one of its things changed. Raises KeyError for one it does not have."""
    return _put(now, among, name, replace(getattr(now, among)[name], **changes))


def _moved(now: Incident, event: ev.SecretMoved, at: datetime) -> LeakedSecret:
    secret, state = now.secrets[event.secret], SecretState(event.state)
    moved = {**secret.moved, state: at}
    return replace(secret, state=state, moved=moved, rotation=event.rotation or secret.rotation)


def _proved(now: Incident, event: ev.Proved, at: datetime) -> Incident:
    """A proof belongs to the secret, consumer or copy it speaks of."""
    if event.subject in now.consumers:
        return _turn(now, "consumers", event.subject, proof=event if event.holds else None)
    if event.subject in now.copies:
        state = "confirmed-gone" if event.holds else "persists"
        return _turn(now, "copies", event.subject, state=state, detail=event.detail, closed_at=at)
    proofs = now.secrets[event.subject].proofs
    return _turn(now, "secrets", event.subject, proofs=(*proofs, (at, event)))


def _severity(before: Severity | None, event: ev.SeverityJudged) -> Severity:
    return Severity(
        event.level,
        event.label,
        event.rotation,
        event.notification,
        event.rules,
        before.lowered if before and before.lowered and before.level <= event.level else None,
    )


def _tasks(before: Mapping[str, Task], event: ev.ChecklistComposed) -> dict[str, Task]:
    """The new checklist; what was done stays done, also when the new one would not ask for it."""
    steps = [step(one) for one in event.steps]
    tasks = {one.key: replace(before.get(one.key, Task(one)), step=one) for one in steps}
    kept = {
        key: task
        for key, task in before.items()
        if key not in tasks and task.state is not StepState.OPEN
    }
    return tasks | kept


def _anew(now: Incident) -> Incident:
    """What was shown before counts no more once it is open again: a proof of death, a review, a
    post-mortem, a mitigation, and the steps that follow the containment. The events of it stay.
    """
    tasks = {
        key: replace(task, state=StepState.OPEN, note="open again")
        if task.state is StepState.DONE
        and (task.step.proves or task.step.phase is not Phase.CONTAIN)
        else task
        for key, task in now.tasks.items()
    }
    secrets = {name: _unproven(one) for name, one in now.secrets.items()}
    return replace(now, tasks=tasks, secrets=secrets, post_mortem=None, mitigations=())


def _unproven(secret: LeakedSecret) -> LeakedSecret:
    state = SecretState.REVOKED if secret.state in PROVEN else secret.state
    proofs = tuple((at, proof) for at, proof in secret.proofs if proof.kind != "dead")
    return replace(secret, state=state, proofs=proofs, reviews=())


def _reaching(now: Incident, status: Status, at: datetime) -> Incident:
    return replace(now, status=status, reached={**now.reached, status: at})
