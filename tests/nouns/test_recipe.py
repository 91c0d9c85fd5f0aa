"""Recipes: fakes made at run time, the same ones for the same seed."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.cli.rules_check import complete
from leakguard.detect.checksum import CHECKSUMS
from leakguard.recipe import ALPHABETS, expand, lengths
from leakguard.rule import Rule

Fake = Callable[..., str]

EVERY = [f"{{{{{name}:24}}}}" for name in ALPHABETS] + [
    "{{uuid}}", "{{jwt}}", "{{pem:RSA PRIVATE KEY}}", "{{pem:PGP PRIVATE KEY BLOCK}}",
    "{{b64:user:{alnum:20}}}", "{{alnum:20-40}}",
]  # fmt: skip


@pytest.mark.parametrize("recipe", EVERY)
@given(seed=st.integers())
def test_the_same_seed_gives_the_same_fake(recipe: str, seed: int) -> None:
    assert expand(recipe, Random(seed)) == expand(recipe, Random(seed))


@pytest.mark.parametrize("recipe", EVERY)
def test_each_call_gives_another_fake(recipe: str, fake: Fake) -> None:
    assert len({fake(recipe) for _ in range(20)}) == 20


@pytest.mark.parametrize("name", sorted(ALPHABETS))
def test_an_alphabet_gives_its_own_characters(name: str, fake: Fake) -> None:
    text = fake(f"{{{{{name}:200}}}}")
    assert len(text) == 200
    assert set(text) <= set(ALPHABETS[name])


def test_a_length_may_be_drawn(fake: Fake) -> None:
    drawn = {len(fake("{{hex:3-6}}")) for _ in range(200)}
    assert drawn == {3, 4, 5, 6}


def test_a_long_fake_has_every_kind_of_character_that_it_can(fake: Fake) -> None:
    for _ in range(200):
        text = fake("{{alnum:12}}")
        assert re.search("[0-9]", text)
        assert re.search("[a-z]", text)
        assert re.search("[A-Z]", text)


def test_a_uuid_is_of_version_4(fake: Fake) -> None:
    text = fake("{{uuid}}")
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", text
    )


def test_base64_holds_recipes_with_single_braces(fake: Fake) -> None:
    plain = base64.b64decode(fake("{{b64:acme:{alnum:20}}}")).decode()
    assert re.fullmatch(r"acme:[0-9A-Za-z]{20}", plain)


def test_text_around_recipes_stays(fake: Fake) -> None:
    assert fake("no recipe { } {x} here") == "no recipe { } {x} here"
    assert re.fullmatch(r"a [0-9]{3} b [0-9]{3} c", fake("a {{digits:3}} b {{digits:3}} c"))


@pytest.mark.parametrize("recipe", [
    "{{octal:8}}", "{{hex}}", "{{hex:}}", "{{hex:x}}", "{{hex:0}}", "{{hex:9-3}}", "{{hex:99999}}",
    "{{alnum:32", "{{b64:{octal:3}}}",
])  # fmt: skip
def test_a_recipe_that_does_not_exist_is_an_error(recipe: str, fake: Fake) -> None:
    if recipe.endswith("}}"):
        with pytest.raises(ValueError, match=r"unknown recipe|length"):
            fake(recipe)
    else:
        assert fake(recipe) == recipe  # not closed, so it is only text


def test_an_unknown_recipe_is_told_what_there_is(fake: Fake) -> None:
    with pytest.raises(ValueError, match=r"one of: .*alnum.*checksum"):
        fake("{{octal:8}}")


def test_check_digits_need_a_checksum_that_can_be_computed(fake: Fake) -> None:
    with pytest.raises(ValueError, match="checksum can be computed"):
        fake("acme_{{alnum:20}}{{checksum}}")


@pytest.mark.parametrize("before", ["key=", "KEY: ", "'", "--token=", "x "])
def test_check_digits_are_those_of_the_token_alone(before: str, rng: Random) -> None:
    checksum = CHECKSUMS["crc32-hex-tail"]
    text = expand(before + "{{alnum:24}}{{checksum}}", rng, checksum.complete)
    assert checksum.check(text[len(before) :].encode())


@pytest.mark.parametrize(
    ("text", "pair"), [("32", (32, 32)), ("2-40", (2, 40)), ("4096", (4096, 4096))]
)
def test_lengths(text: str, pair: tuple[int, int]) -> None:
    assert lengths(text) == pair


def test_every_example_of_every_rule_expands_and_differs_each_time(
    rules: list[Rule], rng: Random
) -> None:
    for rule in rules:
        for recipe in rule.examples + rule.negatives:
            text = expand(recipe, rng, complete(rule))  # type: ignore[arg-type]
            assert "{{checksum" not in text, rule.id
            if "{{" in recipe and "{{checksum}}" not in recipe and recipe in rule.examples:
                assert text != recipe, rule.id
