"""What to make of a change whose outcome nobody saw, given what the script observes now."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from leakguard.rotate.answer import Reply


class Fate(StrEnum):
    """`happened`: go on. `again`: it is safe to repeat. `unknown`: stop and tell."""

    HAPPENED = "happened"
    AGAIN = "again"
    UNKNOWN = "unknown"


def fate(phase: str, observed: Reply) -> Fate:
    """Whether a change took effect.

    Creating is repeated whenever the issuer answers at all: a value of ours is sealed and
    applied again, one that the issuer made is lost, and the script deletes that orphan
    before it makes another. Handing a consumer the same value again does no harm, nor
    does ending sessions. What ends the old credential is repeated only when it is seen alive.
    """
    if not observed.ok:
        return Fate.UNKNOWN
    state = observed.more["state"]
    old = state.get("old", "unknown")
    if phase == "create":
        return Fate.AGAIN if _knows_anything(state) else Fate.UNKNOWN
    if phase == "disable_old":
        return _seen(old, ("disabled", "absent"), ("active",))
    if phase == "destroy_old":
        return _seen(old, ("absent",), ("active", "disabled"))
    return Fate.AGAIN


def accepted(phase: str, observed: Reply) -> bool:
    """Whether what the issuer only took on has come true."""
    if not observed.ok:
        return False
    state = observed.more["state"]
    if phase == "create":
        return bool(state.get("new") == "active")
    if phase in ("disable_old", "destroy_old"):
        return fate(phase, observed) is Fate.HAPPENED
    return True  # the probes tell


def _seen(old: str, done: tuple[str, ...], alive: tuple[str, ...]) -> Fate:
    if old in done:
        return Fate.HAPPENED
    return Fate.AGAIN if old in alive else Fate.UNKNOWN


def _knows_anything(state: Mapping[str, Any]) -> bool:
    spoken = {state.get("old", "unknown"), state.get("new", "unknown")} - {"unknown"}
    return bool(spoken) or bool(state.get("credentials"))
