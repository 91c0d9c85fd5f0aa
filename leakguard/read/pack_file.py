"""The blobs of one pack of git's, each read once, and how it differs from the one before it.

Git keeps a version of a file as a delta: which stretches of another version to copy,
and what to insert between. Read that way, a history is about as large as what was
ever written into it, while its contents together are many times that.

Only what git itself would read without a word is read here. Of anything else (another format,
a stream that breaks off, a delta that does not fit its base, a base in another pack)
nothing is said: those names are left to git, which says what is wrong with them.
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from io import FileIO
from typing import NamedTuple

HELD = 32 * 1024 * 1024
"""So many bytes of the versions that lead to one are held, at most."""

_BLOB, _BY_OFFSET, _BY_NAME = 3, 6, 7
"""Kinds of objects in a pack; gitformat-pack(5)."""

_LONGEST = 9
"""Bytes of a number: 63 bits."""

_HEAD = 64
"""More than an object's header and the name of its base take up, bytes."""

_FANOUT = 8 + 256 * 4
"""Where the names begin in an index."""

_BEYOND = 1 << 31
"""An offset this large is the number of one in a table of its own."""

Copies = list[tuple[int, int, int]]
"""What a version took over: (offset in it, offset in the one before, how many bytes), rising."""

WORTH = 128
"""A shorter copy is not told of: to look at it again costs less."""


class BrokenPackError(Exception):
    """Nothing that we can read; git may."""


class Version(NamedTuple):
    """A blob, and what it took over from the last one before it that stood one `depth` higher."""

    name: str
    data: bytes
    depth: int
    copies: Copies


class Family(NamedTuple):
    """A blob that is stored whole and all that are stored as deltas of it: how many blobs, and how
    many bytes of them are stored, uncompressed.
    """

    root: int
    blobs: int
    size: int


class PackFile:
    """One pack and its index."""

    def __init__(self, index: str, wanted: set[bytes]) -> None:
        """`wanted` are the names of blobs, binary. Raises BrokenPackError."""
        try:
            self._path = index.removesuffix(".idx") + ".pack"
            self._end = os.stat(self._path).st_size
            names, offsets = _index(index, len(next(iter(wanted))))
            self._starts = array("Q", sorted(offsets))
            self._names = {at: one for one, at in zip(names, offsets, strict=True) if one in wanted}
            self._deltas: dict[int, list[int]] = {}
            with open(self._path, "rb", buffering=0) as file:
                self._roots = self._rooted(file)
        except (OSError, ValueError, IndexError, struct.error):
            raise BrokenPackError from None

    def _rooted(self, file: FileIO) -> dict[int, tuple[int, int]]:
        """For each blob that can be read, the root of its family and how many bytes are stored."""
        found: dict[int, tuple[int, int]] = {}
        later: list[tuple[int, int, int]] = []
        where: dict[bytes, int] = {}
        for at in sorted(self._names):
            raw = _read(file, at, _HEAD)
            kind, size, start = _header(raw)
            if kind == _BLOB:
                found[at] = at, size
                continue
            if kind == _BY_OFFSET:
                base = at - _back(raw, start)[0]
            else:
                where = where or {name: here for here, name in self._names.items()}
                base = where.get(raw[start : start + len(self._names[at])], -1)
            self._deltas.setdefault(base, []).append(at)
            if base in found:
                found[at] = found[base][0], size
            else:
                later.append((at, base, size))
        while later:  # a base named by its name may lie behind
            known = [entry for entry in later if entry[1] in found]
            found.update((at, (found[base][0], size)) for at, base, size in known)
            later = [entry for entry in later if entry[0] not in found] if known else []
        return found

    def families(self) -> list[Family]:
        """All blobs that can be read, in the order they lie in."""
        sizes: dict[int, list[int]] = {}
        for root, size in self._roots.values():
            sizes.setdefault(root, []).append(size)
        return [Family(root, len(each), sum(each)) for root, each in sizes.items()]

    def names(self) -> set[bytes]:
        """The blobs of all families, binary."""
        return {self._names[at] for at in self._roots}

    def _below(self, root: int) -> Iterator[int]:
        waiting = [root]
        while waiting:
            at = waiting.pop()
            yield at
            waiting += self._deltas.get(at, ())

    def read(self, roots: Iterable[int], left: list[bytes]) -> Iterator[Version]:
        """One family after the other, each version before those that are stored as deltas of it.

        The names of those that cannot be read here go to `left`, in hexadecimal.
        """
        try:
            # Not by way of a map, whose pages would count as memory of ours.
            with open(self._path, "rb", buffering=0) as file:
                for root in roots:
                    yield from self._family(file, root, left)
        except OSError:  # git has packed anew meanwhile
            left += (self._hex(at) for root in roots for at in self._below(root))

    def _hex(self, at: int) -> bytes:
        return self._names[at].hex().encode()

    def _family(self, file: FileIO, root: int, left: list[bytes]) -> Iterator[Version]:
        held: list[bytes] = []
        waiting = [(root, 0)]
        while waiting:
            at, depth = waiting.pop()
            del held[depth:]
            try:
                data, copies = self._content(file, at, held)
            except (BrokenPackError, zlib.error, IndexError):
                left += map(self._hex, self._below(at))
                continue
            held.append(data)
            yield Version(self._names[at].hex(), data, depth, copies)
            waiting += ((delta, depth + 1) for delta in self._deltas.get(at, ()))

    def _content(self, file: FileIO, at: int, held: list[bytes]) -> tuple[bytes, Copies]:
        following = bisect_right(self._starts, at)
        end = self._starts[following] if following < len(self._starts) else self._end
        raw = _read(file, at, end - at)
        kind, size, start = _header(raw)
        if kind == _BY_OFFSET:
            start = _back(raw, start)[1]
        elif kind == _BY_NAME:
            start += len(self._names[at])
        if size > HELD:
            raise BrokenPackError
        inflater = zlib.decompressobj()
        data = inflater.decompress(memoryview(raw)[start:], size + 1)
        if len(data) != size or not inflater.eof:
            raise BrokenPackError
        return _applied(held, data) if held else (data, [])


def _read(file: FileIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


def _header(raw: bytes) -> tuple[int, int, int]:
    """(kind, size uncompressed, where the rest begins) of an object."""
    kind, size = raw[0] >> 4 & 7, raw[0] & 15
    if not raw[0] & 0x80:
        return kind, size, 1
    rest, start = _number(raw, 1)
    return kind, rest << 4 | size, start


def _back(raw: bytes, at: int) -> tuple[int, int]:
    """(how far back its base lies, where the delta begins) of an object stored as one."""
    back = -1
    for here in range(at, at + _LONGEST):
        byte = raw[here]
        back = (back + 1) << 7 | byte & 0x7F
        if not byte & 0x80:
            return back, here + 1
    raise BrokenPackError


def _index(path: str, width: int) -> tuple[Iterable[bytes], array[int]]:
    """The names in an index of the second version, and where their objects lie."""
    with open(path, "rb") as file:
        raw = file.read()
    magic, version = struct.unpack_from(">4sI", raw)
    if magic != b"\xfftOc" or version != 2:
        raise BrokenPackError
    (count,) = struct.unpack_from(">I", raw, _FANOUT - 4)
    names = (raw[at : at + width] for at in range(_FANOUT, _FANOUT + count * width, width))
    start = _FANOUT + count * (width + 4)  # a checksum each lies between
    offsets = _numbers("I", raw[start : start + 4 * count])
    if count and max(offsets) >= _BEYOND:
        start += 4 * count
        far = _numbers("Q", raw[start : start + 8 * sum(at >= _BEYOND for at in offsets)])
        offsets = array("Q", (far[at - _BEYOND] if at >= _BEYOND else at for at in offsets))
    return names, offsets


def _numbers(size: str, raw: bytes) -> array[int]:
    numbers = array(size, raw)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _applied(held: list[bytes], delta: bytes) -> tuple[bytes, Copies]:
    """The version that a delta makes of the last one held."""
    base = held[-1]
    expected, at = _number(delta, 0)
    size, at = _number(delta, at)
    if expected != len(base) or size + sum(map(len, held)) > HELD:
        raise BrokenPackError
    parts: list[bytes] = []
    copies: Copies = []
    done = 0
    end = len(delta)
    while at < end:
        code = delta[at]
        at += 1
        if code & 0x80:
            start = count = 0
            for shift in _OFFSET[code & 0x0F]:
                start |= delta[at] << shift
                at += 1
            for shift in _COUNT[code & 0x70]:
                count |= delta[at] << shift
                at += 1
            count = count or 0x10000
            parts.append(base[start : start + count])
            if count >= WORTH:
                copies.append((done, start, count))
            done += count
        elif code:
            parts.append(delta[at : at + code])
            at += code
            done += code
        if not code or done > size:
            raise BrokenPackError
    data = b"".join(parts)
    if len(data) != size:
        raise BrokenPackError
    return data, copies


_OFFSET = [[8 * place for place in range(4) if code >> place & 1] for code in range(16)]
_COUNT = {code << 4: _OFFSET[code] for code in range(8)}
"""By a copy's code, the bytes of its offset and of its count that are there: their shifts."""


def _number(data: bytes, at: int) -> tuple[int, int]:
    """(a number of seven bits a byte, the lowest first; where it ends)."""
    number = 0
    for place in range(_LONGEST):
        byte = data[at + place]
        number |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            return number, at + place + 1
    raise BrokenPackError
