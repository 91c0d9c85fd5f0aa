"""What does masking cost? Throughput of `leakguard exec`, and how late a line comes out.

    python bench/mask.py                 # both, about a minute
    python bench/mask.py --megabytes 2000 --lines 500

Throughput: a command prints the same clean log, once through `leakguard exec` and once
without it; the whole run, start included, by the clock and by processor time without the
producer's, which a busy machine changes less. Delay: a command prints the
time, and whoever reads takes the time again; for complete lines, and for prompts that have
no line end. Exit code 1 when a figure misses its target.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

from make_log import CREDENTIAL_WORDS, WORDS, log

TARGET_RATE = 100.0
"""MB/s."""
TARGET_WORDS = 25.0
"""MB/s where most lines say token or key: the prefilter looks closer there, and rules at some."""
TARGET_DELAY = 50.0
"""Milliseconds, of all but one in a hundred."""

LEAKGUARD = [sys.executable, "-m", "leakguard", "exec", "--"]


class Rate(NamedTuple):
    """MB/s of one run: by the clock, and by the processor time that is not the producer's."""

    wall: float
    cpu: float


def rate(printed: list[str], through: list[str], without: float = 0.0) -> Rate:
    """How fast a command's output comes; `without` is the producer's own processor time."""
    began = time.perf_counter()
    with subprocess.Popen(
        [*through, *printed], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        size = 0
        while data := os.read(process.stdout.fileno(), 1 << 20):
            size += len(data)
        _, _, spent = os.wait4(process.pid, 0)
        process.returncode = 0
    busy = spent.ru_utime + spent.ru_stime - without
    return Rate(size / 1e6 / (time.perf_counter() - began), size / 1e6 / max(busy, 1e-3))


def delays(lines: int, end: str, through: list[str]) -> list[float]:
    """How late each of some lines (or prompts) comes, in milliseconds, best first."""
    code = (
        "import sys, time\n"
        f"for _ in range({lines}):\n"
        f"    sys.stdout.write(f'at {{time.monotonic_ns()}} '+{end!r})\n"
        "    sys.stdout.flush(); time.sleep(0.06)\n"
    )
    late: list[float] = []
    command = [*through, sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while data := os.read(process.stdout.fileno(), 65536):
            now = time.monotonic_ns()
            late += [(now - int(stamp)) / 1e6 for stamp in _stamps(data)]
    return sorted(late)


def _stamps(data: bytes) -> Iterator[bytes]:
    parts = data.split()
    yield from (after for word, after in pairwise(parts) if word == b"at")


def _rates(megabytes: int, say: Callable[[str], None]) -> bool:
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for name, printed, target in _producers(Path(folder), megabytes):
            plain = rate(printed, [])
            own = megabytes / plain.cpu  # seconds
            masked = [rate(printed, LEAKGUARD, own) for _ in range(3)]
            wall, cpu = max(one.wall for one in masked), max(one.cpu for one in masked)
            say(
                f"{name:<26} {wall:7.0f} MB/s, {cpu:.0f} MB a second of processor time   "
                f"without us {plain.wall:7.0f} MB/s"
            )
            good = good and max(wall, cpu) >= target
    return good


def _producers(folder: Path, megabytes: int) -> Iterator[tuple[str, list[str], float]]:
    """(name, the command, its target in MB/s)."""
    said = "a line of a build"
    yield "yes", ["sh", "-c", f"yes '{said}' | head -c {megabytes}000000"], TARGET_RATE
    for name, words, width, target in (
        ("clean log", WORDS, 0, TARGET_RATE),
        ("lines of 120 bytes", WORDS, 120, TARGET_RATE),
        ("with words such as token", WORDS + CREDENTIAL_WORDS, 0, TARGET_WORDS),
    ):
        path = folder / "log.txt"
        path.write_bytes(log(1, 10_000_000, words, width))
        times = max(1, megabytes // 10)
        yield name, ["sh", "-c", f"for n in $(seq {times}); do cat {path}; done"], target


def _delays(lines: int, say: Callable[[str], None]) -> bool:
    good = True
    for name, end in (("complete lines", "\n"), ("prompts", "? ")):
        late = delays(lines, end, LEAKGUARD)
        plain = delays(lines, end, ["env"])
        worst = late[int(len(late) * 0.99)]
        say(
            f"{name:<26} {median(late):7.1f} ms, 99 in 100 within {worst:.1f} ms   "
            f"without us {median(plain):.1f} ms"
        )
        good = good and worst <= TARGET_DELAY
    return good


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="throughput and delay of leakguard exec")
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--lines", type=int, default=200)
    given = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    good = [_rates(given.megabytes, print), _delays(given.lines, print)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
