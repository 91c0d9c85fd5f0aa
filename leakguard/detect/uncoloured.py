"""A text without its sequences for the terminal, and the way back to where each byte stood."""

from __future__ import annotations

from bisect import bisect_right

from leakguard import late

ESCAPE = late.pattern(
    rb"\x1b(?:\[[0-?]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b\n]{0,2000}(?:\x07|\x1b\\)"
    rb"|[()][0-9A-B]|[=>78DEHMc])"
)
"""A sequence for the terminal."""


class Uncoloured:
    """A text without its sequences for the terminal, and the way back."""

    def __init__(self, data: bytes) -> None:
        self.text = data
        self._texts: list[int] = []
        self._sources: list[int] = []
        if b"\x1b" in data:
            self._strip(data)

    def _strip(self, data: bytes) -> None:
        parts: list[bytes] = []
        at = size = 0
        for found in ESCAPE.finditer(data):
            parts.append(data[at : found.start()])
            size += found.start() - at
            at = found.end()
            self._texts.append(size)
            self._sources.append(at)
        parts.append(data[at:])
        self.text = b"".join(parts)

    def source(self, offset: int) -> int:
        """Where the character at `offset` of the text stands in the data."""
        last = bisect_right(self._texts, offset) - 1
        return offset if last < 0 else self._sources[last] + offset - self._texts[last]

    def inward(self, offset: int) -> int:
        """How much text stands before an offset of the data."""
        last = bisect_right(self._sources, offset) - 1
        if last < 0:
            return min(offset, self._texts[0]) if self._texts else offset
        here = self._texts[last] + offset - self._sources[last]
        return min(here, self._texts[last + 1]) if last + 1 < len(self._texts) else here

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """The stretch of the data that `text[start:stop]` came from, sequences inside it too."""
        return self.source(start), self.source(stop - 1) + 1
