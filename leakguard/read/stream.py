"""Large inputs in overlapping blobs, so that memory stays flat and no match is cut or doubled."""

from __future__ import annotations

import os

from leakguard.blob import Blob, Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK = 8 * 1024 * 1024
OVERLAP = 128 * 1024
"""More than the widest match (64 KiB) and all that looks around it."""


def overlapping(origin: Origin, parts: Iterable[bytes], *, blob_id: str = "") -> Iterator[Blob]:
    """The joined `parts` as blobs of about 8 MiB that overlap by twice `OVERLAP`.

    Each match begins in the `own` range of exactly one of them. Cuts fall on
    multiples of four bytes, so UTF-16 and UTF-32 stay aligned.
    """
    start, line, column, own = 0, 1, 0, 0
    buffer = b""
    for part in _gathered(parts):
        buffer = buffer + part if buffer else part
        while len(buffer) >= CHUNK + 2 * OVERLAP:
            head = buffer[: CHUNK + 2 * OVERLAP]
            yield Blob(
                origin, head, blob_id=blob_id, start=start, line=line, column=column,
                own=(own, CHUNK + OVERLAP),
            )  # fmt: skip
            gone = buffer[:CHUNK]
            newlines = gone.count(b"\n")
            tail = gone[gone.rfind(b"\n") + 1 :].decode("utf-8", "replace")
            line += newlines
            column = len(tail) + (0 if newlines else column)
            start += CHUNK
            own = OVERLAP
            buffer = buffer[CHUNK:]
    yield Blob(
        origin, buffer, blob_id=blob_id, start=start, line=line, column=column,
        own=(own, len(buffer) + 1),
    )  # fmt: skip


def _gathered(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in parts of at least `CHUNK`, so that joining them stays cheap."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= CHUNK:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def read_parts(descriptor: int, first: bytes = b"") -> Iterator[bytes]:
    """The rest of an open file, 8 MiB at a time."""
    if first:
        yield first
    while part := os.read(descriptor, CHUNK):
        yield part
