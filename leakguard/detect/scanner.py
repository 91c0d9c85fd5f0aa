"""A blob in, its candidates out: prefilter, exact match, judge."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

from leakguard.blob import Blob
from leakguard.detect.judge import judge
from leakguard.detect.match import Book, Guard, Matcher
from leakguard.detect.plain import plain
from leakguard.finding import Candidate


class Scanner:
    """Finds the candidates of one blob after the other."""

    def __init__(
        self,
        book: Book,
        scan: Callable[[bytes], list[tuple[int, int]]],
        guard: Guard = lambda _: nullcontext(),
    ) -> None:
        self._scan = scan
        self._matcher = Matcher(book, scan, guard)
        self._unbounded = not all(rule.bundled for rule in book.rules)

    def look(self, blob: Blob) -> list[Candidate]:
        """Every candidate that begins in the part of the blob that is its own."""
        text, width = plain(blob.data)
        hits = self._scan(text)
        if not hits:
            return []
        own = (blob.own[0] // width, blob.own[1] // width + 1 if width > 1 else blob.own[1])
        path = blob.origin.inside or blob.origin.path
        return judge(blob, text, own, self._matcher.matches(text, hits, path))

    @property
    def unbounded(self) -> bool:
        """Whether patterns run that need the guard, which works in the main thread only."""
        return self._unbounded
