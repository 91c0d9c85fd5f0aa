"""Who uses a credential: the name it has where it was found, and where else that name stands."""

from __future__ import annotations

import os
import re

from leakguard.errors import UnreadError
from leakguard.read import git

MOST_PLACES = 60
"""Files that are named; with more, the name is too common to say much."""

MOST_BYTES = 8 * 1024 * 1024
"""So much of a file is read for one line of it."""

_NAME = re.compile(r"""["']?([A-Za-z_][A-Za-z0-9_.-]{2,63})["']?\s*(?::=|=>|[:=])\s*["'`]?$""")
_FLAG = re.compile(r"""--([a-z][a-z0-9-]{2,40})[ =]["']?$""")
_COMMON = frozenset(
    ("key", "keys", "token", "secret", "password", "pwd", "pass", "auth", "value", "name", "url",
     "host", "user", "data", "api", "access", "authorization", "bearer", "string", "text", "const",
     "var", "let", "export")
)  # fmt: skip


def name_before(line: str, column: int) -> str:
    """The name that a value at `column` (from 1) of a line is given to, or nothing."""
    before = line[: max(column - 1, 0)]
    found = _NAME.search(before) or _FLAG.search(before)
    return found[1] if found else ""


def line_of(top: str, path: str, number: int, commit: str = "") -> str:
    """One line of a file as it is, or was in a commit; nothing when it cannot be read.

    A path may come from a stranger's report: nothing outside of the repository
    is looked at.
    """
    if "\0" in path:
        return ""
    raw = _past(top, commit, path) if commit else _contents(top, path)
    lines = raw.decode("utf-8", "replace").splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else ""


def places_of(top: str, name: str) -> list[str]:
    """Tracked files in which a name stands as a word; empty for a name that everything has."""
    if len(name) < 4 or name.casefold() in _COMMON:
        return []
    said = git.run(
        "grep", "--no-textconv", "--no-ext-grep", "-l", "-z", "-I", "-w", "-F", "-e", name, "--",
        folder=top, ok=(0, 1),
    )[1]  # fmt: skip
    found = [one.decode("utf-8", "replace") for one in said.split(b"\0") if one]
    return found if len(found) <= MOST_PLACES else []


def _past(top: str, commit: str, path: str) -> bytes:
    """The beginning of a file as it was in a commit; nothing when it cannot be read."""
    try:
        process = git.Process(("cat-file", "blob", f"{commit}:{path}"), top)
    except UnreadError:
        return b""
    parts, left = [], MOST_BYTES
    while left and (part := os.read(process.out, min(left, git.CHUNK))):
        parts.append(part)
        left -= len(part)
    process.stop()
    return b"".join(parts)


def _contents(top: str, path: str) -> bytes:
    top = os.path.realpath(top)
    full = os.path.normpath(os.path.join(top, path))
    if os.path.realpath(full) != full or not full.startswith(top + os.sep):
        return b""  # a link, or a way out
    if not os.path.isfile(full):
        return b""
    try:
        with open(full, "rb") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return b""
