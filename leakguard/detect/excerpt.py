"""One line around a secret that shows where it stands and not what it is."""

from __future__ import annotations

from leakguard import late
from leakguard.rule import Rule
from leakguard.secret import MASK

BEFORE = 48
"""How much of the line before the value is shown, characters."""

_RANDOM_RUN = late.pattern(r"(?=[A-Za-z+/_-]{0,40}[0-9])[A-Za-z0-9+/_-]{12,}={0,2}")
_CLOSING = late.pattern(r"[\"'`;,)\]}>]{1,6}")


def excerpt(data: bytes, span: tuple[int, int], others: list[tuple[int, int]], rule: Rule) -> str:
    """The line of `span` with every value masked; what follows the value only if it is closing.

    `others` are the spans of all values in `data`. A run in front that looks
    random is masked too: it may be a secret that no rule knows.
    """
    start, end = span
    line = data.rfind(b"\n", max(0, start - 4 * BEFORE), start) + 1 or max(0, start - 4 * BEFORE)
    for other_start, other_end in others:
        if other_start < start and line < other_end:
            line = min(start, max(line, other_end))
    again = data[line:start].replace(data[start:end], MASK.encode()) if start < end else b""
    before = again.decode("utf-8", "replace")
    before = _RANDOM_RUN.sub(MASK, before).lstrip()
    if len(before) > BEFORE:
        before = "..." + before[-BEFORE:]
    if rule.finder:  # a command, not a value; what it is given may be one
        return before + data[start:end].decode("utf-8", "replace")
    shown = rule.public_prefix if data[start:end].startswith(rule.public_prefix.encode()) else ""
    closing = _CLOSING.match(data[end : end + 6].decode("latin-1"))
    return before + shown + MASK + (closing.group() if closing else "")
