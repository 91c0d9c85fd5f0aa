"""Which repository we stand in."""

from __future__ import annotations

import os

from leakguard.errors import UnreadError
from leakguard.read import git

NULL_ID = "0" * 40


def find_top(folder: str = ".") -> str | None:
    """The top of the working tree around `folder`, or None outside of a repository.

    Looks for `.git` itself, since asking git would cost every commit a process;
    asks when variables say that the repository is somewhere else. Raises
    UnreadError when the folder we stand in is gone.
    """
    if "GIT_DIR" in os.environ or "GIT_WORK_TREE" in os.environ:
        found = git.text("rev-parse", "--show-toplevel", folder=folder, ok=(0, 128))
        return found or None
    try:
        at = os.path.abspath(folder)
    except OSError as error:
        raise UnreadError("the current folder cannot be read", cause=error.strerror or "") from None
    while True:
        if os.path.lexists(os.path.join(at, ".git")):
            return at
        above = os.path.dirname(at)
        if above == at:
            return None
        at = above


def find(folder: str = ".") -> str | None:
    """As `find_top`; in a bare repository, which has no working tree, its own folder."""
    top = find_top(folder)
    if top is not None:
        return top
    return git.text("rev-parse", "--absolute-git-dir", folder=folder, ok=(0, 128)) or None


def git_folder(top: str | None) -> str:
    """The repository's own folder (`.git`, or where a worktree keeps it), absolute."""
    return git.text("rev-parse", "--absolute-git-dir", folder=top)


def is_name(text: str) -> bool:
    """Whether `text` is the full name of an object, as git's hooks get them (SHA-1 or SHA-256)."""
    return len(text) in (40, 64) and set(text) <= set("0123456789abcdef")


def is_null(object_id: str) -> bool:
    """Whether an object name is the all-zero one that means "none"."""
    return not object_id.strip("0")
