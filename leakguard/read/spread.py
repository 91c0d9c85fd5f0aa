"""How far a commit got: which branches, tags and remotes hold it, as this clone knows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Reach:
    """What holds one commit. `date` is its author's, ISO 8601 with the zone."""

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
    """The reach of each commit, oldest first. Raises UnreadError when git cannot be asked."""
    asked = gitpython(top)
    from git.exc import GitError

    try:
        dated = sorted((_date(asked, commit), commit) for commit in set(commits))
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


def _date(asked: Git, commit: str) -> str:
    return str(asked.show("--no-patch", "--format=%aI", commit, "--"))


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
