"""Compressed sources: gzip, bzip2, xz, lzma, zstd and bare deflate, a bounded part at a time."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

from leakguard.read.source import CUT, DAMAGED, HEAD, PART, Source, StuckError

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakguard.blob import Origin
    from leakguard.read.source import Budget

    Errors = tuple[type[Exception], ...]

DICTIONARY = 256 * 1024 * 1024
"""The most memory that unpacking xz or lzma may ask for (xz -9 asks for 65 MiB)."""


class Machine(Protocol):
    """One run of a decompressor, as bz2, lzma and zstd of the standard library have it."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing more to be had without new data."""

    @property
    def unused_data(self) -> bytes:
        """What follows the end of the stream."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most `max_length` bytes of output; the rest waits inside."""


class _Zlib:
    """zlib's decompressor with the manners of the others."""

    def __init__(self, window: int) -> None:
        self._inner = zlib.decompressobj(window)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.needs_input = not self._inner.unconsumed_tail and len(out) < max_length
        return out


COMPRESSED = ("gzip", "bzip2", "xz", "lzma", "zstd")
"""Kinds of compressed streams that stand for themselves."""


def _maker(kind: str, blame: Origin) -> tuple[Callable[[], Machine], Errors]:
    """What makes a decompressor, and the errors it raises for bad data."""
    errors: Errors = (OSError, ValueError, EOFError, MemoryError)
    if kind in ("gzip", "deflate"):
        return lambda: _Zlib(31 if kind == "gzip" else -15), (*errors, zlib.error)
    try:
        if kind == "bzip2":
            import bz2

            return bz2.BZ2Decompressor, errors
        if kind in ("xz", "lzma"):
            import lzma

            form = lzma.FORMAT_XZ if kind == "xz" else lzma.FORMAT_ALONE
            return lambda: lzma.LZMADecompressor(form, DICTIONARY), (*errors, lzma.LZMAError)
        return _zstd(errors)
    except ImportError:
        raise StuckError(blame, _missing(kind)) from None


def _missing(kind: str) -> str:
    if kind == "zstd":
        return "zstd support is missing, so it was not looked into (pip install backports.zstd)"
    return f"this Python was built without {kind}, so it was not looked into"


def _zstd(errors: Errors) -> tuple[Callable[[], Machine], Errors]:
    import importlib
    import sys

    zstd = importlib.import_module(
        "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    )
    return zstd.ZstdDecompressor, (*errors, zstd.ZstdError)


def unpacked(
    source: Source,
    kind: str,
    budget: Budget,
    blame: Origin,
    another: Callable[[bytes], bool] | None = None,
) -> Source:
    """What a compressed source holds.

    With `another` (does one more stream begin here?) streams that follow each
    other are joined, as gzip and its like do, and whatever comes after them is
    passed on as it stands, so that nothing stays unseen. Without it the source
    is left right behind the first stream.
    """
    make, errors = _maker(kind, blame)
    machine: Machine | None = make()

    def step(now: Machine) -> bytes:
        hungry = now.needs_input
        data = source.some() if hungry else b""
        if hungry and not data:
            raise StuckError(blame, CUT)
        try:
            out = now.decompress(data, PART)
        except errors as error:
            raise StuckError(blame, _reason(error)) from None
        if now.eof:
            source.push(now.unused_data)
        elif not (data or out or now.needs_input):
            raise StuckError(blame, DAMAGED)  # no way forward
        return out

    def pull() -> bytes:
        nonlocal machine
        while machine is not None:
            if not machine.eof:
                if out := step(machine):
                    budget.spend(len(out))
                    return out
                continue
            machine = None
            if another is not None:
                source.skip_zeros()
                machine = make() if another(source.peek(HEAD)) else None
        rest = b"" if another is None else source.some()
        budget.spend(len(rest))
        return rest

    return Source(pull, blame)


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return "unpacking it takes too much memory (a limit); what came before was scanned"
    return DAMAGED
