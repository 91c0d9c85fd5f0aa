"""Readers beside each other, each a process of its own, so that a scan uses every core.

Readers hand over counts and names, never contents: what is suspicious is read
again by whoever asked, so no secret passes between processes.
"""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from leakguard import errors, exits
from leakguard.blob import Unread
from leakguard.errors import LeakguardError, Place, UnreadError

Task = TypeVar("Task")

MOST_TASKS = 8192
"""So many numbers of tasks fit into a pipe of any platform; the caller makes larger ones."""


def cores() -> int:
    """How many processors we may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Tally(NamedTuple):
    """What a reader has done since it last said so."""

    items: int
    bytes: int = 0


class Suspect(NamedTuple):
    """The name of an input in which something was found."""

    name: str


class Stretch(NamedTuple):
    """A slice of a log that was read: how many lines it has, whether it names a step."""

    name: str
    lines: int
    steps: bool


Item = Tally | Suspect | Stretch | Unread


def share(
    tasks: Sequence[Task], read: Callable[[Task], Iterable[Item]], jobs: int
) -> Iterator[Item]:
    """Everything that `read` says of the tasks, `jobs` of them done at a time.

    Without `fork` one after the other. Raises what a reader raised, and
    UnreadError when one was ended from outside: unread is not clean.
    """
    jobs = min(jobs, len(tasks))
    if jobs < 2 or not hasattr(os, "fork"):
        for task in tasks:
            yield from read(task)
        return
    numbers = _queue(len(tasks))
    readers: dict[int, _Reader] = {}
    try:
        for _ in range(jobs):
            reader = _Reader(numbers, lambda number: read(tasks[number]), list(readers))
            readers[reader.pipe] = reader
        while readers:
            for pipe in select.select(list(readers), [], [])[0]:
                said = readers[pipe].heard()
                yield from said
                if readers[pipe].ended:
                    readers.pop(pipe).close()
    finally:
        os.close(numbers)
        for reader in readers.values():
            reader.stop()


def _queue(count: int) -> int:
    """A pipe that holds the numbers of all tasks, four bytes each, for whoever reads first."""
    numbers, fill = os.pipe()
    os.write(fill, b"".join(number.to_bytes(4, "big") for number in range(count)))
    os.close(fill)
    return numbers


class _Reader:
    """One child, seen from its parent."""

    def __init__(
        self, numbers: int, read: Callable[[int], Iterable[Item]], others: list[int]
    ) -> None:
        self.pipe, out = os.pipe()
        self.ended = False
        self._rest = b""
        self._done = False
        self._pid = os.fork()
        if not self._pid:
            for pipe in (self.pipe, *others):
                os.close(pipe)
            _work(numbers, read, out)
        os.close(out)

    def heard(self) -> list[Item]:
        """What it said since. Raises what it raised."""
        part = os.read(self.pipe, 65536)
        self.ended = not part
        *lines, self._rest = (self._rest + part).split(b"\n")
        return [item for line in lines if (item := self._item(json.loads(line))) is not None]

    def _item(self, said: list[Any]) -> Item | None:
        kind, *fields = said
        if kind == "done":
            self._done = True
            return None
        if kind == "failed":
            raise _error(fields)
        return _KINDS[kind](*fields)

    def close(self) -> None:
        """Raises UnreadError unless it said that it was done."""
        os.close(self.pipe)
        os.waitpid(self._pid, 0)
        if not self._done:
            raise UnreadError(
                "a reader was ended from outside, so not everything was read",
                "is there enough memory? --jobs 1 needs the least",
            )

    def stop(self) -> None:
        """End it early."""
        os.close(self.pipe)
        try:
            os.kill(self._pid, 15)
        except ProcessLookupError:
            pass  # it had ended by itself
        os.waitpid(self._pid, 0)


_KINDS: dict[str, Callable[..., Item]] = {
    kind.__name__: kind for kind in (Tally, Suspect, Stretch, Unread)
}


def _work(numbers: int, read: Callable[[int], Iterable[Item]], out: int) -> None:
    """The child's whole life."""
    status = exits.BUG
    try:
        while number := os.read(numbers, 4):
            for item in read(int.from_bytes(number, "big")):
                fields = (item.name, item.why) if isinstance(item, Unread) else item
                _say(out, type(item).__name__, *fields)
        _say(out, "done")
        status = exits.CLEAN
    except LeakguardError as problem:
        place = problem.place
        where = [getattr(place, name) for name in _PLACE] if place else None
        kind = type(problem).__name__
        _say(out, "failed", kind, problem.message, problem.hints, problem.cause, where)
    except (KeyboardInterrupt, BrokenPipeError):
        pass  # the parent knows
    except Exception as bug:  # noqa: BLE001 - a trace-back might quote a secret
        from leakguard.cli import console

        console.bug(bug)
        _say(out, "failed", "LeakguardError", "a reader failed; see above", [], "", None)
    finally:
        os._exit(status)  # nothing of the parent's is closed or flushed twice


_PLACE = ("path", "line", "column", "text", "width")


def _say(out: int, *words: object) -> None:
    line = memoryview(json.dumps(words).encode() + b"\n")
    while line:
        line = line[os.write(out, line) :]


def _error(said: list[Any]) -> LeakguardError:
    """The error that a reader raised, raised again where it is seen."""
    kind, message, hints, cause, where = said
    place = Place(*where) if where else None
    error: LeakguardError = getattr(errors, kind)(message, *hints, place=place, cause=cause)
    return error
