"""Foreign text inside markup."""

from __future__ import annotations

from html import unescape

import pytest
from hypothesis import given

from leakguard.report.escape import clip, code, is_address, line, markdown, xml
from leakguard.report.style import clean

from .builders import ANY_TEXT


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("it can publish your packages", "it can publish your packages"),
        ("to rotate: replace it", "to rotate: replace it"),
        ("a|b", "a&#124;b"),
        ("![x](y)", "&#33;&#91;x&#93;(y)"),
        ("<img src=x>", "&#60;img src=x&#62;"),
        ("see https://a.example", "see https&#58;//a.example"),
        ("see www.a.example", "see www&#46;a.example"),
        ("@team #1 ~bug", "&#64;team &#35;1 &#126;bug"),
        ("&lt;", "&#38;lt;"),
        ("`x` *y* _z_", "&#96;x&#96; &#42;y&#42; &#95;z&#95;"),
        ("a\nb", "a&#92;nb"),
        ("stra\u00dfe", "stra&#223;e"),
    ],
)
def test_markdown_is_told_letters_and_not_structure(text: str, written: str) -> None:
    assert markdown(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("app/my_file.py:14", "`app/my_file.py:14`"),
        ("a`b", "<code>a&#96;b</code>"),
        ("a|b", "<code>a&#124;b</code>"),
        ("\u00e9", "<code>&#233;</code>"),
        ("", "<code></code>"),
    ],
)
def test_code_is_a_span_where_nothing_can_leave_it(text: str, written: str) -> None:
    assert code(text) == written


def test_xml_is_safe_in_an_attribute_too() -> None:
    assert xml("<a b='c' d=\"e\">&\x00\u00e9") == (
        "&lt;a b=&#x27;c&#x27; d=&quot;e&quot;&gt;&amp;\\x00&#233;"
    )


@pytest.mark.parametrize(
    ("url", "yes"),
    [
        ("https://docs.slack.example/tokens?a=b&c=d#e", True),
        ("http://a.example", True),
        ("javascript:alert(1)", False),
        ("https://a.example/<b>", False),
        ("https://a.example/\n", False),
        ("https://a.example/\u00e9", False),
        ("https://", False),
        ("", False),
    ],
)
def test_only_a_plain_web_address_may_become_a_link(url: str, yes: bool) -> None:
    assert is_address(url) is yes


def test_long_text_is_cut_and_says_so() -> None:
    assert clip("abcdefgh", 8) == "abcdefgh"
    assert clip("abcdefghi", 8) == "abcde..."
    assert line("a \n b\tc") == "a b c"


@given(ANY_TEXT)
def test_nothing_is_lost_and_nothing_acts(text: str) -> None:
    for written in (markdown(text), xml(text)):
        assert written.isascii()
        assert written.isprintable()
        assert unescape(written) == clean(text)
        assert not set(written) & set("<>")
    assert '"' not in xml(text)
    assert not set(markdown(text)) & set("`|*_[]!@~")
