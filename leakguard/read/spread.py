"""How far a commit got: which branches, tags and remotes hold it, as this clone knows them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from leakguard.errors import UnreadError
from leakguard.read import git
from leakguard.read.facts import gitpython

if TYPE_CHECKING:
    from git import Git

MOST_COMMITS = 50
"""Commits that are followed; of more, the first and the last in time speak for all."""

MOST_REFS = 40
"""References that are listed for one commit."""

_NAME = re.compile(r"[0-9a-f]{4,64}")
"""A commit as git prints it; nothing that git takes for an option."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What holds one commit. `date` is its author's, ISO 8601 in UTC; empty when it has none
    that can be.
    """

    commit: str
    date: str
    branches: tuple[str, ...]
    remotes: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def pushed(self) -> bool:
        """Whether it is known to have left this machine."""
        return bool(self.remotes)

    @property
    def refs(self) -> tuple[str, ...]:
        """All that hold it, the remote ones first."""
        return (*self.remotes, *self.branches, *self.tags)


def reach(top: str, commits: Iterable[str]) -> list[Reach]:
    """The reach of each commit that is here, oldest first; a report may tell of others.

    Raises UnreadError when git cannot be asked.
    """
    asked = gitpython(top)
    from git.exc import GitError

    try:
        dated = sorted(_dated(top, commits))
        half = MOST_COMMITS // 2
        chosen = dated if len(dated) <= MOST_COMMITS else dated[:half] + dated[-half:]
        return [_reach(asked, commit, date) for date, commit in chosen]
    except GitError as error:
        raise UnreadError(
            "the branches that hold a commit could not be read", cause=git.complaint(str(error))
        ) from None


def remotes(top: str) -> dict[str, str]:
    """Each remote's name and where it leads, without a user or password in it."""
    asked = gitpython(top)
    from git.exc import GitError

    try:
        names = asked.remote().split()
        return {name: bare(asked.remote("get-url", "--", name)) for name in names}
    except GitError:
        return {}  # a remote without an address says nothing


def bare(address: str) -> str:
    """An address without the credentials it may carry."""
    scheme, mark, rest = address.partition("://")
    if not mark:
        return address.rpartition("@")[2] if ":" in address else address
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


def _dated(top: str, commits: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(author's date, commit) of those that are here.

    Asked of our own git: `git show` with the repository's configuration would
    run a program of its choice for a signature.
    """
    named = sorted(one for one in set(commits) if _NAME.fullmatch(one))
    asked = git.hidden_input("".join(f"{one}^{{commit}}\n" for one in named).encode())
    try:
        said = (
            git.run("cat-file", "--batch-check", folder=top, stdin=asked)[1].decode().splitlines()
        )
    finally:
        os.close(asked)
    for commit, line in zip(named, said, strict=True):
        if line.split(" ")[1:2] == ["commit"]:
            told = git.text("show", "--no-patch", "--format=%at", commit, "--", folder=top)
            yield _date(told), commit


def _date(seconds: str) -> str:
    """What git says of a date, as a date; a commit may claim any."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def _reach(asked: Git, commit: str, date: str) -> Reach:
    named = str(
        asked.for_each_ref(
            f"--contains={commit}", f"--count={MOST_REFS}", "--format=%(refname)",
            "refs/heads", "refs/remotes", "refs/tags",
        )
    ).splitlines()  # fmt: skip
    return Reach(
        commit=commit,
        date=date,
        branches=_under("refs/heads/", named),
        remotes=tuple(one for one in _under("refs/remotes/", named) if not one.endswith("/HEAD")),
        tags=_under("refs/tags/", named),
    )


def _under(folder: str, names: list[str]) -> tuple[str, ...]:
    return tuple(one.removeprefix(folder) for one in names if one.startswith(folder))
