"""A version of a text that was looked at before: only what a change can have touched is looked at.

What was taken over unchanged has the hits it had. A hit calls for an exact match
only where what decides about it, the match and all that a judge reads around it,
meets a change; else it came to nothing before and does so again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from leakguard.detect import generic, shape
from leakguard.detect.match import Row
from leakguard.detect.window import LOOKAHEAD, Hints

CONTEXT = max(generic.REACH, shape.LEFT + shape.ABOVE, shape.LEFT + shape.SLACK) + 1
"""How far before and after a match a judge reads, bytes."""

Hit = tuple[int, int]
Span = tuple[int, int]
Copy = tuple[int, int, int]
"""What was taken over: (offset in the new text, offset in the old one, how many bytes)."""


class Seen(NamedTuple):
    """A text that was looked at: its size in bytes, its hits in order (None: not known), whether
    nothing was found.
    """

    size: int
    hits: list[Hit] | None
    clean: bool


class Change(NamedTuple):
    """What is new in a text, from its version before; a stretch may be empty, where two that were
    taken over meet and did not before.
    """

    copies: Sequence[Copy]
    stretches: list[Span]


def change(copies: Sequence[Copy], old: int, new: int) -> Change:
    """What is new in a text of `new` bytes, its version before having had `old`."""
    joined: list[Copy] = []
    stretches: list[Span] = []
    here = there = 0
    for start, source, count in copies:
        goes_on = start == here and source == there
        if not goes_on:
            stretches.append((here, start))
        if goes_on and joined:
            first = joined.pop()
            joined.append((first[0], first[1], first[2] + count))
        else:
            joined.append((start, source, count))
        here, there = start + count, source + count
    if (here, there) != (new, old):
        stretches.append((here, new))
    return Change(joined, stretches)


def hits(
    scan: Callable[[bytes], list[Hit]], span: int, text: bytes, changed: Change, old: list[Hit]
) -> list[Hit]:
    """All that `scan` would find in `text`, where no anchor takes up more than `span` bytes."""
    found: list[Hit] = []
    new_end = bool(changed.stretches) and changed.stretches[-1][1] == len(text)
    for low, high in _zones(changed.stretches, span):
        start = max(0, low - span)
        for number, end in scan(text[start : high + 1]):
            if low <= end + start <= high:
                found.append((number, end + start))
    for start, source, count in changed.copies if old else ():
        low = start + span + 1 if start or source else 0
        high = start + count - (new_end or start + count < len(text))
        shift = start - source
        first = bisect_left(old, low - shift, key=_end)
        last = bisect_right(old, high - shift, key=_end)
        found += [(number, end + shift) for number, end in old[first:last]]
    found.sort(key=_end)
    return found


def _zones(stretches: list[Span], span: int) -> Iterator[Span]:
    """Where the hits end whose anchors may have to do with a change."""
    low = high = -1
    for start, stop in stretches:
        if high >= 0 and start > high + 1:
            yield low, high
            low = start
        low = start if high < 0 else low
        high = stop + span
    if high >= 0:
        yield low, high


def _end(hit: Hit) -> int:
    return hit[1]


def concerned(table: Sequence[Row], found: list[Hit], changed: Change) -> list[Hit]:
    """The hits whose outcome a change may have altered; with one all others of its row, so that
    their windows meet as ever.
    """
    begins = [start for start, _ in changed.stretches]
    rows: set[int] = set()
    for number, end in found:
        if number not in rows and _meets(table[number], end, begins, changed.stretches):
            rows.add(number)
    return [hit for hit in found if hit[0] in rows]


def _meets(row: Row, end: int, begins: list[int], stretches: list[Span]) -> bool:
    kind, _, _, left, _, width, _, hints = row
    if kind in "dc":
        return True  # what stands encoded there may be long, and code looks at all of a text
    latest = end + shape.AHEAD if kind == "w" else end
    behind = Hints(*hints).behind
    at = bisect_right(begins, latest + width + LOOKAHEAD + CONTEXT)
    return at > 0 and stretches[at - 1][1] >= latest - left - behind - CONTEXT
