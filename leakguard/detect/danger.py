"""Patterns that could take exponential time, told from their tree before they run."""

from __future__ import annotations

import re
from re import _constants as op  # type: ignore[attr-defined]
from typing import Any

from leakguard.detect.syntax import EVERY, REPEATS, Item, children, members, parse


def explosive(pattern: str) -> str:
    """Why matching could take exponential time, or "".

    Inside a repeat, the next byte must tell how a match goes on: with which
    alternative, and whether a part of variable length ends. Then a text is read in
    one way only; otherwise (`(a{1,9}){1,9}`, `(ab|[a-z]b){9}`) the ways to read it
    multiply. What is merely polynomial is left to the bounded window.
    """
    tree = parse(pattern)
    first = _Bytes(pattern, tree.state.flags)
    if _undecided(tree.data, frozenset(), first, inside=False):
        return "a repeat of what can be read in several ways takes exponential time"
    return ""


class _Bytes:
    """Which bytes can come first, under a pattern's flags."""

    def __init__(self, pattern: str, flags: int) -> None:
        self._fold = re.search(r"\(\?[a-z]*i", pattern) is not None
        self._any = EVERY if flags & op.SRE_FLAG_DOTALL else EVERY - {10}

    def first(self, items: Any, after: frozenset[int]) -> frozenset[int]:
        """The first bytes of `items`, and of what comes `after` where they can be empty."""
        for item in reversed(items):
            after = self.of(item, after)
        return after

    def of(self, item: Item, after: frozenset[int]) -> frozenset[int]:
        """The same of one item."""
        kind, value = item
        single = self._single(kind, value)
        if single is not None:
            return single
        if kind is op.GROUPREF:
            return EVERY
        if kind in (op.AT, op.ASSERT, op.ASSERT_NOT):
            return after
        found = [self.first(child.data, after) for child in children(kind, value)]
        empty = kind in (*REPEATS, op.GROUPREF_EXISTS) and not (kind in REPEATS and value[0])
        return frozenset().union(*found, after if empty else ())

    def _single(self, kind: Any, value: Any) -> frozenset[int] | None:
        if kind is op.ANY:
            return self._any
        if kind is op.LITERAL:
            return self._folded(frozenset({value}))
        if kind is op.NOT_LITERAL:
            return EVERY - self._folded(frozenset({value}))
        return self._folded(members(value)) if kind is op.IN else None

    def _folded(self, values: frozenset[int]) -> frozenset[int]:
        if not self._fold:
            return values
        return values | frozenset(bytes(values).lower()) | frozenset(bytes(values).upper())


def _undecided(items: Any, after: frozenset[int], first: _Bytes, *, inside: bool) -> bool:
    """Whether some byte leaves open how `items`, with `after` behind them, go on in a repeat."""
    for item in reversed(items):
        kind, value = item
        follow = after
        if kind in REPEATS:
            low, high, body = value
            begins = first.first(body.data, frozenset())
            if inside and low != high and begins & after:
                return True
            follow = begins if high > 1 else frozenset()  # what comes behind it comes but once
            follow |= after if inside else frozenset()
        elif kind is op.BRANCH and inside and _overlap(value[1], after, first):
            return True
        looks = kind in (op.ASSERT, op.ASSERT_NOT)
        within = not looks and (inside or (kind in REPEATS and value[1] > 1))
        behind = frozenset() if looks else follow
        for child in children(kind, value):
            if _undecided(child.data, behind, first, inside=within):
                return True
        after = first.of(item, after)
    return False


def _overlap(choices: list[Any], after: frozenset[int], first: _Bytes) -> bool:
    """Whether two alternatives can begin with the same byte."""
    seen: frozenset[int] = frozenset()
    for choice in choices:
        begins = first.first(choice.data, after)
        if seen & begins:
            return True
        seen |= begins
    return False
