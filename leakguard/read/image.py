"""Container images saved as a tar: which members are layers, in what order, and what hides what.

Two layouts are known, and a file may have both: what `docker save` writes
(`manifest.json` names the layers) and the OCI image layout (`index.json` names
manifests, which name blobs). Layers are read from the top one down, so that for
each file it is known what the layers above did to it: a file that was deleted or
replaced later is still in the image, and whoever has the image can read it.

Names follow the OCI image specification: `.wh.NAME` deletes NAME of the layers
below, `.wh..wh..opq` hides all that they put in its folder. Only a file that
can seek is read so; from a pipe, an image becomes one first (spool.py).
"""

from __future__ import annotations

import json
from posixpath import basename, dirname, normpath
from typing import TYPE_CHECKING, Any, BinaryIO

from leakguard.blob import Origin
from leakguard.read.members import header_name, header_size, is_tar_header, pax_records
from leakguard.read.source import HEAD, StuckError, from_region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakguard.read.members import Member
    from leakguard.read.source import Budget, Source

MOST_ENTRIES = 4096
"""An image has a few hundred entries beside its layers' contents; more are something else."""
MOST_EXTRAS, LONGEST_EXTRAS = 3, 16 * HEAD
"""So many headers, so long, may stand in front of the first entry and say more of it."""
LONGEST_JSON = 4 * 1024 * 1024
DEEPEST_INDEX = 3
"""An index may name an index: so many levels are followed."""
SHOWN = 12
"""Characters of a digest that are shown, as docker does."""

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"


class Stretch:
    """Where the contents of a member of the outer tar lie."""

    __slots__ = ("end", "start")

    def __init__(self, start: int, size: int) -> None:
        self.start = start
        self.end = start + size


class Image:
    """The layers of one image in a file, lowest first, by the names of their members."""

    __slots__ = ("config", "layers", "tag")

    def __init__(self, tag: str, config: str, layers: list[str]) -> None:
        self.tag = tag
        self.config = config
        self.layers = layers


class Above:
    """What the layers above the one that is read have done to paths."""

    def __init__(self) -> None:
        self._deleted: dict[str, int] = {}
        self._emptied: dict[str, int] = {}
        self._written: dict[str, int] = {}

    def fate(self, path: str) -> str:
        """What became of `path`, in words; "" if it is what the image shows."""
        at = self._deleted.get(path)
        folder = path
        while at is None and folder:
            folder = dirname(folder)
            at = self._deleted.get(folder, self._emptied.get(folder))
        over = self._written.get(path)
        if over is not None and (at is None or over < at):
            return f"replaced in layer {over}"
        return f"deleted in layer {at}" if at is not None else ""

    def take(self, layer: Layer) -> None:
        """The layer has been read; the next ones lie below it."""
        self._deleted |= dict.fromkeys(layer.deleted, layer.number)
        self._emptied |= dict.fromkeys(layer.emptied, layer.number)
        self._written |= dict.fromkeys(layer.written, layer.number)


class Layer(Origin):
    """The origin of a layer. Every member asks it for an origin of its own, so it sees all names,
    those of empty files too, which is what whiteouts are.
    """

    __slots__ = ("_above", "_outer", "_what", "deleted", "emptied", "number", "written")

    def __init__(self, outer: Origin, number: int, what: str, digest: str, above: Above) -> None:
        self._outer = outer
        self._above = above
        self._what = (what, digest)
        self.number = number
        self.deleted: set[str] = set()
        self.emptied: set[str] = set()
        self.written: set[str] = set()
        named = outer.within(self._called(""))
        super().__init__(
            named.kind, named.path, commit=named.commit, author_date=named.author_date,
            ref=named.ref, inside=named.inside,
        )  # fmt: skip

    def _called(self, fate: str) -> str:
        what, digest = self._what
        return f"{what} ({digest}, {fate})" if fate else f"{what} ({digest})"

    def within(self, member: str) -> Origin:
        """The origin of a file in this layer: its path from the root, and what became of it."""
        path = normpath("/" + member)[1:].lstrip("/")
        name = basename(path)
        if name == OPAQUE:
            self.emptied.add(dirname(path))
        elif name.startswith(WHITEOUT):
            self.deleted.add(f"{dirname(path)}/{name.removeprefix(WHITEOUT)}".lstrip("/"))
        elif not member.endswith("/"):
            self.written.add(path)
        fate = self._above.fate(path)
        return self._outer.within(self._called(fate)).within(f"/{path}")


def members(file: BinaryIO, size: int, origin: Origin, budget: Budget) -> Iterator[Member] | None:
    """The members of an image, top layer first; None if the tar in `file` is no image."""
    try:
        found = _stretches(file, size, origin)
        images = _images(file, found, origin)
    except (StuckError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None  # a tar that is damaged or only looks like an image is read as it comes
    return _members(file, found, images, origin, budget) if images else None


def begins(source: Source) -> bool:
    """Whether a tar begins as images do; `source` stays where it is."""
    at = 0
    for _ in range(MOST_EXTRAS):
        block = source.peek(at + HEAD)[at:]
        if not is_tar_header(block):
            return False
        if block[156:157] not in (b"x", b"g", b"L"):
            return _begins_an_image(_called(block, b"", {}))
        size = header_size(block, {}, source)
        at += HEAD + size + -size % HEAD
        if at > LONGEST_EXTRAS:
            return False
    return False


def _members(
    file: BinaryIO, found: dict[str, Stretch], images: list[Image], origin: Origin, budget: Budget
) -> Iterator[Member]:
    done: set[str] = set()
    for image in images:
        above = Above()
        for number in range(len(image.layers), 0, -1):
            name = image.layers[number - 1]
            what = f"layer {number} of {len(image.layers)}"
            if image.tag and len(images) > 1:
                what = f"image {image.tag} {what}"
            if name in found and name not in done:
                done.add(name)
                budget.entry()
                layer = Layer(origin, number, what, _digest(name), above)
                yield layer, _source(file, found[name], layer)
                above.take(layer)
    configs = {image.config for image in images}
    for name, stretch in found.items():
        if name not in done and stretch.end > stretch.start:
            budget.entry()
            shown = f"config ({_digest(name)}).json" if name in configs else name
            inside = budget.inside(origin, shown)
            yield inside, _source(file, stretch, inside)


def _source(file: BinaryIO, stretch: Stretch, origin: Origin) -> Source:
    return from_region(file, stretch.start, stretch.end, origin)


def _digest(name: str) -> str:
    """What a member's name says of its digest: `blobs/sha256/HEX`, `HEX/layer.tar`, `HEX.json`."""
    part = dirname(name) if basename(name) == "layer.tar" else basename(name)
    return part.removesuffix(".json").removesuffix(".tar")[:SHOWN]


def _stretches(file: BinaryIO, size: int, origin: Origin) -> dict[str, Stretch]:
    """The members of the outer tar by name, found by their headers alone; {} if they cannot be
    those of an image, which the first of them tells.
    """
    found: dict[str, Stretch] = {}
    at, name, pax = 0, b"", dict[bytes, bytes]()
    for _ in range(MOST_ENTRIES):
        block = from_region(file, at, min(at + HEAD, size), origin).peek(HEAD)
        if not block.strip(b"\0"):
            return found
        if not is_tar_header(block):
            return {}
        source = from_region(file, at + HEAD, size, origin)
        start, what = at + HEAD, block[156:157]
        length = 0 if what in b"123456" else header_size(block, pax, source)  # links, folders
        at = start + length + -length % HEAD
        if what in (b"L", b"x"):
            data = source.exactly(min(length, LONGEST_JSON))
            name, pax = (data.rstrip(b"\0"), pax) if what == b"L" else (name, pax_records(data))
            continue
        called = _called(block, name, pax)
        if not found and not _begins_an_image(called):
            return {}
        if what in (b"0", b"\0"):
            found[called] = Stretch(start, length)
        else:
            found.setdefault(called, Stretch(start, 0))
        name, pax = b"", {}
    return {}


def _called(block: bytes, name: bytes, pax: dict[bytes, bytes]) -> str:
    return header_name(block, name, pax).decode("utf-8", "surrogateescape").removeprefix("./")


def _begins_an_image(name: str) -> bool:
    """Whether the first entry of an image may be called so."""
    first = name.partition("/")[0]
    told = first in ("", "blobs", "oci-layout", "index.json", "manifest.json", "repositories")
    return told or len(first.removesuffix(".json").removesuffix(".tar")) >= 64


def _images(file: BinaryIO, found: dict[str, Stretch], origin: Origin) -> list[Image]:
    listed = _json(file, found, "manifest.json", origin)
    if isinstance(listed, list):
        return [_saved(entry) for entry in listed]
    index = _json(file, found, "index.json", origin)
    return list(_indexed(file, found, index, origin, 0)) if isinstance(index, dict) else []


def _saved(entry: dict[str, Any]) -> Image:
    """An image as `docker save` names it."""
    tags = entry.get("RepoTags") or [""]
    layers = [str(name) for name in entry["Layers"] or ()]
    return Image(str(tags[0]), str(entry.get("Config", "")), layers)


def _indexed(
    file: BinaryIO, found: dict[str, Stretch], index: dict[str, Any], origin: Origin, depth: int
) -> Iterator[Image]:
    """The images that an OCI index names, as far as they are in the file."""
    for entry in index.get("manifests") or ():
        named = _json(file, found, _blob(entry["digest"]), origin)
        if not isinstance(named, dict):
            continue
        if "manifests" in named and depth < DEEPEST_INDEX:
            yield from _indexed(file, found, named, origin, depth + 1)
        elif "layers" in named:
            notes = entry.get("annotations") or {}
            tag = notes.get("io.containerd.image.name") or notes.get(
                "org.opencontainers.image.ref.name", ""
            )
            config = _blob(named.get("config", {}).get("digest", ""))
            yield Image(str(tag), config, [_blob(layer["digest"]) for layer in named["layers"]])


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _json(file: BinaryIO, found: dict[str, Stretch], name: str, origin: Origin) -> Any:
    """A member as JSON; None if it is missing. Raises ValueError."""
    stretch = found.get(name)
    if stretch is None or stretch.end - stretch.start > LONGEST_JSON:
        return None
    size = stretch.end - stretch.start
    return json.loads(_source(file, stretch, origin).exactly(size))
