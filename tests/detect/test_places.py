"""Lines and columns as an editor counts them."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from leakguard.detect.places import Places


def test_the_first_character_is_line_1_column_1() -> None:
    assert Places(b"key").at(0) == (1, 1)


def test_lines_end_with_a_newline_whatever_stands_before_it() -> None:
    places = Places(b"one\r\ntwo\nthree")
    assert places.at(5) == (2, 1)
    assert places.at(9) == (3, 1)
    assert places.at(13) == (3, 5)


def test_columns_count_characters_not_bytes() -> None:
    data = "na\u00efve \u6f22\u5b57 \U0001f511=key".encode()
    assert Places(data).at(data.index(b"key")) == (1, 12)


def test_bytes_that_are_no_utf8_count_one_each() -> None:
    assert Places(b"\xff\xfe key").at(3) == (1, 4)


def test_a_piece_of_a_file_goes_on_where_the_last_one_ended() -> None:
    places = Places(b"rest\nkey", line=7, column=10)
    assert places.at(0) == (7, 11)
    assert places.at(5) == (8, 1)
    assert places.at(0) == (7, 11)


@given(st.text("ab\n\u00e9\u6f22\r"), st.data())
def test_offsets_may_come_in_any_order(text: str, data: st.DataObject) -> None:
    raw = text.encode()
    places = Places(raw)
    for _ in range(5):
        index = data.draw(st.integers(0, len(text)))
        before = text[:index]
        expected = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        assert places.at(len(before.encode())) == expected


def test_a_huge_line_is_walked_once() -> None:
    data = b"x" * 20_000_000
    places = Places(data)
    began = time.process_time()
    for offset in range(0, len(data), 2000):
        places.at(offset)
    assert time.process_time() - began < 2
