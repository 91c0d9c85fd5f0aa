"""Scanning logs: readers look beside each other, then what they suspect is read again and judged.

A reader takes a slice of a large log, a share of what an archive holds, or a whole file.
It hands over counts and numbers only; see `cli/crew.py`.
"""

from __future__ import annotations

import os
import stat
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from leakguard.blob import Origin, Unread
from leakguard.cli.crew import MOST_TASKS, Item, Stretch, Suspect, Tally, share
from leakguard.cli.logs_read import LogReader, opened
from leakguard.cli.progress import Progress
from leakguard.errors import UnreadError, UsageError
from leakguard.read import ci_log_files, ci_log_slices
from leakguard.read.ci_log import Steps
from leakguard.read.ci_log_files import Log

if TYPE_CHECKING:
    from leakguard.cli.gate import Gate
    from leakguard.read.ci_log_slices import Slice

WORTH = 4 * 1024 * 1024
"""So many bytes of logs are worth more readers than one."""


def scan(gate: Gate, files: Iterable[tuple[str, str]], jobs: int) -> None:
    """Scan log files, given as (path, name in reports); `-` is standard input."""
    reader = LogReader(gate)
    waiting = []
    for path, name in files:
        trouble = _trouble(path)
        if trouble:
            gate.unread(Unread(name, trouble))
        elif path == "-" or not os.path.isfile(path):  # a pipe opens only once
            reader.file(path, name)
        else:
            waiting.append((path, name))
    large = sum(os.stat(path).st_size for path, _ in waiting) >= WORTH
    if large and jobs > 1 and hasattr(os, "fork"):
        Crew(reader, waiting, jobs).scan()
        return
    for one in waiting:
        if hasattr(os, "pread"):
            Crew(reader, [one], 1).scan()  # in slices too: what stays in the cache is quicker
        else:  # Windows
            reader.file(*one)


def _trouble(path: str) -> str:
    """Why a file cannot be read; "" if it can. Raises UsageError for a folder."""
    if path == "-":
        if sys.stdin is None:
            raise UnreadError("standard input is closed", "pipe a log in: ... | leakguard logs -")
        return ""
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            raise UsageError(f"{path!r} is a folder", f"leakguard logs {path}/*.log")
        if not os.access(path, os.R_OK):
            return "it may not be read; run as somebody who may"
    except OSError as error:
        return f"it could not be read: {error.strerror}; is its name right?"
    return ""


class Task(NamedTuple):
    """Things in a file: each `of`-th from `first` on; of a log in slices, the slice `first`."""

    file: int
    first: int
    of: int


class Crew:
    """Readers for some files, and what becomes of what they say."""

    def __init__(self, reader: LogReader, files: list[tuple[str, str]], jobs: int) -> None:
        self._reader = reader
        self._files = files
        self._jobs = jobs
        self._slices: dict[int, list[Slice]] = {}
        self._suspects: defaultdict[int, set[int]] = defaultdict(set)
        self._stretches: defaultdict[int, dict[int, Stretch]] = defaultdict(dict)

    def scan(self) -> None:
        """Let readers look, then judge what they suspect."""
        tasks = [task for number in range(len(self._files)) for task in self._tasks(number)]
        if len(tasks) == 1:
            self._reader.file(*self._files[0])
            return
        size = -(-len(tasks) // MOST_TASKS)
        batches = [tasks[at : at + size] for at in range(0, len(tasks), size)]
        with Progress(len(tasks), "parts of logs") as progress:
            for item in share(batches, self._read, self._jobs):
                self._heard(item)
                progress.advance(isinstance(item, Tally))
        for number, (path, name) in enumerate(self._files):
            suspects = self._suspects[number]
            if number in self._slices:
                self._judge_slices(number)
            elif suspects:
                self._reader.file(path, name, suspects.__contains__)

    def _tasks(self, number: int) -> list[Task]:
        """A file in parts that are worth it."""
        path, _ = self._files[number]
        with opened(path) as file:
            slices = ci_log_slices.cut(file)
            several = ci_log_files.holds_several(file)
        if slices:
            self._slices[number] = slices
            return [Task(number, at, len(slices)) for at in range(len(slices))]
        shares = self._jobs if several and os.stat(path).st_size >= WORTH else 1
        return [Task(number, at, shares) for at in range(shares)]

    def _heard(self, item: Item) -> None:
        gate = self._reader.gate
        if isinstance(item, Tally):
            gate.items, gate.bytes = gate.items + item.items, gate.bytes + item.bytes
        elif isinstance(item, Unread):
            gate.unread(item)
        else:
            file, number = map(int, item.name.split(":"))
            if isinstance(item, Stretch):
                self._stretches[file][number] = item
            else:
                self._suspects[file].add(number)

    # What a reader does

    def _read(self, tasks: list[Task]) -> Iterator[Item]:
        for task in tasks:
            yield from (self._slice if task.file in self._slices else self._share)(task)

    def _share(self, task: Task) -> Iterator[Item]:
        path, name = self._files[task.file]
        missed: list[Unread] = []
        items = size = 0
        for number, tally in self._reader.suspects(path, name, task.first, task.of, missed):
            if tally is None:
                yield Suspect(f"{task.file}:{number}")
            else:
                items, size = items + tally.items, size + tally.bytes
        yield from missed
        yield Tally(items, size)

    def _slice(self, task: Task) -> Iterator[Item]:
        path, name = self._files[task.file]
        steps = Steps()
        with opened(path) as file:
            part = self._slices[task.file][task.first]
            blob = ci_log_slices.blob(file, _origin(name), part, steps, 0)
        if isinstance(blob, Unread):
            yield blob
            return
        missed: list[Unread] = []
        low, high = blob.own
        label = f"{task.file}:{task.first}"
        yield Stretch(label, blob.data.count(b"\n", low, high), steps.named)
        if self._reader.suspicious(blob, missed):
            yield Suspect(label)
            yield Tally(0)
        else:
            yield from missed
            yield Tally(0, high - low)

    # What is done with it

    def _judge_slices(self, number: int) -> None:
        """Read suspected slices again, with the lines and steps that stand before them."""
        self._reader.gate.items += 1
        path, name = self._files[number]
        seen = self._stretches[number]
        suspects = self._suspects[number]
        needed = suspects | {_last_with_steps(seen, at) for at in suspects}
        log = Log(_origin(name), (), Steps())
        lines = 0
        with opened(path) as file:
            for at, part in enumerate(self._slices[number]):
                if at in suspects:
                    self._reader.judge(
                        ci_log_slices.blob(file, log.origin, part, log.steps, lines), log
                    )  # fmt: skip
                elif at in needed:
                    ci_log_slices.learn(file, part, log.steps, lines)
                lines += seen[at].lines if at in seen else 0


def _last_with_steps(seen: dict[int, Stretch], at: int) -> int:
    """The slice before `at` that names the step which goes on there."""
    return next((back for back in range(at - 1, -1, -1) if back in seen and seen[back].steps), at)


def _origin(name: str) -> Origin:
    return Origin(ci_log_files.KIND, name)
