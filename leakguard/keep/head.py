"""The last signed checkpoint, kept beside the keys as well: the newest events cannot be cut off
without it telling.

It is written down before the commit and put in place after it. So a crash in
between leaves it behind the database, which is harmless; ahead of it only
when events are gone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

from leakguard.keep import private
from leakguard.keep.chain import Checkpoint, canonical
from leakguard.keep.errors import Tampered


@dataclass(frozen=True, slots=True)
class Head:
    """What the folder of the keys remembers of a store: its id, its place, its last checkpoint."""

    store: str
    place: str
    checkpoint: Checkpoint


def read(folder: str, store: str) -> Head | None:
    """The head of a store; None when there is none. Raises Tampered for one that is no head."""
    path = _path(folder, store)
    content = private.read(path)
    return _parsed(path, content) if content is not None else None


def of_place(folder: str, place: str) -> Head | None:
    """The head of the store that was at a place, also when that store is gone."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    stores = [name[5:-5] for name in names if name.startswith("head-") and name.endswith(".json")]
    heads = [kept for store in stores if (kept := read(folder, store)) and kept.place == place]
    return max(heads, key=lambda kept: kept.checkpoint.position, default=None)


@contextmanager
def held(folder: str, store: str) -> Iterator[None]:
    """Keep other writers of this head away, until it is in place."""
    with private.alone(_path(folder, store) + ".lock"):
        yield


def prepare(folder: str, head: Head) -> None:
    """Write the next head down, beside the one in force."""
    fields = {"store": head.store, "place": head.place, **asdict(head.checkpoint)}
    private.prepare(_path(folder, head.store), canonical(fields).encode() + b"\n")


def publish(folder: str, store: str) -> None:
    """Put the prepared head in force."""
    path = _path(folder, store)
    try:
        os.replace(path + ".next", path)
        private.sync_folder(folder)
    except OSError:
        pass  # it lags behind until the next event, which is what a crash here would do too


def _path(folder: str, store: str) -> str:
    return os.path.join(folder, f"head-{store}.json")


def _parsed(path: str, content: bytes) -> Head:
    try:
        fields = json.loads(content)
        store, place = fields.pop("store"), fields.pop("place")
        checkpoint = Checkpoint(**fields)
        position = int(checkpoint.position)
    except (ValueError, TypeError, AttributeError, KeyError):
        raise Tampered(f"{path} is damaged", "put it back from a backup") from None
    return Head(store, place, replace(checkpoint, position=position))
