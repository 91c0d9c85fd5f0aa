"""A folder of wrapped data keys, one JSON record each, that other programs read meanwhile."""

from __future__ import annotations

import base64
import binascii
import glob
import json
import os
import tempfile
from dataclasses import dataclass
from typing import Any

from leakguard.rotate.kit import Fail


@dataclass(frozen=True, slots=True)
class Record:
    """One wrapped data key, as it was read."""

    path: str
    kek: str
    blob: bytes
    raw: bytes

    @property
    def name(self) -> str:
        """The file's own name."""
        return os.path.basename(self.path)


@dataclass(frozen=True, slots=True)
class Store:
    """Where records are, and which of their fields matter; others are kept as they are."""

    folder: str
    id_field: str
    blob_field: str

    def records(self, kek: str | None = None) -> list[Record]:
        """All records, or those under one KEK. Raises Fail(not_found) or Fail(conflict)."""
        if not os.path.isdir(self.folder):
            raise Fail("not_found", f"there is no folder {self.folder}")
        paths = sorted(glob.glob(os.path.join(glob.escape(self.folder), "*.json")))
        return [one for one in map(self._read, paths) if kek in (None, one.kek)]

    def replace(self, record: Record, kek: str, blob: bytes) -> bool:
        """Put a record under another KEK, in one step. False when it changed meanwhile."""
        found = json.loads(record.raw)
        found |= {self.id_field: kek, self.blob_field: base64.b64encode(blob).decode()}
        was = os.stat(record.path)
        handle, draft = tempfile.mkstemp(dir=self.folder, suffix=".draft")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, was.st_mode & 0o7777)
            os.fchown(handle, was.st_uid, was.st_gid)
            json.dump(found, file)
            file.flush()
            os.fsync(handle)
        if _bytes(record.path) != record.raw:
            os.unlink(draft)
            return False
        os.replace(draft, record.path)
        return True

    def _read(self, path: str) -> Record:
        raw = _bytes(path)
        try:
            found: dict[str, Any] = json.loads(raw)
            blob = base64.b64decode(found[self.blob_field], validate=True)
            return Record(path, str(found[self.id_field]), blob, raw)
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise Fail("conflict", f"{path} is no record of a wrapped key") from None


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
