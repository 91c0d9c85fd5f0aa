"""Colour, and foreign text that must not drive anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.report.style import PLAIN, Style, clean, width

from .builders import ANY_TEXT


def test_without_colour_nothing_is_added() -> None:
    assert PLAIN.paint("rule", "error[slack-bot-token]:") == "error[slack-bot-token]:"


@pytest.mark.parametrize("name", ["rule", "path", "frame", "bold"])
def test_colour_is_one_of_the_basic_codes_and_ends(name: str) -> None:
    painted = Style(colour=True).paint(name, "word")
    assert painted in {"\x1b[31mword\x1b[0m", "\x1b[1mword\x1b[0m", "\x1b[2mword\x1b[0m"}
    assert width(painted) == 4


def test_an_address_is_printed_in_full_with_and_without_links() -> None:
    url = "https://slack.example/apps"
    assert PLAIN.link(url) == url
    linked = Style(links=True).link(url)
    assert linked == f"\x1b]8;;{url}\x1b\\{url}\x1b]8;;\x1b\\"
    assert width(linked) == len(url)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "https://a\x1b\\b"])
def test_only_clean_web_addresses_become_links(url: str) -> None:
    linked = Style(links=True).link(url)
    assert linked.count("\x1b") in (0, 4)
    assert url.startswith("https") or "\x1b" not in linked


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("src/app.py", "src/app.py"),
        ("stra\u00dfe/\u65e5\u672c.py", "stra\u00dfe/\u65e5\u672c.py"),
        ("caf\udce9.py", r"caf\xe9.py"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),
        ("exe\u202efdp.py", r"exe\u202efdp.py"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("half\ud800", r"half\ud800"),
        ("##vso[task.setvariable]", r"#\x23vso[task.setvariable]"),
        ("##[error]", r"#\x23[error]"),
        ("## a heading", "## a heading"),
    ],
)
def test_letters_stay_and_everything_that_acts_is_escaped(foreign: str, shown: str) -> None:
    assert clean(foreign) == shown


@given(ANY_TEXT)
def test_clean_text_is_printable_and_stays_as_it_is(text: str) -> None:
    once = clean(text)
    assert once.isprintable()
    assert "##[" not in once
    assert clean(once) == once


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_ascii_takes_one_column_a_character(text: str) -> None:
    assert width(text) == len(text)


def test_wide_letters_take_two_columns_and_accents_none() -> None:
    assert width("\u65e5\u672c") == 4
    assert width("e\u0301") == 1
