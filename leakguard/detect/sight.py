"""All rules, on a text that grows: what was looked at before is not judged again."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from operator import itemgetter

from leakguard.blob import Blob
from leakguard.detect.match import Book, Guard
from leakguard.detect.scanner import Scanner
from leakguard.detect.shape import AHEAD
from leakguard.detect.window import LOOKAHEAD
from leakguard.finding import Candidate


class Sight:
    """All rules, on a text whose beginning was looked at before."""

    def __init__(
        self,
        book: Book,
        scan: Callable[[bytes], list[tuple[int, int]]],
        guard: Guard,
        prefixes: Iterable[str] = (),
    ) -> None:
        """`prefixes` are the public prefixes of the rules, for who has them at hand."""
        self._book = book
        self._prefixes = prefixes
        self._scan_all = scan
        self._scanner = Scanner(book, self._scan, guard)
        self._text = b""
        self._floor = self._line = 0
        self._nearest = book.nearest

    def look(self, blob: Blob, floor: int) -> list[Candidate]:
        """The candidates that reach beyond `floor`; others may be left out."""
        self._text, self._floor = blob.data, floor
        self._line = blob.data.rfind(b"\n", 0, floor) + 1
        found = self._scanner.look(blob)
        self._text = b""
        return [one for one in found if one.span[1] > floor]

    def _scan(self, text: bytes) -> list[tuple[int, int]]:
        hits = self._scan_all(text)
        if text is not self._text or not self._floor:
            return hits
        sure = bisect_right(hits, self._floor + self._nearest, key=itemgetter(1))
        return [hit for hit in hits[:sure] if self._reaches(*hit)] + hits[sure:]

    def _reaches(self, number: int, end: int) -> bool:
        """Whether what a hit calls for could end in the new part of the text."""
        kind, what, _, _, near, width, *_ = self._book.table[number]
        if kind == "d":
            return end > self._line or what.startswith(("base64", "hex"))  # these may be wrapped
        begin = end + AHEAD if kind == "w" else end - near
        return begin + width + LOOKAHEAD > self._floor

    def beginnings(self) -> re.Pattern[bytes]:
        """What ends with the public prefix of a rule and what followed it so far."""
        given = self._prefixes or [rule.public_prefix for rule in self._book.rules]
        telling = {
            prefix
            for prefix in given
            if len(prefix) > 2 and not (prefix.isalpha() and prefix.islower())  # a word
        }
        spelt = "|".join(sorted(map(re.escape, telling), key=len, reverse=True)) or "(?!)"
        return re.compile(rf"(?<![A-Za-z0-9])(?P<value>(?:{spelt})[\w.+/=:-]{{0,4096}})$".encode())
