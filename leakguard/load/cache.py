"""Where packs are kept: files in the user's cache folder that nobody else may write.

A pack is used only when the folder and the file belong to us and nobody else may write there,
and it is never unpickled. One that is damaged is none; without a cache folder everything works,
more slowly.

On the start-up path of every commit.
"""

from __future__ import annotations

import os
import sys

MAGIC = b"leakguard pack 2\n"
KEEP = 24
"""How many packs a cache folder keeps; the oldest go first."""

ABANDONED_SECONDS = 3600
"""No process takes so long to write a pack."""

_SIZES = 128
"""The line of sizes and checksums is shorter, bytes."""


class Parts:
    """What a pack is made of: the prefilter's two databases (see `prefilter.compile_database`),
    the few lines that every commit needs, and the rules, which only a hit needs.
    """

    __slots__ = ("_check", "body", "constants", "head", "others")

    def __init__(
        self, constants: bytes, others: bytes, head: bytes, body: bytes, check: int | None = None
    ) -> None:
        self.constants = constants
        self.others = others
        self.head = head
        self.body = body
        self._check = check

    @property
    def sound(self) -> bool:
        """Whether the body is what was written; the databases say so themselves when loaded."""
        return self._check is None or _crc(self.body) == self._check


def _crc(data: bytes) -> int:
    from zlib import crc32

    return crc32(data)


def _machine() -> bytes:
    """Whose databases can be loaded here, as far as the databases themselves do not tell."""
    uname = getattr(os, "uname", None)
    return f"{sys.platform}-{uname().machine if uname else ''}-{sys.byteorder}".encode()


def folder() -> str | None:
    """The user's cache folder for packs, made if need be; None when it cannot be trusted."""
    environment = os.environ
    path = environment.get("LEAKGUARD_CACHE")
    if not path:
        home = os.path.expanduser("~")
        if sys.platform == "win32":
            base = environment.get("LOCALAPPDATA") or home
        elif sys.platform == "darwin":
            base = os.path.join(home, "Library", "Caches")
        else:
            base = environment.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
        if not os.path.isabs(base):
            return None
        path = os.path.join(base, "leakguard")
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        return path if _private(os.stat(path)) else None
    except OSError:
        return None


def _private(stat: os.stat_result) -> bool:
    """Ours, and writable by nobody else."""
    if sys.platform == "win32":
        return True
    return stat.st_uid == os.geteuid() and not stat.st_mode & 0o022


def read(path: str, *, shipped: bool = False) -> Parts | None:
    """A stored pack; None when there is none, or it is not ours, cut short or damaged.

    One that is `shipped` with the package is trusted as its code is, a link to it too.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    if not shipped:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        regular = status.st_mode & 0o170000 == 0o100000
        if not regular or not (shipped or _private(status)):
            return None
        return _read(descriptor, status.st_size)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int) -> Parts | None:
    line = os.read(descriptor, len(MAGIC) + _SIZES)
    if not line.startswith(MAGIC):
        return None
    end = line.find(b"\n", len(MAGIC)) + 1
    try:
        machine, *numbers = line[len(MAGIC) : end].split()
        first, second, third, fourth, of_head, of_body = map(int, numbers)
    except ValueError:
        return None
    sizes = (first, second, third, fourth)
    if machine != _machine() or min(sizes) < 0 or end + sum(sizes) != size:
        return None
    os.lseek(descriptor, end, os.SEEK_SET)
    # Each by itself: no copy of megabytes.
    constants, others, head, body = (os.read(descriptor, each) for each in sizes)
    if len(body) != fourth or _crc(head) != of_head:
        return None
    return Parts(constants, others, head, body, of_body)


def frame(parts: Parts) -> bytes:
    """A pack as it is stored."""
    each = (parts.constants, parts.others, parts.head, parts.body)
    numbers = (*map(len, each), _crc(parts.head), _crc(parts.body))
    line = b" ".join((_machine(), *(b"%d" % number for number in numbers)))
    return MAGIC + line + b"\n" + b"".join(each)


def write(folder: str, name: str, parts: Parts) -> None:
    """Store atomically; a full disk or a read-only folder only costs time, so it is no error."""
    import tempfile

    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".new")
        with open(descriptor, "wb") as file:
            file.write(frame(parts))
        os.replace(temporary, os.path.join(folder, name + ".pack"))
        _prune(folder)
    except OSError:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def _prune(folder: str) -> None:
    """Let go of packs that nobody used for long, and of what a killed process left half written."""
    entries = list(os.scandir(folder))
    packs = [entry for entry in entries if entry.name.endswith(".pack")]
    packs.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    now = packs[0].stat().st_mtime
    stale = [
        entry
        for entry in entries
        if entry.name.endswith(".new") and entry.stat().st_mtime < now - ABANDONED_SECONDS
    ]
    for entry in packs[KEEP:] + stale:
        os.unlink(entry.path)
