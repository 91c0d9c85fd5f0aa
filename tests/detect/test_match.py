"""Windows around hits, edges behind escapes, and which group is the value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.detect import prefilter
from leakguard.detect.match import Book, Matcher, line_around
from leakguard.detect.window import LOOKAHEAD, after_escape, windows
from leakguard.load import body
from leakguard.rule import Rule

from .builders import LIVE, TOKEN, acme, match, scan

Fake = Callable[..., str]


@given(
    st.lists(st.integers(100, 5000), min_size=1),
    st.integers(50, 200),
    st.integers(0, 50),
    st.integers(1, 300),
)
def test_windows_cover_every_hit_and_never_meet(
    ends: list[int], left: int, near: int, width: int
) -> None:
    ends.sort()
    found = list(windows(ends, left, near, width))
    for end in ends:
        assert any(low <= max(0, end - left) and end - near <= last for low, last, _ in found)
    assert all(high == last + width + LOOKAHEAD for _, last, high in found)
    assert all(one[2] < two[0] for one, two in pairwise(found))


def test_no_hits_make_no_window() -> None:
    assert list(windows([], 5, 2, 5)) == []


@pytest.mark.parametrize("edge", [r"\b", "(?<![a-z])", r"(?<![\w-])", "(?<!_)"])
def test_an_edge_also_fits_behind_an_escaped_line_end(edge: str) -> None:
    pattern = re.compile(after_escape(f"(?i){edge}acme"))
    assert pattern.search(r"\nacme")
    assert pattern.search(" ACME")
    assert not pattern.search("_acme" if edge == "(?<!_)" else "nacme")


def test_a_pattern_without_an_edge_stays_as_it_is() -> None:
    assert after_escape("acme") == "acme"
    assert after_escape("(?i)acme") == "(?i)acme"


@pytest.mark.parametrize("before", [r"\n", r"\r", r"\t", "=", '"', ""])
def test_a_token_is_found_behind(before: str, fake: Fake) -> None:
    assert [one.rule.id for one in scan(before + fake(TOKEN))] == ["acme-live-key"]


def test_a_long_constant_beginning_is_found_whole() -> None:
    rule = acme(pattern=r"kvqzt(?s:wmrbx(?s:jhylp(?s:dgnuc)))", public_prefix="")
    assert scan("x kvqztwmrbxjhylpdgnuc y", rule)


def test_the_value_is_the_group_named_secret(fake: Fake) -> None:
    token = fake("{{hex:32}}")
    (found,) = scan(f"acme=({token})", acme(pattern=r"acme=(\()(?P<secret>[0-9a-f]{32})\)"))
    assert found.secret.reveal() == token.encode()
    assert found.outer == (0, len(token) + 7)


def test_without_a_name_it_is_the_first_group_or_the_one_the_rule_names(fake: Fake) -> None:
    one, two = fake("{{hex:32}}"), fake("{{hex:32}}")
    pattern = "acme=([0-9a-f]{32}):([0-9a-f]{32})"
    (found,) = scan(f"acme={one}:{two}", acme(pattern=pattern))
    assert found.secret.reveal() == one.encode()
    (found,) = scan(f"acme={one}:{two}", acme(pattern=pattern, group=2))
    assert found.secret.reveal() == two.encode()


def test_without_a_group_it_is_the_whole_match(fake: Fake) -> None:
    token = fake(TOKEN)
    (found,) = scan(f"key: {token}", acme(pattern="acme_live_[0-9A-Za-z]{32}"))
    assert found.secret.reveal() == token.encode()


def test_a_group_that_took_no_part_leaves_the_whole_match(fake: Fake) -> None:
    rule = acme(pattern="acme=(?:'([0-9a-f]{32})'|[0-9a-f]{32})")
    token = fake("{{hex:32}}")
    (found,) = scan(f"acme={token}", rule)
    assert found.secret.reveal() == f"acme={token}".encode()
    (found,) = scan(f"acme='{token}'", rule)
    assert found.secret.reveal() == token.encode()


def test_a_match_does_not_show_its_value(fake: Fake) -> None:
    token = fake(TOKEN)
    assert token not in repr(match(acme(), token.encode(), token.encode()))


def test_a_guard_stands_around_every_pattern(fake: Fake) -> None:
    table, expressions = body.tabulate([acme()])
    entered = []

    @contextmanager
    def guard(rule: Rule) -> Iterator[None]:
        entered.append(rule)
        yield

    scan_text = prefilter.PlainPrefilter(expressions).scan
    assert list(Matcher(Book([acme()], table), scan_text, guard).matches(fake(TOKEN).encode()))
    assert entered == [acme()]


def test_the_line_around_an_offset_is_cut_to_a_reach() -> None:
    assert line_around(b"one\ntwo\nthree", 5) == b"two"
    assert line_around(b"one\ntwo", 5) == b"two"
    assert line_around(b"x" * 1000, 500, 10) == b"x" * 20


def test_the_same_pattern_serves_every_hit(fake: Fake) -> None:
    tokens = [fake(TOKEN) for _ in range(40)]
    found = scan("\n".join(tokens), acme(pattern=LIVE))
    assert [one.secret.reveal().decode() for one in found] == tokens
