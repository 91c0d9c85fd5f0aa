"""An incident as it is now. `leakguard.history` makes and changes one, from its events alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from leakguard import event as ev
from leakguard.playbook import Step


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
