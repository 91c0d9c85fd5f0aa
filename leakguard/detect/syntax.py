"""Regular expressions as trees: the parser's output, and what all who read it need.

The tree comes from `re._parser`. It is not a public module, but it is the
parser that `re` itself uses, so what we analyse is what will run; the tests
fail loudly should it change shape.
"""

from __future__ import annotations

from functools import lru_cache
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

Item = tuple[Any, Any]

EVERY = frozenset(range(256))
REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)

FEW = 4
"""A class of so few characters counts as constant."""


@lru_cache(maxsize=1)
def parse(pattern: str) -> Any:
    """The parse tree of a rule's pattern, as bytes, which nobody changes. Raises `re.error`."""
    return _parser.parse(pattern.encode())


def flatten(items: Any) -> list[Item]:
    """The sequence with plain groups opened."""
    flat: list[Item] = []
    for kind, value in items:
        if kind is op.SUBPATTERN and not value[1] and not value[2]:
            flat.extend(flatten(value[3].data))
        else:
            flat.append((kind, value))
    return flat


def widths(item: Item, state: Any) -> tuple[int, int]:
    """A back-reference is as wide as its group, which only the tree's own state knows."""
    least, greatest = _parser.SubPattern(state, [item]).getwidth()
    return int(least), int(greatest)


def children(kind: Any, value: Any) -> list[Any]:
    """The trees inside one item."""
    if kind in REPEATS:
        return [value[2]]
    if kind is op.SUBPATTERN:
        return [value[3]]
    if kind is op.BRANCH:
        return list(value[1])
    if kind in (op.ASSERT, op.ASSERT_NOT):
        return [value[1]]
    if kind is op.ATOMIC_GROUP:
        return [value]
    if kind is op.GROUPREF_EXISTS:
        return [child for child in value[1:] if child is not None]
    return []


def members(items: Any) -> frozenset[int]:
    """The byte values that a character class accepts."""
    found: set[int] = set()
    negated = False
    for kind, value in items:
        if kind is op.NEGATE:
            negated = True
        elif kind is op.LITERAL:
            found.add(value)
        elif kind is op.RANGE:
            found.update(range(value[0], value[1] + 1))
        else:
            found.update(_category(value))
    return frozenset(range(256)) - found if negated else frozenset(found)


def _category(code: Any) -> frozenset[int]:
    every = frozenset(range(256))
    digit = frozenset(b"0123456789")
    space = frozenset(b" \t\n\r\f\v")
    word = digit | frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
    return {
        op.CATEGORY_DIGIT: digit,
        op.CATEGORY_NOT_DIGIT: every - digit,
        op.CATEGORY_SPACE: space,
        op.CATEGORY_NOT_SPACE: every - space,
        op.CATEGORY_WORD: word,
        op.CATEGORY_NOT_WORD: every - word,
    }[code]
