"""Files that hold logs: one log, an archive of them, or JSON; opened in flat memory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import BinaryIO

from leakguard.blob import Blob, Origin, Unread
from leakguard.read import ci_log_json
from leakguard.read.archive import expand_file
from leakguard.read.ci_log import Steps
from leakguard.read.members import kind
from leakguard.read.source import HEAD

KIND = "ci_log"

_MEMBERS = re.compile(r"(?:\.(?:txt|log|out|err|trace|json)|(?:^|/)[^./]{1,200})$", re.IGNORECASE)
"""Members of archives that are taken for logs; the rest is scanned as the files they are."""

_STEP_FILE = re.compile(r"(?:.*!)?(?P<job>[^!/]+)/(?P<number>\d+)_(?P<step>[^/]+)\.txt$")
_JOB_FILE = re.compile(r"(?:.*!)?\d+_(?P<job>[^!/]+)\.txt$")
_BINARY = 4096


class Log:
    """One log: where it is, what it says, and what is known of it from outside.

    `whole_job` is the job's name if step logs of the same archive may say all of it again.
    """

    __slots__ = ("origin", "parts", "steps", "whole_job")

    def __init__(
        self, origin: Origin, parts: Iterable[bytes], steps: Steps, whole_job: str = ""
    ) -> None:
        self.origin = origin
        self.parts = parts
        self.steps = steps
        self.whole_job = whole_job


def opened(file: BinaryIO, origin: Origin) -> Iterator[Log | Blob | Unread]:
    """The logs in a file, which may be a pipe; what is no log comes as plain blobs.

    Each log must be read to its end before the next is asked for.
    """
    count = 0

    def number(item: Blob | Unread) -> tuple[bool, int]:
        nonlocal count
        if isinstance(item, Blob) and not item.start:
            count += 1
        return isinstance(item, Blob), count

    for _, group in groupby(expand_file(file, origin), number):
        first = next(group)
        if isinstance(first, Unread):
            yield first
            yield from group  # noqa: B031 - one of the two uses only
        else:
            yield from _member(first, chain([first], group))  # noqa: B031


def holds_several(file: BinaryIO) -> bool:
    """Whether an open file may hold several logs: an archive, or JSON."""
    head = os.pread(file.fileno(), HEAD, 0) if file.seekable() else b""
    return bool(kind(head)) or ci_log_json.looks(head[:64])


def _member(first: Blob, items: Iterable[Blob | Unread]) -> Iterator[Log | Blob | Unread]:
    """One file: the log in it, or its blobs as they are."""
    inside = first.origin.inside
    named = not inside or _MEMBERS.search(inside.rpartition("!")[2])
    if not named or _binary(first.data[:_BINARY]):
        yield from items
        return
    parts = _unlapped(items)
    if ci_log_json.looks(first.data[:64]):
        yield from _json(first.origin, parts)
        return
    yield Log(first.origin, parts, *_known(inside))


def _known(inside: str) -> tuple[Steps, str]:
    """What the layout of GitHub's archive tells: a folder for a job, a numbered file for a step."""
    step = _STEP_FILE.match(inside)
    if step:
        return Steps(step["job"], step["step"]), ""
    job = _JOB_FILE.match(inside)
    return (Steps(job["job"]), job["job"]) if job else (Steps(), "")


def _json(origin: Origin, parts: Iterator[bytes]) -> Iterator[Log]:
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size > ci_log_json.LARGEST:
            break
    found = ci_log_json.sections(b"".join(held)) if size <= ci_log_json.LARGEST else None
    if found is None:
        yield Log(origin, chain(held, parts), Steps())
        return
    for number, (step, text) in enumerate(found, 1):
        named = origin if len(found) == 1 else origin.within(f"{number}_{step}")
        yield Log(named, (text,), Steps("", step))


def _unlapped(items: Iterable[Blob | Unread]) -> Iterator[bytes]:
    """The bytes of one input, from blobs that overlap."""
    seen = 0
    for item in items:
        if isinstance(item, Blob):
            yield item.data[seen - item.start :]
            seen = item.start + len(item.data)


def _binary(head: bytes) -> bool:
    return b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff"))
