"""Readers beside each other, so that reading and scanning use every core.

The heavy parts (git, reading files, the prefilter) run outside of Python's
lock; what is suspicious comes out one by one, to be judged by whoever iterates.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from leakguard.blob import Blob, Unread

Task = TypeVar("Task")

WAITING = 8
"""How many suspicious blobs may wait for the judge; keeps memory flat."""


class Tally(NamedTuple):
    """What a reader has done since it last said so."""

    items: int
    bytes: int = 0


Item = Blob | Unread | Tally


class Crew(Generic[Task]):
    """Does `tasks` with `read`, `jobs` at a time."""

    def __init__(
        self, tasks: Iterable[Task], read: Callable[[Task], Iterator[Item]], jobs: int
    ) -> None:
        self._todo: queue.SimpleQueue[Task] = queue.SimpleQueue()
        for task in tasks:
            self._todo.put(task)
        self._read = read
        self._found: queue.Queue[Item | BaseException | None] = queue.Queue(WAITING)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(jobs)]

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    task = self._todo.get_nowait()
                except queue.Empty:
                    return
                for item in self._read(task):
                    self._found.put(item)
                    if self._stop.is_set():
                        return
        except BaseException as problem:  # noqa: BLE001 - it is raised again, where it is seen
            self._found.put(problem)
        finally:
            self._found.put(None)

    def __iter__(self) -> Iterator[Item]:
        """Everything the readers hand over. Raises whatever a reader raised."""
        for thread in self._threads:
            thread.start()
        running = len(self._threads)
        try:
            while running:
                item = self._found.get()
                if item is None:
                    running -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            self._stop.set()
