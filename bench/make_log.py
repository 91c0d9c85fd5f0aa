"""The log of a job, made up: times, levels, words, figures. The same seed gives the same bytes."""

from __future__ import annotations

import secrets
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WORDS = (  # noqa: SIM905 - reads best as text
    "compiling linking test ok step running module warn debug request build cache hit miss "
    "layer pulling graph unit wheel collected passed skipped in from of with seconds"
).split()
CREDENTIAL_WORDS = "token key user secret auth".split()  # noqa: SIM905


def log(seed: int, size: int, words: Sequence[str], width: int = 0) -> bytes:
    """Make a log; with a `width`, of lines that have so many bytes at least."""
    rng = Random(seed)
    lines: list[str] = []
    length = 0
    while length < size:
        said = " ".join(rng.choice(words) for _ in range(rng.randint(3, 14)))
        clock = f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
        line = f"2026-01-02T{clock}Z [{rng.choice(['INFO', 'DEBUG'])}] {said} {length} ms"
        while len(line) < width - 1:
            line += f" {rng.choice(words)}"
        lines.append(line + "\n")
        length += len(lines[-1])
    return "".join(lines).encode()


def ensure(folder: Path, megabytes: int, *, leak: bool = False) -> Path:
    """Give the file of a log, made when it is not there; `leak` plants a fake secret in it."""
    path = folder / f"log-{megabytes}{'-leak' if leak else ''}.txt"
    if leak or not path.exists():
        piece = log(1, min(megabytes, 20) * 1_000_000, WORDS)
        text = piece * max(1, megabytes // 20)
        path.write_bytes(
            text + (f"token dop_v1_{secrets.token_hex(32)}\n".encode() if leak else b"")
        )
    return path
