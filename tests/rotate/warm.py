"""A script that is loaded once and forked for each call: most of a short process is imports.

    warm = Warm(folder, environment)
    ended = warm.run(request, {"home": ..., "environment": ...}, timeout, Watch)
    warm.stop()

What runs is the script as it is, in a process of its own that leads its own session, with
the given environment, folder and streams; only the interpreter is not started anew.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NUMBER = 8
"""Bytes of a number on the channel."""

CAPACITY = 65536
"""Bytes that a pipe takes before somebody reads."""


@dataclass(frozen=True)
class Ended:
    """What a process left behind."""

    status: int
    out: str
    err: str
    seen: set[str]
    """What a watch noted meanwhile."""


class Warm:
    """The process that is forked, and the channel to it."""

    def __init__(self, script_dir: Path, environment: dict[str, str]) -> None:
        self._channel, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", __file__, str(script_dir), str(its.fileno())],
                env=environment, pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    def run(
        self, request: str, where: dict[str, Any], timeout: float, watch: Callable[[int], Any]
    ) -> Ended:
        """One call. `where` is its folder and environment; `watch` looks on, by its number."""
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            given.write(request.encode())
            given.seek(0)
            streams = [given.fileno(), out.fileno(), err.fileno()]
            socket.send_fds(self._channel, [json.dumps(where).encode()], streams)
            pid = self._number(None)
            with watch(pid) as looking:
                status = self._status(pid, timeout)
            return Ended(status, _all_of(out), _all_of(err), looking.seen)

    def stop(self) -> None:
        """End it."""
        self._channel.close()
        self._process.wait()

    def _status(self, pid: int, timeout: float) -> int:
        try:
            return self._number(timeout)
        except TimeoutError:
            end_group(pid)
            self._number(None)
            raise
        finally:
            end_group(pid)

    def _number(self, timeout: float | None) -> int:
        self._channel.settimeout(timeout)
        said = self._channel.recv(NUMBER, socket.MSG_WAITALL)
        assert len(said) == NUMBER, "the warm process has ended: does the script load?"
        return int.from_bytes(said)


def end_group(pid: int) -> None:
    """End a process and all that it left behind."""
    with suppress(ProcessLookupError, PermissionError):  # it ended, and left nobody behind
        os.killpg(pid, signal.SIGKILL)


def _all_of(file: Any) -> str:
    file.seek(0)
    text: str = file.read().decode("utf-8", "replace")
    return text


# What runs in the process


def serve(folder: str, channel: socket.socket) -> None:
    """Fork the script in a folder for each request, until nobody asks any more."""
    script = _loaded(folder)
    while True:
        where, streams, _, _ = socket.recv_fds(channel, 1 << 20, 3)
        if not where:
            return
        learned, tell = os.pipe()
        pid = os.fork()
        if not pid:
            channel.close()
            _be_the_script(script, json.loads(where), streams, tell)
        for one in (*streams, tell):
            os.close(one)
        channel.sendall(pid.to_bytes(NUMBER))
        _, status = os.waitpid(pid, 0)
        channel.sendall(os.waitstatus_to_exitcode(status).to_bytes(NUMBER, signed=True))
        _learn(learned)


def _loaded(folder: str) -> Any:
    from leakguard.rotate.kit import Script

    program = os.path.join(folder, "rotate.py")
    sys.argv = [program]
    spec = importlib.util.spec_from_file_location("rotate_script", program)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return next(one for one in vars(module).values() if isinstance(one, Script))


def _be_the_script(script: Any, where: dict[str, Any], streams: list[int], tell: int) -> None:
    before, status = set(sys.modules), 1
    try:
        os.setsid()
        os.chdir(where["home"])
        os.environ.clear()
        os.environ.update(where["environment"])
        for number, one in enumerate(streams):
            os.dup2(one, number)
            os.close(one)
        script.main()
        sys.stdout.flush()
        status = 0
    except BaseException:  # noqa: BLE001 - as the interpreter would: told, and status 1
        traceback.print_exc()
    finally:
        told = json.dumps([one for one in sys.modules if one not in before])
        os.write(tell, told.encode()[:CAPACITY])
        os._exit(status)


def _learn(learned: int) -> None:
    """Import what the call had to import, so that the next one finds it."""
    with os.fdopen(learned, encoding="utf-8") as file, suppress(ValueError):
        for name in json.load(file):
            with suppress(Exception):
                importlib.import_module(name)


if __name__ == "__main__":
    serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
