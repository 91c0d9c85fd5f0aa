"""Patterns of files, as `.gitignore` writes them."""

from __future__ import annotations

from functools import cache

from pathspec import GitIgnoreSpec


@cache
def compiled(globs: tuple[str, ...]) -> GitIgnoreSpec:
    """The patterns, ready to match from any thread. Raises ValueError for one that is none.

    pathspec would pick Hyperscan if it is there, with one scratch for all
    threads, and two of them at once are an error; so it is told not to.
    """
    return GitIgnoreSpec.from_lines(globs, backend="simple")
