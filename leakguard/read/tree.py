"""Files and folders into blobs. In a repository, what git would not ignore."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from leakguard.blob import Blob, Origin, Unread
from leakguard.errors import UnreadError
from leakguard.read import git, magic, repository, stream

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

SMALL = stream.CHUNK


def files(path: str, *, ignored: bool = False) -> Iterator[str]:
    """The files below `path` (or itself), as `path` spells them, sorted within a folder.

    Inside a working tree git lists them: tracked and untracked, without what
    `.gitignore` excludes unless `ignored` or `path` itself is excluded. Elsewhere
    every file counts, `.git` folders excepted. A link that is named is followed;
    one that is met is not. git begins at once, beside what the caller does next.
    Raises UnreadError when `path` is not there.
    """
    if os.path.islink(path):
        real = os.path.realpath(path)
        beyond = files(_end(real), ignored=ignored) if os.path.lexists(real) else iter(())
        return chain([path], beyond)
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        raise UnreadError(f"cannot read {path!r}", cause=error.strerror or "") from None
    if stat.S_ISREG(mode):
        return iter([path])
    if not stat.S_ISDIR(mode):
        raise UnreadError(
            f"{path!r} is a device, a pipe or a socket", "pipe it in: ... | leakguard scan -"
        )
    if ignored or repository.find_top(path) is None:
        return _walked(path)
    listing = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    return _listed(path, git.Process((*listing, "--", "."), path))


def _end(real: str) -> str:
    """`real`, where a chain of links ends. Raises UnreadError for one that has no end."""
    if os.path.islink(real):
        raise UnreadError(f"cannot read {real!r}", cause="its links go round in a circle")
    return real


def _listed(path: str, process: git.Process) -> Iterator[str]:
    names = [os.fsdecode(name) for name in process.fields()]
    status, said = process.finish(), process.messages()
    if status:
        raise git.failure(f"cannot list the files of {path!r}", said)
    if not names and _excluded(path):
        yield from _walked(path)
        return
    prefix = "" if path in (".", "./") else path.rstrip("/") + "/"
    links: dict[str, bool] = {}
    for name in names:
        full = prefix + name
        if full.endswith("/"):  # a repository inside this one that is not a submodule
            yield from _walked(full.rstrip("/"))
        elif not _beyond_link(prefix, name, links):
            yield full
    for line in said.splitlines():  # git only warns of folders that it may not enter
        if closed := re.match(r"warning: could not open directory '(.+)': ", line):
            yield prefix + closed[1].rstrip("/")


def _excluded(path: str) -> bool:
    """Whether git leaves out `path` itself; who names it wants it scanned all the same."""
    status, _ = git.run("--no-literal-pathspecs", "check-ignore", "-q", ".", folder=path, ok=(0, 1))
    return status == 0


def _beyond_link(prefix: str, name: str, known: dict[str, bool]) -> bool:
    """Whether a tracked folder on the way to `name` is now a link; it leads to other files."""
    folder = os.path.dirname(name)
    if not folder:
        return False
    if folder not in known:
        known[folder] = _beyond_link(prefix, folder, known) or os.path.islink(prefix + folder)
    return known[folder]


def _walked(path: str) -> Iterator[str]:
    """Every file below; a folder that cannot be entered by its own name, so that `read` tells."""
    waiting = [(path, True)]
    while waiting:
        here, is_folder = waiting.pop()
        if not is_folder:
            yield here
            continue
        try:
            with os.scandir(here) as entries:
                below = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except (FileNotFoundError, NotADirectoryError):
            continue  # gone since it was listed
        except OSError:
            yield here
            continue
        for entry in below:
            full = entry.path.removeprefix("./")
            if entry.is_dir(follow_symlinks=False):
                if entry.name != ".git":
                    waiting.append((full, True))
            elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
                waiting.append((full, False))


def read(path: str, name: str | None = None) -> Iterator[Blob | Unread]:
    """The contents of one file; of a link its text. A file that is gone gives nothing, nor does a
    folder, unless its files cannot be listed.

    `name` is what reports call it. Archives come as they are: see `read.archive`.
    """
    origin = Origin("tree", name or path)
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW | _NO_BLOCK)
    except FileNotFoundError:
        return
    except OSError as error:
        if os.path.islink(path):
            yield Blob(origin, os.fsencode(os.readlink(path)))
        elif not _can_be_listed(path):
            yield Unread(origin.name, error.strerror or "cannot be opened")
        return
    try:
        yield from _contents(descriptor, origin)
    except OSError as error:
        yield Unread(origin.name, error.strerror or "cannot be read")
    finally:
        os.close(descriptor)


def _can_be_listed(folder: str | int) -> bool:
    """Whether it is a folder, a submodule's for one, whose files are a matter of their own."""
    try:
        os.scandir(folder).close()
    except OSError:
        return False
    return True


_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NO_BLOCK = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def _contents(descriptor: int, origin: Origin) -> Iterator[Blob | Unread]:
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode) and not _can_be_listed(descriptor):
        yield Unread(origin.name, "it is a folder that could not be listed")
    if not stat.S_ISREG(status.st_mode):
        return
    if 0 < status.st_size < SMALL:
        yield Blob(origin, b"".join(_parts(descriptor, status.st_size)))
        return
    head = os.read(descriptor, 512)
    if status.st_size and magic.looks_like_archive(head):
        from leakguard.read import archive

        with os.fdopen(os.dup(descriptor), "rb") as file:
            file.seek(0)
            yield from archive.expand_file(file, origin)
    else:
        rest = max(0, status.st_size - len(head))
        yield from stream.overlapping(origin, chain([head], _parts(descriptor, rest)))


def _parts(descriptor: int, size: int) -> Iterator[bytes]:
    """What an open file held when it was opened: one that always grows would never end.

    Files of the kernel have no size; they are read to their end.
    """
    left = size or 1 << 62
    while left > 0 and (part := os.read(descriptor, min(SMALL, left))):
        left -= len(part)
        yield part


def standard_input(descriptor: int = 0, name: str = "(standard input)") -> Iterator[Blob | Unread]:
    """Everything that is piped in."""
    origin = Origin("stdin", name)
    first = b""
    while len(first) < 512 and (part := os.read(descriptor, stream.CHUNK)):
        first += part
    if magic.looks_like_archive(first[:512]):
        from leakguard.read import archive

        with os.fdopen(os.dup(descriptor), "rb") as file:
            yield from archive.expand_file(io.BufferedReader(_Joined(first, file)), origin)
    else:
        yield from stream.overlapping(origin, stream.read_parts(descriptor, first))


class _Joined(io.RawIOBase):
    """A pipe whose beginning was read already."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._first = first
        self._rest = rest

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """What comes next, at most as much as fits."""
        view = memoryview(buffer).cast("B")
        head, self._first = self._first[: len(view)], self._first[len(view) :]
        part = head or self._rest.read(len(view))
        view[: len(part)] = part
        return len(part)
