"""A file that is being downloaded, and can be gone on with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from leakguard.connect.fetched import Fetched

READ = 1024 * 1024


class OddRangeError(Exception):
    """The service sent another stretch than the one that was asked for."""


class Part:
    """A file that is being downloaded, and what says that its rest is still the same."""

    def __init__(self, path: str) -> None:
        self._whole = path
        self.path = f"{path}.part"
        self._mark = f"{path}.mark"
        self._validator = ""
        if os.path.exists(self.path) and os.path.exists(self._mark):
            with open(self._mark, encoding="latin-1") as file:
                self._validator = file.read(1000)
            self.size = os.path.getsize(self.path)
        else:
            self.restart("")

    def restart(self, validator: str) -> None:
        """Begin anew; only the owner may read the file."""
        for name, text in ((self.path, ""), (self._mark, validator)):
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(handle, "w", encoding="latin-1", errors="replace") as file:
                file.write(text)
        self._validator = validator
        self.size = 0

    def condition(self) -> dict[str, str]:
        """The headers that ask for the rest, if there is a part that can be trusted."""
        if not self.size or not self._validator:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self._validator}

    def begin(self, status: int, headers: Mapping[str, str]) -> int:
        """Make ready for the body; the size of the whole, or -1."""
        said = headers.get("content-range", "")
        if status == 206 and said.startswith(f"bytes {self.size}-"):
            total = said.rpartition("/")[2]
            return int(total) if total.isdigit() else -1
        if status == 206:
            self.restart("")
            raise OddRangeError
        if headers.get("content-encoding", "identity") != "identity":
            self.restart("")  # what arrives is not what the lengths speak of
            return -1
        tag = headers.get("etag", "")
        self.restart("" if tag.startswith("W/") else tag or headers.get("last-modified", ""))
        length = headers.get("content-length", "")
        return int(length) if length.isdigit() else -1

    def done(self, name: str) -> Fetched:
        """The finished file under its own name, with its hash."""
        digest = hashlib.sha256()
        with open(self.path, "rb") as file:
            while piece := file.read(READ):
                digest.update(piece)
        os.replace(self.path, self._whole)
        os.unlink(self._mark)
        return Fetched(name, self._whole, self.size, digest.hexdigest())
