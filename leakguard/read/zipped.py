"""Members of zip files: by the list at their end, or from the front where there is none.

`zipfile` wants a whole file that seeks, keeps an object for every entry, unpacks
bzip2 and lzma without a bound, and gives up on what is slightly wrong; a scanner
meets pipes, bombs and halves of downloads.
Layout: APPNOTE.TXT of PKWARE, whose section numbers stand below.
"""

from __future__ import annotations

from functools import partial
from io import BytesIO
from struct import unpack_from
from typing import TYPE_CHECKING
from zlib import crc32

from leakguard.blob import Unread
from leakguard.read.members import REST, kind
from leakguard.read.source import (
    CUT,
    DAMAGED,
    Section,
    Source,
    StuckError,
    counted,
    from_bytes,
    from_region,
    later,
)
from leakguard.read.unpack import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from leakguard.blob import Origin
    from leakguard.read.members import Member
    from leakguard.read.source import Budget

LOCAL, LISTED, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END64, LOCATOR64, DESCRIPTOR = b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"

ENCRYPTED = 1
LENGTHS_FOLLOW = 8
UTF8 = 0x08
"""In the upper byte of the flags."""

STORED, LZMA = 0, 14
METHODS = {8: "deflate", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz"}
OTHERS = {
    1: "shrink", 6: "implode", 9: "deflate64", 96: "jpeg", 97: "wavpack", 98: "ppmd",
}  # fmt: skip
AES = 99

COMMENT = "(comment)"


class Entry:
    """What one header says about one member."""

    def __init__(self, origin: Origin, head: bytes, size: int, packed: int) -> None:
        """`head` is the run of fields that both kinds of header share, from the flags on."""
        flags, method, _, _, crc = unpack_from("<HHHHI", head)
        self.origin = origin
        self.crc: int | None = crc
        self.flags = flags
        self.method = method
        self.packed = packed
        self.size = size

    @property
    def closed(self) -> str:
        """Why it cannot be opened, or ""."""
        if self.flags & ENCRYPTED or self.method == AES:
            return "it is encrypted, so it was not looked into"
        if self.method == STORED or self.method in METHODS:
            return ""
        name = OTHERS.get(self.method, "unknown")
        return f"it is packed by method {self.method} ({name}), which is not opened"

    def contents(self, packed: Source, budget: Budget, *, alone: bool = True) -> Source:
        """Its bytes, unpacked from `packed`, which holds nothing else if it is `alone`."""
        if self.method == STORED:
            plain = counted(packed, budget, packed.blame)
        else:
            if self.method == LZMA:
                self._as_plain_lzma(packed)
            what = METHODS[self.method]
            another = (lambda head: kind(head) == what) if alone else None
            plain = unpacked(packed, what, budget, packed.blame, another)
        return _checked(plain, self.crc) if alone else plain

    def _as_plain_lzma(self, packed: Source) -> None:
        """5.8.8: two bytes of version, two of length, then the settings of an .lzma file."""
        packed.skip(4)
        settings = packed.exactly(5)
        marked = self.flags & 2 or self.flags & LENGTHS_FOLLOW
        size = b"\xff" * 8 if marked else self.size.to_bytes(8, "little")
        packed.push(settings + size)


def _checked(source: Source, crc: int | None) -> Source:
    """The same bytes; a StuckError at the end if they are not what was packed.

    Deflate rarely notices by itself that a few of its bits were changed.
    """
    seen = 0

    def pull() -> bytes:
        nonlocal seen
        part = source.some()
        seen = crc32(part, seen)
        if not part and crc is not None and seen != crc:
            raise StuckError(source.blame, DAMAGED)
        return part

    return Source(pull, source.blame)


def members(source: Source, origin: Origin, budget: Budget) -> Iterator[Member]:
    """The members of a zip that comes in order: held in memory if it is small enough.

    A larger one is read from the front, as it comes, and so is one that breaks off.
    """
    held = BytesIO()
    whole = _hold(source, held, budget.limits.held)
    size = held.tell()
    if whole:
        yield from listed(held, size, origin, budget)
        return
    first = from_region(held, 0, size, origin)
    chained = Source(lambda: first.some() or source.some(), origin)
    yield from in_order(chained, origin, budget)


def _hold(source: Source, held: BytesIO, most: int) -> bool:
    """Read into `held`; whether that was all. If it breaks off, `source` will tell it again."""
    try:
        while held.tell() <= most:
            part = source.some()
            if not part:
                return True
            held.write(part)
    except StuckError:
        pass
    return False


def listed(file: BinaryIO, size: int, origin: Origin, budget: Budget) -> Iterator[Member]:
    """The members that the list at the end of `file` names.

    Without a sound list, those that can be found from the front, then what is wrong.
    """
    try:
        yield from _listed(file, size, origin, budget)
    except StuckError as problem:
        if problem.origin is not origin:
            raise
        if problem.why in (CUT, DAMAGED):
            yield from in_order(from_region(file, 0, size, origin), origin, budget)
        raise


def _listed(file: BinaryIO, size: int, origin: Origin, budget: Budget) -> Iterator[Member]:
    end = _End(file, size, origin)
    if end.comment:
        yield budget.inside(origin, COMMENT), from_bytes(end.comment, origin)
    if end.rest_at < size:
        yield budget.inside(origin, REST), from_region(file, end.rest_at, size, origin)
    names = from_region(file, end.list_at, size, origin)
    count = 0
    while names.peek(4) == LISTED:
        count += 1
        budget.entry()
        head = names.exactly(46)
        packed, full, n_name, n_extra, n_comment, disk = unpack_from("<IIHHHH", head, 20)
        (at,) = unpack_from("<I", head, 42)
        name, extra, comment = map(names.exactly, (n_name, n_extra, n_comment))
        full, packed, at = _wide(extra, full, packed, at)
        entry = Entry(budget.inside(origin, _text(name, head[9])), head[8:], full, packed)
        if comment:
            yield budget.inside(entry.origin, COMMENT), from_bytes(comment, origin)
        if disk not in (0, 0xFFFF):
            yield Unread(entry.origin.name, "it is in another part of a split archive")
        elif entry.closed and packed:
            yield Unread(entry.origin.name, entry.closed)
        elif packed:
            starts = (at + end.shift, at)
            yield entry.origin, later(partial(_open, file, starts, entry, budget), entry.origin)
    if count % 0x10000 != end.count % 0x10000:
        raise StuckError(origin, DAMAGED)


def _open(file: BinaryIO, starts: tuple[int, int], entry: Entry, budget: Budget) -> Source:
    """The contents of a member that begins at one of `starts` (4.3.7)."""
    for start in starts:
        head = from_region(file, start, start + 30, entry.origin).peek(30)
        if len(head) == 30 and head.startswith(LOCAL):
            begin = start + 30 + sum(unpack_from("<HH", head, 26))
            packed = from_region(file, begin, begin + entry.packed, entry.origin)
            return entry.contents(packed, budget)
    raise StuckError(entry.origin, "it is not where the list of the archive says")


class _End:
    """The record at the end of a zip (4.3.16), with its 64-bit forms (4.3.14, 4.3.15)."""

    def __init__(self, file: BinaryIO, size: int, origin: Origin) -> None:
        """Raises StuckError when there is no sound one."""
        tail_at = max(0, size - 0xFFFF - 22 - 20 - 56)
        tail = from_region(file, tail_at, size, origin).peek(size - tail_at)
        at = _last_end(tail)
        if at < 0:
            raise StuckError(origin, CUT)
        disk, _, _, count, length, start, n_comment = unpack_from("<HHHHIIH", tail, at + 4)
        self.comment = tail[at + 22 : at + 22 + n_comment]
        self.rest_at = tail_at + at + 22 + n_comment
        end = tail_at + at
        if at >= 20 and tail.startswith(LOCATOR64, at - 20):
            (said,) = unpack_from("<Q", tail, at - 12)
            for place in (end - 20 - 56, said):
                record = from_region(file, max(0, place), max(0, place) + 56, origin).peek(56)
                if len(record) == 56 and record.startswith(END64):
                    disk, _, _, count, length, start = unpack_from("<IIQQQQ", record, 16)
                    end = place
                    break
        if disk not in (0, 0xFFFF):
            raise StuckError(origin, "it is one part of a split archive; join the parts first")
        self.count = count
        self.list_at, self.shift = self._find_list(file, start, end - length - start, origin)

    def _find_list(self, file: BinaryIO, start: int, shift: int, origin: Origin) -> tuple[int, int]:
        """Where the list begins, and by how much all places are off: something stands in front.

        When that is a zip too, the end that was found belongs to a zip within it,
        and the outer one is cut short.
        """
        front = from_region(file, 0, 4, origin).peek(4)
        for off in (shift, 0) if shift > 0 and front != LOCAL else (0,):
            if not self.count and off == shift:
                return start + off, off
            if from_region(file, start + off, start + off + 4, origin).peek(4) == LISTED:
                return start + off, off
        raise StuckError(origin, DAMAGED)


def _last_end(tail: bytes) -> int:
    """Where the end record stands: the last one whose comment fits, else the last; -1 for none."""
    last = at = tail.rfind(END, 0, max(0, len(tail) - 18))
    while at >= 0:
        if at + 22 + unpack_from("<H", tail, at + 20)[0] <= len(tail):
            return at
        at = tail.rfind(END, 0, at)
    return last


def _wide(extra: bytes, full: int, packed: int, at: int) -> tuple[int, int, int]:
    """Sizes and place, from the 64-bit extra field (4.5.3) where the short ones say so."""
    while len(extra) >= 4:
        tag, length = unpack_from("<HH", extra)
        if tag == 1:
            body = extra[4 : 4 + length]
            values = iter(unpack_from(f"<{len(body) // 8}Q", body))
            full = next(values, full) if full == 0xFFFFFFFF else full
            packed = next(values, packed) if packed == 0xFFFFFFFF else packed
            at = next(values, at) if at == 0xFFFFFFFF else at
            break
        extra = extra[4 + length :]
    return full, packed, at


def in_order(source: Source, origin: Origin, budget: Budget) -> Iterator[Member]:
    """The members as they come, by the header in front of each (4.3.7).

    Raises StuckError where the next header cannot be found: behind an entry whose
    length is told neither in front nor by its own end.
    """
    lead = source.peek(0x10000).find(LOCAL)
    source.skip(max(0, lead))
    while source.peek(4) == LOCAL:
        budget.entry()
        head = source.exactly(30)
        packed, full, n_name, n_extra = unpack_from("<IIHH", head, 18)
        name, extra = source.exactly(n_name), source.exactly(n_extra)
        full, packed, _ = _wide(extra, full, packed, 0)
        entry = Entry(budget.inside(origin, _text(name, head[7])), head[6:], full, packed)
        if entry.flags & LENGTHS_FOLLOW and not packed:
            yield from _self_ending(source, entry, origin, budget)
            continue
        if entry.flags & LENGTHS_FOLLOW:
            entry.crc = None  # it follows too
        body = Section(source, packed, origin)
        if entry.closed and packed:
            yield Unread(entry.origin.name, entry.closed)
        elif packed:
            body.blame = entry.origin
            yield entry.origin, later(partial(entry.contents, body, budget), entry.origin)
        body.pass_over()
        if entry.flags & LENGTHS_FOLLOW:
            _skip_descriptor(source, origin)
    if source.peek(4) not in (LISTED, END):
        source.some()  # tells if it ended because of a problem
        raise StuckError(origin, CUT)


def _self_ending(source: Source, entry: Entry, origin: Origin, budget: Budget) -> Iterator[Member]:
    if entry.closed or entry.method == STORED:
        yield Unread(entry.origin.name, entry.closed or "its length is not known")
        raise StuckError(origin, "what follows an entry of unknown length was not looked into")
    contents = later(partial(entry.contents, source, budget, alone=False), origin)
    yield entry.origin, contents
    contents.drain()
    _skip_descriptor(source, origin)


def _skip_descriptor(source: Source, origin: Origin) -> None:
    """4.3.9: checksum and lengths behind a member, in four shapes; the next header tells which."""
    sizes = (16, 24) if source.peek(4) == DESCRIPTOR else (12, 20)
    for size in sizes:
        if source.peek(size + 2)[size:] == b"PK":
            source.skip(size)
            return
    raise StuckError(origin, CUT)


def _text(name: bytes, upper_flags: int) -> str:
    """Names are UTF-8 if the entry says so, and often if it does not; else code page 437."""
    if upper_flags & UTF8:
        return name.decode("utf-8", "surrogateescape")
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("cp437")
