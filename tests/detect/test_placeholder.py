"""What documentation shows in place of a token, and what only looks like it."""

from __future__ import annotations

from random import Random

import pytest

from leakguard.detect.placeholder import stand_in
from leakguard.recipe import expand


@pytest.mark.parametrize(
    "value",
    [
        b"acme_live_your_key_here",
        b"acme_live_EXAMPLE1a2b3c4d",
        b"acme_live_xxxxxxxxxxxxxxxx",
        b"acme_live_0123456789abcdef",
        b"acme_live_1234567890",
        b"acme_live_abcdefghijk",
        b"acme_live_a1b2c3d4_changeme",
        b"acme_live_<your-key>",
        b"acme_live_${ACME_KEY}",
        b"acme_live_{{ acme_key }}",
        b"acme_live_****************",
        b"acme_live_REDACTED",
        b"acme-sample-token-12",
        b"deadbeefdeadbeefdeadbeef",
        b"0000000000000000",
        b"abababababab",
    ],
)
def test_a_stand_in(value: bytes) -> None:
    assert stand_in(value)


@pytest.mark.parametrize(
    "recipe",
    [
        "acme_live_{{alnum:32}}",
        "{{hex:32}}",
        "{{base64url:43}}",
        "{{uuid}}",
        "{{base32:16}}",
        "{{digits:24}}",
    ],
)
def test_a_random_token_is_none(recipe: str, rng: Random) -> None:
    for _ in range(500):
        value = expand(recipe, rng).encode()
        assert not stand_in(value)


def test_a_word_inside_a_token_is_chance() -> None:
    assert not stand_in(b"q8Tfoo3kLbar9Zhere7Vsample2W")
    assert stand_in(b"q8T-sample-2W9kLz7Vb3")


def test_the_public_prefix_says_nothing() -> None:
    assert stand_in(b"acme_test_key_8Kd03kfU2jdLq")
    assert not stand_in(b"acme_test_key_8Kd03kfU2jdLq", "acme_test_key_")
