"""An incident: what its events add up to. `fold` is the only way to make or change one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar, assert_never

from leakguard import event as ev
from leakguard.event import Entry
from leakguard.playbook import Phase, Risk, Step

V = TypeVar("V")


class Status(StrEnum):
    """How far an incident is. The guards (respond.guards) say what each needs."""

    SUSPECTED = "suspected"
    DECLARED = "declared"
    CONTAINED = "contained"
    ERADICATED = "eradicated"
    RECOVERED = "recovered"
    REVIEWING = "reviewing"
    CLOSED = "closed"
    FALSE_POSITIVE = "false-positive"
    MERGED = "merged"


PATH = (
    Status.SUSPECTED,
    Status.DECLARED,
    Status.CONTAINED,
    Status.ERADICATED,
    Status.RECOVERED,
    Status.REVIEWING,
    Status.CLOSED,
)
"""The way an incident goes, one step at a time."""

OVER = frozenset({Status.CLOSED, Status.FALSE_POSITIVE, Status.MERGED})


class SecretState(StrEnum):
    """How far a credential is from live to proven dead."""

    IDENTIFIED = "identified"
    STAGED = "staged"  # a new value exists, sealed
    ISSUED = "issued"  # the issuer knows it
    DISTRIBUTED = "distributed"  # every consumer was given it
    CUTOVER = "cutover"  # every consumer uses it
    QUARANTINED = "quarantined"  # denied, reversibly
    REVOKED = "revoked"  # ended at the issuer; not yet proven
    DEAD = "dead"  # proven
    RETIRED = "retired"  # and removed from every store


STOPPED = frozenset(
    {SecretState.QUARANTINED, SecretState.REVOKED, SecretState.DEAD, SecretState.RETIRED}
)
"""States in which the leaked value should open nothing any more."""

PROVEN = frozenset({SecretState.DEAD, SecretState.RETIRED})


class StepState(StrEnum):
    """What became of a step."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"  # carried out, outcome unknown: blocks until verified
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class LeakedSecret:
    """One credential of the incident. Never its value."""

    id: str
    added: ev.SecretAdded
    state: SecretState = SecretState.IDENTIFIED
    moved: Mapping[SecretState, datetime] = field(default_factory=dict)
    rotation: str = ""
    counted: str = ""  # whether its consumers are all known: "", yes, unknown
    proofs: tuple[tuple[datetime, ev.Proved], ...] = ()
    reviews: tuple[ev.LogReviewed, ...] = ()

    @property
    def secret_class(self) -> str:
        """Which playbook it needs."""
        return self.added.secret_class

    @property
    def name(self) -> str:
        """What people call it."""
        return self.added.label or self.added.rule_id or self.added.secret_class


@dataclass(frozen=True, slots=True)
class Copy:
    """A place where a secret could be read, and what became of it."""

    id: str
    added: ev.ExposureAdded
    state: str = "found"
    detail: str = ""
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Consumer:
    """Something that uses a secret; `proof` shows that it uses the new one."""

    id: str
    added: ev.ConsumerAdded
    proof: ev.Proved | None = None
    exception: ev.ConsumerExcepted | None = None

    @property
    def settled(self) -> bool:
        """Proven on the new value, or excepted by somebody."""
        return self.proof is not None or self.exception is not None


@dataclass(frozen=True, slots=True)
class Task:
    """A step of this incident's checklist, and what became of it."""

    step: Step
    state: StepState = StepState.OPEN
    at: datetime | None = None
    by: str = ""
    note: str = ""
    approver: str = ""
    assignee: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """Done, or skipped by somebody who may."""
        return self.state in (StepState.DONE, StepState.SKIPPED)


@dataclass(frozen=True, slots=True)
class Message:
    """One communication and its way out: drafted, approved, sent, failed, unknown."""

    id: str
    draft: ev.MessageDrafted
    author: str
    at: datetime
    approvals: tuple[ev.MessageApproved, ...] = ()
    sent: tuple[tuple[datetime, ev.MessageSent], ...] = ()
    failed: tuple[tuple[datetime, ev.MessageFailed], ...] = ()

    @property
    def state(self) -> str:
        """Where it stands, in one word."""
        if self.lost:
            return "unknown"
        if self.sent:
            return "sent"
        if self.failed:
            return "failed"
        return "approved" if self.approvals else "draft"

    @property
    def lost(self) -> frozenset[str]:
        """The ways by which it may have gone, and nobody knows."""
        told = [(at, one.through, False) for at, one in self.sent]
        told += [(at, one.through, one.unknown) for at, one in self.failed]
        last = {way: unknown for _, way, unknown in sorted(told)}
        return frozenset(way for way, unknown in last.items() if unknown)


@dataclass(frozen=True, slots=True)
class Severity:
    """How bad, what it asks for, and who said so."""

    level: int
    label: str
    rotation: str
    notification: str
    rules: tuple[tuple[str, int, str], ...] = ()
    lowered: ev.SeverityLowered | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """All that is known now. Times are UTC."""

    id: str
    opened: ev.Opened
    opened_at: datetime
    opened_by: str
    status: Status
    reached: Mapping[Status, datetime]
    severity: Severity | None = None
    secrets: Mapping[str, LeakedSecret] = field(default_factory=dict)
    copies: Mapping[str, Copy] = field(default_factory=dict)
    consumers: Mapping[str, Consumer] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    playbooks: str = ""
    stated: Mapping[tuple[str, str], ev.Stated] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, ev.EvidenceAdded] = field(default_factory=dict)
    anomalies: Mapping[str, tuple[ev.AnomalyFound, ev.AnomalyDecided | None]] = field(
        default_factory=dict
    )
    messages: Mapping[str, Message] = field(default_factory=dict)
    mitigations: tuple[ev.MitigationSet, ...] = ()
    post_mortem: ev.PostMortem | None = None
    rotations: Mapping[str, tuple[ev.RotationNoted, ...]] = field(default_factory=dict)
    merged_into: str = ""
    absorbed: tuple[str, ...] = ()
    hold: str = ""
    reopened: int = 0
    people: frozenset[str] = frozenset()
    seq: int = 0
    changed_at: datetime | None = None

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.status in OVER

    @property
    def level(self) -> int:
        """The level in force; 0 is worst, and what is not judged yet counts as worst."""
        return self.severity.level if self.severity else 0

    def fact(self, name: str, subject: str = "") -> str:
        """What was stated last about `name`, or nothing."""
        found = self.stated.get((name, subject))
        return found.value if found else ""


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
    at, event = entry.at, entry.event
    match event:
        case ev.Opened():
            raise Impossible(f"{now.id} is opened twice")
        case ev.SecretAdded():
            return replace(now, secrets=_put(now.secrets, _secret(event, at)))
        case ev.ExposureAdded():
            return replace(now, copies=_put(now.copies, Copy(event.exposure, event)))
        case ev.ExposureClosed():
            copy = now.copies[event.exposure]
            copy = replace(copy, state=event.state, detail=event.detail, closed_at=at)
            return replace(now, copies=_put(now.copies, copy))
        case ev.ConsumerAdded():
            return replace(now, consumers=_put(now.consumers, Consumer(event.consumer, event)))
        case ev.ConsumerExcepted():
            consumer = replace(now.consumers[event.consumer], exception=event)
            return replace(now, consumers=_put(now.consumers, consumer))
        case ev.ConsumersCounted():
            secret = replace(now.secrets[event.secret], counted=event.complete)
            return replace(now, secrets=_put(now.secrets, secret))
        case ev.Stated():
            return replace(now, stated={**now.stated, (event.fact, event.subject): event})
        case ev.SeverityJudged():
            return replace(now, severity=_severity(now.severity, event))
        case ev.SeverityLowered():
            judged = now.severity or Severity(event.level, "", "", "")
            return replace(now, severity=replace(judged, level=event.level, lowered=event))
        case ev.ChecklistComposed():
            tasks = _tasks(now.tasks, event)
            return replace(now, tasks=tasks, playbooks=event.playbooks)
        case ev.StepDone():
            state = _DONE[event.outcome]
            task = replace(
                now.tasks[event.step],
                state=state, at=at, by=entry.actor, note=event.note, evidence=event.evidence,
            )  # fmt: skip
            return replace(now, tasks={**now.tasks, event.step: task})
        case ev.StepSkipped():
            task = replace(
                now.tasks[event.step],
                state=StepState.SKIPPED, at=at, by=entry.actor, note=event.reason,
                approver=event.approver,
            )  # fmt: skip
            return replace(now, tasks={**now.tasks, event.step: task})
        case ev.StepAssigned():
            task = replace(now.tasks[event.step], assignee=event.who)
            return replace(now, tasks={**now.tasks, event.step: task})
        case ev.StepReopened():
            task = replace(now.tasks[event.step], state=StepState.OPEN, note=event.reason)
            return replace(now, tasks={**now.tasks, event.step: task})
        case ev.SecretMoved():
            return replace(now, secrets=_put(now.secrets, _moved(now, event, at)))
        case ev.Proved():
            return _proved(now, event, at)
        case ev.EvidenceAdded():
            return replace(now, evidence={**now.evidence, event.evidence: event})
        case ev.LogReviewed():
            secret = now.secrets[event.secret]
            secret = replace(secret, reviews=(*secret.reviews, event))
            return replace(now, secrets=_put(now.secrets, secret))
        case ev.AnomalyFound():
            return replace(now, anomalies={**now.anomalies, event.anomaly: (event, None)})
        case ev.AnomalyDecided():
            found = now.anomalies[event.anomaly][0]
            return replace(now, anomalies={**now.anomalies, event.anomaly: (found, event)})
        case ev.RoleTaken():
            return replace(now, roles={**now.roles, event.role: event.who})
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
        case ev.MessageDrafted():
            message = Message(event.message, event, entry.actor, at)
            return replace(now, messages=_put(now.messages, message))
        case ev.MessageApproved():
            message = now.messages[event.message]
            message = replace(message, approvals=(*message.approvals, event))
            return replace(now, messages=_put(now.messages, message))
        case ev.MessageSent():
            message = now.messages[event.message]
            message = replace(message, sent=(*message.sent, (at, event)))
            return replace(now, messages=_put(now.messages, message))
        case ev.MessageFailed():
            message = now.messages[event.message]
            message = replace(message, failed=(*message.failed, (at, event)))
            return replace(now, messages=_put(now.messages, message))
        case ev.MitigationSet():
            return replace(now, mitigations=(*now.mitigations, event))
        case ev.PostMortem():
            return replace(now, post_mortem=event)
        case ev.RotationNoted():
            told = (*now.rotations.get(event.rotation, ()), event)
            return replace(now, rotations={**now.rotations, event.rotation: told})
        case _:
            assert_never(event)


_DONE = {
    "succeeded": StepState.DONE,
    "failed": StepState.FAILED,
    "unknown": StepState.UNKNOWN,
}


def _put(kept: Mapping[str, V], thing: V) -> Mapping[str, V]:
    """A mapping with one thing more, or changed, under its id."""
    return {**kept, thing.id: thing}  # type: ignore[attr-defined]


def _secret(event: ev.SecretAdded, at: datetime) -> LeakedSecret:
    return LeakedSecret(event.secret, event, moved={SecretState.IDENTIFIED: at})


def _moved(now: Incident, event: ev.SecretMoved, at: datetime) -> LeakedSecret:
    secret, state = now.secrets[event.secret], SecretState(event.state)
    moved = {**secret.moved, state: at}
    return replace(secret, state=state, moved=moved, rotation=event.rotation or secret.rotation)


def _proved(now: Incident, event: ev.Proved, at: datetime) -> Incident:
    """A proof belongs to the secret, consumer or copy it speaks of."""
    if event.subject in now.consumers:
        consumer = now.consumers[event.subject]
        kept = replace(consumer, proof=event if event.holds else None)
        return replace(now, consumers=_put(now.consumers, kept))
    if event.subject in now.copies:
        copy = now.copies[event.subject]
        state = "confirmed-gone" if event.holds else "persists"
        copy = replace(copy, state=state, detail=event.detail, closed_at=at)
        return replace(now, copies=_put(now.copies, copy))
    secret = now.secrets[event.subject]
    secret = replace(secret, proofs=(*secret.proofs, (at, event)))
    return replace(now, secrets=_put(now.secrets, secret))


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


def step(fields: dict[str, Any]) -> Step:
    """A step as an event keeps it."""
    made = dict(fields)
    made["phase"] = Phase(made["phase"])
    made["risk"] = Risk(made.get("risk", "none"))
    for name in ("source", "depends_on", "command", "inputs"):
        made[name] = tuple(made.get(name, ()))
    for name in ("when", "needs"):
        given = made.get(name, {})
        made[name] = MappingProxyType({key: tuple(values) for key, values in given.items()})
    return Step(**made)


def step_fields(kept: Step) -> dict[str, Any]:
    """A step ready for JSON, the counterpart of `step`; empty fields are left out."""
    fields: dict[str, Any] = {}
    for name in Step.__slots__:
        value = getattr(kept, name)
        if name in ("when", "needs"):
            value = {key: list(values) for key, values in value.items()}
        if value not in ("", (), {}, None) or name == "source":
            fields[name] = list(value) if isinstance(value, tuple) else value
    return fields
