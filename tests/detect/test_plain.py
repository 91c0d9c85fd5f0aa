"""UTF-16 and UTF-32 are read as the text they are."""

from __future__ import annotations

import codecs
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.detect.plain import plain

from .builders import TOKEN, scan

Fake = Callable[..., str]

WIDE = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
MARKS = {
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize("marked", [True, False])
def test_wide_text_is_found_where_an_editor_shows_it(
    encoding: str, marked: bool, fake: Fake
) -> None:
    token = fake(TOKEN)
    text = f"# settings\r\nname = acme\r\nkey = \u201c{token}\u201d\r\n"
    (found,) = scan((MARKS[encoding] if marked else b"") + text.encode(encoding))
    assert found.secret.reveal() == token.encode()
    place = found.location
    assert (place.start_line, place.start_column) == (3, 8)
    assert (place.end_line, place.end_column) == (3, 8 + len(token))


@pytest.mark.parametrize("encoding", WIDE)
def test_characters_beyond_latin_become_question_marks(encoding: str) -> None:
    text, width = plain(MARKS[encoding] + "na\u00efve \u6f22\u5b57 key".encode(encoding))
    assert text == b"na\xefve ?? key"
    assert width == len(" ".encode(encoding))


@given(
    st.text(st.characters(min_codepoint=9, max_codepoint=126), min_size=8), st.sampled_from(WIDE)
)
def test_any_ascii_text_comes_through(text: str, encoding: str) -> None:
    assert plain(MARKS[encoding] + text.encode(encoding))[0] == text.encode()


@pytest.mark.parametrize("data", [b"", b"plain", b"\x7fELF\2\1\1" + bytes(9) + b"\3\0>\0", b"\0", bytes(64),
                                  "caf\u00e9".encode(), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])  # fmt: skip
def test_everything_else_stays_as_it_is(data: bytes) -> None:
    assert plain(data) == (data, 1)


@given(st.binary())
def test_any_bytes_are_taken(data: bytes) -> None:
    text, width = plain(data)
    assert width in (1, 2, 4)
    assert len(text) <= len(data)


def test_an_odd_byte_at_the_end_is_no_matter(fake: Fake) -> None:
    text = ("key = " + fake(TOKEN) + "\n").encode("utf-16-le")
    assert len(scan(text + b"x")) == 1
    assert len(scan(codecs.BOM_UTF16_LE + text + b"x")) == 1
