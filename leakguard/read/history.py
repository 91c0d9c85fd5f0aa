"""Every blob of a repository, each read once, by several gits beside each other.

All objects of the object store are read in the order they lie on disk, which is
what makes it fast, and contains all that is reachable. Which commit and path a
blob came from is looked up only for blobs that hit; one that no commit reaches
is then dropped.
"""

from __future__ import annotations

import os
from binascii import unhexlify
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from leakguard.blob import Blob, Origin, Unread
from leakguard.read import commits, git, magic, objects, stream
from leakguard.read.pack_file import BrokenPackError, Family, PackFile, Version


class Piece:
    """Names of objects of one kind that one git will read."""

    __slots__ = ("count", "ids", "kind")

    def __init__(self, kind: str, ids: list[bytes]) -> None:
        self.kind = kind
        self.ids = b"\n".join(ids) + b"\n"
        self.count = len(ids)


class Families:
    """Blobs that are read as they are stored, versions of the same file together."""

    __slots__ = ("_pack", "_roots", "count")

    def __init__(self, pack: PackFile, families: list[Family]) -> None:
        self._pack = pack
        self._roots = [family.root for family in families]
        self.count = sum(family.blobs for family in families)

    def read(self, left: list[bytes]) -> Iterator[Version]:
        """The versions of one file after the other; the names of those that only git can read go to
        `left`.
        """
        return self._pack.read(self._roots, left)


class Store(NamedTuple):
    """What there is to read, in pieces: how many blobs and commits."""

    pieces: list[Piece | Families]
    blobs: int
    commits: int


def store(top: str | None, parts: int) -> Store:
    """All objects, cut into about `parts` pieces of the same size and a few small ones; commits and
    tags, whose messages may hold a secret too, are a piece each.

    Raises UnreadError.
    """
    raw = git.output(  # without their sizes, which would take it twice as long
        "cat-file", "--batch-all-objects", "--unordered", "--buffer",
        "--batch-check=%(objecttype) %(objectname)",
        folder=top, what="the objects of the repository could not be listed",
    )  # fmt: skip
    named: dict[bytes, list[bytes]] = {b"blob": [], b"commit": [], b"tag": []}
    for line in raw.splitlines():
        kind, _, name = line.partition(b" ")
        named.setdefault(kind, []).append(name)
    blobs, commits, tags = named[b"blob"], named[b"commit"], named[b"tag"]
    wanted = set(map(unhexlify, blobs))
    pieces = _stored(top, wanted, parts)
    left = [(1, name) for name in blobs if unhexlify(name) in wanted] if wanted else []
    pieces += (Piece("blob", run) for run in _cut(left, parts))
    pieces += (Piece(kind, all_) for kind, all_ in (("commit", commits), ("tag", tags)) if all_)
    return Store(pieces, len(blobs), len(commits))


def _stored(top: str | None, wanted: set[bytes], parts: int) -> list[Piece | Families]:
    """Pieces of what can be read from packs directly; its names are taken out of `wanted`."""
    folder = git.text("rev-parse", "--git-path", "objects/pack", folder=top)
    found: list[Piece | Families] = []
    for index in _indexes(os.path.join(top or "", folder)):
        try:
            pack = PackFile(index, wanted) if wanted else None
        except BrokenPackError:
            continue
        if pack is not None:
            families = [(family.size, family) for family in pack.families()]
            found += (Families(pack, run) for run in _cut(families, parts))
            wanted -= pack.names()
    return found


def _indexes(folder: str) -> list[str]:
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return []
    return [os.path.join(folder, entry) for entry in entries if entry.endswith(".idx")]


T = TypeVar("T")


def _cut(sized: list[tuple[int, T]], parts: int) -> Iterator[list[T]]:
    """Runs of about the same size, in order."""
    total = sum(size for size, _ in sized)
    run: list[T] = []
    share = 0
    for size, one in sized:
        run.append(one)
        share += size
        if share * parts > total:
            yield run
            run, share = [], 0
    if run:
        yield run


def read(piece: Piece, top: str | None) -> Iterator[Blob]:
    """The contents of one piece; the origin of a blob is found out later. Raises UnreadError."""
    large: list[bytes] = []
    for name, size, data, offset in objects.Objects(piece.ids, top):
        if piece.kind != "blob":
            yield commits.message(name, data)
        elif not offset and len(data) == size:
            yield Blob(Origin("commit", ""), data, blob_id=name)
        else:
            large.append(data)
            if offset + len(data) == size:
                yield from _large(Origin("commit", ""), large, name)
                large = []


def _large(origin: Origin, parts: list[bytes], name: str) -> Iterator[Blob]:
    """A large content in overlapping blobs; an archive in one, since it must be opened whole."""
    if magic.looks_like_archive(parts[0][:512]):
        yield Blob(origin, b"".join(parts), blob_id=name)
    else:
        yield from stream.overlapping(origin, parts, blob_id=name)


def unborn(top: str | None, refs: tuple[str, ...]) -> bool:
    """Whether there is no commit yet, so that HEAD has no history."""
    return (
        "HEAD" in refs
        and git.run("rev-parse", "-q", "--verify", "HEAD", folder=top, ok=(0, 1))[0] == 1
    )


def walk(top: str | None, refs: tuple[str, ...]) -> git.Process:
    """A git that walks from `refs` to every object, to run beside the reading; see `gaps`.

    Reading the object store meets only objects that are there.
    """
    return git.Process(("rev-list", "--objects", "--quiet", *refs), top)


def gaps(walked: git.Process, top: str | None, refs: tuple[str, ...]) -> Iterator[Unread]:
    """What is not here to be scanned: commits beyond a shallow border, objects never fetched,
    missing or damaged. Waits for the walk.
    """
    status = walked.finish()
    said = walked.messages()
    if git.text("rev-parse", "--is-shallow-repository", folder=top) == "true":
        yield Unread(
            "history", "the clone is shallow: older commits are not here; git fetch --unshallow"
        )
    if not status:
        return
    promised = git.text(
        "config", "--get-regexp", r"^(extensions\.partialclone|remote\..*\.promisor)$",
        folder=top, ok=(0, 1),
    )  # fmt: skip
    if not promised:
        why = git.complaint(said) or "git could not walk it"
        yield Unread(
            "history", f"objects are missing or damaged ({why}); unread is not clean: run git fsck"
        )
        return
    missing = git.output(
        "rev-list", "--objects", "--missing=print", *refs, folder=top,
        what="the objects of the repository could not be listed",
    )  # fmt: skip
    count = sum(1 for line in missing.split(b"\n") if line.startswith(b"?"))
    yield Unread(
        "history",
        f"the clone is partial: {count} objects were never fetched; git fetch --refetch",
    )


def origins(blob_ids: set[str], top: str | None, refs: tuple[str, ...]) -> dict[str, list[Origin]]:
    """Where each blob stood: one origin a path, of the oldest commit that has it there.

    Blobs that no commit of `refs` brings are not in the answer. Raises UnreadError.
    """
    if not blob_ids:
        return {}
    narrow = [f"--find-object={name}" for name in sorted(blob_ids)] if len(blob_ids) <= 64 else []
    process = git.Process(
        ("log", "--no-show-signature", *commits.RAW, "--no-renames", *narrow, *refs, "--"), top
    )
    found: dict[tuple[str, str], Origin] = {}
    for entry in commits.parse_log(process, "the history could not be read"):
        name, path = entry.change.blob_id, entry.change.path
        if name in blob_ids:
            found[name, path] = Origin(
                "commit", path, commit=entry.commit, author_date=entry.author_date
            )
    by_blob: dict[str, list[Origin]] = {}
    for name, origin in _messages(blob_ids, top, refs):
        by_blob[name] = [origin]
    for (name, _), origin in found.items():
        by_blob.setdefault(name, []).append(origin)
    for name, origin in _tagged(top).items():
        if name in blob_ids and "--all" in refs:
            by_blob.setdefault(name, []).append(origin)
    return by_blob


def _messages(
    names: set[str], top: str | None, refs: tuple[str, ...]
) -> Iterator[tuple[str, Origin]]:
    """Those of `names` that are commits within reach, or tags."""
    raw = git.output("rev-list", "--format=%H %aI", "--no-commit-header", *refs, folder=top)
    for line in raw.decode().splitlines():
        commit, _, date = line.partition(" ")
        if commit in names:
            yield commit, Origin("message", "commit message", commit=commit, author_date=date)
    if "--all" in refs:
        listed = git.text(
            "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags", folder=top
        )
        for line in listed.split("\n"):
            tag, _, ref = line.partition(" ")
            if tag in names:
                yield tag, Origin("message", ref)


def _tagged(top: str | None) -> dict[str, Origin]:
    """Blobs that a reference names directly."""
    raw = git.text("for-each-ref", "--format=%(objecttype) %(objectname) %(refname)", folder=top)
    lines = [line.split(" ", 2) for line in raw.split("\n") if line]
    return {line[1]: Origin("commit", line[2]) for line in lines if line[0] == "blob"}
