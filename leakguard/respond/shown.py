"""Steps that a command of their own records: what in the record shows that they are done."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from leakguard.incident import PROVEN, Consumer, Copy, Incident, LeakedSecret
from leakguard.playbook import Step
from leakguard.respond.guards import dead, was_sent

REMOVED = frozenset({"removed-claimed", "confirmed-gone"})
FINAL = frozenset({"confirmed-gone", "persists", "unverifiable"})


def shown(now: Incident, step: Step) -> str:
    """The proof that a step is done, in a few words; nothing when the record holds none."""
    name, of = step.id, step.subject
    if name in OF_INCIDENT:
        return OF_INCIDENT[name](now)
    if name in OF_SECRET and of in now.secrets:
        return OF_SECRET[name](now, now.secrets[of])
    if name in OF_COPY and of in now.copies:
        return OF_COPY[name](now, now.copies[of])
    if name in OF_CONSUMER and of in now.consumers:
        return OF_CONSUMER[name](now.consumers[of])
    return _told(now, step)


ONCE = frozenset({"declaration", "executive-brief", "customer-disclosure"})
"""Messages of which one is enough, whatever else the incident holds."""


def _told(now: Incident, step: Step) -> str:
    template = step.command[3] if step.command[:2] == ("leakguard", "notice") else ""
    return f"the {template} was sent" if template in ONCE and was_sent(now, template) else ""


def _roles(now: Incident) -> str:
    who = now.roles
    ready = "commander" in who and "fixer" in who
    return f"{who['commander']} commands, {who['fixer']} fixes" if ready else ""


def _identified(now: Incident) -> str:
    """Each secret has a place, and each place that others could read its first instant."""
    copies = now.copies.values()
    known = all(one.added.since or one.added.channel == "local-commit" for one in copies)
    if not now.secrets or not known or {one.added.secret for one in copies} < set(now.secrets):
        return ""
    return ", ".join(f"{one.id} {one.added.since[:19] or one.added.channel}" for one in copies)


def _preserved(now: Incident) -> str:
    return f"{', '.join(now.evidence)} kept" if now.evidence else ""


def _captured(now: Incident, copy: Copy) -> str:
    kept = [one.evidence for one in now.evidence.values() if one.of == copy.id]
    return f"{', '.join(kept)} kept" if kept else ""


def _counted(_: Incident, secret: LeakedSecret) -> str:
    said = {"yes": "all consumers are listed", "unknown": "nobody can list all consumers"}
    return said.get(secret.counted, "")


def _reviewed(_: Incident, secret: LeakedSecret) -> str:
    return "; ".join(f"{one.source}: {one.verdict}" for one in secret.reviews)


def _works(_: Incident, secret: LeakedSecret) -> str:
    """The last try of the new value."""
    tries = [one for _, one in secret.proofs if one.kind == "live-new"]
    return f"the new value works: {tries[-1].method}" if tries and tries[-1].holds else ""


def _dead(now: Incident, secret: LeakedSecret) -> str:
    ended = secret.state in PROVEN and dead(now, secret.id)
    return f"{secret.id} is proven dead" if ended else ""


def _in(states: frozenset[str]) -> Callable[[Incident, Copy], str]:
    def said(_: Incident, copy: Copy) -> str:
        detail = f": {copy.detail}" if copy.detail else ""
        return f"{copy.id} is {copy.state}{detail}" if copy.state in states else ""

    return said


def _switched(consumer: Consumer) -> str:
    if consumer.proof:
        return f"{consumer.proof.method}: {consumer.proof.detail}"
    return f"excepted by {consumer.exception.approver}" if consumer.exception else ""


def _mitigated(now: Incident) -> str:
    return "; ".join(f"{one.mitigation}, {one.state}" for one in now.mitigations)


def _published(now: Incident) -> str:
    found = now.post_mortem
    return f"published: {found.reference}" if found and found.state == "published" else ""


OF_INCIDENT: Mapping[str, Callable[[Incident], str]] = {
    "declare": _roles,
    "identify": _identified,
    "preserve": _preserved,
    "mitigate": _mitigated,
    "published": _published,
}
OF_SECRET: Mapping[str, Callable[[Incident, LeakedSecret], str]] = {
    "inventory": _counted,
    "verify-new": _works,
    "prove-dead": _dead,
    "review-use": _reviewed,
}
OF_COPY: Mapping[str, Callable[[Incident, Copy], str]] = {
    "capture": _captured,
    "hide": _in(REMOVED),
    "confirm-gone": _in(FINAL),
}
OF_CONSUMER: Mapping[str, Callable[[Consumer], str]] = {"switch": _switched}
