"""What may be said of an incident's state: never more than its record holds (G-01, G-02, G-15)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from leakguard.event import LogReviewed, instant
from leakguard.incident import (
    PROVEN,
    STOPPED,
    Incident,
    LeakedSecret,
    SecretState,
    Status,
    StepState,
)
from leakguard.respond.guards import dead

PENDING = "pending"
NONE = "no-unauthorised-access"
UNAUTHORISED = "unauthorised-access"
CANNOT = "cannot-determine"

ASSESSMENTS = {
    PENDING: "PENDING",
    NONE: "COMPLETE - no unauthorised access",
    UNAUTHORISED: "COMPLETE - unauthorised access",
    CANNOT: "COMPLETE - cannot determine",
}
"""The four things a status may say about the blast radius (R-14, P-24)."""

_REVOKED = frozenset({SecretState.REVOKED, SecretState.DEAD, SecretState.RETIRED})


class Box(NamedTuple):
    """A line of a status with its mark: `x` done, `~` partly, nothing for not yet."""

    mark: str
    what: str
    detail: str


def verdict(incident: Incident) -> str:
    """What the reviews of the logs show together; the worst that any of them shows.

    Absence is said only when every secret's logs were read over the whole known
    exposure, in a log that its writer cannot edit or that was checked against another.
    """
    decided = [decision for _, decision in incident.anomalies.values()]
    reviews = [_last(secret.reviews) for secret in incident.secrets.values()]
    if any(one is not None and one.decision == "attacker" for one in decided):
        return UNAUTHORISED
    if any(review.verdict == UNAUTHORISED for found in reviews for review in found):
        return UNAUTHORISED
    if not reviews or not all(reviews) or None in decided:
        return PENDING
    unsure = any(one is not None and one.decision == CANNOT for one in decided)
    clear = all(_clear(incident, secret) for secret in incident.secrets.values())
    return NONE if clear and not unsure else CANNOT


def stopped(incident: Incident) -> bool:
    """Whether every leaked value should open nothing any more."""
    return bool(incident.secrets) and all(
        secret.state in STOPPED for secret in incident.secrets.values()
    )


def proven(incident: Incident) -> bool:
    """Whether every leaked value is shown to be dead."""
    return bool(incident.secrets) and all(
        secret.state in PROVEN and dead(incident, secret.id) for secret in incident.secrets.values()
    )


def status(incident: Incident) -> str:
    """INVESTIGATING, CONTAINED or RESOLVED (R-14); what the record holds counts, not the label."""
    if incident.status is Status.FALSE_POSITIVE:
        return "RESOLVED"
    if incident.status in (Status.REVIEWING, Status.CLOSED) and proven(incident):
        return "RESOLVED"
    ahead = (Status.CONTAINED, Status.ERADICATED, Status.RECOVERED, Status.REVIEWING, Status.CLOSED)
    return "CONTAINED" if incident.status in ahead and stopped(incident) else "INVESTIGATING"


def public_state(incident: Incident) -> str:
    """The word of a status page: investigating, identified, monitoring or resolved."""
    said = status(incident)
    if said == "INVESTIGATING":
        return "identified" if incident.secrets and incident.copies else "investigating"
    return "resolved" if said == "RESOLVED" else "monitoring"


def boxes(incident: Incident) -> tuple[Box, ...]:
    """The five lines of a status, from states, proofs and steps; nobody ticks them by hand."""
    return (
        _revoked(incident),
        _removed(incident),
        _deployed(incident),
        _healthy(incident),
        _reviewed(incident),
    )


def since(incident: Incident, secret: str = "") -> tuple[datetime | None, str]:
    """When the first copy (of one secret) could be read, and how certain that is."""
    known = [
        (at, copy.added.certainty)
        for copy in incident.copies.values()
        if (not secret or copy.added.secret == secret) and (at := when(copy.added.since))
    ]
    unknown = any(
        not when(copy.added.since) or copy.added.certainty == "unknown"
        for copy in incident.copies.values()
        if not secret or copy.added.secret == secret
    )
    if not known:
        return None, "unknown"
    at, certainty = min(known)
    return at, "unknown" if unknown else certainty


def until(incident: Incident, secret: str = "") -> datetime | None:
    """When the last leaked value (or this one) was proven dead; None while one is not."""
    chosen = [incident.secrets[secret]] if secret else list(incident.secrets.values())
    ends = [_dead_at(incident, one) for one in chosen]
    return max(one for one in ends if one) if ends and all(ends) else None


def tenant_result(incident: Incident, tenant: str) -> str:
    """`finished`, `failed` or `` while it goes on: of this tenant's own credentials (G-11)."""
    named = incident.fact("tenant", tenant).replace(",", " ").split()
    secrets = [incident.secrets.get(one) for one in named]
    if not secrets or None in secrets:
        return ""
    if all(one is not None and one.state in PROVEN for one in secrets):
        return "finished"
    failed = any(_rotation_failed(incident, one) for one in secrets if one is not None)
    return "failed" if failed else ""


def when(text: str) -> datetime | None:
    """An instant that an event holds as text; None for what is none."""
    try:
        return instant(text)
    except ValueError:
        return None


def said(at: datetime | None) -> str:
    """An instant for people: `2026-11-21 14:02 UTC`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if at else ""


def counted(number: int, what: str) -> str:
    """`1 copy`, `3 copies`."""
    if number == 1:
        return f"1 {what}"
    return f"{number} {what[:-1]}ies" if what.endswith("y") else f"{number} {what}s"


def _last(reviews: Sequence[LogReviewed]) -> tuple[LogReviewed, ...]:
    """The latest review of each source."""
    return tuple({review.source: review for review in reviews}.values())


def _clear(incident: Incident, secret: LeakedSecret) -> bool:
    reviews = _last(secret.reviews)
    trusted = any(review.tamper_evident or review.cross_checked for review in reviews)
    begin = since(incident, secret.id)[0]
    reads = [at for review in reviews if (at := when(review.begin))]
    covered = begin is None or (bool(reads) and min(reads) <= begin)
    ends = [at for review in reviews if (at := when(review.end))]
    over = secret.moved.get(SecretState.REVOKED) or secret.moved.get(SecretState.QUARANTINED)
    covered = covered and over is not None and bool(ends) and max(ends) >= over
    return trusted and covered and all(review.verdict == NONE for review in reviews)


def _dead_at(incident: Incident, secret: LeakedSecret) -> datetime | None:
    """The first proof of the run of proofs that still holds."""
    if secret.state not in PROVEN or not dead(incident, secret.id):
        return None
    found = None
    for at, proof in reversed([one for one in secret.proofs if one[1].kind == "dead"]):
        if not proof.holds:
            break
        found = at
    revoked = secret.moved.get(SecretState.REVOKED)
    return max(found, revoked) if found and revoked else found


def _box(done: int, of: int, what: str, detail: str, *, blocked: str = "") -> Box:
    mark = "" if not done else "x" if done == of and not blocked else "~"
    return Box(mark, what, "; ".join(filter(None, (detail, blocked))))


def _revoked(incident: Incident) -> Box:
    secrets = incident.secrets.values()
    done = sum(secret.state in _REVOKED for secret in secrets)
    held = sum(secret.state is SecretState.QUARANTINED for secret in secrets)
    detail = f"{done} of {counted(len(secrets), 'secret')}"
    detail += f", {held} denied reversibly" if held else ""
    return _box(done, len(secrets), "credential revoked at source", detail,
                blocked=_unsettled(incident, "revoked", ""))  # fmt: skip


def _removed(incident: Incident) -> Box:
    copies = incident.copies.values()
    gone = sum(copy.state == "confirmed-gone" for copy in copies)
    claimed = sum(copy.state == "removed-claimed" for copy in copies)
    detail = f"{gone} of {counted(len(copies), 'copy')} confirmed gone"
    detail += f", {claimed} said to be removed" if claimed else ""
    return _box(gone, len(copies), "exposure removed", detail,
                blocked=_unsettled(incident, "", "gone"))  # fmt: skip


def _deployed(incident: Incident) -> Box:
    what, consumers = "new credential deployed", incident.consumers.values()
    listed = all(secret.counted == "yes" for secret in incident.secrets.values())
    note = "" if listed and incident.secrets else "the list of consumers may be incomplete"
    if not consumers:
        none = listed and bool(incident.secrets)
        return Box("x" if none else "", what, "no consumers" if none else note)
    done = sum(consumer.proof is not None for consumer in consumers)
    excepted = sum(consumer.exception is not None for consumer in consumers)
    detail = f"{done} of {counted(len(consumers), 'consumer')} proven on the new value"
    detail += f", {excepted} excepted" if excepted else ""
    return _box(done, len(consumers), what, detail, blocked=note)


def _healthy(incident: Incident) -> Box:
    what = "services verified healthy"
    if incident.fact("services-healthy") == "yes":
        return Box("x", what, "stated by a responder")
    consumers = [one for one in incident.consumers.values() if one.proof is not None]
    well = sum(one.proof is not None and one.proof.method == "health" for one in consumers)
    total = len(incident.consumers)
    return _box(well, total, what, f"{well} of {counted(total, 'health check')}")


def _reviewed(incident: Incident) -> Box:
    begun = sum(bool(secret.reviews) for secret in incident.secrets.values())
    total = len(incident.secrets)
    open_ = sum(decision is None for _, decision in incident.anomalies.values())
    undecided = f"{counted(open_, 'anomaly')} undecided" if open_ else ""
    detail = f"logs of {begun} of {counted(total, 'secret')} read"
    return _box(begun, total, "audit log review", detail, blocked=undecided)


def _unsettled(incident: Incident, sets: str, proves: str) -> str:
    """Steps for this that failed, or whose outcome nobody knows (G-16)."""
    bad = [
        f"{key} {task.state}"
        for key, task in incident.tasks.items()
        if task.state in (StepState.FAILED, StepState.UNKNOWN)
        and ((sets and task.step.sets == sets) or (proves and task.step.proves == proves))
    ]
    return ", ".join(bad)


def _rotation_failed(incident: Incident, secret: LeakedSecret) -> bool:
    told = incident.rotations.get(secret.rotation, ())
    if secret.state not in STOPPED and told and told[-1].status in ("failed", "unknown"):
        return True
    return any(
        task.state in (StepState.FAILED, StepState.UNKNOWN)
        for task in incident.tasks.values()
        if task.step.subject == secret.id
    )
