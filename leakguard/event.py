"""What happened in an incident. Events are the truth; everything else is computed from them.

Each is a plain frozen value of text, numbers and tuples, so that it can be
written as JSON and read again by any later version. None can hold a secret.
"""

from __future__ import annotations

import typing
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from typing import Any, get_args, get_origin

from leakguard.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Opened:
    """Somebody or something reported a leak. `detected_at` is when it was first noticed."""

    title: str
    source: str  # finding | report | pasted | manual | pipeline | rotation
    detected_at: str
    preset: str = "strictest"
    confirmed: bool = True
    drill: bool = False
    code_name: str = ""


@dataclass(frozen=True, slots=True)
class SecretAdded:
    """A credential is part of it. `reason`: found | companion | contained-in | adjacent."""

    secret: str
    secret_class: str
    rule_id: str = ""
    provider: str = ""
    preview: str = ""
    label: str = ""  # the public name: a variable, a key id, a role
    environment: str = "unknown"
    fingerprint: str = ""  # keyed by the installation; never the finding's own
    finding: str = ""  # the six digits people know it by
    reason: str = "found"
    within: str = ""  # the secret that held it
    dump: str = ""  # what it was found together with
    half: str = ""  # access | decrypt, when it opens nothing alone
    revoke_url: str = ""
    revoke_how: str = ""


@dataclass(frozen=True, slots=True)
class ExposureAdded:
    """A place where it could be read. `since` with its `certainty`: exact | earliest | unknown."""

    exposure: str
    secret: str
    channel: str
    where: str
    audience: str = "unknown"
    since: str = ""
    certainty: str = "unknown"
    active: bool = True
    commit: str = ""
    refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExposureClosed:
    """What became of a copy. It never says anything about whether the secret is dead.

    `state`: removal-requested | removed-claimed | confirmed-gone | persists | unverifiable.
    """

    exposure: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ConsumerAdded:
    """Something that uses the credential. `found_by`: search | person | discovered-use."""

    consumer: str
    secret: str
    name: str
    kind: str = "service"
    where: str = ""
    found_by: str = "person"


@dataclass(frozen=True, slots=True)
class ConsumerExcepted:
    """A consumer that will not be proven, with the reason and who accepted it."""

    consumer: str
    reason: str
    approver: str


@dataclass(frozen=True, slots=True)
class ConsumersCounted:
    """Whether the list of consumers of a secret is complete; `unknown` is an answer too."""

    secret: str
    complete: str  # yes | unknown
    why: str = ""


@dataclass(frozen=True, slots=True)
class Stated:
    """A fact that a person or a search established; a later one replaces an earlier."""

    fact: str
    value: str
    subject: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class SeverityJudged:
    """The level (0 is worst) with every rule that spoke: (rule, level, why)."""

    level: int
    label: str
    rotation: str
    notification: str
    rules: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class SeverityLowered:
    """People decided that it is less bad than the policy says."""

    level: int
    reason: str
    approver: str


@dataclass(frozen=True, slots=True)
class ChecklistComposed:
    """The steps of this case, whole, so that a later playbook changes no running incident."""

    steps: tuple[dict[str, Any], ...]
    playbooks: str  # hash of the packs they came from


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step was carried out; `outcome`: succeeded | failed | unknown."""

    step: str
    note: str = ""
    outcome: str = "succeeded"
    evidence: tuple[str, ...] = ()
    approver: str = ""


@dataclass(frozen=True, slots=True)
class StepSkipped:
    """A step will not be done; a mandatory one needs a second person."""

    step: str
    reason: str
    approver: str = ""


@dataclass(frozen=True, slots=True)
class StepAssigned:
    """Who does it."""

    step: str
    who: str


@dataclass(frozen=True, slots=True)
class StepReopened:
    """It has to be done again: what showed it done holds no more."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class SecretMoved:
    """The credential's way from identified to retired; see SECRET_STATES."""

    secret: str
    state: str
    why: str = ""
    rotation: str = ""


@dataclass(frozen=True, slots=True)
class Proved:
    """Something was checked. `kind`: dead | live-new | switch | gone.

    `method`: probe | introspection | provider-metadata | login | config | usage |
    health | attestation. `holds` is what it showed.
    """

    kind: str
    subject: str
    method: str
    holds: bool
    detail: str
    rounds: int = 1
    evidence: tuple[str, ...] = ()
    approver: str = ""  # who else vouches for a mere word


@dataclass(frozen=True, slots=True)
class EvidenceAdded:
    """Something was kept: its name, hash and size, how it was collected, and what it shows."""

    evidence: str
    name: str
    sha256: str
    size: int
    how: str = ""
    kept: str = ""  # where, relative to the store; empty when only its hash is kept
    of: str = ""  # the secret, copy or consumer it is about


@dataclass(frozen=True, slots=True)
class LogReviewed:
    """Access logs of the exposure window were read.

    `verdict`: no-unauthorised-access | unauthorised-access | cannot-determine.
    """

    secret: str
    source: str
    begin: str
    end: str
    verdict: str
    tamper_evident: bool
    cross_checked: str = ""
    rows: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class AnomalyFound:
    """Something in the logs that a normal user of the credential would not do."""

    anomaly: str
    secret: str
    detail: str


@dataclass(frozen=True, slots=True)
class AnomalyDecided:
    """What it was: benign | attacker | cannot-determine, and whether it must be disclosed."""

    anomaly: str
    decision: str
    disclose: bool
    why: str


@dataclass(frozen=True, slots=True)
class RoleTaken:
    """Who is commander, fixer, scribe, legal or comms."""

    role: str
    who: str


@dataclass(frozen=True, slots=True)
class Advanced:
    """The incident reached a status."""

    status: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Reopened:
    """It is not over: a new occurrence, a use of the old value, an anomaly."""

    reason: str


@dataclass(frozen=True, slots=True)
class FalsePositive:
    """It was no secret. Two people at the worst levels."""

    reason: str
    approver: str = ""


@dataclass(frozen=True, slots=True)
class MergedInto:
    """Another incident goes on with it."""

    other: str
    reason: str


@dataclass(frozen=True, slots=True)
class Absorbed:
    """Another incident was taken in."""

    other: str


@dataclass(frozen=True, slots=True)
class HoldSet:
    """Waiting for somebody outside, or no more."""

    on: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Noted:
    """Words of a person."""

    text: str


@dataclass(frozen=True, slots=True)
class MessageDrafted:
    """A communication, filled from facts. The text holds no secret; its hash seals it."""

    message: str
    template: str
    version: int
    audience: str
    subject: str
    text: str
    sha256: str
    tlp: str = "AMBER"
    changes: str = ""


@dataclass(frozen=True, slots=True)
class MessageApproved:
    """Somebody other than the author, legal where the template needs it, agreed to it."""

    message: str
    approver: str
    role: str


@dataclass(frozen=True, slots=True)
class MessageSent:
    """It left: through what, to whom (no token in it), with the receiver's receipt."""

    message: str
    through: str
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class MessageFailed:
    """It did not leave, or nobody knows."""

    message: str
    through: str
    problem: str
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class MitigationSet:
    """How this way of leaking is closed. `state`: shipped | tracked."""

    vector: str
    mitigation: str
    state: str
    reference: str


@dataclass(frozen=True, slots=True)
class PostMortem:
    """`state`: drafted | reviewed | published | waived."""

    state: str
    reference: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RotationNoted:
    """What a rotation did at one phase; the journal holds the rest."""

    rotation: str
    secret: str
    script: str
    phase: str
    status: str
    detail: str = ""


Event = (
    Opened
    | SecretAdded
    | ExposureAdded
    | ExposureClosed
    | ConsumerAdded
    | ConsumerExcepted
    | ConsumersCounted
    | Stated
    | SeverityJudged
    | SeverityLowered
    | ChecklistComposed
    | StepDone
    | StepSkipped
    | StepAssigned
    | StepReopened
    | SecretMoved
    | Proved
    | EvidenceAdded
    | LogReviewed
    | AnomalyFound
    | AnomalyDecided
    | RoleTaken
    | Advanced
    | Reopened
    | FalsePositive
    | MergedInto
    | Absorbed
    | HoldSet
    | Noted
    | MessageDrafted
    | MessageApproved
    | MessageSent
    | MessageFailed
    | MitigationSet
    | PostMortem
    | RotationNoted
)

KINDS: dict[str, type] = {kind.__name__: kind for kind in get_args(Event)}


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in its place: number `seq` of its incident (from 1), when, and by whom."""

    seq: int
    incident: str
    at: datetime
    actor: str
    event: Event


def write(event: Event) -> tuple[str, dict[str, Any]]:
    """The kind and the fields of an event, ready for JSON. Defaults are left out."""
    body = {}
    for one in fields(event):
        value = getattr(event, one.name)
        if value != one.default or one.default is MISSING:
            body[one.name] = value
    return type(event).__name__, body


def read(kind: str, body: dict[str, Any]) -> Event:
    """An event as it was written. Raises ConfigError for one that a newer version wrote."""
    if kind not in KINDS:
        raise ConfigError(f"an event of kind {kind!r} is unknown", "a newer leakguard wrote it")
    known = typing.get_type_hints(KINDS[kind])
    if set(body) - set(known):
        raise ConfigError(f"an event {kind} has unknown fields", "a newer leakguard wrote it")
    try:
        made = KINDS[kind](**{name: _frozen(known[name], value) for name, value in body.items()})
    except TypeError:
        raise ConfigError(f"an event {kind} lacks a field", "the store is damaged") from None
    return typing.cast("Event", made)


def stamp(at: datetime) -> str:
    """An instant as it is written everywhere: UTC, microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant(text: str) -> datetime:
    """The instant behind a stamp. Raises ValueError for anything without a time zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time needs its zone")
    return found.astimezone(UTC)


def _frozen(kind: Any, value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    if get_origin(kind) is tuple and isinstance(value, list):
        inner = get_args(kind)[0]
        return tuple(_frozen(inner, one) for one in value)
    return value
