"""The stretches of a text around hits, and a rule's pattern tried there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from leakguard import late

LOOKAHEAD = 64
"""How far past a match its assertions may look, bytes."""

Window = tuple[int, int, int]
"""(first start, last start, to)"""


class Hints(NamedTuple):
    """What a pattern's tree says of all its matches. A pack keeps it, so that no run reads trees.

    A match begins with one of `begins`, whatever the case (none: unknown), holds `contains` as
    it is spelt, and looks at most `behind` bytes back from where it begins.
    """

    begins: tuple[str, ...] = ()
    contains: str = ""
    behind: int = 2


class Exact:
    """A rule's pattern, ready to be tried on windows."""

    __slots__ = ("_begins", "_contains", "_longest", "_pattern", "behind")

    def __init__(self, pattern: str, hints: Hints) -> None:
        self._pattern = late.pattern(after_escape(pattern).encode())
        begins = [begin.encode("latin-1") for begin in hints.begins]
        self._begins = begins
        self._contains = hints.contains.encode("latin-1")
        self.behind = hints.behind
        self._longest = max(map(len, begins), default=0)

    def within(self, data: bytes, window: Window) -> Iterator[re.Match[bytes]]:
        """The matches that begin in the window, one after the other.

        Where a match must begin with constant characters, only places that
        have them are tried: a search would go on through all the room that
        is left for a long match.
        """
        low, last, high = window
        if data.find(self._contains, low, high) < 0:
            return iter(())
        if not self._begins:
            return within(self._pattern, data, window)
        return self._tried(data, low, last, min(high, len(data)))

    def _tried(self, data: bytes, low: int, last: int, high: int) -> Iterator[re.Match[bytes]]:
        text = data[low : min(last + self._longest, high)].lower()
        at = 0
        for place in sorted(_places(text, self._begins)):
            if place > last - low:
                return
            if place < at:
                continue  # in the match before
            found = self._pattern.match(data, low + place, high)
            if found is not None:
                yield found
                at = found.end() - low


def _places(text: bytes, begins: list[bytes]) -> set[int]:
    """Where a text holds one of several."""
    places = set()
    for begin in begins:
        at = text.find(begin)
        while at >= 0:
            places.add(at)
            at = text.find(begin, at + 1)
    return places


class Shape:
    """What a value looks like, ready to be tried on windows."""

    __slots__ = ("_least", "_mark", "_pattern", "_table")

    def __init__(self, pattern: str, made_of: tuple[str, int]) -> None:
        """`made_of` as `openings.made_of` says, or nothing known."""
        characters, self._least = made_of
        self._pattern = late.pattern(pattern.encode())
        self._table = bytes(chr(byte) in characters for byte in range(256))
        self._mark = b"\1" * self._least

    def within(self, data: bytes, window: Window) -> Iterator[re.Match[bytes]]:
        """The matches that begin in the window, one after the other.

        Only runs of its characters that are long enough are tried: to find those is
        many times faster than a search.
        """
        low, last, high = window
        if not self._least:
            yield from within(self._pattern, data, window)
            return
        for start, stop in self._runs(data[low:high]):
            until = min(last, low + stop - self._least)
            to = min(high, low + stop + LOOKAHEAD)
            yield from within(self._pattern, data, (low + start, until, to))

    def _runs(self, text: bytes) -> Iterator[tuple[int, int]]:
        marked = text.translate(self._table)
        start = marked.find(self._mark)
        while start >= 0:
            stop = marked.find(b"\0", start + self._least)
            stop = len(marked) if stop < 0 else stop
            yield start, stop
            start = marked.find(self._mark, stop)


_FLAGS = late.pattern(r"\(\?[a-z]+\)")
_EDGE = late.pattern(r"\\b|\(\?<!(?:\[(?:[^\]\\]|\\.)+\]|[^()])\)")


def after_escape(pattern: str) -> str:
    r"""`pattern`, its leading edge also fitting behind an escaped line end or tab.

    In `"a\nTOKEN"` the `n` belongs to the escape, not to the token: JSON, logs and
    notebooks are full of these.
    """
    flags = _FLAGS.match(pattern)
    head = flags.group() if flags else ""
    edge = _EDGE.match(pattern, len(head))
    if edge is None:
        return pattern
    return rf"{head}(?:{edge.group()}|(?<=\\[nrt])){pattern[edge.end() :]}"


def windows(
    ends: Sequence[int], left: int, near: int, width: int
) -> Iterator[tuple[int, int, int]]:
    """(first start, last start, to) around hits, merged where they meet.

    The end leaves room for the widest match that begins at the last start, so
    no match is ever cut.
    """
    low = last = -1
    for end in ends:
        if last >= 0 and end - left <= last + width + LOOKAHEAD:
            last = max(last, end - near)
            continue
        if last >= 0:
            yield max(0, low), last, last + width + LOOKAHEAD
        low, last = end - left, end - near
    if last >= 0:
        yield max(0, low), last, last + width + LOOKAHEAD


def within(
    pattern: re.Pattern[bytes], data: bytes, window: tuple[int, int, int]
) -> Iterator[re.Match[bytes]]:
    """The matches that begin in the window, one after the other.

    Where few starts are possible, each is tried by itself: a search would go on
    through all the room that is left for a long match.
    """
    low, last, high = window
    high = min(high, len(data))
    if last - low > high - last:
        for match in pattern.finditer(data, low, high):
            if match.start() > last:
                return
            yield match
        return
    at = low
    while at <= last:
        found = pattern.match(data, at, high)
        if found is None:
            at += 1
            continue
        yield found
        at = max(found.end(), at + 1)


SHORT = 1024
"""A longer window is not worth remembering, bytes."""

Surroundings = tuple[int, int, bytes]
"""(where in the text the first match may begin, where the last may, the text)"""


def surroundings(data: bytes, window: Window, behind: int) -> Surroundings | None:
    """All that decides what a pattern finds in a window; None where that is much."""
    low, last, high = window
    start = max(0, low - behind)
    return (low - start, last - start, data[start:high]) if high - start <= SHORT else None


class Barren:
    """Windows in which a rule found nothing: other versions of the same file have them too."""

    MOST = 16_384
    """Only so many short ones are kept: 16 MiB at the very most."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: set[tuple[int, Surroundings]] = set()

    def knows(self, rule: int, text: Surroundings) -> bool:
        """Whether the same rule has looked at the same text before, for nothing."""
        return (rule, text) in self._seen

    def add(self, rule: int, text: Surroundings) -> None:
        """Remember that a rule found nothing."""
        if len(self._seen) >= self.MOST:
            self._seen.clear()
        self._seen.add((rule, text))
