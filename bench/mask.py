"""What does masking cost? Throughput of `leakguard exec`, and how late a line comes out.

    python bench/mask.py                 # both, about a minute
    python bench/mask.py --megabytes 2000 --lines 500

Throughput: a command prints the same clean log, once through `leakguard exec` and once
through `cat`; wall time of the whole run, start included. Delay: a command prints the
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
from random import Random
from statistics import median

TARGET_RATE = 100.0
"""MB/s."""
TARGET_DELAY = 50.0
"""Milliseconds, of all but one in a hundred."""

LEAKGUARD = [sys.executable, "-m", "leakguard", "exec", "--"]
WORDS = (  # noqa: SIM905 - reads best as text
    "compiling linking test ok step running module warn debug request build cache hit miss "
    "layer pulling graph unit wheel collected passed skipped in from of with seconds"
).split()
CREDENTIAL_WORDS = "token key user secret auth".split()  # noqa: SIM905


def log(seed: int, size: int, words: list[str]) -> bytes:
    """A log as a build prints it: times, levels, words, figures."""
    rng = Random(seed)
    lines: list[str] = []
    length = 0
    while length < size:
        said = " ".join(rng.choice(words) for _ in range(rng.randint(3, 14)))
        clock = f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
        lines.append(f"2026-01-02T{clock}Z [{rng.choice(['INFO', 'DEBUG'])}] {said} {length} ms\n")
        length += len(lines[-1])
    return "".join(lines).encode()


def rate(path: Path, megabytes: int, through: list[str]) -> float:
    """MB/s of a command that prints a file again and again."""
    times = max(1, megabytes * 1_000_000 // path.stat().st_size)
    printed = ["sh", "-c", f"for n in $(seq {times}); do cat {path}; done"]
    command = through + printed if through else ["sh", "-c", f"{printed[2]} | cat"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        size = 0
        while data := os.read(process.stdout.fileno(), 1 << 20):
            size += len(data)
    return size / 1e6 / (time.perf_counter() - began)


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
        for name, words, counts in (
            ("clean log", WORDS, True),
            ("with words such as token", WORDS + CREDENTIAL_WORDS, False),
        ):
            path = Path(folder) / "log.txt"
            path.write_bytes(log(1, 8_000_000, words))
            plain = rate(path, megabytes, [])
            masked = max(rate(path, megabytes, LEAKGUARD) for _ in range(3))
            say(f"{name:<26} {masked:7.0f} MB/s   through cat {plain:7.0f} MB/s")
            good = good and (masked >= TARGET_RATE or not counts)
    return good


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
