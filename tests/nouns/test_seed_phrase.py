"""Recovery phrases: the vectors of the specification, and what a wrong word does."""

from __future__ import annotations

from random import Random

import pytest

from leakguard.seed_phrase import LENGTHS, fits, phrase, spelt

LEGAL = "legal winner thank year wave sausage worth useful legal winner thank yellow"


@pytest.mark.parametrize(
    ("entropy", "words"),
    [
        (bytes(16), "abandon " * 11 + "about"),
        (b"\x7f" * 16, LEGAL),
        (b"\xff" * 32, "zoo " * 23 + "vote"),
    ],
    ids=["zeros", "sevens", "ones"],
)
def test_the_vectors_of_the_specification(entropy: bytes, words: str) -> None:
    assert phrase(entropy) == words
    assert fits(words.upper())


@pytest.mark.parametrize("count", LENGTHS)
def test_any_phrase_fits_and_seldom_one_of_drawn_words(count: int) -> None:
    rng = Random(count)
    phrases = [phrase(rng.randbytes(count * 4 // 3)) for _ in range(100)]
    assert all(map(fits, phrases))
    shuffled = [" ".join(reversed(one.split())) for one in phrases]
    assert all(map(spelt, shuffled))
    assert sum(map(fits, shuffled)) < 25


@pytest.mark.parametrize(
    "text", ["", "legal winner", f"{LEGAL} legal", LEGAL.replace("worth", "worths")]
)
def test_what_is_no_phrase(text: str) -> None:
    assert not spelt(text)
    assert not fits(text)
