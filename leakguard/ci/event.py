"""What a pipeline runs for: the noun that every service's own words are turned into."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from leakguard.errors import UnreadError

Environment = Mapping[str, str]
Payload = Mapping[str, Any]


class Kind(StrEnum):
    """What happened. Decides which commits are looked at and whose policy holds."""

    PUSH = "push"
    TAG = "tag"
    PULL_REQUEST = "pull request"
    MERGE_GROUP = "merge group"
    HISTORY = "history"
    DELETION = "deletion"

    @property
    def proposed(self) -> bool:
        """Whether somebody asks to have commits taken: they must not decide on themselves."""
        return self in (Kind.PULL_REQUEST, Kind.MERGE_GROUP)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one service.

    `bases` says what was there before, the best first: names of commits, or
    `refs/heads/<branch>` for what the remote's branch is now. `branch` is the
    branch that moved, `default` the repository's default branch, "" where the
    service does not say. `wanted` are references to ask the remote for when the
    commits are not here.
    """

    service: str
    kind: Kind
    head: str = "HEAD"
    bases: tuple[str, ...] = ()
    branch: str = ""
    default: str = ""
    wanted: tuple[str, ...] = ()
    what: str = ""
    fork: bool = False

    @property
    def title(self) -> str:
        """`pull request 12 from a fork`: what it is in words."""
        what = self.what.strip() or self.kind.value  # a service may not say the number
        return what + (" from a fork" if self.fork else "")


@dataclass(frozen=True, slots=True)
class Service:
    """What we know of one service.

    `full_history` is the one line that makes its checkout complete,
    `annotations` the report format that it shows beside the code, `summary` the
    variable that names the file of the job's summary.
    """

    name: str
    title: str
    runs: Callable[[Environment], bool]
    event: Callable[[Environment, Payload], Event]
    full_history: str
    annotations: str = ""
    summary: str = ""


_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|[/.]$|\.lock$")


def commit(name: object) -> str:
    """A commit's name, "" for none (git writes none as zeros).

    Raises UnreadError for anything else, since it ends up on git's command line.
    """
    text = name.strip().lower() if isinstance(name, str) else ""
    if not text.strip("0"):
        return ""
    if not _COMMIT.fullmatch(text):
        raise UnreadError(f"the event names a commit {text[:70]!r}, which is no commit's name")
    return text


def branch(name: object) -> str:
    """A branch's name without `refs/heads/`, "" for none. Raises UnreadError for an odd one."""
    text = name.strip() if isinstance(name, str) else ""
    text = text.removeprefix("refs/heads/").removeprefix("origin/")
    if text and _NO_BRANCH.search(text):
        raise UnreadError(f"the event names a branch {text[:200]!r}, which is no branch's name")
    return text


def tip(name: object) -> str:
    """How `Event.bases` writes a branch of the remote, "" for none."""
    text = branch(name)
    return f"refs/heads/{text}" if text else ""


def known(*names: str) -> tuple[str, ...]:
    """Those that are not empty, each once."""
    return tuple(dict.fromkeys(filter(None, names)))
