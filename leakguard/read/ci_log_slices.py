"""A large log in slices that can be looked at beside each other, and put in order afterwards.

Slices begin and end with a line. Each is read with a lap on both sides, so that no match is
cut, and says how many lines it has and whether it names a step: then any of them can be
read again alone, with its true line numbers and steps.
"""

from __future__ import annotations

import os
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from leakguard.blob import Blob, Origin, Unread
from leakguard.read import ci_log_json
from leakguard.read.ci_log import MARKS, Cleaner, Steps
from leakguard.read.members import kind
from leakguard.read.source import HEAD

SLICE = 8 * 1024 * 1024
LAP = 256 * 1024
"""More than the widest match (64 KiB) and all that looks around it."""


class Slice(NamedTuple):
    """A stretch of a file, from the beginning of a line to the beginning of another."""

    start: int
    end: int


SHORTER = "it became shorter while it was read"


def cut(file: BinaryIO) -> list[Slice]:
    """The slices of an open file; none if it is small or has to be read from its beginning."""
    if not file.seekable():
        return []
    size = os.fstat(file.fileno()).st_size
    head = os.pread(file.fileno(), 4096, 0)
    if size < 2 * SLICE or not _lines_of_text(head):
        return []
    starts = (_line_after(file, at) for at in range(SLICE, size - SLICE // 2, SLICE))
    bounds = [0, *(at for at in starts if at), size]
    found = [Slice(*pair) for pair in pairwise(bounds)]
    return found if max(one.end - one.start for one in found) < 4 * SLICE else []


def _lines_of_text(head: bytes) -> bool:
    """Whether a file that begins so is a log of plain lines, and no archive of some."""
    special = kind(head[:HEAD]) or ci_log_json.looks(head[:64])
    return not (special or b"\0" in head or any(head.startswith(mark) for mark, _ in MARKS))


def _line_after(file: BinaryIO, at: int) -> int:
    """Where the next line begins; 0 if that is too far away."""
    found = os.pread(file.fileno(), LAP, at).find(b"\n")
    return at + found + 1 if found >= 0 else 0


def blob(file: BinaryIO, origin: Origin, part: Slice, steps: Steps, lines: int) -> Blob | Unread:
    """One slice with its laps, cleaned; `lines` stand before it, `steps` learns what it names."""
    own = _read(file, part.start, part.end)
    if len(own) < part.end - part.start:
        return Unread(origin.name, SHORTER)
    before = _read(file, max(0, part.start - LAP), part.start)
    if part.start > LAP:
        before = before[before.find(b"\n") + 1 :]
    first = lines + 1 - before.count(b"\n")
    texts = [
        b"".join(Cleaner(known, line).texts((raw,)))
        for known, line, raw in (
            (Steps(), first, before),
            (steps, lines + 1, own),
            (Steps(), 1, _read(file, part.end, part.end + LAP)),
        )
    ]
    low = len(texts[0])
    return Blob(origin, b"".join(texts), start=part.start - len(before), line=first,
                own=(low, low + len(texts[1])))  # fmt: skip


def learn(file: BinaryIO, part: Slice, steps: Steps, lines: int) -> None:
    """Let `steps` learn what a slice names, and nothing else."""
    for _ in Cleaner(steps, lines + 1).texts((_read(file, part.start, part.end),)):
        pass


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    """What lies there, or less if the file has become shorter."""
    parts = []
    while start < end and (part := os.pread(file.fileno(), end - start, start)):
        parts.append(part)
        start += len(part)
    return b"".join(parts)
