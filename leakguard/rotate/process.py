"""One call of a foreign program: a request on its standard input, what it wrote, and a hard end.

Nothing secret is in its argv or environment, it works in a private folder that is removed
afterwards, it cannot leave a core dump or a process behind in its group, and it is ended
when it takes too long or says too much.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from leakguard.errors import UsageError

MAX_OUT = 1024 * 1024
MAX_ERR = 1024 * 1024
LINGER = 0.2
"""Seconds for the last output after the program has ended and something holds its pipes."""

_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended. `problem` is empty, or why its output is worth nothing."""

    out: bytes
    err: bytes
    status: int
    problem: str = ""


def call(argv: Sequence[str], request: bytes, seconds: float) -> Ended:
    """Run a program to its end. Raises UsageError when it cannot even be started."""
    _no_core_dumps()
    with tempfile.TemporaryDirectory(prefix="leakguard-", ignore_cleanup_errors=True) as home:
        try:
            process = subprocess.Popen(
                list(argv),
                cwd=home,
                env=environment(home),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            name = os.path.basename(argv[0])
            raise UsageError(f"{name} cannot be run", cause=error.strerror or "") from None
        try:
            return _conversation(process, request, time.monotonic() + seconds, seconds)
        finally:
            _end(process)


def environment(home: str) -> dict[str, str]:
    """All that a script's environment holds."""
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": path, "LANG": "C.UTF-8", "HOME": home}


class _Pipes:
    """The three pipes of a running program."""

    def __init__(self, process: subprocess.Popen[bytes], request: bytes) -> None:
        assert process.stdin and process.stdout and process.stderr  # noqa: PT018 - all are pipes
        self._request = memoryview(request)
        self._in = process.stdin
        self._select = selectors.DefaultSelector()
        self.heard: dict[str, list[bytes]] = {"out": [], "err": []}
        self._size = {"out": 0, "err": 0}
        for name, pipe in (("in", process.stdin), ("out", process.stdout), ("err", process.stderr)):
            os.set_blocking(pipe.fileno(), False)
            event = selectors.EVENT_WRITE if name == "in" else selectors.EVENT_READ
            self._select.register(pipe, event, name)
        self.problem = ""

    @property
    def open(self) -> bool:
        """Whether anything may still come, or go."""
        return bool(self._select.get_map())

    def work(self, seconds: float) -> bool:
        """Move what can be moved; False when nothing could be within `seconds`."""
        ready = self._select.select(seconds)
        for key, _ in ready:
            if key.data == "in":
                self._write()
            else:
                self._read(key.fileobj, key.data)
        return bool(ready)

    def _write(self) -> None:
        try:
            self._request = self._request[os.write(self._in.fileno(), self._request[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:
            self._request = self._request[:0]  # it did not want to hear more
        if not self._request:
            self._select.unregister(self._in)
            self._in.close()

    def _read(self, pipe: object, name: str) -> None:
        part = os.read(pipe.fileno(), _CHUNK)  # type: ignore[attr-defined]
        if not part:
            self._select.unregister(pipe)  # type: ignore[arg-type]
            return
        limit = MAX_OUT if name == "out" else MAX_ERR
        self._size[name] += len(part)
        if self._size[name] <= limit:
            self.heard[name].append(part)
        elif name == "out":
            self.problem = f"wrote more than {limit} bytes"
        else:  # the end of a long story tells most
            self.heard[name] = [*self.heard[name][1:], part]

    def close(self) -> None:
        """Let go of all of them."""
        self._select.close()


def _conversation(
    process: subprocess.Popen[bytes], request: bytes, end: float, seconds: float
) -> Ended:
    pipes = _Pipes(process, request)
    gone = 0.0
    while pipes.open and not pipes.problem:
        left = end - time.monotonic()
        if left <= 0:
            pipes.problem = f"did not answer within {seconds:g} seconds"
            break
        moved = pipes.work(min(left, 0.1))
        if process.poll() is None:
            continue
        gone = gone or time.monotonic()
        if not moved or time.monotonic() - gone > LINGER:
            break  # it ended; a process that it left behind holds the pipes
    if not pipes.problem:
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            pipes.problem = f"did not end within {seconds:g} seconds"
    _end(process)
    pipes.close()
    out, err = (b"".join(pipes.heard[name]) for name in ("out", "err"))
    return Ended(out, err, process.returncode, pipes.problem)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group, also when the program itself has ended."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                pass  # unsent bytes for a reader that has gone


def _no_core_dumps() -> None:
    """Our memory and that of our children holds values."""
    if sys.platform == "win32":
        raise UsageError("rotation scripts run on Linux and macOS only")
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
