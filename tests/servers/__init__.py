"""Real servers for tests: started on free loopback ports, stopped by pid, leaving nothing.

Each module of this package is one server: `PACKAGES` (what apt calls it),
`available()` ("" or why it cannot run here, for a loud skip) and `start(folder)`, a
context manager. They stand on the few things here:

    with place() as folder, started([program, "-p", str(free_port())], log=folder / "log") as it:
        until(it.listening(port), it)
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLACES = (*os.defpath.split(os.pathsep), "/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where a distribution puts daemons, beside the PATH."""

PATIENCE = 120.0
"""Seconds to wait for what comes at once when all is well: a machine may stand still meanwhile."""


@dataclass(frozen=True)
class Process:
    """A server that runs in a session of its own, and what it wrote."""

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Of the server itself, which leads its process group."""
        return self.popen.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended by itself."""
        return self.popen.poll() is None

    def said(self) -> str:
        """Everything on its standard output and error so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def send(self, number: int) -> None:
        """Send a signal to the server alone (`SIGHUP`: read your files again)."""
        self.popen.send_signal(number)

    def stop(self, number: int = signal.SIGTERM, *, within: float = 15.0) -> None:
        """Ask it to end, wait, and kill what is left of its group. A second call does nothing."""
        if self.alive:
            self.popen.send_signal(number)
            try:
                self.popen.wait(within)
            except subprocess.TimeoutExpired:
                pass  # the kill below does not ask
        self.kill()

    def kill(self) -> None:
        """End the whole group at once, as a crash of the machine would."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass  # nobody of the group is left
        self.popen.wait()


@contextmanager
def started(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str = "",
    stop: int = signal.SIGTERM,
) -> Iterator[Process]:
    """Run a server in its own session until the block ends. `user` counts only for root."""
    process = launch(argv, log=log, env=env, cwd=cwd, user=user)
    try:
        yield process
    finally:
        process.stop(stop)


def launch(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str = "",
) -> Process:
    """Start a server that the caller stops: for one that a test stops and starts again."""
    with log.open("ab") as sink:
        popen = subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
            cwd=cwd or log.parent, env=None if env is None else dict(env),
            start_new_session=True, **_as_user(user),
        )  # fmt: skip
    return Process(popen, log)


def run(argv: Sequence[str | Path], *, user: str = "", cwd: Path | None = None) -> None:
    """Run a program to its end, as `user` when we are root; what it says is in the failure."""
    done = subprocess.run(
        [str(part) for part in argv], check=False, cwd=cwd,
        capture_output=True, text=True, **_as_user(user),
    )  # fmt: skip
    assert done.returncode == 0, f"{argv[0]}: {done.stdout}{done.stderr}"


def until(
    condition: Callable[[], object], process: Process | None = None, *, within: float = PATIENCE
) -> None:
    """Poll until the condition is true. Fails early, with the log, when the server has ended."""
    end, late = time.monotonic() + within, False
    while not condition():
        said = process.said()[-3000:] if process else ""
        assert process is None or process.alive, f"the server ended by itself: {said}"
        assert not late, f"not true within {within} seconds. {said}"
        late = time.monotonic() > end  # one more look: the time may have passed in a standstill
        time.sleep(0.02)


def listening(port: int) -> Callable[[], bool]:
    """A condition for `until`: somebody takes connections on this loopback port."""

    def check() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return check


def free_port() -> int:
    """A loopback port nobody listens on, nor gets by chance before the server that it is for."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        if port not in _GIVEN and _is_free(port):
            _GIVEN.add(port)
            return port


PORTS = range(10_000, 32_768)
"""Below those that the system gives to whoever connects somewhere or asks for any port."""

_GIVEN: set[int] = set()


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


@contextmanager
def place() -> Iterator[Path]:
    """A folder other users may enter, with a path short enough for a socket; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="lg-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def owned(folder: Path, user: str) -> Path:
    """Make a folder that belongs to `user` when we are root, else to us."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
    return folder


def program(name: str, *folders: str) -> str:
    """Where a program is: in these folders, on the PATH, or where daemons are; "" when nowhere."""
    return shutil.which(name, path=os.pathsep.join((*folders, os.environ["PATH"], *PLACES))) or ""


def lacking(*, programs: Sequence[str] = (), modules: Sequence[str] = (), user: str = "") -> str:
    """Why a server cannot run here, by name: "" when nothing is lacking."""
    gone = [f"the program {name}" for name in programs if not program(name)]
    gone += [f"the Python package {name}" for name in modules if not _importable(name)]
    if user and os.geteuid() == 0 and not _user_exists(user):
        gone.append(f"the user {user}")
    return f"not installed: {', '.join(gone)}" if gone else ""


def _as_user(user: str) -> dict[str, Any]:
    if not user or os.geteuid() != 0:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _importable(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _user_exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
