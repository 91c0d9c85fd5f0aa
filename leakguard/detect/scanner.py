"""A blob in, its candidates out: prefilter, exact match, judge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from leakguard.blob import Blob
from leakguard.detect.match import Book, Guard, Match, Matcher
from leakguard.detect.plain import plain
from leakguard.detect.whole import Whole

if TYPE_CHECKING:
    from leakguard.detect.versions import Copy, Seen
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
        self._book = book
        self._scan = scan
        self._matcher = Matcher(book, scan, guard)
        self._extra = extra
        self._whole = Whole(book.of_whole_files(), guard)
        self._of_code = book.of_code()

    def look(self, blob: Blob) -> list[Candidate]:
        """Every candidate that begins in the part of the blob that is its own."""
        text, width = plain(blob.data)
        return self._judged(blob, text, width, self._scan(text))

    def version(self, blob: Blob, copies: Sequence[Copy], old: Seen | None) -> Seen:
        """What there is to know of a text that took `copies` over from an `old` one."""
        from leakguard.detect import versions  # only a history needs it

        text, _ = plain(blob.data)
        if text is not blob.data or blob.small:
            return versions.Seen(len(text), None, not self.look(blob))
        if old is None or old.hits is None:
            hits = concerned = self._scan(text)
        else:
            changed = versions.change(copies, old.size, len(text))
            hits = versions.hits(self._scan, self._book.span, text, changed, old.hits)
            concerned = versions.concerned(self._book.table, hits, changed) if old.clean else hits
        return versions.Seen(len(text), hits, not self._judged(blob, text, 1, concerned))

    def _judged(
        self, blob: Blob, text: bytes, width: int, hits: list[tuple[int, int]]
    ) -> list[Candidate]:
        matches = list(self._matches(blob, text, hits))
        if not matches:
            return []
        from leakguard.detect.judge import judge  # a clean input never needs it

        own = (blob.own[0] // width, blob.own[1] // width + 1 if width > 1 else blob.own[1])
        return judge(blob, text, own, matches)

    def finds(self, blob: Blob, text: bytes, width: int, hits: list[tuple[int, int]]) -> bool:
        """As `look`, given a blob's text, its width in bytes and the prefilter's hits."""
        return bool(self._judged(blob, text, width, hits))

    def _matches(self, blob: Blob, text: bytes, hits: list[tuple[int, int]]) -> Iterator[Match]:
        path = blob.origin.inside or blob.origin.path
        if blob.small and self._whole.called(path):
            yield from self._whole.matches(text, path)
        if hits:
            yield from self._matcher.matches(text, hits, path)
        for number, rules in self._of_code.items():
            if (
                any(hit[0] == number for hit in hits)
                and b"run:" in text
                and (path or blob.origin.kind == "commit")
            ):
                from leakguard.detect import workflow  # few files are one, and no log is

                yield from workflow.printed(text, path, rules)
        if self._extra is not None:
            yield from self._extra(text, path)
