"""Reading one log after the other: what is found in it, at which line, in which step and dump."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from leakguard.blob import Blob, Origin, Unread
from leakguard.cli.crew import Tally
from leakguard.errors import UnreadError
from leakguard.read import ci_log, ci_log_dump, ci_log_files
from leakguard.read.ci_log import Steps
from leakguard.read.ci_log_files import Log
from leakguard.read.ci_log_views import View, views

if TYPE_CHECKING:
    from leakguard.cli.gate import Gate
    from leakguard.finding import Candidate


def opened(path: str) -> BinaryIO:
    """A log's file; `-` is standard input. Raises UnreadError."""
    try:
        return sys.stdin.buffer if path == "-" else open(path, "rb")
    except OSError as error:
        raise UnreadError(f"cannot read {path!r}", cause=error.strerror or "") from None


def _everything(_number: int) -> bool:
    return True


class LogReader:
    """Joins reading, matching and what a log knows about its lines."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self._whole: list[tuple[str, Candidate]] = []
        self._steps: list[tuple[str, Candidate]] = []

    def file(self, path: str, name: str, chosen: Callable[[int], bool] = _everything) -> None:
        """Scan one file, or what is `chosen` in it by number. Raises UnreadError."""
        with opened(path) as file:
            for number, item in enumerate(_contents(file, name)):
                if not chosen(number):
                    continue
                if isinstance(item, Log):
                    self._log(item)
                else:
                    self._other(item)
        for found in ci_log_dump.not_twice(self._whole, self._steps):
            self.gate.add(found)
        self._whole, self._steps = [], []

    def suspects(
        self, path: str, name: str, first: int, of: int, missed: list[Unread]
    ) -> Iterator[tuple[int, Tally | None]]:
        """How much each `of`-th thing in a file is, from `first` on; None where something is
        found.
        """
        with opened(path) as file:
            for number, item in enumerate(_contents(file, name)):
                if number % of == first:
                    gaps: list[Unread] = []
                    tally = self._tally(item, gaps)
                    missed += gaps if tally else ()
                    yield number, tally

    def _tally(self, item: Log | Blob | Unread, missed: list[Unread]) -> Tally | None:
        """How much a thing is; None as soon as something is found in it."""
        if not isinstance(item, Log):
            if self.gate.suspects(item, missed):
                return None
            if isinstance(item, Unread):
                return Tally(0)
            return Tally(int(not item.start), len(item.data))
        size = 0
        for blob in ci_log.blobs(item.origin, item.parts, item.steps):
            size += blob.own[1] - blob.own[0]
            if self.suspicious(blob, missed):
                return None
        return Tally(1, size)

    def suspicious(self, blob: Blob, missed: list[Unread]) -> bool:
        """Whether anything is found in a piece of a log, at first or second sight."""
        if self.gate.suspects(blob, missed):
            return True
        return any(self.gate.suspects(_of(view, blob.origin), missed) for view in views(blob))

    def _other(self, item: Blob | Unread) -> None:
        if isinstance(item, Blob):
            self.gate.items += not item.start
            self.gate.bytes += len(item.data)
        self.gate.look(item)

    def _log(self, log: Log) -> None:
        self.gate.items += 1
        for blob in ci_log.blobs(log.origin, log.parts, log.steps):
            self.judge(blob, log)

    def judge(self, blob: Blob | Unread, log: Log) -> None:
        """Keep what is found in a piece of a log."""
        if isinstance(blob, Unread):
            self.gate.unread(blob)
            return
        self.gate.bytes += blob.own[1] - blob.own[0]
        for found in self._found(blob, log):
            if log.whole_job:
                self._whole.append((log.whole_job, found))
                continue
            if log.steps.job:
                self._steps.append((log.steps.job, found))
            self.gate.add(found)

    def _found(self, blob: Blob, log: Log) -> list[Candidate]:
        missed: list[Unread] = []
        plain = list(self.gate.candidates(blob, missed))
        others = []
        low, high = (blob.line + blob.data.count(b"\n", 0, at) for at in blob.own)
        for view in views(blob):
            for one in self.gate.candidates(_of(view, log.origin), missed):
                moved = ci_log_dump.relocated(one, view, log.origin)
                if moved is not None and low <= moved.location.start_line <= high:
                    others.append(moved)
        for gap in missed:
            self.gate.unread(gap)
        return ci_log_dump.told(ci_log_dump.merged(plain, others), blob, log.steps)


def _contents(file: BinaryIO, name: str) -> Iterator[Log | Blob | Unread]:
    origin = Origin(ci_log_files.KIND, name)
    several = ci_log_files.opened(file, origin)
    first = next(several, None)
    return chain([first], several) if first else iter([Log(origin, (), Steps())])  # empty


def _of(view: View, origin: Origin) -> Blob:
    """A second look as an input of its own."""
    if view.inside:
        origin = Origin(origin.kind, origin.path, inside=view.inside)
    return Blob(origin, view.data)
