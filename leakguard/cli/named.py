"""The parts of an incident that a person names on the command line."""

from __future__ import annotations

from collections.abc import Iterable

from leakguard import event as ev
from leakguard.errors import UsageError
from leakguard.incident import Incident


def secret_of(incident: Incident, wanted: str | None) -> str:
    """The id of a secret, the only one by default. Raises UsageError with the candidates."""
    if not wanted and len(incident.secrets) == 1:
        return next(iter(incident.secrets))
    if wanted not in incident.secrets:
        raise UsageError(f"{incident.id}: which secret?", f"there are: {ids(incident.secrets)}")
    return str(wanted)


def known_consumer(incident: Incident, wanted: str) -> None:
    """Raises UsageError with the candidates when there is no such consumer."""
    if wanted not in incident.consumers:
        raise UsageError(
            f"{incident.id} has no consumer {wanted!r}", f"there are: {ids(incident.consumers)}"
        )


def when(text: str) -> str:
    """A time as the record keeps it; nothing stays nothing. Raises UsageError without a zone."""
    if not text:
        return ""
    try:
        return ev.stamp(ev.instant(text))
    except (ValueError, OverflowError):  # a zone can lead out of the calendar
        raise UsageError(
            f"{text!r} is no time with its zone", "2026-11-21T14:02Z, 2026-11-21T15:02+01:00"
        ) from None


def ids(known: Iterable[str]) -> str:
    """What there is to choose from."""
    return ", ".join(known) or "none yet"
