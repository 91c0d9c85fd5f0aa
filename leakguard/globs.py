"""Patterns of files, as `.gitignore` writes them.

pathspec understands them; it is asked once, when a pack is built, and what it
answers is kept as one regular expression, so that a scan needs only `re`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

_FOLDER = "(?P<ps_d>/)"
"""How pathspec marks that a folder above fits; the same name may stand only once."""


def expression(globs: tuple[str, ...]) -> str:
    """What a path that fits begins with; "" for patterns of which one takes back (`!`).

    Raises ValueError for one that is no pattern.
    """
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    patterns = [GitIgnoreSpecPattern(glob) for glob in globs]
    if any(one.include is False for one in patterns):
        return ""
    parts = [one.regex.pattern.replace(_FOLDER, "/") for one in patterns if one.regex is not None]
    return "|".join(f"(?:{part})" for part in parts) or "(?!)"


@cache
def matcher(globs: tuple[str, ...], known: str = "") -> Callable[[str], bool]:
    """Whether a path fits; `known` is the `expression`, where it was kept.

    Raises ValueError for a pattern that is none.
    """
    found = known or expression(globs)
    if found:
        match = re.compile(found, re.DOTALL).match
        return lambda path: match(path.removeprefix("./").removeprefix("/")) is not None
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines(globs, backend="simple")
    return lambda path: bool(spec.match_file(path))
