"""What can go wrong with the store, each with the way out.

StoreError     4  the store cannot be read, written or trusted
 |- NoStore       there is none yet
 |- Conflict      somebody else was faster
 |- Held          somebody else is working on this rotation
 `- Tampered      what is kept is not what was written
"""

from __future__ import annotations

from leakguard import exits
from leakguard.errors import LeakguardError


class StoreError(LeakguardError):
    """The store cannot be read or written."""

    exit_code = exits.UNREAD


class NoStore(StoreError):
    """There is no store at this place, and nobody asked to make one."""


class Conflict(StoreError):
    """Somebody else was faster, several times, or took over what this process was doing."""


class Held(StoreError):
    """Another operator is working on it; the message says who and until when."""

    exit_code = exits.REFUSED


class Tampered(StoreError):
    """What is kept is not what was written, or events are gone."""
