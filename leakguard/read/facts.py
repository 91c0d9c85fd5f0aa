"""What a repository knows about a commit that was found wanting; asked only then."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from leakguard.errors import UnreadError
from leakguard.read import git

if TYPE_CHECKING:
    from git import Git

MAX_COMMITS = 200
"""Commits that are looked up one by one; of more, the first speak for all."""


def pushed(top: str, commits: set[str]) -> set[str]:
    """Those of `commits` that a remote-tracking branch contains: they have left this machine.

    Says only what this clone has seen; a commit may be elsewhere all the same.
    Raises UnreadError when the repository cannot be asked.
    """
    if not commits:
        return set()
    asked = gitpython(top)
    from git.exc import GitError

    try:
        if not asked.for_each_ref("--count=1", "refs/remotes"):
            return set()
        return {
            commit
            for commit in sorted(commits)[:MAX_COMMITS]
            if asked.for_each_ref("--count=1", f"--contains={commit}", "refs/remotes")
        }
    except GitError as error:
        raise UnreadError(
            "the remote branches could not be read", cause=git.complaint(str(error))
        ) from None


def gitpython(top: str) -> Git:
    """GitPython's git, made as safe as ours.

    It runs `git version` as it is imported, in the environment as it is, so
    what git would trace is switched off for that long.
    """
    traced = {name: os.environ.pop(name) for name in list(os.environ) if "GIT_TRACE" in name}
    try:
        from git import Git
    finally:
        os.environ.update(traced)
    asked = Git(top)
    asked.update_environment(**git.environment(), **dict.fromkeys(traced, ""))
    return asked
