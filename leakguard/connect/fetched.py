"""What a service handed over, and what it can be asked to delete."""

from __future__ import annotations

from dataclasses import dataclass, field

from leakguard.blob import Unread


@dataclass(frozen=True, slots=True)
class Fetched:
    """One downloaded file: `name` is what reports call it, `path` where it lies.

    `sha256` names its bytes for good: it stays as evidence when the log is deleted.
    """

    name: str
    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Deletable:
    """Something that one request deletes; `what` in words. `gone` is an address that is not there
    any more afterwards, for a service whose answer does not tell.
    """

    what: str
    method: str
    url: str
    gone: str = ""


@dataclass(frozen=True, slots=True)
class Deleted:
    """How a deletion ended. `done` is False if it failed or nobody knows."""

    what: str
    done: bool
    detail: str = ""


@dataclass(slots=True)
class Case:
    """Everything that was fetched for one run: `word` is what a person types to delete it."""

    title: str
    word: str
    files: list[Fetched] = field(default_factory=list)
    missed: list[Unread] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    deletable: list[Deletable] = field(default_factory=list)
