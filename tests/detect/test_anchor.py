"""Anchors: what a pattern cannot do without, and which patterns no rule may have."""

from __future__ import annotations

import re

import pytest

from leakguard.detect import syntax
from leakguard.detect.anchor import UnboundedPattern, derive
from leakguard.detect.danger import explosive
from leakguard.detect.syntax import members, parse
from leakguard.detect.window import after_escape
from leakguard.rule import Rule


def test_a_prefix_is_the_anchor() -> None:
    found = derive(r"\bacme_[0-9a-f]{32}\b")
    assert found.telling
    assert re.search(found.expression, "acme_" + "a" * 32)
    assert found.width == 37


def test_what_stands_before_the_anchor_is_counted() -> None:
    found = derive(r"[a-z]{0,20}[=:]acme_[0-9a-f]{4}")
    assert "acme" in found.expression
    assert found.left >= 21 + len("acme_")


def test_an_anchor_of_a_caseless_pattern_is_caseless() -> None:
    assert derive(r"(?i)acme_[a-z]{4}").caseless
    assert not derive(r"acme_[a-z]{4}").caseless
    assert "(?i:acme" in derive(r"(?i:acme)_[a-z]{4}").expression


@pytest.mark.parametrize("pattern", [r"(?:live)?acme_[0-9]{9}", r"(?:live|)acme_[0-9]{9}"])
def test_the_anchor_does_not_ask_for_a_part_that_may_be_missing(pattern: str) -> None:
    assert re.search(derive(pattern).expression, "acme_" + "1" * 9)


def test_all_alternatives_are_in_the_anchor() -> None:
    found = derive(r"(?:live|test)_[0-9]{9}").expression
    assert "live" in found
    assert "test" in found


def test_a_pattern_without_constants_is_not_telling() -> None:
    assert not derive(r"[0-9a-f]{32}").telling


@pytest.mark.parametrize("pattern", [r"\b", r"[\s\S]{4}", r"(?:abc)?", r"(?=abc)", r"a{0,3}"])
def test_nothing_certain_to_appear_is_refused(pattern: str) -> None:
    with pytest.raises(UnboundedPattern, match="certain to appear"):
        derive(pattern)


@pytest.mark.parametrize(
    "pattern", [r"acme_.*", r"acme_\w+", r"acme_\w{9,}", r"(?:acme_\w{999}){99}", r"(?:a|acme_.+)b"]
)
def test_a_match_without_limit_is_refused(pattern: str) -> None:
    with pytest.raises(UnboundedPattern, match="a match could be longer than 65536 bytes"):
        derive(pattern)


def test_a_look_ahead_without_limit_is_refused() -> None:
    with pytest.raises(UnboundedPattern, match="looks ahead"):
        derive(r"acme_\w{9}(?!.*example)")


@pytest.mark.parametrize("pattern", [r"(?=acme.{200})acme", r"acme(?:a(?!.{200}b)){9}"])
def test_a_window_holds_what_a_match_looks_ahead_at(pattern: str) -> None:
    assert derive(pattern).width >= 200 + len("acme")


def test_a_look_ahead_in_a_condition_is_counted() -> None:
    assert derive(r"(b)?acme(?(1)(?!.{200}x))").width >= 205


def test_back_references_are_as_wide_as_what_they_repeat() -> None:
    found = derive(r"(?P<quote>[\"'])acme_[0-9]{9}(?P=quote)")
    assert found.width == 16
    assert found.telling
    assert derive(r"(x{9})\1acme").width == 22


def test_no_byte_at_all_is_a_way_to_ask_for_the_end() -> None:
    re.compile(derive(r"acme(?![\s\S])").expression)
    re.compile(derive(r"(?<![\s\S])acme").expression)


def test_the_edge_of_one_alternative_gives_way_behind_an_escaped_newline() -> None:
    pattern = r"\bacme|beta"
    text = r"log: \nacme"
    assert re.search(after_escape(pattern), text)
    assert re.search(derive(pattern, escaped=True).expression, text)


@pytest.mark.parametrize(
    ("pattern", "accepted"),
    [
        ("[a-c]", b"abc"),
        (r"[\d_]", b"0123456789_"),
        ("[^\x00-\xf9]", bytes(range(0xFA, 0x100))),
        (r"[\s]", b"\t\n\v\f\r "),
        (r"[^\W\d_a-zA-Z]", b""),
    ],
)
def test_classes_are_read_as_sets_of_bytes(pattern: str, accepted: bytes) -> None:
    ((kind, items),) = syntax._parser.parse(pattern.encode("latin-1"))
    assert str(kind) == "IN"
    assert members(items) == frozenset(accepted)


def test_the_parser_of_re_still_has_the_shape_we_read() -> None:
    # The first thing to fail should a new Python change it.
    kinds = [
        str(kind)
        for kind, _ in parse(r"(?<!a)\bx[a-z]{1,3}(?:ae|b(c))(?>d)e{2,3}+(?=f)(?P<g>.)(?P=g)").data
    ]
    assert kinds == [
        "ASSERT_NOT", "AT", "LITERAL", "MAX_REPEAT", "BRANCH", "ATOMIC_GROUP",
        "POSSESSIVE_REPEAT", "ASSERT", "SUBPATTERN", "GROUPREF",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a{1,9}){1,9}",
        r"(?:a{0,3}){1,9}",
        r"(?:[a-z]{1,9}-?){1,9}",
        r"(?:ab|[a-z]b){9}",
        r"(?:abc|a[bd]c){1,30}x",
        r"(?:(?:foo|[a-z]{3})-){1,20}x",
        r"(?:\d{1,3}\d{1,3}-){1,20}",
        r"((?:a{1,2}){1,5}b){1,2}",
        r"(?i)(?:a{1,3}A{1,3}-){1,9}",
        r"(?:(a{1,2})\1){1,5}",
        r"(?:(?:a?|b){1,2}c?){1,9}",
        r"(?s)(?:.{0,9}\n){1,9}",
        r"x(?=(?:a{1,9}){1,9}y)",
    ],
)
def test_a_repeat_that_can_be_read_in_many_ways_is_explosive(pattern: str) -> None:
    assert "exponential" in explosive(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"[a-z]{1,9}[a-z]{1,9}",
        r"(?:foo|bar){1,9}",
        r"(?:ab|a){1,30}",
        r"(?:\\.|[^\"\\]){1,100}",
        r"(?:[A-Z][a-z]{1,9}){1,5}",
        r"(?:[a-z]{1,10}\.){1,5}[a-z]{1,10}",
        r"(?:.{0,80}\n){1,3}",
        r"(?:[0-9a-f]{4}-){4}[0-9a-f]{12}",
        r"(?:,\s{0,4}[a-z]{1,9}\s{0,4}){1,5}",
        r"(?:-[a-z]{1,9}){0,5}[a-z]{0,9}",
        r"(?:a(?=b{1,9}b{1,9})b){1,9}",
        r"(?:a{1,3}A{1,3}-){1,9}",
    ],
)
def test_a_repeat_where_one_byte_decides_is_harmless(pattern: str) -> None:
    assert explosive(pattern) == ""


def test_no_bundled_pattern_is_explosive(rules: list[Rule]) -> None:
    assert [rule.id for rule in rules if rule.pattern and explosive(rule.pattern)] == []


def test_what_may_be_missing_at_its_end_is_left_out() -> None:
    assert derive(r"acme_[0-9]{8,20}").expression.endswith("{8,8}")
    assert derive(r"acme_[0-9]{8}[a-z]?\s{0,4}") == derive(r"acme_[0-9]{8}(?:[a-z]?\s{0,4})")
    assert re.findall(derive(r"acme_[0-9]{8,20}(?:-[a-z]{2})?").expression, "acme_" + "1" * 12)


def test_a_character_that_must_follow_is_part_of_it() -> None:
    found = derive(r"(?:password(?=[ \t])|passphrase(?==))")
    assert re.search(found.expression, "password to")
    assert not re.search(found.expression, "passwords and passphrases")
    assert found.span >= len("passphrase=")
