"""What something is by its first bytes, and the members of archives that are read in order.

Tar, ar and cpio are read by our own few lines: a scanner meets them damaged or
hostile, wants them from a pipe, never writes a member to disk, and must not
fill in the holes of a sparse file. (`tarfile` keeps every member in memory and
expands holes.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakguard.blob import Unread
from leakguard.read import source_map
from leakguard.read.source import DAMAGED, HEAD, Section, StuckError, from_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakguard.blob import Origin
    from leakguard.read.source import Budget, Source

    Member = tuple[Origin, Source] | Unread

REST = "(after the end)"
"""What we call bytes that belong to no entry."""
LONGEST_NAME = 1024 * 1024

_STARTS = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08PK\x03\x04", "zip"),
    (b"Cr24", "zip"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"!<arch>\n", "ar"),
    (b"070701", "cpio"),
    (b"070702", "cpio"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"MSCF\0\0\0\0", "cab"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"LZIP\x01", "lzip"),
    (b"\xed\xab\xee\xdb", "rpm"),
    (b"xar!", "xar"),
)
CLOSED = ("7z", "rar", "cab", "lz4", "lzip", "rpm", "xar")
"""Kinds that we know and do not open."""


def kind(head: bytes) -> str:
    """What begins with `head` (512 bytes, or all there is); "" for no archive."""
    for start, found in _STARTS:
        if head.startswith(start):
            return found
    if head.startswith(b"BZh") and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return "bzip2"
    if head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F:
        return "zstd"  # a frame to skip, then real ones
    if is_tar_header(head):
        return "tar"
    if _is_lzma(head):
        return "lzma"
    if head.startswith(b"#!") and b"PK\x03\x04" in head:
        return "zip"  # a zipapp
    return source_map.KIND if source_map.begins(head) else ""


def _is_lzma(head: bytes) -> bool:
    """The old .lzma has no magic: usual settings, a sound dictionary, a sound size."""
    if len(head) < 14 or not head.startswith(b"\x5d\0") or head[13]:
        return False
    dictionary = int.from_bytes(head[1:5], "little")
    if dictionary < 4096 or dictionary % (1 << (dictionary.bit_length() - 2)):
        return False  # encoders write 2**n or 2**n + 2**(n-1)
    size = head[5:13]
    return size == b"\xff" * 8 or int.from_bytes(size, "little") < 1 << 38


def is_tar_header(block: bytes) -> bool:
    """Whether the checksum of a tar header fits; holds for every dialect since 1979."""
    if len(block) < HEAD:
        return False
    digits = block[148:156].strip(b" \0")
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        return False
    summed = block[:148] + b" " * 8 + block[156:HEAD]
    total = sum(summed)
    if int(digits, 8) == total:
        return True
    # some old tars added up signed bytes
    return int(digits, 8) == total - 256 * sum(byte > 127 for byte in summed)


def tar(source: Source, origin: Origin, budget: Budget) -> Iterator[Member]:
    """The members of a tar. Marks of the end are passed over, as tars may be joined.

    A symbolic link gives its target as contents. Of a sparse file the stored
    bytes are read, without the holes.
    """
    name, link, pax = b"", b"", dict[bytes, bytes]()
    ended = False
    while block := source.peek(HEAD):
        if not block.strip(b"\0"):
            source.skip_zeros(HEAD if len(block) == HEAD else 1)
            ended = True
            continue
        if not is_tar_header(block):
            yield from _rest(source, origin, budget, sound=ended)
            return
        budget.entry()
        source.skip(HEAD)
        what = block[156:157]
        size = header_size(block, pax, source)
        if what in (b"L", b"K", b"x", b"X"):
            data = _short(source, size, origin)
            source.skip(-size % HEAD)
            if what == b"L":
                name = data.rstrip(b"\0")
            elif what == b"K":
                link = data.rstrip(b"\0")
            else:
                pax = pax_records(data)
            continue
        size = _without_body(source, what, size)
        inside = budget.inside(origin, _text(header_name(block, name, pax)))
        if what == b"2":
            target = pax.get(b"linkpath") or link or block[157:257].rstrip(b"\0")
            yield inside, from_bytes(target, origin)
        if what == b"S":
            _skip_sparse_map(source, block)
        body = Section(source, size, origin)
        if size and what != b"g":
            yield inside, body
        body.pass_over()
        source.skip(min(-size % HEAD, len(source.peek(-size % HEAD))))  # the last may be unpadded
        name, link, pax = b"", b"", {}
    source.some()  # tells if it ended because of a problem


def header_size(block: bytes, pax: dict[bytes, bytes], source: Source) -> int:
    """How long the contents behind a tar header are. Raises StuckError, blaming `source`."""
    field = block[124:136]
    said = pax.get(b"size", b"")
    try:
        if said:
            size = int(said)
        elif field[0] & 0x80:  # GNU's binary form; 0xff begins a negative number
            size = int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
        else:
            size = int(field.strip(b" \0").split(b"\0")[0] or b"0", 8)
    except ValueError:
        size = -1
    if size < 0:
        raise StuckError(source.blame, DAMAGED)
    return size


def header_name(block: bytes, name: bytes, pax: dict[bytes, bytes]) -> bytes:
    """What a tar header calls its member; `name` and `pax` come from the headers before it."""
    known = pax.get(b"GNU.sparse.name") or pax.get(b"path") or name
    if known:
        return known
    short = block[:100].split(b"\0")[0]
    prefix = block[345:500].split(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + short if prefix else short


def _without_body(source: Source, what: bytes, size: int) -> int:
    """Links, devices and folders often state a size that has no contents behind it."""
    if size and what in (b"1", b"2", b"3", b"4", b"5", b"6"):
        after = source.peek(HEAD)
        if not after.strip(b"\0") or is_tar_header(after):
            return 0
    return size


def _skip_sparse_map(source: Source, block: bytes) -> None:
    more = block[482]
    while more:
        more = source.exactly(HEAD)[504]


def pax_records(data: bytes) -> dict[bytes, bytes]:
    """Records of the form `length key=value newline`; what does not fit ends the list."""
    found = {}
    at = 0
    while at < len(data):
        digits = data[at : at + 20].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        record = data[at + len(digits) + 1 : at + length]
        if not record.endswith(b"\n"):
            break
        key, _, value = record[:-1].partition(b"=")
        found[key] = value
        at += length
    return found


def _rest(source: Source, origin: Origin, budget: Budget, *, sound: bool) -> Iterator[Member]:
    """What is no entry, as it stands; after it the news, unless the archive had ended."""
    yield budget.inside(origin, REST), source
    if not sound:
        raise StuckError(origin, DAMAGED)


def ar(source: Source, origin: Origin, budget: Budget) -> Iterator[Member]:
    """The members of an ar archive: a Debian package, a static library.

    The tables of names and symbols are members too, called `//` and `/`.
    """
    source.skip(8)
    names = b""
    while head := source.peek(60):
        budget.entry()
        digits = head[48:58].strip()
        if head[58:] != b"`\n" or not digits.isdigit():
            yield from _rest(source, origin, budget, sound=False)
            return
        source.skip(60)
        size = int(digits)
        name = head[:16].rstrip()
        body = Section(source, size, origin)
        if name == b"//" and size <= LONGEST_NAME:
            names = body.peek(size)
        elif name.startswith(b"#1/") and name[3:].isdigit():
            length = min(int(name[3:]), size, LONGEST_NAME)
            name = body.exactly(length).rstrip(b"\0")
        elif name[:1] == b"/" and name[1:].isdigit():
            name = names[int(name[1:]) :].partition(b"\n")[0]
        if name.strip(b"/"):
            name = name.removesuffix(b"/")
        yield budget.inside(origin, _text(name)), body
        body.pass_over()
        if size % 2 and source.peek(1) in (b"\n", b"\0"):  # Go pads with zero
            source.skip(1)
    source.some()


def cpio(source: Source, origin: Origin, budget: Budget) -> Iterator[Member]:
    """The members of a cpio archive (newc). An initial ramdisk joins several: the rest follows."""
    while source.peek(6) in (b"070701", b"070702"):
        budget.entry()
        head = source.exactly(110)
        try:
            size, name_size = int(head[54:62], 16), int(head[94:102], 16)
        except ValueError:
            raise StuckError(origin, DAMAGED) from None
        if size < 0 or name_size < 0:
            raise StuckError(origin, DAMAGED)
        name = _short(source, name_size, origin).rstrip(b"\0")
        source.skip(-(110 + name_size) % 4)
        if name == b"TRAILER!!!":
            source.skip_zeros()
            if source.peek(1):
                yield budget.inside(origin, REST), source
            return
        body = Section(source, size, origin)
        if size:
            yield budget.inside(origin, _text(name)), body
        body.pass_over()
        source.skip(-size % 4)
    yield from _rest(source, origin, budget, sound=False)


def _short(source: Source, size: int, origin: Origin) -> bytes:
    if size > LONGEST_NAME:
        raise StuckError(origin, DAMAGED)
    return source.exactly(size)


def _text(name: bytes) -> str:
    """A name as we show it; bytes that are not UTF-8 become surrogates, as in paths."""
    return name.decode("utf-8", "surrogateescape")
