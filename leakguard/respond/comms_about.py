"""Facts about one secret, one copy or one tenant of an incident."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, urlsplit, urlunsplit

from leakguard.incident import PROVEN, STOPPED, LeakedSecret, SecretState
from leakguard.respond import comms_state as state
from leakguard.respond.comms_case import Case, Fact, of_subject, open_steps
from leakguard.respond.comms_state import said, when
from leakguard.respond.comms_words import CHANNELS, class_words, secret_line, window


def _must_now(case: Case) -> tuple[str, ...]:
    """What the owner does now: the open steps about this secret, else the first ones."""
    own = [task.step.title for task in case.incident.tasks.values()
           if task.step.subject == case.subject and not task.settled]  # fmt: skip
    if case.secret.state not in STOPPED:
        own = own or [f"Replace {case.secret.name} and revoke the leaked value"]
    return tuple(own[:5]) or tuple(open_steps(case)[:5]) or ("Nothing: it is rotated",)


def _reason(case: Case) -> str:
    """Why it is rotated: where it could be read, or that another leak reaches it."""
    added = case.secret.added
    if added.reason in ("contained-in", "adjacent", "companion"):
        return f"reachable from another leaked credential ({added.reason})"
    found = [copy for copy in case.incident.copies.values() if copy.added.secret == added.secret]
    places = dict.fromkeys(CHANNELS.get(copy.added.channel, copy.added.channel) for copy in found)
    return f"exposed in {', '.join(places)}" if places else ""


def _generation(case: Case) -> str:
    """Old and new generation as stated; else the rotation that made the new value."""
    given = case.incident.fact("generation", case.subject)
    rotation = case.secret.rotation
    return given or (f"the leaked one -> that of {rotation}" if rotation else "")


def _window(case: Case) -> str:
    """When the leaked value stopped working, or until when it still does."""
    return window(case.incident, case.secret, case.incident.fact("valid-until", case.subject))


def _progress(case: Case) -> str:
    """Rotated is what is proven to be; until then it goes on."""
    ended = state.until(case.incident, case.secret.id) is not None
    return "was rotated" if ended else "is being rotated"


def _switched(case: Case) -> str:
    consumers = [one for one in case.incident.consumers.values()
                 if one.added.secret == case.subject]  # fmt: skip
    done = sum(one.proof is not None for one in consumers)
    counted_ = "" if case.secret.counted == "yes" else "; the list may be incomplete"
    return f"{done} of {len(consumers)} switched{counted_}"


def _waiting(case: Case) -> tuple[str, ...]:
    found = tuple(
        f"{one.added.name} (excepted: {one.exception.reason})" if one.exception else one.added.name
        for one in case.incident.consumers.values()
        if one.added.secret == case.subject and one.proof is None
    )
    return found or ("none known",)


def exposure_window(case: Case) -> str:
    """From the first to the last moment in which somebody could have used it."""
    about = case.secret.id if case.subject in case.incident.secrets else ""
    begin, certainty = state.since(case.incident, about)
    end = state.until(case.incident, about)
    if begin is None:
        return ""
    known = {"exact": "", "earliest": " at the earliest"}.get(certainty, " or before")
    return f"{said(begin)}{known} to {said(end) or 'now, still open'}"


def _tenant_secrets(case: Case) -> list[LeakedSecret]:
    named = case.incident.fact("tenant", case.subject).replace(",", " ").split()
    return [case.incident.secrets[one] for one in named if one in case.incident.secrets]


def _tenant_result(case: Case) -> str:
    return state.tenant_result(case.incident, case.subject)


def _tenant_types(case: Case) -> tuple[str, ...]:
    return tuple(dict.fromkeys(class_words(secret) for secret in _tenant_secrets(case)))


def _tenant_actions(case: Case) -> tuple[str, ...]:
    """What was done for this tenant, and what was not: from the states alone."""
    return tuple(secret_line(secret, public=True) for secret in _tenant_secrets(case))


def _key_identifier(case: Case) -> str:
    return case.incident.fact("key-id", case.subject) or case.secret.added.label


def _requests(case: Case) -> tuple[str, ...]:
    """What a vendor is asked for; revoking only while it is not done."""
    begin = said(state.since(case.incident, case.subject)[0])
    end = said(state.until(case.incident, case.subject)) or "now"
    ended = case.secret.state in (SecretState.REVOKED, *PROVEN)
    first = "confirm that the key is revoked" if ended else "revoke the key and confirm it"
    logs = f"send the usage logs of the key from {begin or 'its creation'} to {end}"
    return (first, logs, "purge copies of the key from your own logs and tickets, and tell us")


def _ticket(case: Case) -> str:
    return case.incident.fact("ticket", case.subject) or case.incident.id


def _address(case: Case) -> str:
    """Where the copy lies, in full but for who logs in there."""
    where = case.copy.added.where
    parts = _web(where)
    return urlunsplit(parts) if parts else where


def _host(case: Case) -> str:
    parts = _web(case.copy.added.where)
    return case.incident.fact("host", case.subject) or (parts.netloc if parts else "")


def _revision(case: Case) -> str:
    added = case.copy.added
    return ", ".join(filter(None, (added.commit, *added.refs))) or "none"


def _kind(case: Case) -> str:
    return f"{class_words(case.secret)} in {CHANNELS.get(case.copy.added.channel, 'a document')}"


def _first_seen(case: Case) -> str:
    return said(when(case.copy.added.since)) or said(when(case.incident.opened.detected_at))


def _ended(case: Case) -> str:
    """When the secret that lies there was revoked; a copy is not pointed at before (G-01)."""
    at = case.secret.moved.get(SecretState.REVOKED)
    return said(at) if case.secret.state in (SecretState.REVOKED, *PROVEN) else ""


def _requester(case: Case) -> str:
    given = case.incident.fact("requester")
    names = (case.profile.organisation, case.profile.security_address)
    return given or (", ".join(names) if all(names) else "")


def _places(case: Case) -> tuple[str, ...]:
    """Where it was found; without queries, which may be credentials themselves."""
    found = []
    for copy in case.incident.copies.values():
        if copy.added.secret == case.subject:
            parts = _web(copy.added.where)
            bare = parts and urlunsplit(parts._replace(query="", fragment=""))
            found.append(bare or copy.added.where)
    return tuple(found)


def _web(where: str) -> SplitResult | None:
    """A web address without who logs in there; None for a path or another place."""
    try:
        parts = urlsplit(where)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https"):
        return None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2])


SECRET: Mapping[str, Callable[[Case], Fact]] = {
    "secret_name": lambda case: case.secret.name,
    "secret_type": lambda case: class_words(case.secret),
    "environment": lambda case: case.secret.added.environment,
    "reason": _reason,
    "generation": _generation,
    "progress": _progress,
    "window": _window,
    "consumers_switched": _switched,
    "consumers_waiting": _waiting,
    "vendor": lambda case: case.secret.added.provider,
    "vendor_account": of_subject("vendor-account"),
    "key_identifier": _key_identifier,
    "requests": _requests,
    "ticket": _ticket,
    "places": _places,
    "must_now": _must_now,
}
"""Facts of a message about one secret."""

COPY: Mapping[str, Callable[[Case], Fact]] = {
    "host": _host,
    "address": _address,
    "revision": _revision,
    "kind": _kind,
    "first_seen": _first_seen,
    "ended": _ended,
    "requester": _requester,
}
"""Facts of a message about one copy of a secret."""

TENANT: Mapping[str, Callable[[Case], Fact]] = {
    "tenant": lambda case: case.subject,
    "tenant_result": _tenant_result,
    "tenant_types": _tenant_types,
    "tenant_actions": _tenant_actions,
    "tenant_must": of_subject("tenant-must"),
    "tenant_deadline": of_subject("tenant-deadline"),
    "tenant_continues": of_subject("tenant-continues"),
}
"""Facts of a message to one customer whose own credentials leaked."""
