"""Harmless files stay silent, and secrets are found where no rule's author put them.

A slice of `make bench-accuracy`, which tells more when one of these fails:
`python bench/accuracy.py --part negatives --show`.
"""

from __future__ import annotations

from random import Random

import accuracy_recall
import negatives
import pytest
from accuracy_contexts import CONTEXTS, Name
from accuracy_product import BLOCKS, WARNS, Alarms, Product
from accuracy_recall import Bench, macro, named

SEED = 7
SCALE = 0.15
"""The share of the corpus: some hundred lines of most kinds, over 40,000 together."""

FLOOR = 0.80
"""Of each provider's values this share must block, in the mean of the providers."""
FLOOR_WITH_WARNINGS = 0.90
EVERY = 10
"""Every tenth rule is tried, in every context."""


@pytest.fixture(scope="module")
def product() -> Product:
    return Product()


@pytest.mark.parametrize("kind", negatives.KINDS.values(), ids=lambda kind: kind.name)
def test_nothing_blocks_on(kind: negatives.Kind, product: Product) -> None:
    alarms = Alarms(kind.name)
    for made in negatives.files(kind, SEED, SCALE):
        alarms.add(product, made.lines, product.look(made.path, made.text.encode()))
    fired = alarms.by_rule[BLOCKS]
    assert not fired, [place for rule in fired for place in alarms.samples[rule]]


def test_the_corpus_is_large_and_the_same_each_time() -> None:
    lines = sum(kind.lines for kind in negatives.KINDS.values())
    assert lines >= 200_000
    once, again = (list(negatives.corpus(SEED, 0.01)) for _ in range(2))
    assert once == again
    assert once != list(negatives.corpus(SEED + 1, 0.01))


def test_most_values_block_in_foreign_contexts(product: Product) -> None:
    bench = Bench(product, SEED)
    bench.rules = bench.rules[::EVERY]
    trials = bench.run(diagnose=False)
    assert len(trials) > 1000
    assert macro(trials) >= FLOOR
    assert macro(trials, WARNS) >= FLOOR_WITH_WARNINGS


def test_a_context_says_where_the_value_stands() -> None:
    name = Name(("acme",), ("api", "key"))
    for context in CONTEXTS:
        text, start, end = context.put(name, "a value")
        assert text[start:end] == context.spell("a value"), context.name
        assert "@value" not in text


def test_a_name_does_not_say_a_word_twice() -> None:
    assert Name(("access",), ("access", "token")).slots()["SNAKE"] == "ACCESS_TOKEN"


def test_a_miss_is_a_miss(product: Product) -> None:
    # A value in a place that spoils it must count as missed, or the figures say nothing.
    bench = Bench(product, SEED, [CONTEXTS[0].__class__("cut", "a.txt", "nothing here", str)])
    trials = [trial for rule in bench.rules[:20] for trial in bench.trials(rule, diagnose=False)]
    assert trials
    assert {trial.tier for trial in trials} == {accuracy_recall.MISSED}


def test_names_are_of_the_service_or_of_nobody(product: Product) -> None:
    bench = Bench(product, SEED)
    for rule in bench.rules[:50]:
        assert named(rule, Random(SEED)).words
