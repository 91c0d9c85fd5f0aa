"""Files that hold no secret and look as if they did, made from a seed.

A module is a shelf of kinds. To add a kind, add a `sheet` (a head, rows, a tail) or a function
under `@kind` to the shelf it belongs on; the measure and the tests take it from there.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from negatives import code, configuration, identifiers, locks, public_keys, text, web
from negatives.pools import KINDS, File, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KINDS", "SHELVES", "File", "Kind", "corpus", "files"]

SHELVES = (locks, identifiers, public_keys, web, code, configuration, text)


def files(kind: Kind, seed: int, scale: float = 1.0) -> Iterator[File]:
    """Files of one kind until there are lines enough."""
    rng = Random(f"{seed} {kind.name}")
    lines = 0
    while lines < kind.lines * scale:
        made = kind.make(rng)
        lines += made.lines
        yield made


def corpus(seed: int, scale: float = 1.0) -> Iterator[tuple[Kind, File]]:
    """Every file of every kind."""
    for kind in KINDS.values():
        for made in files(kind, seed, scale):
            yield kind, made
