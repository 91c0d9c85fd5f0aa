"""Runs a command and passes its output through filters, live.

Where we write to a terminal the command gets a terminal of its own, or it would
drop its colours and hold back its lines. Where both our outputs are one pipe or
file, the command gets one pipe for both, so their order is exact. Signals go to
the command, and what is typed does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from leakguard.errors import UnreadError, UsageError

CHUNK = 1024 * 1024
"""The most that is read at once, and what is asked for as the size of a pipe."""

LINGER = 2.0
"""How long, after the command has ended, its own children may still print."""

NOT_FOUND, NOT_RUN = 127, 126
"""What a shell says of a command that is not there, or that cannot be run."""


class Filter(Protocol):
    """What the output goes through: `detect.mask.Masker`."""

    def feed(self, data: bytes, now: float) -> bytes:
        """Take bytes, give what may be passed on."""

    def due(self) -> float | None:
        """When `tick` has to be called; None for never."""

    def tick(self, now: float) -> bytes:
        """What may be passed on now, since it waited."""

    def finish(self) -> bytes:
        """What is left."""


class _Nothing:
    """Lets nothing through."""

    def feed(self, data: bytes, now: float) -> bytes:
        """Nothing."""
        return b""

    def due(self) -> float | None:
        """Never."""
        return None

    def tick(self, now: float) -> bytes:
        """Nothing."""
        return b""

    def finish(self) -> bytes:
        """Nothing."""
        return b""


class Stream:
    """One output of the command on its way to one of ours."""

    def __init__(self, reader: int, target: int, through: Filter) -> None:
        self.reader = reader
        self.open = True
        self._target = target
        self._through = through
        self._gone = False  # whoever reads our output has gone

    def take(self, data: bytes, now: float) -> None:
        """What the command wrote; b"" when it closed this output."""
        if data:
            self._write(self._through.feed(data, now))
        else:
            self.end()

    def tick(self, now: float) -> None:
        """Pass on what waited long enough."""
        due = self._through.due()
        if self.open and due is not None and due <= now:
            self._write(self._through.tick(now))

    def due(self) -> float | None:
        """When `tick` has something to do."""
        return self._through.due() if self.open else None

    def end(self) -> None:
        """Pass on what is left, and close."""
        if self.open:
            self.open = False
            self._write(self._through.finish())

    def mute(self) -> None:
        """Read on, so that the command can go on, and pass nothing on any more."""
        self._through = _Nothing()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._gone:
            try:
                view = view[os.write(self._target, view) :]
            except BlockingIOError:
                time.sleep(0.001)  # somebody made our output non-blocking, and it is full
            except OSError:  # a reader that has gone; the command is told when it writes on
                self._gone, self.open = True, False


class Reader(Protocol):
    """Waits for the command's output."""

    def wait(self, seconds: float | None) -> list[tuple[Stream, bytes]]:
        """What came, at the latest after so many seconds."""


def run(
    command: Sequence[str], through: Callable[[str], Filter], *, terminal: bool = True
) -> tuple[int, Exception | None]:
    """(how the command ended, what went wrong in a filter).

    `through` makes the filter for `stdout`, `stderr` or `output` (both as one). When a
    filter fails, nothing more of the output is passed on, and the command goes on to its end.
    A negative number is the signal that ended the command. Raises UsageError
    and UnreadError before anything has run.
    """
    if os.name == "nt":
        return _run_with_pipes(command, through, terminal=terminal)
    from leakguard.cli import terminal as posix

    return posix.run(command, through, terminal=terminal)


def started(command: Sequence[str], **streams: object) -> subprocess.Popen[bytes]:
    """The running command. Raises NotStartedError."""
    try:
        return subprocess.Popen(list(command), **streams)  # type: ignore[call-overload, no-any-return]
    except (FileNotFoundError, NotADirectoryError):
        raise NotStartedError(NOT_FOUND, f"command {command[0]!r} was not found") from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "it holds a zero byte"
        raise NotStartedError(NOT_RUN, f"command {command[0]!r} cannot be run", cause) from None


class NotStartedError(UnreadError):
    """The command did not run; the exit code is the one that a shell gives."""

    def __init__(self, code: int, message: str, cause: str = "") -> None:
        super().__init__(message, cause=cause)
        self.exit_code = code


def pump(
    process: subprocess.Popen[bytes], reader: Reader, streams: list[Stream]
) -> Exception | None:
    """Pass on all output until the command has ended; what went wrong in a filter, if anything."""
    failure: Exception | None = None
    ended: float | None = None
    while any(stream.open for stream in streams) or process.poll() is None:
        now = time.monotonic()
        if ended is None and process.poll() is not None:
            ended = now
        if ended is not None and now > ended + LINGER:
            break
        dues = [due for stream in streams if (due := stream.due()) is not None]
        limit = ended + LINGER if ended is not None else None
        wakes = [*dues, limit] if limit is not None else dues
        came = reader.wait(max(0.0, min(wakes) - now) if wakes else None)
        now = time.monotonic()
        for stream, data in came:
            failure = _guarded(failure, partial(stream.take, data, now))
        for stream in streams:
            failure = _guarded(failure, partial(stream.tick, now))
        if failure is not None:
            for stream in streams:
                stream.mute()
    for stream in streams:
        failure = _guarded(failure, stream.end)
    process.wait()
    return failure


def _guarded(failure: Exception | None, step: Callable[[], None]) -> Exception | None:
    """The first thing that went wrong."""
    try:
        step()
    except Exception as problem:  # noqa: BLE001 - told when the command has ended; nothing leaks
        return failure or problem
    return failure


def same_output() -> bool:
    """Whether both our outputs are one pipe or file."""
    try:
        one, other = os.fstat(1), os.fstat(2)
    except OSError:
        return False
    return bool(one.st_ino) and (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


class _Threads:
    """Waits for pipes where there is nothing else than a thread for each (Windows)."""

    def __init__(self, streams: list[Stream]) -> None:
        from queue import SimpleQueue
        from threading import Thread

        self._came: SimpleQueue[tuple[Stream, bytes]] = SimpleQueue()
        for stream in streams:
            Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: Stream) -> None:
        data = b"."
        while data:
            try:
                data = os.read(stream.reader, CHUNK)
            except OSError:
                data = b""
            self._came.put((stream, data))

    def wait(self, seconds: float | None) -> list[tuple[Stream, bytes]]:
        """What came first; looks up now and then, since a command may end with its pipe open."""
        from queue import Empty

        try:
            return [self._came.get(timeout=min(0.1, seconds) if seconds is not None else 0.1)]
        except Empty:
            return []


def _run_with_pipes(
    command: Sequence[str], through: Callable[[str], Filter], *, terminal: bool
) -> tuple[int, Exception | None]:
    if terminal and (os.isatty(1) or os.isatty(2)):
        raise UsageError(
            "this system has no terminals that a program can make",
            "leakguard exec --no-tty -- ... runs the command with pipes",
        )
    together = same_output()
    error = subprocess.STDOUT if together else subprocess.PIPE
    process = started(command, stdout=subprocess.PIPE, stderr=error)
    assert process.stdout is not None
    streams = [Stream(process.stdout.fileno(), 1, through("output" if together else "stdout"))]
    if process.stderr is not None:
        streams.append(Stream(process.stderr.fileno(), 2, through("stderr")))
    with _unimpressed():
        failure = pump(process, _Threads(streams), streams)
    return process.returncode, failure


@contextmanager
def _unimpressed() -> Iterator[None]:
    """The key for interrupting reaches the command by itself; we stay to see it end."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def end_like(status: int) -> int:
    """Our exit code for the command's status: one that a signal ended takes us with it, so that
    whoever waits sees the same.
    """
    if status >= 0:
        return status
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            pass  # whoever read our output has gone
    if os.name != "nt":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # our memory holds what we masked
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return 128 - status
