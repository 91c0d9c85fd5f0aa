"""What is inside archives, wherever they are found: as a file, a git blob, a member of another.

Opened: zip and all that are zips (docx xlsx pptx odt jar war apk whl egg ipa
nupkg vsix crx), tar, gzip, bzip2, xz, lzma, zstd, ar (deb, .a) and cpio, in
each other down to a depth; container images layer by layer, and source maps.
Nothing is written to disk but an image that comes from a pipe (see spool.py), names of
members are only shown, and an archive that cannot be opened, is encrypted, damaged or too
costly is reported as unread with the reason, after what could be read.

Text of Office files is scanned as the XML it is: a value that a word processor
cut into several runs (`<w:t>`) is not joined.

Imported early by the commit hook, so the real work is imported when it is needed.
"""

from __future__ import annotations

from leakguard.blob import Unread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from leakguard.blob import Blob, Origin
    from leakguard.read.members import Member
    from leakguard.read.source import Source

MIB = 1024 * 1024
GATHERED = 2 * MIB


class Limits:
    """How much one archive may cost, with everything in it.

    depth: archives within archives; a compressed tar counts as one.
    entries: members, folders and links, at all levels together.
    total: unpacked bytes, at all levels together.
    ratio: unpacked bytes to the size of the archive, once 16 MiB are unpacked.
    held: a zip that comes from a pipe or from another archive is held in memory
        up to this size, and read from the front beyond it.
    name: characters of a member's name that are shown.
    """

    __slots__ = ("depth", "entries", "held", "name", "ratio", "total")

    def __init__(
        self,
        *,
        depth: int = 4,
        entries: int = 100_000,
        total: int = 64 * 1024 * MIB,
        ratio: int = 200,
        held: int = 64 * MIB,
        name: int = 1000,
    ) -> None:
        self.depth = depth
        self.entries = entries
        self.total = total
        self.ratio = ratio
        self.held = held
        self.name = name


DEFAULT = Limits()
HOOK = Limits(entries=20_000, total=512 * MIB)
"""For commits: somebody waits for the answer."""


def expand(blob: Blob, limits: Limits = DEFAULT) -> Iterator[Blob | Unread]:
    """The members of the archive in `blob`, never the blob itself; nothing if it is none.

    `blob` is a whole input. Members carry its `blob_id`.
    """
    from io import BytesIO

    walk = _Walk(limits, blob.origin, blob.blob_id)
    return walk.file(BytesIO(blob.data))


def expand_file(
    file: BinaryIO, origin: Origin, limits: Limits = DEFAULT
) -> Iterator[Blob | Unread]:
    """The members of the archive in an open file, which may be a pipe.

    A file that can seek is read from its beginning, and never held as a whole.
    One that turns out to be no archive gives its own contents, since a pipe
    cannot be read again.
    """
    return _Walk(limits, origin, "").file(file, bare=True)


class _Walk:
    """One way through an archive and all that is in it."""

    def __init__(self, limits: Limits, root: Origin, blob_id: str) -> None:
        from leakguard.read.source import Budget

        self._root = root
        self._blob_id = blob_id
        self._limits = limits
        self._budget = Budget(limits, root)

    def file(self, file: BinaryIO, *, bare: bool = False) -> Iterator[Blob | Unread]:
        """The outermost archive. `bare` says that a file which is none is wanted as it is."""
        from leakguard.read import source

        if not file.seekable():
            pipe = source.from_file(file, self._budget, self._root)
            yield from self._visit(pipe, self._root, 0, bare=bare)
            return
        try:
            size = file.seek(0, 2)
        except OSError as error:
            yield Unread(self._root.name, f"it could not be read: {error.strerror}")
            return
        self._budget.packed = size
        whole = source.from_region(file, 0, size, self._root)
        yield from self._visit(whole, self._root, 0, bare=bare, file=file)

    def _visit(
        self,
        source: Source,
        origin: Origin,
        depth: int,
        *,
        bare: bool = True,
        file: BinaryIO | None = None,
    ) -> Iterator[Blob | Unread]:
        """Contents that may be an archive. What goes wrong with them is told and ends here."""
        from leakguard.read.members import kind
        from leakguard.read.source import HEAD, StuckError

        try:
            what = kind(source.peek(HEAD))
            if what:
                yield from self._open(what, source, origin, depth, file, bare=bare)
            elif bare:
                yield from self._contents(source, origin)
        except StuckError as problem:
            if problem.origin is not origin and depth:
                raise
            yield Unread(origin.name, problem.why)

    def _open(
        self,
        what: str,
        source: Source,
        origin: Origin,
        depth: int,
        file: BinaryIO | None,
        *,
        bare: bool,
    ) -> Iterator[Blob | Unread]:
        from leakguard.read import members
        from leakguard.read.source import StuckError
        from leakguard.read.unpack import COMPRESSED

        if what in members.CLOSED:
            raise StuckError(origin, f"{what} archives are not opened, so it was not looked into")
        if depth >= self._limits.depth:
            why = f"it lies {depth} archives deep (a limit), so it was not opened"
            raise StuckError(origin, why)
        if what in COMPRESSED:
            yield from self._compressed(what, source, origin, depth)
        elif what == "zip":
            yield from self._each(self._zip(source, origin, file), depth)
        elif what == "source map":
            yield from self._source_map(source, origin, depth, bare=bare)
        elif what == "tar":
            yield from self._each(self._tar(source, origin, file), depth)
        else:
            yield from self._each(self._in_order(what, source, origin), depth)

    def _compressed(
        self, what: str, source: Source, origin: Origin, depth: int
    ) -> Iterator[Blob | Unread]:
        """A compressed stream; one that holds a tar or cpio is one archive with it."""
        from leakguard.read.members import kind
        from leakguard.read.source import HEAD
        from leakguard.read.unpack import unpacked

        self._budget.entry()
        inner = unpacked(source, what, self._budget, origin, lambda head: kind(head) == what)
        inner_kind = kind(inner.peek(HEAD))
        if inner_kind == "tar":
            yield from self._each(self._tar(inner, origin, None), depth)
        elif inner_kind == "cpio":
            yield from self._each(self._in_order(inner_kind, inner, origin), depth)
        else:
            inside = self._budget.inside(origin, _stem(origin))
            yield from self._visit(inner, inside, depth + 1)

    def _zip(self, source: Source, origin: Origin, file: BinaryIO | None) -> Iterator[Member]:
        from leakguard.read import zipped

        if file is None:
            return zipped.members(source, origin, self._budget)
        return zipped.listed(file, self._budget.packed, origin, self._budget)

    def _tar(self, source: Source, origin: Origin, file: BinaryIO | None) -> Iterator[Member]:
        """The layers of a container image; the members of any other tar."""
        from leakguard.read import image, members

        if file is not None:
            found = image.members(file, self._budget.packed, origin, self._budget)
            if found is not None:
                return found
        elif image.begins(source):
            from leakguard.read import spool

            return spool.layers(source, origin, self._budget)
        return members.tar(source, origin, self._budget)

    def _source_map(
        self, source: Source, origin: Origin, depth: int, *, bare: bool
    ) -> Iterator[Blob | Unread]:
        """The sources in a source map; what else it holds is text and no archive any more."""
        from leakguard.read import source_map

        for member in source_map.members(source, origin, self._budget, rest=bare):
            if isinstance(member, Unread):
                yield member
            elif member[0] is origin:
                yield from self._contents(member[1], origin)
            else:
                yield from self._visit(member[1], member[0], depth + 1)

    def _in_order(self, what: str, source: Source, origin: Origin) -> Iterator[Member]:
        from leakguard.read import members

        readers = {"cpio": members.cpio, "ar": members.ar}
        return readers[what](source, origin, self._budget)

    def _each(self, found: Iterable[Member], depth: int) -> Iterator[Blob | Unread]:
        for member in found:
            if isinstance(member, Unread):
                yield member
            else:
                origin, source = member
                yield from self._visit(source, origin, depth + 1)

    def _contents(self, source: Source, origin: Origin) -> Iterator[Blob]:
        """What is no archive, as far as it can be read; then what stopped it, if anything."""
        from leakguard.read.source import StuckError
        from leakguard.read.stream import overlapping

        if not source.peek(1):
            source.some()  # tells why there is nothing, if there is a reason
            return
        trouble: list[StuckError] = []

        def parts() -> Iterator[bytes]:
            try:
                yield from source.parts()
            except StuckError as problem:
                trouble.append(problem)

        yield from overlapping(origin, _gathered(parts()), blob_id=self._blob_id)
        if trouble:
            raise trouble.pop()


def _gathered(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer, larger parts: each part costs the next step a copy of its buffer."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= GATHERED:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


_SUFFIXES = {
    ".gz": "", ".bz2": "", ".xz": "", ".lzma": "", ".zst": "", ".tgz": ".tar", ".svgz": ".svg",
}  # fmt: skip


def _stem(origin: Origin) -> str:
    """What a compressed file holds is called as the file without its ending."""
    name = (origin.inside or origin.path).rpartition("!")[2].rpartition("/")[2]
    for suffix, instead in _SUFFIXES.items():
        if name.endswith(suffix) and name != suffix:
            return name.removesuffix(suffix) + instead
    return "contents"
