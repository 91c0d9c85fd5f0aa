"""How every match of a pattern must begin and what it must contain: only such places are tried."""

from __future__ import annotations

from re import _constants as op  # type: ignore[attr-defined]
from typing import Any

from leakguard.detect.syntax import EVERY, FEW, REPEATS, Item, children, flatten, members, parse
from leakguard.detect.window import Hints

MOST_OPENINGS = 96

TELLING = 3
"""A shorter word stands everywhere, bytes."""

FEWEST = 16
"""A run of fewer characters of some kind is no sign of anything."""


def hints(pattern: str) -> Hints:
    """What is certain of every match."""
    tree = parse(pattern)
    items = flatten(tree.data)
    caseless = tree.state.flags & op.SRE_FLAG_IGNORECASE
    behind = _behind(tree.data) if "(?<" in pattern else Hints().behind
    return Hints(_begins(items), "" if caseless else _contained(items), behind)


def needed(pattern: str) -> tuple[str, ...]:
    """Words in small letters of which each match holds one, whatever its case; none where nothing
    is certain.
    """
    words = _needed(parse(pattern).data)
    return tuple(sorted(words)) if _worth(words) >= TELLING else ()


def _needed(items: Any) -> set[str]:
    best: set[str] = set()
    run = ""
    for kind, value in (*flatten(items), (op.AT, None)):
        if kind is op.LITERAL:
            run += bytes([value]).lower().decode("latin-1")
            continue
        found = [best, {run}]
        run = ""
        if kind is op.SUBPATTERN:
            found.append(_needed(value[3].data))
        elif kind in REPEATS and value[0]:
            found.append(_needed(value[2].data))
        elif kind is op.BRANCH:
            each = [_needed(one.data) for one in value[1]]
            found.append(set().union(*each) if all(each) else set())
        best = max(found, key=_worth)
    return best


def _worth(words: set[str]) -> int:
    return min(map(len, words), default=0)


def made_of(pattern: str) -> tuple[str, int]:
    """The characters that all matches are made of, and how many a match has at least; no
    characters where that would not tell a match from any other text.
    """
    tree = parse(pattern)
    least = int(tree.getwidth()[0])
    found = _alphabet(tree.data)
    if least < FEWEST or len(found) > 128:
        return "", 0
    return bytes(sorted(found)).decode("latin-1"), least


def _alphabet(items: Any) -> frozenset[int]:
    found: frozenset[int] = frozenset()
    for kind, value in items:
        if kind is op.LITERAL:
            found |= {value}
        elif kind is op.IN:
            found |= members(value)
        elif kind in (op.ANY, op.NOT_LITERAL):
            return EVERY
        elif kind not in (op.ASSERT, op.ASSERT_NOT):  # a back-reference adds nothing new
            found = found.union(*(_alphabet(child.data) for child in children(kind, value)))
    spelt = bytes(found).swapcase()
    return found.union(spelt)  # whether the case counts or not


def _begins(items: list[Item]) -> tuple[str, ...]:
    """Only beginnings of two bytes and more: shorter ones would not save a look."""
    found = _openings(items)
    if not 0 < len(found) <= MOST_OPENINGS or any(len(begin) < 2 for begin in found):
        return ()
    return tuple(sorted(begin.lower().decode("latin-1") for begin in found))


def _contained(items: list[Item]) -> str:
    """The longest run of constant bytes."""
    runs, run = [""], ""
    for kind, value in items:
        run = run + chr(value) if kind is op.LITERAL else ""
        runs.append(run)
    return max(runs, key=len)


def _behind(items: Any) -> int:
    far = Hints().behind  # an edge, also behind an escaped line end
    for kind, value in items:
        if kind in (op.ASSERT, op.ASSERT_NOT) and value[0] < 0:
            far = max(far, int(value[1].getwidth()[1]))
        far = max([far, *(_behind(child.data) for child in children(kind, value))])
    return far


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
