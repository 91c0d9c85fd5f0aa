"""The pack: rules, policy and prefilter compiled once, loaded in a few milliseconds.

A pack is one file in the user's cache folder, named by a hash of everything it
was made from. It holds the prefilter's database, which every commit needs, and
a JSON body with the rules, which only a hit needs. It is used only when the
folder and the file belong to us and nobody else may write there, and it is never
unpickled. A pack that is stale, foreign or damaged is built anew; without a cache
folder everything works, more slowly.

On the start-up path of every commit.
"""

from __future__ import annotations

import os
import sys

from leakguard import __version__
from leakguard.detect import prefilter
from leakguard.load import bundled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from leakguard.blob import Blob
    from leakguard.detect.match import Book
    from leakguard.detect.scanner import Scanner
    from leakguard.load.body import Loaded
    from leakguard.policy import Policy

MAGIC = b"leakguard pack 1\n"
KEEP = 24
"""How many packs a cache folder keeps; the oldest go first."""

ABANDONED_SECONDS = 3600
"""No process takes so long to write a pack."""

MAX_PACK = 256 * 1024 * 1024


class Pack:
    """A prefilter, and on demand the rules and the policy behind it."""

    def __init__(self, engine: Any, database: bytes, body: bytes) -> None:
        self._body = body
        names, limits, _ = body.split(b"\n", 2)
        self._endings = tuple(names.decode().split("\0")) if names else ()
        self._limits = limits
        self._loaded: Loaded | None = None
        self._scanner: Scanner | None = None
        self.prefilter: prefilter.Prefilter
        if engine is not None and database:
            self.prefilter = prefilter.HyperscanPrefilter(engine, database)
        else:
            self.prefilter = prefilter.PlainPrefilter(self._expressions())

    def _expressions(self) -> list[prefilter.Expression]:
        from leakguard.load import body

        return body.expressions(self._body)

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

    def finds(self, blob: Blob, text: bytes, hits: list[prefilter.Hit]) -> bool:
        """Whether a rule matches, whatever a judge makes of it; a repository's own rules may take
        their time, so they are left to whoever watches them.
        """
        if not self._load().bundled:
            return True
        if self._scanner is None:
            from leakguard.detect.scanner import Scanner

            self._scanner = Scanner(self.book, self.prefilter.scan)
        return self._scanner.finds(blob, text, hits)

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

            self._loaded = body.load(self._body)
        return self._loaded


def open_pack(top: str | None) -> Pack:
    """The pack for the repository at `top` (None: no repository).

    Raises ConfigError when a configuration or rule file is wrong.
    """
    engine = prefilter.extension()
    files = _sources(top)
    name = _key(engine, files)
    folder = cache_folder()
    if folder:
        stored = _stored(folder, name)
        if stored is not None:
            try:
                return Pack(engine, *stored)
            except _damage(engine):
                pass  # made for another machine: build it anew
    from leakguard.load import body

    database, text = body.build(engine, top, files)
    if folder:
        _store(folder, name, database, text)
    return Pack(engine, database, text)


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


def cache_folder() -> str | None:
    """The user's cache folder for packs, made if need be; None when it cannot be trusted."""
    environment = os.environ
    path = environment.get("LEAKGUARD_CACHE")
    if not path:
        home = os.path.expanduser("~")
        if sys.platform == "win32":
            base = environment.get("LOCALAPPDATA") or home
        elif sys.platform == "darwin":
            base = os.path.join(home, "Library", "Caches")
        else:
            base = environment.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
        if not os.path.isabs(base):
            return None
        path = os.path.join(base, "leakguard")
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        return path if _private(os.stat(path)) else None
    except OSError:
        return None


def _private(stat: os.stat_result) -> bool:
    """Ours, and writable by nobody else."""
    if sys.platform == "win32":
        return True
    return stat.st_uid == os.geteuid() and not stat.st_mode & 0o022


def _stored(folder: str, name: str) -> tuple[bytes, bytes] | None:
    path = os.path.join(folder, name + ".pack")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return None
    status = os.fstat(descriptor)
    if not _private(status) or status.st_mode & 0o170000 != 0o100000:  # something else than a file
        os.close(descriptor)
        return None
    with open(descriptor, "rb", buffering=0) as file:
        raw = file.read(MAX_PACK)
    return _unframe(raw)


def _frame(database: bytes, body: bytes) -> bytes:
    from zlib import crc32

    sizes = b"%d %d %d\n" % (len(database), len(body), crc32(body, crc32(database)))
    return MAGIC + sizes + database + body


def _unframe(raw: bytes) -> tuple[bytes, bytes] | None:
    """The two parts of a pack; None when it is cut short or damaged."""
    from zlib import crc32

    if not raw.startswith(MAGIC):
        return None
    end = raw.find(b"\n", len(MAGIC)) + 1
    try:
        first, second, check = (int(number) for number in raw[len(MAGIC) : end].split())
    except ValueError:
        return None
    if len(raw) - end != first + second or crc32(memoryview(raw)[end:]) != check:
        return None
    return raw[end : end + first], raw[end + first :]


def _store(folder: str, name: str, database: bytes, body: bytes) -> None:
    """Write atomically; a full disk or a read-only folder only costs time, so it is no error."""
    import tempfile

    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".new")
        with open(descriptor, "wb") as file:
            file.write(_frame(database, body))
        os.replace(temporary, os.path.join(folder, name + ".pack"))
        _prune(folder)
    except OSError:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def _prune(folder: str) -> None:
    """Let go of packs that nobody used for long, and of what a killed process left half written."""
    entries = list(os.scandir(folder))
    packs = [entry for entry in entries if entry.name.endswith(".pack")]
    packs.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    now = packs[0].stat().st_mtime
    stale = [
        entry
        for entry in entries
        if entry.name.endswith(".new") and entry.stat().st_mtime < now - ABANDONED_SECONDS
    ]
    for entry in packs[KEEP:] + stale:
        os.unlink(entry.path)
