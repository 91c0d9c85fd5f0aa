"""A working folder to start a rotation script from."""

from __future__ import annotations

import os
import re

from leakguard.errors import UsageError

TEMPLATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "template")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,60}")
_PROGRAMS = ("rotate.py", "simulate.py")


def make(name: str, where: str = ".") -> str:
    """Write the folder NAME; its path. Raises UsageError for one that is there already."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a script",
            "lower-case letters, digits and hyphens: leakguard rotate new acme-token",
        )
    folder = os.path.join(os.path.abspath(where), name)
    try:
        os.mkdir(folder, 0o755)
        for file in sorted(os.listdir(TEMPLATE)):
            _copy(file, folder, name)
    except FileExistsError:
        raise UsageError(f"{folder!r} is there already", "choose another name") from None
    except OSError as error:
        raise UsageError(f"cannot write {folder!r}", cause=error.strerror or "") from None
    return folder


def _copy(file: str, folder: str, name: str) -> None:
    with open(os.path.join(TEMPLATE, file), encoding="utf-8") as source:
        text = source.read().replace("NAME", name)
    target = file.removesuffix(".txt")
    mode = 0o755 if target in _PROGRAMS else 0o644
    path = os.path.join(folder, target)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", encoding="utf-8", newline="\n") as out:
        out.write(text)
    os.chmod(path, mode)  # whatever the umask says: others must not be able to write
