"""Folding, and carets that stand where they should."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leakguard.report.layout import WIDTH, fold, snippet
from leakguard.report.style import PLAIN, width

from .builders import ANY_TEXT


def test_prose_hangs_under_itself() -> None:
    lines = fold("   = why: ", ("word " * 20).split(), 10)
    assert lines[0].startswith("   = why: word")
    assert lines[1].startswith("          word")
    assert all(len(line) <= WIDTH for line in lines)


def test_a_path_is_never_cut() -> None:
    path = "a/" * 60 + "b.py"
    assert fold("error: ", ["not", "scanned:", path], 2) == ["error: not scanned:", f"  {path}"]


def test_a_long_first_piece_stays_beside_its_label() -> None:
    assert fold("  hint: ", ["x" * 90], 8) == ["  hint: " + "x" * 90]


def test_no_line_begins_with_what_a_runner_takes_for_a_command() -> None:
    lines = fold("note: ", ["x" * 70, "::error::gotcha"], 2)
    assert lines[1] == r"  \x3a:error::gotcha"


def test_the_caret_stands_under_the_mark() -> None:
    lines = snippet(PLAIN, 14, 'TOKEN = "xoxb-*****"', 9, 10, "confidence likely")
    assert lines == [
        "   |",
        '14 | TOKEN = "xoxb-*****"',
        "   |          ^^^^^^^^^^ confidence likely",
        "   |",
    ]


def test_a_long_line_loses_its_beginning_and_its_end() -> None:
    _, line, carets, _ = snippet(PLAIN, 3, "a" * 100 + "*****" + "b" * 100, 100, 5, "here")
    assert line.startswith(" 3 | ...aaa")
    assert line.endswith("...")
    assert len(line) <= WIDTH
    assert line[carets.index("^") : carets.rindex("^") + 1] == "*****"


def test_the_frame_widens_with_the_line_number() -> None:
    lines = snippet(PLAIN, 21412, "key = *****", 6, 5, "")
    assert lines[0] == "      |"
    assert lines[1] == "21412 | key = *****"
    assert lines[2] == "      |       ^^^^^"


def test_wide_letters_move_the_caret() -> None:
    _, line, carets, _ = snippet(PLAIN, 1, "\u65e5\u672c = *****", 5, 5, "")
    assert width(line[: line.index("*")]) == carets.index("^")


@given(ANY_TEXT, st.integers(0, 300), st.integers(0, 300), st.integers(1, 10**7))
def test_a_snippet_always_fits(text: str, start: int, length: int, line: int) -> None:
    for shown in snippet(PLAIN, line, text, start, length, "confidence confirmed"):
        assert width(shown) <= WIDTH
        assert shown.isprintable()
