"""The pack: rules, policy and prefilter compiled once, loaded in a few milliseconds.

It holds the prefilter's databases, which every commit needs, and the rules, which only a hit
needs. A wheel brings the one for the bundled rules, made when the wheel was (`hatch_build.py`).
Where a repository decides otherwise, where the wheel is of another machine and in a checkout it
is made at first use and kept in `load.cache`, named by a hash of everything it was made from.

On the start-up path of every commit.
"""

from __future__ import annotations

import os
import sys

from leakguard import __version__
from leakguard.detect import prefilter
from leakguard.load import bundled, cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from leakguard.blob import Blob
    from leakguard.detect.match import Book
    from leakguard.detect.scanner import Scanner
    from leakguard.load.body import Loaded
    from leakguard.load.cache import Parts
    from leakguard.policy import Policy

SHIPPED = "bundled.pack"
"""The pack in the wheel, beside the bundled rules."""


class Pack:
    """A prefilter, and on demand the rules and the policy behind it."""

    def __init__(self, engine: Any, parts: Parts, anew: Callable[[], Parts]) -> None:
        """`anew` makes the parts again, should the body turn out to be damaged.

        Raises one of `_damage` for databases that cannot be loaded here.
        """
        self._parts = parts
        self._anew = anew
        names, limits = parts.head.split(b"\n")
        self._endings = tuple(names.decode().split("\0")) if names else ()
        self._limits = limits
        self._loaded: Loaded | None = None
        self._scanner: Scanner | None = None
        self.prefilter: prefilter.Prefilter
        if engine is not None and (parts.constants or parts.others):
            self.prefilter = prefilter.HyperscanPrefilter(engine, parts.constants, parts.others)
        else:
            self.prefilter = prefilter.PlainPrefilter(self._expressions())

    def _body(self) -> bytes:
        if not self._parts.sound:
            self._parts = self._anew()
        return self._parts.body

    def _expressions(self) -> list[prefilter.Expression]:
        from leakguard.load import body

        return body.expressions(self._body())

    def called(self, blob: Blob) -> bool:
        """Whether the name of a small file alone calls for a rule."""
        path = blob.origin.inside or blob.origin.path
        return blob.small and (not path or f"/{path}".endswith(self._endings))

    def concerns(self, hits: list[prefilter.Hit], blob: Blob) -> bool:
        """Whether one of the hits counts in a file of this name."""
        name = (blob.origin.inside or blob.origin.path).rpartition("/")[2]
        if not name or not hits:
            return bool(hits)
        left = {number for number, _ in hits}
        for group in self._limits.decode().split("\1"):
            numbers, _, names = group.partition("\t")
            begins, _, ends = names.partition("\t")
            fits = name.startswith(tuple(begins.split("\0"))) if begins else False
            if not fits and not (ends and name.endswith(tuple(ends.split("\0")))):
                left.difference_update(map(int, numbers.split()))
        return bool(left)

    def finds(self, blob: Blob, text: bytes, width: int, hits: list[prefilter.Hit]) -> bool:
        """Whether there is a candidate in a blob, whose text took `width` bytes a character; a
        repository's own rules may take their time, so they are left to whoever watches them.
        """
        if not self._load().bundled:
            return True
        if self._scanner is None:
            from leakguard.detect.scanner import Scanner

            self._scanner = Scanner(self.book, self.prefilter.scan)
        return self._scanner.finds(blob, text, width, hits)

    @property
    def book(self) -> Book:
        """The rules, read at the first hit."""
        return self._load().book

    @property
    def policy(self) -> Policy:
        """What the repository decided, read at the first hit."""
        return self._load().policy

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The public beginnings of the values of all rules."""
        return self._load().prefixes

    def _load(self) -> Loaded:
        if self._loaded is None:
            from leakguard.load import body

            self._loaded = body.load(self._body())
        return self._loaded


def open_pack(top: str | None) -> Pack:
    """The pack for the repository at `top` (None: no repository).

    Raises ConfigError when a configuration or rule file is wrong.
    """
    engine = prefilter.extension()
    files = _sources(top)
    if not files and (found := _opened(engine, shipped(), lambda: _made(engine, top, files))):
        return found
    name = _key(engine, files)
    folder = cache.folder()

    def anew() -> Parts:
        made = _made(engine, top, files)
        if folder:
            cache.write(folder, name, made)
        return made

    stored = cache.read(os.path.join(folder, name + ".pack")) if folder else None
    return _opened(engine, stored, anew) or Pack(engine, anew(), anew)


def shipped() -> Parts | None:
    """The pack that came with the package, if it is a wheel."""
    rules = bundled.folder("rules")
    if not bundled.installed(rules):
        return None
    return cache.read(os.path.join(os.path.dirname(rules), SHIPPED), shipped=True)


def _opened(engine: Any, parts: Parts | None, anew: Callable[[], Parts]) -> Pack | None:
    """None when the databases are of another machine or damaged."""
    try:
        return Pack(engine, parts, anew) if parts else None
    except _damage(engine):
        return None


def _made(engine: Any, top: str | None, files: list[tuple[str, bytes]]) -> Parts:
    from leakguard.load import body

    came = shipped() if files and engine is not None else None
    if came:
        try:
            prefilter.HyperscanPrefilter(engine, came.constants, came.others)
        except engine.error:
            came = None
    return body.build(engine, top, files, came)


def _damage(engine: Any) -> tuple[type[Exception], ...]:
    """What loading a stored database can raise."""
    return (ValueError,) if engine is None else (ValueError, engine.error)


def _sources(top: str | None) -> list[tuple[str, bytes]]:
    """The repository's own configuration; almost always there is none, so look before importing."""
    if top is None:
        return []
    if not os.path.lexists(os.path.join(top, ".leakguard.yml")) and not os.path.lexists(
        os.path.join(top, ".leakguard", "rules")
    ):
        return []
    from leakguard.load import config

    return config.sources(top)


def _key(engine: Any, files: list[tuple[str, bytes]]) -> str:
    """A hash of versions, bundled rule files (name, size, time) and the repository's own files.

    A file that the configuration extends is pinned there by its hash, so it counts too.
    """
    try:
        from _blake2 import blake2b  # hashlib would load OpenSSL first: 4 ms
    except ImportError:
        from hashlib import blake2b

    digest = blake2b(digest_size=20)
    engine_file = getattr(engine, "__file__", None) or "plain"
    digest.update(f"{__version__}\0{sys.version}\0{engine_file}\0".encode())
    for room in (bundled.folder("rules"), os.path.dirname(__file__), _detect_folder()):
        if bundled.installed(room):  # replaced as a whole by an installer, never edited
            digest.update(f"{room}\0{os.stat(room).st_mtime_ns}\0".encode())
            continue
        for entry in sorted(os.scandir(room), key=lambda entry: entry.name):
            if entry.name.endswith((".yml", ".yaml", ".py")):
                stat = entry.stat()
                digest.update(f"{entry.name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    for path, raw in files:
        digest.update(b"%s\0%d\0%s\0" % (os.fsencode(path), len(raw), raw))
    return digest.hexdigest()


def _detect_folder() -> str:
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "detect")
