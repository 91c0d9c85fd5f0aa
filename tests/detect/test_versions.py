"""What is looked at of a version of a text that was looked at before."""

from __future__ import annotations

import pytest

from leakguard.detect import prefilter, versions
from leakguard.detect.match import Book, Matcher
from leakguard.load import body
from leakguard.rule import Rule

FILLER = b"nothing here\n" * 60


def acme(pattern: str) -> tuple[Book, prefilter.HyperscanPrefilter]:
    """A rule of nobody's, and its prefilter."""
    rule = Rule(
        id="acme-key", name="ACME key", why="it opens doors", provider="acme",
        secret_class="provider-api-key", severity="high", confidence="likely", pattern=pattern,
    )  # fmt: skip
    table, expressions = body.tabulate([rule])
    engine = prefilter.extension()
    databases = prefilter.compile_database(engine, expressions[:1])
    return Book([rule], table[:1]), prefilter.HyperscanPrefilter(engine, *databases)


def replaced(old: bytes, low: int, high: int, by: bytes) -> tuple[bytes, list[versions.Copy]]:
    """The text with a stretch replaced, and what it took over."""
    new = old[:low] + by + old[high:]
    after = low + len(by)
    return new, [(0, 0, low), (after, high, len(old) - high)]


class Reader:
    """Counts how much of a text the prefilter is shown."""

    def __init__(self, scan: object) -> None:
        self._scan = scan
        self.bytes = 0

    def __call__(self, text: bytes) -> list[versions.Hit]:
        self.bytes += len(text)
        return self._scan(text)  # type: ignore[operator, no-any-return]


def in_version(pattern: str, old: bytes, low: int, high: int, by: bytes) -> tuple[int, int]:
    """How many matches are found in a version of a text without one, and what was read for it.

    No judge reads what stands around.
    """
    book, anchors = acme(pattern)
    new, copies = replaced(old, low, high, by)
    changed = versions.change(copies, len(old), len(new))
    scan = Reader(anchors.scan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, "CONTEXT", 0)
        hits = versions.hits(scan, book.span, new, changed, anchors.scan(old))
        hits = versions.concerned(book.table, hits, changed)
    return len(list(Matcher(book, anchors.scan).matches(new, hits))), scan.bytes


@pytest.mark.parametrize("at", range(13))
def test_a_token_that_a_change_completes_is_found_wherever_it_was_broken(at: int) -> None:
    token = b"acme_12345678 "
    broken = FILLER + token[:at] + b"~" + token[at + 1 :] + FILLER
    where = len(FILLER) + at
    found, read = in_version(r"acme_[0-9]{8}\b", broken, where, where + 1, token[at : at + 1])
    assert found == 1
    assert read < 60


@pytest.mark.parametrize("pattern", [r"[0-9]{90}acme_x", r"acme_x[0-9]{90}"])
@pytest.mark.parametrize("at", (0, 50, 95))
def test_a_change_far_from_the_anchor_counts_as_far_as_a_match_reaches(
    pattern: str, at: int
) -> None:
    token = b"1" * 90 + b"acme_x" if pattern.startswith("[") else b"acme_x" + b"1" * 90
    broken = FILLER + token[:at] + b"~" + token[at + 1 :] + FILLER
    where = len(FILLER) + at
    assert in_version(pattern, broken, where, where + 1, token[at : at + 1])[0] == 1


def test_a_line_taken_out_may_bring_two_halves_together() -> None:
    old = FILLER + b"acme_1234" + b"#" * 500 + b"5678" + FILLER
    low = len(FILLER) + len("acme_1234")
    assert in_version(r"acme_[0-9]{8}", old, low, low + 500, b"")[0] == 1


def test_what_a_change_cannot_have_touched_is_not_looked_at_again() -> None:
    book, anchors = acme(r"acme_[0-9]{8}(?!x)")
    old = b"acme_12345678x " * 40 + FILLER * 4
    new, copies = replaced(old, len(old) - 20, len(old) - 10, b"other")
    changed = versions.change(copies, len(old), len(new))
    hits = versions.hits(anchors.scan, book.span, new, changed, anchors.scan(old))
    assert len(hits) == 40
    assert versions.concerned(book.table, hits, changed) == []


def test_a_change_within_reach_of_a_judge_brings_all_hits_of_its_rule_back() -> None:
    book, anchors = acme(r"acme_[0-9]{8}(?!x)")
    old = b"acme_12345678x " * 2 + FILLER * 4
    new, copies = replaced(old, 100, 101, b"other")
    changed = versions.change(copies, len(old), len(new))
    hits = versions.hits(anchors.scan, book.span, new, changed, anchors.scan(old))
    assert versions.concerned(book.table, hits, changed) == hits
    assert len(hits) == 2


@pytest.mark.parametrize(
    ("copies", "stretches", "joined"),
    [
        ([(0, 0, 100)], [], [(0, 0, 100)]),
        ([(0, 0, 60), (60, 60, 40)], [], [(0, 0, 100)]),
        ([(0, 0, 60), (60, 70, 30)], [(60, 60), (90, 100)], [(0, 0, 60), (60, 70, 30)]),
        ([(0, 10, 90)], [(0, 0), (90, 100)], [(0, 10, 90)]),
        ([(20, 0, 80)], [(0, 20), (100, 100)], [(20, 0, 80)]),
        ([], [(0, 100)], []),
    ],
)
def test_a_change_is_what_lies_between_and_where_two_stretches_meet_anew(
    copies: list[versions.Copy], stretches: list[versions.Span], joined: list[versions.Copy]
) -> None:
    changed = versions.change(copies, 100, 100)
    assert changed.stretches == stretches
    assert changed.copies == joined
