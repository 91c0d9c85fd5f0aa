"""A blob in, its candidates out: prefilter, exact match, judge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

from leakguard.blob import Blob
from leakguard.detect.match import Book, Guard, Match, Matcher
from leakguard.detect.plain import plain
from leakguard.detect.whole import Whole

if TYPE_CHECKING:
    from leakguard.finding import Candidate


class Scanner:
    """Finds the candidates of one blob after the other."""

    def __init__(
        self,
        book: Book,
        scan: Callable[[bytes], list[tuple[int, int]]],
        guard: Guard = lambda _: nullcontext(),
        extra: Callable[[bytes, str], Iterable[Match]] | None = None,
    ) -> None:
        """`extra` is a detector that looks at every text, whatever the prefilter says."""
        self._scan = scan
        self._matcher = Matcher(book, scan, guard)
        self._extra = extra
        self._whole = Whole(book.of_whole_files(), guard)

    def look(self, blob: Blob) -> list[Candidate]:
        """Every candidate that begins in the part of the blob that is its own."""
        text, width = plain(blob.data)
        matches = list(self._matches(blob, text, self._scan(text)))
        if not matches:
            return []
        from leakguard.detect.judge import judge  # a clean input never needs it

        own = (blob.own[0] // width, blob.own[1] // width + 1 if width > 1 else blob.own[1])
        return judge(blob, text, own, matches)

    def finds(self, blob: Blob, text: bytes, hits: list[tuple[int, int]]) -> bool:
        """Whether there is anything to judge in a blob, given its text and the prefilter's hits."""
        return any(True for _ in self._matches(blob, text, hits))

    def _matches(self, blob: Blob, text: bytes, hits: list[tuple[int, int]]) -> Iterator[Match]:
        path = blob.origin.inside or blob.origin.path
        if blob.small and self._whole.called(path):
            yield from self._whole.matches(text, path)
        if hits:
            yield from self._matcher.matches(text, hits, path)
        if self._extra is not None:
            yield from self._extra(text, path)
