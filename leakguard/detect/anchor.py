"""What a rule's regular expression cannot do without.

From the parse tree of an exact pattern this derives an *anchor*: a shorter
expression that must match inside every match of the pattern, and how far away
the match can begin. Anchors are what the prefilter looks for, so deriving them
mechanically is what makes the prefilter sound: an anchor is made only by
dropping assertions, cutting a sequence short and shortening repeats, and each
of these can only match more. A property test compares both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import inf, log2
from re import _constants as op  # type: ignore[attr-defined]
from typing import Any

from leakguard.detect.syntax import (
    EVERY,
    FEW,
    REPEATS,
    Item,
    children,
    flatten,
    members,
    parse,
    widths,
)

ENOUGH_BITS = 32.0
"""An anchor this selective need not be longer: a longer one costs compile time."""

CUT_REPEAT = 16
"""A repeat longer than this is cut: so many characters after a prefix are telling enough."""

SHORT_REPEAT = 100
"""A variable repeat up to this long is kept whole, so that what follows it counts too."""

COUNTED = 6
"""A repeat that varies by more than this is looked for without an upper bound."""

MANY = 128
"""A class of so many bytes, line end among them, would run on through whole files unbounded."""

TELLING_START = 3
"""An edge before so many constant bytes is left out: it would cost more than it saves."""

LONG_LITERAL = 24
"""A run of constant bytes is not cut before this length: looking for more of it costs nothing."""

LITERAL_WANTED = 5
"""With so many constant bytes in a row an anchor is as cheap to look for as it gets."""

TELLING = 2
"""Constant bytes in a row that an anchor should have: literals are what a multi-pattern engine
finds for free, while each anchor without any costs a pass of its own over every byte."""

EDGE = 3
"""What an anchor may read before and after its part of a match: one byte, an escaped line end."""

MAX_WIDTH = 65_536
"""The widest match a rule may have, bytes."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """An expression that every match contains.

    A match begins at least `near` and at most `left` bytes before the end of
    the anchor's match and is, with all that it looks ahead at, at most `width`
    bytes long. The anchor takes up at most `span` bytes of it.
    """

    expression: str
    caseless: bool
    left: int
    width: int
    near: int = 0
    literal: int = 0
    span: int = 0

    @property
    def telling(self) -> bool:
        """Whether a scan can look for it without trying every byte."""
        return self.literal >= TELLING


@dataclass(slots=True)
class _Piece:
    """Part of an expression under construction."""

    text: str = ""
    bits: float = 0.0
    width: int = 0  # the greatest
    least: int = 0  # the smallest
    cut: bool = False
    literal: int = 0  # the longest run of constant bytes
    run: int = 0  # the run of constant bytes that ends here

    def add(self, other: _Piece) -> None:
        self.text += other.text
        self.bits += other.bits
        self.width += other.width
        self.least += other.least
        self.cut = other.cut
        if other.run and other.run == other.width:  # nothing but constant bytes
            self.run += other.run
        elif other.width or other.cut:
            self.run = 0
        self.literal = max(self.literal, self.run, other.literal)

    def worth(self, enough: float) -> float:
        """How good an anchor it makes: constant bytes first, then all it asks for."""
        return 12 * min(self.literal, LITERAL_WANTED) + min(self.bits, enough)


class UnboundedPattern(ValueError):
    """The pattern can match without limit, so no window is wide enough."""


def derive(pattern: str, *, escaped: bool = False) -> Anchor:
    """The anchor of `pattern`; with `escaped`, also of `match.after_escape(pattern)`.

    Raises `UnboundedPattern` when the pattern has no greatest width.
    """
    tree = parse(pattern)
    width, ahead = int(tree.getwidth()[1]), _ahead(tree.data)
    if max(width, ahead) > MAX_WIDTH:
        what = "a match" if width > MAX_WIDTH else "what it looks ahead at"
        raise UnboundedPattern(f"{what} could be longer than {MAX_WIDTH} bytes")
    # The name of an assigned value is a word that source is full of: never enough alone.
    enough = inf if "name" in tree.state.groupdict else ENOUGH_BITS
    items = flatten(tree.data)
    best = _Piece()
    best_left = near = 0
    before = least = 0
    for start, item in enumerate(items):
        if item[0] is not op.ASSERT and not _idle(items[start : start + 1 + TELLING_START]):
            piece = _sequence(items[start:], enough, outermost=True)
            if piece.worth(enough) > best.worth(enough) + 0.5:
                best, best_left, near = piece, before + piece.width, least + piece.least
            if best.literal >= LITERAL_WANTED and best.bits >= ENOUGH_BITS:
                break  # a later beginning asks for less
        low, high = widths(item, tree.state)
        before, least = before + high, least + low
    if not best.text:
        raise UnboundedPattern("nothing in it is certain to appear")
    if escaped:
        best.text = _behind_escape(best.text, choice=items[0][0] is op.BRANCH)
    caseless = bool(tree.state.flags & op.SRE_FLAG_IGNORECASE)
    return Anchor(
        best.text, caseless, best_left, width + ahead, near, best.literal, best.width + EDGE
    )


def _idle(items: list[Item]) -> bool:
    """Whether an edge stands before constant bytes: what follows is seldom enough without it."""
    edge, *rest = items
    return (
        edge[0] in (op.ASSERT_NOT, op.AT)
        and len(rest) == TELLING_START
        and all(kind is op.LITERAL for kind, _ in rest)
    )


def _ahead(items: Any) -> int:
    """How far behind its end a match may look, bytes."""
    far = 0
    for kind, value in items:
        inner = children(kind, value)
        if kind in (op.ASSERT, op.ASSERT_NOT) and value[0] > 0:
            far += int(value[1].getwidth()[1])
        far += sum(_ahead(child.data) for child in inner)
    return far


def _behind_escape(text: str, *, choice: bool) -> str:
    """The anchor with its leading edge also fitting behind an escaped line end or tab.

    In a `choice` the edge is that of one alternative, so every edge gives way.
    """
    if choice:
        return text.replace(r"\b", r"(?:\b|\\[nrt])")
    if text.startswith(r"\b"):
        return r"(?:\b|\\[nrt])" + text[2:]
    return text.replace("(?:^|", r"(?:^|\\[nrt]|", 1) if text.startswith("(?:^|") else text


def _sequence(items: list[Item], enough: float, *, outermost: bool = False) -> _Piece:
    out = _Piece()
    taken: list[Item] = []
    loosened = list(_loosened(items))
    for index, item in enumerate(loosened):
        if item[0] is op.ASSERT_NOT and item[1][0] < 0 and (index or not outermost):
            continue  # a look behind spelt as a character may only stand at the very start
        if item[0] is op.ASSERT and index < len(loosened) - 1:
            continue  # what is asked for is read once more by what follows
        done = out.bits >= enough and out.literal >= TELLING
        if done and (item[0] is not op.LITERAL or out.run > LONG_LITERAL):
            out.cut = True
            break
        piece = _item(item, enough)
        out.add(piece)
        if piece.text:
            taken.append(item)
        if out.cut:
            break
    if outermost and _varies(taken):
        return _sequence(_ended(taken), enough, outermost=True)
    return out


def _varies(items: list[Item]) -> bool:
    """Whether what ends a sequence may be longer or shorter."""
    if not items:
        return False
    kind, value = items[-1]
    return kind is _OPTIONAL or (kind in REPEATS and value[0] < value[1])


def _ended(items: list[Item]) -> list[Item]:
    """The sequence without what may be missing at its end, or each of many ends would be a hit."""
    while _varies(items):
        kind, value = items[-1]
        items = items[:-1]
        if kind is not _OPTIONAL and value[0]:
            return [*items, (kind, (value[0], value[0], value[2]))]
    return items


def _loosened(items: list[Item]) -> Iterator[Item]:
    """The items with neighbouring optional characters as one: `\\s{0,4}"?` as `[\\s"]{0,5}`.

    It matches more, and an automaton for it is many times smaller.
    """
    values: frozenset[int] = frozenset()
    most = 0
    for item in items:
        single = _optional(item)
        if single is not None and most + single[1] <= SHORT_REPEAT:
            values, most = values | single[0], most + single[1]
            continue
        if most:
            yield _OPTIONAL, (values, most)
            values, most = frozenset(), 0
        if single is not None:
            yield _OPTIONAL, single
        else:
            yield item
    if most:
        yield _OPTIONAL, (values, most)


_OPTIONAL = "optional characters"


def _optional(item: Item) -> tuple[frozenset[int], int] | None:
    """(the bytes, how many at most) of an optional single character that is not too often."""
    kind, value = item
    if kind not in REPEATS or value[0] or value[1] > SHORT_REPEAT:
        return None
    body = flatten(value[2].data)
    if len(body) != 1 or body[0][0] not in (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY):
        return None
    inner, what = body[0]
    if inner is op.ANY:
        return EVERY, int(value[1])
    if inner is op.IN:
        return members(what), int(value[1])
    return frozenset({what}) if inner is op.LITERAL else EVERY - {what}, int(value[1])


def _item(item: Item, enough: float) -> _Piece:
    kind, value = item
    if kind is _OPTIONAL:
        values, most = value
        often = _often(0, most) if 10 not in values or len(values) < MANY else f"{{0,{most}}}"
        return _Piece(f"[{_spell(values)}]{often}", 0.0, most)
    if kind is op.LITERAL:
        return _Piece(_byte(value), _worth(value), 1, 1, literal=1, run=1)
    if kind is op.NOT_LITERAL:
        return _Piece(f"[^{_byte(value)}]", 0.01, 1, 1)
    if kind is op.ANY:
        return _Piece(r"[\x00-\xff]", 0.0, 1, 1)  # whatever the flags say of a newline
    if kind is op.IN:
        return _class(value)
    if kind is op.AT:
        return _Piece(r"\b" if value is op.AT_BOUNDARY else "")
    if kind in (op.ASSERT_NOT, op.ASSERT):
        return _assertion(kind, value)
    if kind is op.BRANCH:
        return _branch(value[1], enough)
    if kind is op.SUBPATTERN:
        return _scoped(value, enough)
    if kind in REPEATS:
        return _repeat(value, enough)
    if kind is op.ATOMIC_GROUP:
        return _sequence(flatten(value.data), enough)
    return _Piece(cut=True)  # back-references and conditionals: stop here


def _worth(code: int) -> float:
    """Bits that a constant byte tells: source is full of words, so a letter of one says little."""
    return 1.5 if 97 <= code < 123 else 3.0 if 65 <= code < 91 or code in b" _" else 6.0


def _often(low: int, high: int) -> str:
    """A repeat without its upper bound, unless that is close: an automaton that need not count is
    many times smaller. It matches more, but still ends wherever the bounded one ends.
    """
    return f"{{{low},{high}}}" if high - low <= COUNTED else f"{{{low},}}"


def _byte(code: int) -> str:
    char = chr(code)
    return char if char.isalnum() and code < 128 else f"\\x{code:02x}"


@cache
def _spell(values: frozenset[int]) -> str:
    """A class without its brackets, as ranges."""
    text = ""
    ordered = sorted(values)
    while ordered:
        low = high = ordered.pop(0)
        while ordered and ordered[0] == high + 1:
            high = ordered.pop(0)
        text += f"\\x{low:02x}" if low == high else f"\\x{low:02x}-\\x{high:02x}"
    return text


def _class(items: Any) -> _Piece:
    values = members(items)
    if len(values) == 256:
        return _Piece(r"[\x00-\xff]", 0.0, 1, 1)
    few = int(len(values) <= FEW)  # the engine spells these out as constants
    return _Piece(
        f"[{_spell(values)}]", log2(256 / max(1, len(values))), 1, 1, literal=few, run=few
    )


def _assertion(kind: Any, value: tuple[int, Any]) -> _Piece:
    """A look at one character becomes that character; a negative one any other, or the edge."""
    direction, body = value
    items = flatten(body.data)
    if len(items) != 1 or items[0][0] not in (op.LITERAL, op.IN):
        return _Piece()
    single = items[0]
    told = frozenset({single[1]}) if single[0] is op.LITERAL else members(single[1])
    if kind is op.ASSERT:
        bits = log2(256 / max(1, len(told)))
        return _Piece(f"[{_spell(told)}]", bits, 1, cut=True) if direction > 0 else _Piece()
    allowed = _spell(EVERY - told)
    if not allowed:
        return _Piece()
    if direction < 0:
        return _Piece(f"(?:^|[{allowed}])", 0.3, 0)
    return _Piece(f"(?:[{allowed}]|$)", 0.3, 1, cut=True)


def _branch(choices: list[Any], enough: float) -> _Piece:
    pieces = [_sequence(flatten(choice.data), enough) for choice in choices]
    if any(not piece.text for piece in pieces):
        return _Piece(cut=any(p.cut for p in pieces) or any(_max_width_of(c) for c in choices))
    return _Piece(
        "(?:" + "|".join(piece.text for piece in pieces) + ")",
        max(0.0, min(piece.bits for piece in pieces) - log2(len(pieces))),
        max(piece.width for piece in pieces),
        min(piece.least for piece in pieces),
        cut=any(piece.cut for piece in pieces),
        literal=min(piece.literal for piece in pieces),
    )


def _max_width_of(tree: Any) -> int:
    return int(tree.getwidth()[1])


def _scoped(value: tuple[Any, int, int, Any], enough: float) -> _Piece:
    """A group with flags of its own, `(?i:...)`."""
    _, add, remove, body = value
    piece = _sequence(flatten(body.data), enough)
    if add & op.SRE_FLAG_IGNORECASE:
        piece.text = f"(?i:{piece.text})"
    elif remove & op.SRE_FLAG_IGNORECASE:
        piece.text = f"(?-i:{piece.text})"
    return piece


def _repeat(value: tuple[int, Any, Any], enough: float) -> _Piece:
    low, high, body = int(value[0]), int(value[1]), value[2]
    inner = _sequence(flatten(body.data), enough)
    if inner.cut or not inner.text:
        if low == 0 or not inner.text:
            return _Piece(cut=True)
        return inner
    if low <= CUT_REPEAT and high <= (CUT_REPEAT if low == high else SHORT_REPEAT):
        return _Piece(
            f"(?:{inner.text}){_often(low, high)}",
            inner.bits * low,
            inner.width * high,
            inner.least * low,
            literal=inner.literal if low else 0,
        )
    if low == 0:
        return _Piece(cut=True)
    kept = min(low, CUT_REPEAT)
    return _Piece(
        f"(?:{inner.text}){{{kept}}}",
        inner.bits * kept,
        inner.width * kept,
        inner.least * kept,
        cut=True,
        literal=inner.literal * (kept if inner.literal == inner.width else 1),
    )
