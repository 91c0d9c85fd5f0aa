"""What a state is called in a message. Wording is bound to the record, not to hope."""

from __future__ import annotations

from leakguard.incident import PROVEN, Copy, Incident, LeakedSecret, SecretState
from leakguard.respond import comms_state as state
from leakguard.respond.comms_state import counted, said
from leakguard.respond.guards import dead

CHANNELS = {
    "ci-log": "a CI log",
    "chat": "a chat",
    "ticket": "a ticket",
    "public-repository": "a public repository",
    "private-repository": "a private repository",
    "error-tracker": "an error tracker",
    "stack-trace": "an error page",
    "screenshot": "a screenshot or recording",
    "package": "a published package",
    "image-layer": "a container image",
    "iac-module": "an infrastructure module",
    "backup": "a backup",
    "laptop": "a laptop",
    "process-memory": "the memory of a process",
    "paste-site": "a paste site",
    "transcript": "a transcript",
    "vendor": "a vendor's system",
    "wiki": "a document",
    "support-log": "a log that support reads",
    "agent-session": "the session of a coding agent",
    "local-commit": "a commit that was never pushed",
    "unknown": "a place that is not known (treated as public)",
}
"""Where a secret was, in words that fit after "in"."""

SOURCES = {
    "finding": "found by a scan",
    "report": "reported to us",
    "pasted": "seen by a responder",
    "manual": "noticed by a responder",
    "pipeline": "found by a scan in a pipeline",
    "rotation": "noticed during a rotation",
}

_ACRONYMS = {"api": "API", "tls": "TLS", "ssh": "SSH", "oauth": "OAuth", "ci": "CI", "kek": "KEK",
             "smtp": "SMTP", "dkim": "DKIM", "totp": "TOTP", "id": "id", "dek": "DEK"}  # fmt: skip

_VERDICTS = {
    state.PENDING: "Whether anybody used the credential is still being examined; "
    "we do not know yet.",
    state.NONE: "The access logs of the whole known exposure were reviewed; "
    "they show no unauthorised access.",
    state.UNAUTHORISED: "The access logs show unauthorised access.",
    state.CANNOT: "We cannot determine whether anybody used the credential: "
    "the logs that exist do not allow that conclusion.",
}

_COPIES = {
    "found": "still there",
    "removal-requested": "removal requested",
    "removed-claimed": "said to be removed, not confirmed",
    "confirmed-gone": "confirmed gone",
    "persists": "still there after removal was asked for",
    "unverifiable": "cannot be verified",
}


def class_words(secret: LeakedSecret) -> str:
    """`database-password` as people write it."""
    if secret.secret_class == "generic":
        return "credential"
    return " ".join(_ACRONYMS.get(word, word) for word in secret.secret_class.split("-"))


def copy_state(copy: Copy) -> str:
    """What became of a copy."""
    return _COPIES.get(copy.state, copy.state)


def verdict_sentence(incident: Incident) -> str:
    """What the logs allow to say about access; the only sentence about it in any message."""
    return _VERDICTS[state.verdict(incident)]


def secret_line(secret: LeakedSecret, *, public: bool = False) -> str:
    """How far one credential is. A claim of death only with its proof."""
    name = class_words(secret) if public else f"{secret.id} {secret.name} ({class_words(secret)})"
    at = said(secret.moved.get(secret.state))
    if secret.state in PROVEN:
        return f"{name} is revoked, and proven to be refused since {at}"
    if secret.state is SecretState.REVOKED:
        return f"{name} was revoked at {at}, which is not yet proven"
    if secret.state is SecretState.QUARANTINED:
        return f"{name} is denied since {at}, which can be undone; not yet revoked"
    return f"{name} is not revoked, the leaked value still works"


def window(incident: Incident, secret: LeakedSecret, valid_until: str) -> str:
    """The end of the exposure, or the words that there is none yet; empty when nobody said."""
    end = state.until(incident, secret.id)
    if end is not None:
        proof = [one for _, one in secret.proofs if one.kind == "dead"][-1]
        return (
            f"The window closed at {said(end)}: the old value is refused "
            f"({proof.method}, {counted(proof.rounds, 'round')})."
        )
    if not valid_until:
        return ""
    if secret.state is SecretState.REVOKED:
        return (
            f"The old value was revoked at {said(secret.moved[SecretState.REVOKED])}; until a "
            f"proof it counts as valid. Old value still valid until {valid_until}."
        )
    return f"Old value still valid until {valid_until}."


def account(incident: Incident) -> str:
    """What happened, in two sentences, from the record."""
    kinds = dict.fromkeys(class_words(one) for one in incident.secrets.values())
    places = dict.fromkeys(
        CHANNELS.get(one.added.channel, one.added.channel) for one in incident.copies.values()
    )
    if not kinds or not places:
        return ""
    begin, certainty = state.since(incident)
    since = f" since {said(begin)} ({certainty})" if begin else " since a time not known"
    first = (
        f"{counted(len(incident.secrets), 'credential')} ({', '.join(kinds)}) could be read "
        f"in {', '.join(places)}{since}."
    )
    return f"{first} {_ending(incident)}"


def done_so_far(incident: Incident) -> tuple[str, ...]:
    """What was done, with numbers; nothing that was only planned."""
    secrets = incident.secrets.values()
    ended = (SecretState.REVOKED, SecretState.DEAD, SecretState.RETIRED)
    revoked = sum(one.state in ended for one in secrets)
    refused = sum(one.state in PROVEN and dead(incident, one.id) for one in secrets)
    gone = sum(copy.state == "confirmed-gone" for copy in incident.copies.values())
    read = sum(bool(one.reviews) for one in secrets)
    switched = sum(one.proof is not None for one in incident.consumers.values())
    return (
        f"revoked {revoked} of {counted(len(secrets), 'exposed credential')} at the issuer",
        f"proved for {refused} of {len(secrets)} that the exposed value is refused",
        f"confirmed the removal of {gone} of {counted(len(incident.copies), 'known copy')}",
        f"moved {switched} of {counted(len(incident.consumers), 'known service')} to new values",
        f"reviewed access logs for {read} of {counted(len(secrets), 'exposed credential')}",
    )


def open_questions(incident: Incident) -> tuple[str, ...]:
    """What is not known; told, not left out (P-24, P-27)."""
    found = [incident.fact("not-known")] if incident.fact("not-known") else []
    begin, certainty = state.since(incident)
    if begin is None or certainty == "unknown":
        found.append("exactly since when the credential could be read")
    verdict = state.verdict(incident)
    if verdict in (state.PENDING, state.CANNOT):
        found.append("whether anybody used the credential")
    left = sum(one.state in ("removed-claimed", "unverifiable") for one in incident.copies.values())
    if left:
        found.append(f"whether {counted(left, 'copy')} said to be removed are really gone")
    if any(one.counted != "yes" for one in incident.secrets.values()):
        found.append("whether every service that uses the credential is listed")
    return tuple(found) or ("we know of no open question",)


def _ending(incident: Incident) -> str:
    end = state.until(incident)
    if end is not None:
        return f"The leaked values are proven to be refused since {said(end)}."
    secrets = incident.secrets.values()
    works = sum(one.state not in (SecretState.REVOKED, *PROVEN) for one in secrets)
    if works:
        return f"{works} of {counted(len(secrets), 'leaked value')} not yet revoked."
    return "The leaked values are revoked; it is not yet proven that they are refused."
