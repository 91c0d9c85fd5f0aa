"""How every match of a pattern must begin, so that only such places are tried."""

from __future__ import annotations

from re import _constants as op  # type: ignore[attr-defined]

from leakguard.detect.syntax import FEW, Item, flatten, members, parse

MOST_OPENINGS = 96


def openings(pattern: str) -> tuple[bytes, ...]:
    """The constant beginnings, in lower case, of which every match has one; () if unknown.

    Only beginnings of two bytes and more: shorter ones would not save a look.
    """
    found = _openings(flatten(parse(pattern).data))
    if not 0 < len(found) <= MOST_OPENINGS or any(len(begin) < 2 for begin in found):
        return ()
    return tuple(sorted(begin.lower() for begin in found))


def _openings(items: list[Item]) -> set[bytes]:
    """All ways in which a sequence can begin, as far as it is constant."""
    begins = {b""}
    for kind, value in items:
        if kind in (op.AT, op.ASSERT, op.ASSERT_NOT):
            continue
        choices: set[bytes] = set()
        goes_on = True
        if kind is op.LITERAL:
            choices = {bytes([value])}
        elif kind is op.IN and len(members(value)) <= FEW:
            choices = {bytes([byte]) for byte in members(value)}
        elif kind is op.SUBPATTERN:
            choices = _openings(flatten(value[3].data))
            goes_on = False
        elif kind is op.BRANCH:
            choices = set().union(*(_openings(flatten(one.data)) for one in value[1]))
            goes_on = False
        if not choices or len(begins) * len(choices) > MOST_OPENINGS:
            break
        begins = {begin + choice for begin in begins for choice in choices}
        if not goes_on or max(map(len, begins)) >= 6:
            break
    return begins
