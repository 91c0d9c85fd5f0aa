"""The hash chain over all events, and what is signed of it. Values in, values out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Link:
    """An event's row: its place in the whole store (from 1) and in its incident (from 1)."""

    position: int
    incident: str
    seq: int
    at: str
    clock: str
    actor: str
    kind: str
    body: str
    prev_hash: str
    hash: str = ""

    def computed(self) -> str:
        """The hash that these fields have; "" for what leakguard cannot have written."""
        told = asdict(self)
        del told["hash"]
        try:
            return digest(told)
        except (TypeError, ValueError):  # SQLite takes bytes in any column
            return ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Who says that the chain had this hash at this position. `note` tells of an accepted loss."""

    position: int
    hash: str
    at: str
    key_id: str
    note: str = ""
    signature: str = ""

    def message(self, store: str) -> bytes:
        """What is signed; it names the store, so that it proves nothing about another one."""
        told = asdict(self)
        del told["signature"]
        return canonical({**told, "store": store, "what": "leakguard checkpoint 1"}).encode()


def canonical(value: Mapping[str, Any]) -> str:
    """JSON that is the same for the same value: sorted, no spaces, ASCII."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_as_dict
    )


def _as_dict(value: object) -> dict[Any, Any]:
    """A mapping that JSON does not know, such as a read-only one."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be kept")


def digest(value: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical form."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def genesis(store: str) -> str:
    """What the first event of a store follows."""
    return digest({"store": store, "what": "leakguard chain 1"})
