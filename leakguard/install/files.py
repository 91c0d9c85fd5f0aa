"""One hook file: put ours in front of what is there, or take it away again."""

from __future__ import annotations

import os
import tempfile

from leakguard.install import RefusedError
from leakguard.install.place import line
from leakguard.install.script import Kind, asks_its_name, kind

CHAINED = ".leakguard-chained"


def check(path: str, *, force: bool) -> None:
    """Raises RefusedError if `put` must not write here. Nothing is changed."""
    there = read(path)
    if there is None:
        return
    whose = kind(there)
    if whose is Kind.EDITED and not force:
        raise _edited(path, "install")
    if whose is not Kind.FOREIGN:
        return
    hook = os.path.basename(path)
    if os.path.lexists(path + CHAINED):
        raise RefusedError(
            f"there is a {hook} hook, and one that was moved aside before",
            f"make one of the two, named {hook}, then try again",
            cause=f"{path} and {path}{CHAINED}",
        )
    if asks_its_name(there):
        raise RefusedError(
            f"the {hook} hook that is there acts by its own name, so it cannot be moved aside",
            "add the line above near the top of that file",
            cause=path,
            paste=f"# {path}\n{line(hook)}\n",
        )


def put(path: str, script: bytes) -> str:
    """Write `script`, a foreign hook moved aside; in words, what was done."""
    there = read(path)
    if there == script:
        return "already there"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    new = _written(path, script)
    foreign = there is not None and kind(there) is Kind.FOREIGN
    if foreign:
        os.rename(path, path + CHAINED)
    os.replace(new, path)
    if not os.access(path, os.X_OK):
        raise RefusedError(
            "git would not run a hook here: files in this folder cannot be executed",
            "is the file system mounted with noexec?",
            cause=path,
        )
    if foreign:
        return f"installed; the hook that was there runs first ({os.path.basename(path)}{CHAINED})"
    return "installed" if there is None else "brought up to date"


def check_take(path: str, *, force: bool) -> None:
    """Raises RefusedError if `take` would throw somebody's edits away. Nothing is changed."""
    there = read(path)
    if there is not None and kind(there) is Kind.EDITED and not force:
        raise _edited(path, "uninstall")


def take(path: str) -> str:
    """Remove ours and put the hook that it ran first back; in words, what was done."""
    there = read(path)
    if there is None:
        return "not there"
    if kind(there) is Kind.FOREIGN:
        return "not ours, left alone"
    if os.path.lexists(path + CHAINED):
        os.replace(path + CHAINED, path)
        return "removed; the hook that was there before is back"
    os.remove(path)
    return "removed"


def read(path: str) -> bytes | None:
    """The contents; None if nothing has that name, nothing for what cannot be read as a file."""
    if not os.path.lexists(path):
        return None
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""  # a link to nowhere, say: foreign, and kept


def _written(path: str, script: bytes) -> str:
    """A finished new file next to `path`.

    Executable for everybody: git silently skips a hook that the pushing user
    may not execute, and then nothing would be scanned.
    """
    number, new = tempfile.mkstemp(prefix=".leakguard-", dir=os.path.dirname(path))
    with open(number, "wb") as file:
        file.write(script)
    os.chmod(new, 0o755)  # noqa: S103  (see above)
    return new


def _edited(path: str, verb: str) -> RefusedError:
    return RefusedError(
        f"the {os.path.basename(path)} hook is leakguard's, but edited or copied here by hand",
        "keep your lines somewhere else, in a hook of your own that ours can run first",
        f"to throw the edits away: leakguard {verb} --force",
        cause=path,
    )
