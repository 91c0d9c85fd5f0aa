"""What is known of an incident, as facts: of the whole, of one secret, of one copy.

Severity, playbooks and guards read nothing else. What nobody said is `unknown`;
what several things show counts at its worst.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from leakguard.facts import ANSWERS, Facts
from leakguard.incident import PROVEN, Copy, Incident, LeakedSecret, SecretState, Status
from leakguard.preset import Preset
from leakguard.respond import questions as asking
from leakguard.respond.companions import ALL, STATES, Dump, Item, Result
from leakguard.respond.compose import VOCABULARY
from leakguard.respond.guards import dead
from leakguard.respond.questions import Question
from leakguard.respond.strategy import choose

VALUES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **VOCABULARY,
        "audit-gap": ANSWERS,
        "failed-auth": ANSWERS,
        "cleared": ANSWERS,
        "other-half": ANSWERS,
        "linked": (),
    }
)
"""Every fact that can be stated, and its values; those without a list may be any word.

On top of what a playbook asks for: `audit-gap`, logs of the window are missing;
`failed-auth`, somebody unknown keeps failing to log in; `cleared`, every reader
was allowed to know the secret; `other-half`, the rest of a companion set was in
the same place (of the set that is the subject, or of every set); `linked`, the
secret that the subject was found together with.
"""

_ENDED = frozenset({SecretState.REVOKED, *PROVEN})
_STATED = ("regulated", "customer-data", "privilege", "cleared")
_OF_INCIDENT = {
    "intrusion": "unknown",
    "gate-installed": "no",
    "audit-gap": "unknown",
    "failed-auth": "unknown",
    "sealed": "unknown",
    "seal-type": "unknown",
    "seal-signal": "none",
    "tenants": "unknown",
}
_PUSHED = frozenset({"public-repository", "private-repository"})
_ACTIVE = {"confirmed-gone": "no", "removed-claimed": "unknown", "unverifiable": "unknown"}


def facts_of(
    incident: Incident,
    results: Sequence[Result] = (),
    *,
    preset: Preset | None = None,
    rotatable: Collection[str] = (),
) -> Facts:
    """Everything known of the incident; a fact of several secrets or copies has several values.

    `rotatable` are the classes that a script can rotate; with a preset, the
    strategy is told too.
    """
    parts = [*_cases(incident, results), *(
        secret_facts(incident, one, results, preset=preset, rotatable=rotatable)
        for one in incident.secrets
    )]  # fmt: skip
    facts: dict[str, frozenset[str]] = {}
    for part in parts:
        for name, values in part.items():
            facts[name] = facts.get(name, frozenset()) | values
    every = incident.secrets.values()
    whole = {
        "rotated": _yes(bool(every) and all(one.state in _ENDED for one in every)),
        "proven": _yes(bool(every) and all(_proven(incident, one) for one in every)),
    }
    return {**facts, **_facts(whole)}


def secret_facts(
    incident: Incident,
    secret_id: str,
    results: Sequence[Result] = (),
    *,
    preset: Preset | None = None,
    rotatable: Collection[str] = (),
) -> Facts:
    """What is known of one secret: its own facts, and those of all its copies."""
    secret = incident.secrets[secret_id]
    facts = {**_of_incident(incident), **_own(incident, secret, results)}
    facts["rotation-script"] = frozenset({_yes(secret.secret_class in rotatable)})
    for place in _places(incident, copies_of(incident, secret_id)):
        for name, values in place.items():
            facts[name] = facts.get(name, frozenset()) | values
    chosen = incident.fact("strategy", secret_id) or incident.fact("strategy")
    if not chosen and preset is not None:
        chosen = choose(facts, preset, incident.level).name
    return {**facts, **({"strategy": frozenset({chosen})} if chosen else {})}


def copy_facts(incident: Incident, copy_id: str, results: Sequence[Result] = ()) -> Facts:
    """What is known of one copy and of the secret that stands in it."""
    copy = incident.copies[copy_id]
    secret = incident.secrets.get(copy.added.secret)
    own = _own(incident, secret, results) if secret else {}
    return {**_of_incident(incident), **own, **_place(incident, copy)}


def cases(incident: Incident, results: Sequence[Result] = ()) -> tuple[Facts, ...]:
    """Each secret in each of its places, to be judged one by one (severity.judge_all)."""
    return tuple(_cases(incident, results))


def copies_of(incident: Incident, secret_id: str) -> list[Copy]:
    """Where a secret could be read; what lies in a container leaked where the container did."""
    seen: set[str] = set()
    while secret_id and secret_id not in seen:
        found = [one for one in incident.copies.values() if one.added.secret == secret_id]
        if found:
            return found
        seen.add(secret_id)
        secret = incident.secrets.get(secret_id)
        secret_id = secret.added.within if secret else ""
    return []


def dumps_of(incident: Incident) -> tuple[Dump, ...]:
    """What was found together: told when it was added, or in the same place of the same commit.

    A stated fact `linked` of one secret with another's id joins their dumps.
    """
    return tuple(_dump(incident, one) for one in incident.secrets.values())


def answers(incident: Incident) -> dict[str, str]:
    """What was said of the other half, by set; said of none in particular, it counts for all."""
    return {
        subject or ALL: told.value
        for (name, subject), told in incident.stated.items()
        if name == "other-half"
    }


def questions(incident: Incident, results: Sequence[Result] = ()) -> tuple[Question, ...]:
    """What only people know, at most five, those first that change most."""
    return asking.questions(incident, facts_of(incident, results), results)


def _cases(incident: Incident, results: Sequence[Result]) -> Iterable[Facts]:
    whole = _of_incident(incident)
    for secret in incident.secrets.values():
        own = {**whole, **_own(incident, secret, results)}
        for place in _places(incident, copies_of(incident, secret.id)):
            yield {**own, **place}
    if not incident.secrets:
        for place in _places(incident, list(incident.copies.values())):
            yield {**whole, **place}


def _of_incident(incident: Incident) -> dict[str, frozenset[str]]:
    declared = incident.status is not Status.SUSPECTED
    told = {
        "confidence": "confirmed" if declared else incident.fact("confidence") or "possible",
        "level": str(incident.level),
        "status": str(incident.status),
        "drill": _yes(incident.opened.drill),
        "report": "external" if incident.opened.source == "report" else "internal",
        "evidence-captured": _yes(bool(incident.evidence)),
    }
    told |= {name: incident.fact(name) or usual for name, usual in _OF_INCIDENT.items()}
    pack = incident.fact("pack")
    return _facts(told | ({"pack": pack} if pack else {}))


def _own(
    incident: Incident, secret: LeakedSecret, results: Sequence[Result]
) -> dict[str, frozenset[str]]:
    added = secret.added
    told = {name: _said(incident, name, secret.id) for name in _STATED}
    told |= {
        "class": added.secret_class,
        "provider": added.provider or "unknown",
        "environment": _said(incident, "environment", secret.id, added.environment),
        "validity": _validity(incident, secret),
        "evidence-of-use": _used(incident, secret),
        "expired": _said(incident, "expired", secret.id, "no"),
        "rotated": _yes(secret.state in _ENDED),
        "proven": _yes(_proven(incident, secret)),
        **({"half": added.half} if added.half else {}),
    }
    return {**_facts(told), **_companions(incident, secret, results)}


def _places(incident: Incident, copies: list[Copy]) -> list[Facts]:
    """The facts of each place; of one that nobody knows, where there is none."""
    return [_place(incident, copy) for copy in copies] or [_place(incident, None)]


def _place(incident: Incident, copy: Copy | None) -> Facts:
    """The facts of a copy, or of an incident whose place nobody knows."""
    subject = copy.id if copy else ""
    channel = copy.added.channel if copy else incident.fact("channel") or "unknown"
    pushed = _pushed(incident, copy, channel)
    audience = _audience(incident, copy)
    if audience == "unknown" and channel == "local-commit" and pushed == "no":
        audience = "none"
    surface = _said(incident, "surface", subject, "unknown" if channel == "unknown" else "known")
    return _facts(
        {
            "channel": channel,
            "audience": audience,
            "surface": surface,
            "history-pushed": pushed,
            "known-audience": _yes(audience != "unknown"),
            "exposure-active": _active(incident, copy),
        }
    )


def _audience(incident: Incident, copy: Copy | None) -> str:
    """Who could read a copy. What is said of the whole incident fills in what is unknown only."""
    told = copy and (incident.fact("audience", copy.id) or copy.added.audience)
    return told if told and told != "unknown" else incident.fact("audience") or "unknown"


def _pushed(incident: Incident, copy: Copy | None, channel: str) -> str:
    refs = copy.added.refs if copy else ()
    remote = any("remotes/" in ref or ref.startswith("origin/") for ref in refs)
    stated = _said(incident, "history-pushed", copy.id if copy else "", "no")
    return _yes(channel in _PUSHED or remote or stated == "yes")


def _active(incident: Incident, copy: Copy | None) -> str:
    stated = _said(incident, "exposure-active", copy.id if copy else "", "")
    if copy is None or copy.state == "found":
        return stated or ("unknown" if copy is None else _yes(copy.added.active))
    return _ACTIVE.get(copy.state, "yes")


def _companions(
    incident: Incident, secret: LeakedSecret, results: Sequence[Result]
) -> dict[str, frozenset[str]]:
    mine = [one for one in results if secret.id in one.secrets]
    alone = "unknown" if secret.added.half and not results else "absent"
    state = max((one.state for one in mine), key=STATES.index, default=alone)
    inside = any(one.open and one.opens for one in mine)
    told = {
        "companion": state,
        "container": _said(incident, "container", secret.id, _yes(inside)),
    }
    sets = frozenset(one.set for one in mine if one.open)
    return {**_facts(told), **({"companion-set": sets} if sets else {})}


def _validity(incident: Incident, secret: LeakedSecret) -> str:
    proofs = [proof for _, proof in secret.proofs if proof.kind == "dead"]
    if proofs:
        return "inactive" if proofs[-1].holds else "active"
    return _said(incident, "validity", secret.id)


def _used(incident: Incident, secret: LeakedSecret) -> str:
    """Whether somebody else used it; a yes from anywhere counts more than any no."""
    verdicts = {one.verdict for one in secret.reviews}
    attacked = any(
        decided is not None and decided.decision == "attacker" and found.secret == secret.id
        for found, decided in incident.anomalies.values()
    )
    stated = _said(incident, "evidence-of-use", secret.id)
    if attacked or "unauthorised-access" in verdicts or stated == "yes":
        return "yes"
    return "no" if verdicts == {"no-unauthorised-access"} else stated


def _proven(incident: Incident, secret: LeakedSecret) -> bool:
    return secret.state in PROVEN or dead(incident, secret.id)


def _dump(incident: Incident, secret: LeakedSecret) -> Dump:
    added = secret.added
    item = Item(
        added.secret, added.secret_class, added.rule_id, added.provider, added.label,
        _said(incident, "environment", secret.id, added.environment), added.fingerprint,
    )  # fmt: skip
    copies = [one.added for one in incident.copies.values() if one.added.secret == secret.id]
    linked = incident.fact("linked", secret.id)
    shared = [f"dump {added.dump}"] if added.dump else []
    shared += [f"secret {linked}"] if linked else []
    shared += [f"commit {one.commit}" for one in copies if one.commit]
    shared += [f"{one.channel} {_LINE.sub('', one.where)}" for one in copies if one.where]
    return Dump(f"secret {secret.id}", (item,), tuple(shared))


def _said(incident: Incident, name: str, subject: str, otherwise: str = "unknown") -> str:
    """What was stated of this subject, else of the whole incident, else what came with it."""
    own = incident.fact(name, subject) if subject else ""
    return own or incident.fact(name) or otherwise


def _facts(told: Mapping[str, str]) -> dict[str, frozenset[str]]:
    return {name: frozenset({value}) for name, value in told.items()}


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


_LINE = re.compile(r"(?::[0-9]+){1,2}(?=\s|$)")
