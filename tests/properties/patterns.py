"""Bounded patterns, and texts that they match or nearly match, made of the same pieces."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

Texts = st.SearchStrategy[bytes]


@dataclass(frozen=True)
class Made:
    """A pattern, and texts that it matches where their surroundings allow it."""

    pattern: str
    texts: Texts


_CLASSES = {
    "[ab]": b"ab",
    "[a-c0-3]": b"abc012",
    r"\w": b"aB1_",
    r"\d": b"123",
    r"[^a\n]": b"bAB1_- ",
    ".": b"ab1- ",
    r"\s": b" \n\t",
    "[A-Z_]": b"ABn_",
    r"[\w.-]": b"a1.-",
}
_EDGES = (
    r"\b", r"\b", r"\B", "(?<![a-z])", r"(?<![\w-])", "(?<!_)", r"(?<!\w)", "(?<=_)", "(?<![ab]1)",
    r"(?![\w-])", "(?![0-9])", "(?!_)", "(?=a)", "(?!ab)", "(?![ab]{0,9}1)", "(?!.{0,90}b)",
    r"(?=[\s\S]{0,80}$)", r"(?![\s\S])", "^", "$", r"\Z",
)  # fmt: skip
_WRAPPED = ("(?:%s)", "(%s)", "(?i:%s)", "(?>%s)", "(?s:%s)", "(?-i:%s)")
_FLAGS = ("", "", "", "(?i)", "(?s)", "(?m)", "(?is)")

_literals = st.text("abAB1_-n", min_size=1, max_size=5).map(
    lambda text: Made(re.escape(text), st.just(text.encode()))
)
_classes = st.sampled_from(sorted(_CLASSES)).map(
    lambda name: Made(name, st.sampled_from([bytes([byte]) for byte in _CLASSES[name]]))
)
_edges = st.sampled_from(_EDGES).map(lambda text: Made(text, st.just(b"")))


def _joined(parts: list[Made]) -> Made:
    pieces = st.tuples(*(part.texts for part in parts))
    return Made("".join(part.pattern for part in parts), pieces.map(b"".join))


def _one_of(parts: list[Made]) -> Made:
    text = "|".join(part.pattern for part in parts)
    return Made(f"(?:{text})", st.one_of([part.texts for part in parts]))


@st.composite
def _repeated(draw: Callable[..., object], inner: st.SearchStrategy[Made]) -> Made:
    part = draw(inner)
    flat = "{" not in part.pattern  # repeats of long repeats are slow for every engine
    low = draw(st.integers(0, 12 if flat else 3))
    high = low + draw(st.sampled_from((0, 0, 1, 3, 120) if flat else (0, 1, 2)))
    if re.search(r",1\d\d\}", part.pattern):
        return part
    kind = draw(st.sampled_from(("", "", "?", "+"))) if high else ""
    texts = st.lists(part.texts, min_size=low, max_size=min(high, low + 4)).map(b"".join)
    return Made(f"(?:{part.pattern}){{{low},{high or 1}}}{kind}", texts)


def _larger(inner: st.SearchStrategy[Made]) -> st.SearchStrategy[Made]:
    wrapped = st.tuples(st.sampled_from(_WRAPPED), inner).map(
        lambda pair: Made(pair[0] % pair[1].pattern, pair[1].texts)
    )
    return st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(_joined),
        st.lists(inner, min_size=2, max_size=3).map(_one_of),
        _repeated(inner),
        wrapped,
    )


_pieces = st.recursive(st.one_of(_literals, _literals, _classes, _edges), _larger, max_leaves=8)


@st.composite
def made(draw: Callable[..., object]) -> Made:
    """A whole pattern: flags, edges and at least one literal, so that it is worth looking for."""
    parts = draw(st.lists(_pieces, max_size=3))
    parts.insert(draw(st.integers(0, len(parts))), draw(_literals))
    if draw(st.booleans()):
        parts = [draw(_edges), *parts, draw(_edges)]
    whole = _joined(parts)
    choice = draw(st.integers(0, 9))
    if choice == 0:  # an alternation at the top, where an edge belongs to one side only
        other = draw(_literals)
        whole = Made(f"{whole.pattern}|{other.pattern}", st.one_of(whole.texts, other.texts))
    elif choice == 1:  # a back-reference; what it repeats is drawn once
        again = draw(_literals)
        twice = again.texts.map(lambda text: text + b"-" + text)
        whole = _joined([whole, Made(f"(?P<again>{again.pattern})-(?P=again)", twice)])
    return Made(draw(st.sampled_from(_FLAGS)) + whole.pattern, whole.texts)


_NOISE = st.text("abAB1_-.n \n\\\t", max_size=6).map(str.encode)
_BETWEEN = st.sampled_from((b"", b"", b" ", b"\n", b"\\n", b"\\t", b"_", b"a", b"-", b"x" * 70))


@st.composite
def texts(draw: Callable[..., object], source: Texts) -> bytes:
    """Matches, truncated ones, repeated ones and noise, side by side and to the very edges."""
    out = b""
    for _ in range(draw(st.integers(1, 6))):
        part = draw(st.one_of(source, source, _NOISE))
        cut = draw(st.sampled_from((0, 0, 0, 1, 2)))
        part = part[: len(part) - cut] if draw(st.booleans()) else part[cut:]
        out += part * draw(st.sampled_from((1, 1, 1, 2, 5))) + draw(_BETWEEN)
    return out
