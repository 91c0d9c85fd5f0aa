"""The one line that is shown: where it stands, and not what it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.blob import Blob, Origin
from leakguard.cli.rules_check import complete
from leakguard.detect.excerpt import BEFORE, excerpt
from leakguard.detect.group import Grouper
from leakguard.detect.scanner import Scanner
from leakguard.finding import Outcome, Scanned
from leakguard.recipe import expand
from leakguard.report.style import PLAIN
from leakguard.report.text import render
from leakguard.rule import Rule
from leakguard.secret import MASK

from .builders import TOKEN, acme, scan

Fake = Callable[..., str]

TELLING = 8
"""So many characters of a secret in a row must not be shown."""


def shown(text: str, *rules: Rule) -> list[str]:
    return [one.line_text for one in scan(text, *rules)]


def test_the_name_the_prefix_and_what_closes_are_shown(fake: Fake) -> None:
    assert shown(f'  client("{fake(TOKEN)}"); // live') == ['client("acme_live_*****");']


def test_a_value_without_a_public_prefix_is_all_mask(fake: Fake) -> None:
    rule = acme(value="hex:32", words=("acme",))
    assert shown(f"ACME_KEY={fake('{{hex:32}}')}", rule) == ["ACME_KEY=*****"]


def test_another_secret_on_the_line_is_not_shown(fake: Fake) -> None:
    first, second = shown(f"a={fake(TOKEN)}, b={fake(TOKEN)}")
    assert first == "a=acme_live_*****,"
    assert second == ", b=acme_live_*****"


def test_what_follows_is_not_shown_for_it_may_be_another_half(fake: Fake) -> None:
    assert shown(f"{fake(TOKEN)} : {fake('{{hex:40}}')}") == ["acme_live_*****"]


def test_a_random_run_in_front_is_masked_too(fake: Fake) -> None:
    assert shown(f"id {fake('{{alnum:24}}')} {fake(TOKEN)}") == [f"id {MASK} acme_live_*****"]


def test_the_same_value_in_front_is_masked_even_if_no_rule_takes_it_there(fake: Fake) -> None:
    rule = acme(pattern=r"\b(?P<secret>acme-[a-z]{12})\b")
    token = fake("acme-{{lower:12}}")
    assert shown(f"x{token} {token}", rule) == [f"x{MASK} {MASK}"]


def test_a_long_line_is_cut_in_front(fake: Fake) -> None:
    (line,) = shown("the quick brown fox " * 40 + fake(TOKEN))
    assert line.startswith("...")
    assert len(line) == 3 + BEFORE + len("acme_live_*****")


@pytest.mark.parametrize("before", ["\u6f22\u5b57 ", "\u00e9" * 300, "\U0001f511" * 60])
def test_a_cut_through_a_character_is_no_matter(before: str, fake: Fake) -> None:
    (line,) = shown(before + fake(TOKEN))
    assert line.endswith("acme_live_*****")


def test_bytes_that_are_no_text_are_shown_as_replaced(fake: Fake) -> None:
    data = b"\xff\xfe\x80= " + fake(TOKEN).encode()
    (found,) = scan(data)
    assert found.line_text == "\ufffd\ufffd\ufffd= acme_live_*****"


def test_control_characters_never_reach_the_terminal(fake: Fake) -> None:
    grouper = Grouper("salt", [], date(2027, 5, 21))
    for one in scan("\x1b[2J\x07name\r = \x9b31m " + fake(TOKEN), path="a\x1b[1mb\nc.py"):
        grouper.add(one)
    page = render(Outcome("tree", tuple(grouper.findings()), Scanned()), PLAIN)
    assert "acme_live_*****" in page
    assert not [char for char in page if char != "\n" and not char.isprintable()]


@given(
    st.integers(0, 1 << 32),
    st.sampled_from([" ", "\t", "','", '"', "; ", "} {"]),
)
def test_no_excerpt_tells_any_secret_of_its_line(
    scanner: Scanner, rules: list[Rule], seed: int, between: str
) -> None:
    rng = Random(seed)
    chosen = rng.sample(rules, 3)
    parts = [expand(rng.choice(rule.examples), rng, complete(rule)) for rule in chosen]  # type: ignore[arg-type]
    found = scanner.look(Blob(Origin("tree", "app.py"), between.join(parts).encode()))
    for one in found:
        for other in found:
            body = other.secret.reveal().removeprefix(other.rule.public_prefix.encode())
            if b"PRIVATE KEY" in body:
                continue  # the label of a key is no secret, and its body stands on other lines
            for at in range(len(body) - TELLING + 1):
                part = body[at : at + TELLING]
                assert part not in one.line_text.encode(), (one.rule.id, other.rule.id)


@given(st.binary(max_size=60), st.binary(min_size=TELLING, max_size=40), st.binary(max_size=20))
def test_no_bytes_make_the_value_show(before: bytes, value: bytes, after: bytes) -> None:
    data = before + value + after
    span = (len(before), len(before) + len(value))
    line = excerpt(data, span, [span], acme(public_prefix=""))
    assert value.decode("utf-8", "replace") not in line or value.decode("utf-8", "replace") in MASK
