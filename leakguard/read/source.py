"""Bytes that are read once, front to back, and what reading them may cost.

An archive in an archive in an archive is a chain of sources, each pulling small
parts out of the one before, so memory stays flat however large the contents are.
Imported only once an archive is met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from leakguard.blob import Origin
    from leakguard.read.archive import Limits

HEAD = 512
"""Enough bytes to tell what something is."""
PART = 64 * 1024
"""The most that one step unpacks, and the most that is lost in front of damage."""
GRACE = 16 * 1024 * 1024
"""Unpacked bytes before the ratio counts: a small file may well be very repetitive."""

CUT = "it ends too early, so it is cut short or damaged; what came before was scanned"
DAMAGED = "it is damaged; what came before was scanned"


class StuckError(Exception):
    """Reading cannot go on; `origin`, the very object, is the archive or member to blame."""

    def __init__(self, origin: Origin, why: str) -> None:
        super().__init__(why)
        self.origin = origin
        self.why = why


class Budget:
    """What one outermost archive and everything in it may cost, and has cost so far.

    `packed` is the size of that archive, or how much of it was read when nobody
    knows the size.
    """

    def __init__(self, limits: Limits, root: Origin, packed: int = 0) -> None:
        self.limits = limits
        self.packed = packed
        self._root = root
        self._entries = 0
        self._unpacked = 0

    def entry(self) -> None:
        """Count one entry of an archive. Raises StuckError when that is one too many."""
        self._entries += 1
        if self._entries > self.limits.entries:
            self._stop(f"it holds more than {self.limits.entries:,} entries")

    def spend(self, size: int) -> None:
        """Count unpacked bytes, at every level. Raises StuckError when they are too many."""
        self._unpacked += size
        if self._unpacked > self.limits.total:
            self._stop(f"it unpacks to more than {_size(self.limits.total)}")
        if self._unpacked > max(GRACE, self.packed * self.limits.ratio):
            self._stop(f"it unpacks to more than {self.limits.ratio} times its size")

    def _stop(self, why: str) -> None:
        raise StuckError(self._root, f"{why} (a limit); what came before was scanned")

    def inside(self, origin: Origin, name: str) -> Origin:
        """The origin of a member; its name is shown, never used, and kept to a length."""
        longest = self.limits.name
        if len(name) > longest:
            name = name[:longest] + "..."
        return origin.within(name or "(no name)")


def _size(count: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if count >= unit and not count % unit:
            return f"{count // unit} {name}"
    return f"{count:,} bytes"


class Source:
    """Bytes that come in parts, with a look ahead.

    `pull` gives the next part and b"" at the end, or raises StuckError. A problem
    comes out only when all that was read before it is used up.
    """

    def __init__(self, pull: Callable[[], bytes], blame: Origin) -> None:
        self.blame = blame
        self._pull = pull
        self._buffer = b""
        self._at = 0
        self._problem: tuple[Origin, str] | None = None

    def _more(self) -> bool:
        if self._problem is not None:
            return False
        try:
            part = self._pull()
        except StuckError as problem:
            self._problem = (problem.origin, problem.why)
            return False
        self._buffer = self._buffer[self._at :] + part
        self._at = 0
        return bool(part)

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, which stay there; fewer at the end. Never raises."""
        while len(self._buffer) - self._at < size and self._more():
            pass
        return self._buffer[self._at : self._at + size]

    def some(self, most: int = PART) -> bytes:
        """At least one byte and at most `most`; none at the end."""
        if self._at == len(self._buffer) and not self._more():
            if self._problem is not None:
                raise StuckError(*self._problem)
            return b""
        part = self._buffer[self._at : self._at + most]
        self._at += len(part)
        return part

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes. Raises StuckError when there are not as many."""
        data = self.peek(size)
        if len(data) < size:
            raise StuckError(*(self._problem or (self.blame, CUT)))
        self._at += size
        return data

    def skip(self, size: int) -> None:
        """Pass over `size` bytes. Raises StuckError when there are not as many."""
        while size:
            part = self.some(size)
            if not part:
                raise StuckError(self.blame, CUT)
            size -= len(part)

    def skip_zeros(self, block: int = 1) -> None:
        """Pass over zeros, in whole blocks."""
        while part := self.peek(max(block, PART)):
            zeros = len(part) - len(part.lstrip(b"\0"))
            if zeros < len(part):
                self._at += zeros - zeros % block
                return
            self._at += zeros

    def push(self, data: bytes) -> None:
        """Give back bytes: they come next."""
        self._buffer = data + self._buffer[self._at :]
        self._at = 0

    def parts(self) -> Iterator[bytes]:
        """All that is left."""
        while part := self.some():
            yield part

    def drain(self) -> None:
        """Pass over all that is left."""
        for _ in self.parts():
            pass


class Section(Source):
    """The next `size` bytes of another source, as one of its own."""

    def __init__(self, whole: Source, size: int, blame: Origin) -> None:
        super().__init__(self._next, blame)
        self._whole = whole
        self._left = size

    def _next(self) -> bytes:
        part = self._whole.some(min(self._left, PART)) if self._left else b""
        if self._left and not part:
            raise StuckError(self._whole.blame, CUT)
        self._left -= len(part)
        return part

    def pass_over(self) -> None:
        """Move the whole on to where this section ends."""
        self._whole.skip(self._left)
        self._left = 0


def from_bytes(data: bytes, blame: Origin) -> Source:
    """A source of bytes at hand."""
    source = Source(lambda: b"", blame)
    source.push(data)
    return source


def from_file(file: BinaryIO, budget: Budget, blame: Origin) -> Source:
    """What an open file gives when it is read to its end; counted as packed bytes."""

    def pull() -> bytes:
        part = _read(file, PART, blame)
        budget.packed += len(part)
        return part

    return Source(pull, blame)


def from_region(file: BinaryIO, start: int, end: int, blame: Origin) -> Source:
    """A stretch of a file that can seek; several may be read at the same time."""
    at = start

    def pull() -> bytes:
        nonlocal at
        if at >= end:
            return b""
        try:
            file.seek(at)
        except OverflowError:  # a place that no file has, from a forged header
            return b""
        except OSError as error:
            raise StuckError(blame, f"it could not be read: {error.strerror}") from None
        part = _read(file, min(PART, end - at), blame)
        at += len(part)
        return part

    return Source(pull, blame)


def _read(file: BinaryIO, size: int, blame: Origin) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise StuckError(blame, f"it could not be read: {error.strerror}") from None


def later(make: Callable[[], Source], blame: Origin) -> Source:
    """A source that is opened when it is first read, so that trouble with it is told there."""
    made: list[Source] = []

    def pull() -> bytes:
        if not made:
            made.append(make())
        return made[0].some()

    return Source(pull, blame)


def counted(source: Source, budget: Budget, blame: Origin) -> Source:
    """The same bytes, counted as unpacked: what an archive stores without compressing."""

    def pull() -> bytes:
        part = source.some()
        budget.spend(len(part))
        return part

    return Source(pull, blame)
