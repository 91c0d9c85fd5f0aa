"""Run a command once and take down what the operating system says it cost.

Time comes from `wait4`: user and system CPU of the process and of every child
it waited for. Children it left running are adopted and waited for too, so work
that goes on after the command has ended is seen and told apart. Memory comes
from a run of its own, because looking at it every few milliseconds costs time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO

PR_SET_CHILD_SUBREAPER = 36
LEFT_BEHIND_SECONDS = 120
LAST_WORDS = 4096


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, where, and with which changes to the environment."""

    arguments: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """The cost of one run."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, with children
    rss: int  # bytes, of the largest single process
    code: int  # as a shell gives it: 128 + signal for a killed one
    late_cpu: float = 0.0  # seconds of what it left running when it ended
    timed_out: bool = False
    words: str = ""  # the last lines of standard error


@dataclass(frozen=True, slots=True)
class Memory:
    """The most memory seen in one run, in bytes."""

    process: int  # the process itself
    child: int  # the largest of its children, 0 without any
    together: int  # all of them at one moment; shared pages are counted once


def adopt_orphans() -> bool:
    """Make this process the parent of what its children leave behind (Linux only)."""
    if sys.platform != "linux":
        return False
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    return False


def clean_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would make runs differ: settings of git, of leakguard, of the user."""
    kept = {
        name: value
        for name, value in os.environ.items()
        # An installer compiles Python's modules; so may the first run of a checkout.
        if not name.startswith(("GIT_", "LEAKGUARD_", "KF_", "GITLEAKS_", "BETTERLEAKS_"))
        and name != "PYTHONDONTWRITEBYTECODE"
    }
    fixed = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        # A hook may make a commit of its own to look at; without a name it would see nothing.
        "GIT_AUTHOR_NAME": "bench",
        "GIT_AUTHOR_EMAIL": "bench@example.org",
        "GIT_COMMITTER_NAME": "bench",
        "GIT_COMMITTER_EMAIL": "bench@example.org",
        "LC_ALL": "C.UTF-8",
    }
    return {**kept, **fixed, **changes}


def start(command: Command, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own; what it prints is thrown away."""
    return subprocess.Popen(  # the commands are ours and those of the peers
        command.arguments,
        cwd=command.folder,
        env=clean_environment(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,
    )


def run(command: Command, timeout: float) -> Sample:
    """Run a command to its end and measure time."""
    with tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        process = start(command, errors)
        with deadline(process, timeout) as expired:
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        return Sample(
            wall=wall,
            cpu=usage.ru_utime + usage.ru_stime,
            rss=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            code=shell_code(process.returncode),
            late_cpu=wait_for_orphans(),
            timed_out=expired.is_set(),
            words=last_words(errors),
        )


@contextlib.contextmanager
def deadline(process: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Event]:
    """End the process group when it takes too long."""
    expired = threading.Event()

    def end() -> None:
        expired.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield expired
    except BaseException:  # an interrupted benchmark leaves nothing running
        end()
        raise
    finally:
        timer.cancel()


def wait_for_orphans() -> float:
    """Wait for processes that a command left running and give the CPU time they took."""
    cpu = 0.0
    end = time.monotonic() + LEFT_BEHIND_SECONDS
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return cpu
        if pid:
            cpu += usage.ru_utime + usage.ru_stime
        elif time.monotonic() > end:
            raise SystemExit("a command left a process running that does not end")
        else:
            time.sleep(0.01)


def shell_code(code: int) -> int:
    """Turn the number of a signal into the exit code a shell shows."""
    return code if code >= 0 else 128 - code


def last_words(errors: IO[bytes]) -> str:
    """Read the last three lines of what a command complained, without control characters."""
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - LAST_WORDS))
    lines = errors.read().decode("ascii", "backslashreplace").split("\n")
    spoken = [line.strip() for line in lines if line.strip()]
    return "".join(letter for letter in " / ".join(spoken[-3:]) if letter.isprintable())


# ---- memory


def memory(command: Command, timeout: float) -> Memory | None:
    """Run a command once more and watch its memory, where there is a /proc to look at."""
    if not Path("/proc/self/smaps_rollup").exists():
        return None
    own = child = together = 0
    pause = 0.002
    with tempfile.TemporaryFile() as errors:
        process = start(command, errors)
        with deadline(process, timeout):
            while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                children = descendants(process.pid)
                own = max(own, peak(process.pid))
                child = max([child, *map(peak, children)])
                together = max(together, sum(map(shared_out, (process.pid, *children))))
                time.sleep(pause)
                pause = min(0.05, pause * 1.1)
        process.wait()
    wait_for_orphans()
    return Memory(own, child, together)


def descendants(pid: int) -> list[int]:
    """List the children of a process and theirs."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            text = read(task / "children")
            for child in map(int, text.split()):
                found += [child, *descendants(child)]
    return found


def read(path: str | Path) -> str:
    """Read a file of a process that may have ended meanwhile."""
    try:
        return Path(path).read_text("ascii", "replace")
    except OSError:
        return ""


def kilobytes(text: str, name: str) -> int:
    """Find a line such as `VmHWM:   1234 kB` and give bytes."""
    for line in text.splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


def peak(pid: int) -> int:
    """Tell the largest size a process has had."""
    return kilobytes(read(f"/proc/{pid}/status"), "VmHWM:")


def shared_out(pid: int) -> int:
    """Tell the size of a process with shared pages divided among those who share them."""
    return kilobytes(read(f"/proc/{pid}/smaps_rollup"), "Pss:")
