"""The contents of git objects, read from one `git cat-file` in the order they are asked for.

On the start-up path of every commit.
"""

from __future__ import annotations

import os
import sys

from leakguard.errors import UnreadError
from leakguard.read import git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Objects:
    """`git cat-file --batch`: contents of objects, one after the other."""

    LARGE = 32 * 1024 * 1024
    """Contents longer than this come in parts."""

    def __init__(self, ids: bytes, folder: str | None = None) -> None:
        """`ids` is a list of object names, one a line, in the order wanted."""
        stdin = git.hidden_input(ids)
        try:
            self._process = git.Process(("cat-file", "--batch", "--buffer"), folder, stdin)
        finally:
            os.close(stdin)
        _widen(self._process.out)
        self._buffer = b""
        self._at = 0

    def __iter__(self) -> Iterator[tuple[str, int, bytes, int]]:
        """(object name, size, bytes, offset of these bytes); large objects in several parts.

        Raises UnreadError for an object that is not there and for a git that fails.
        """
        try:
            while header := self._line():
                fields = header.split(b" ")
                if len(fields) != 3:
                    raise git.failure(
                        f"object {header[:40].decode('ascii', 'replace')} is missing", "missing"
                    )
                name, size = fields[0].decode(), int(fields[2])
                done = 0
                while size - done > self.LARGE:
                    yield name, size, self._take(self.LARGE), done
                    done += self.LARGE
                yield name, size, self._take(size - done), done
                self._take(1)
        except GeneratorExit:
            self._process.stop()
            raise
        except UnreadError:
            self._process.stop()
            raise
        status = self._process.finish()
        said = self._process.messages()
        if status:
            raise git.failure("git could not read the objects", said)

    def _line(self) -> bytes:
        """The next header, without its newline; empty at the end."""
        while True:
            end = self._buffer.find(b"\n", self._at)
            if end >= 0:
                line = self._buffer[self._at : end]
                self._at = end + 1
                return line
            part = os.read(self._process.out, git.CHUNK)
            if not part:
                return b""
            self._buffer = self._buffer[self._at :] + part
            self._at = 0

    def _take(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        have = len(self._buffer) - self._at
        if size <= have:
            self._at += size
            return self._buffer[self._at - size : self._at]
        parts = [self._buffer[self._at :]]
        need = size - have
        self._buffer, self._at = b"", 0
        while need > 0:
            part = os.read(self._process.out, git.CHUNK)
            if not part:
                raise git.failure("git stopped in the middle of an object", "")
            if len(part) > need:
                self._buffer = part
                self._at = need
                part = part[:need]
            parts.append(part)
            need -= len(part)
        return b"".join(parts)


def whole_objects(ids: bytes, folder: str | None = None) -> Iterator[tuple[str, bytes]]:
    """(object name, content) for every id, the parts of large ones joined."""
    parts: list[bytes] = []
    for name, size, data, offset in Objects(ids, folder):
        if not offset and len(data) == size:
            yield name, data
            continue
        parts.append(data)
        if offset + len(data) == size:
            yield name, b"".join(parts)
            parts = []


def _widen(pipe: int) -> None:
    """A pipe of 1 MiB where the platform can (Linux); fewer switches between us and git."""
    if sys.platform == "linux":
        import fcntl

        try:
            fcntl.fcntl(pipe, 1031, git.CHUNK)  # F_SETPIPE_SZ, linux/fcntl.h
        except OSError:
            pass  # the user's pipe quota is used up; the default size works too
