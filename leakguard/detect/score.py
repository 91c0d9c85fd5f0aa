"""How likely an assigned value is a credential: terms, each with a weight, added up.

A plain logistic model. The weights were learned by bench/train_scorer.py; their
sum is the log of the odds. They are data (leakguard/data/scorer.json), read by
leakguard/load when the first value has to be weighed: nothing here reads files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp
from typing import Any

from leakguard.detect.terms import Place, Words, terms


class Model:
    """The weights, and what they were learned with."""

    __slots__ = ("likely", "possible", "weights", "words")

    def __init__(
        self, weights: Mapping[str, float], words: Words, possible: float, likely: float
    ) -> None:
        self.weights = weights
        self.words = words
        self.possible = possible
        self.likely = likely

    def score(self, place: Place) -> tuple[float, list[tuple[str, float]]]:
        """(log of the odds, the terms with their weights)."""
        weights = self.weights
        found = [(term, weights[term]) for term in terms(place, self.words) if term in weights]
        return sum(weight for _, weight in found), found

    def tier(self, score: float) -> str:
        """How sure that makes us; "" where it does not."""
        if score >= self.likely:
            return "likely"
        return "possible" if score >= self.possible else ""


def from_plain(data: Mapping[str, Any]) -> Model:
    """A model as JSON holds it: weights in hundredths, by the first word of their terms."""
    weights = {
        f"{family}:{rest}" if rest else family: weight / 100
        for family, entries in data["weights"].items()
        for rest, weight in entries.items()
    }
    table = bytes(ord(char) - 35 for char in data["letters"])
    words = Words(table, frozenset(data["words"].split()))
    return Model(weights, words, data["possible"] / 100, data["likely"] / 100)


def probability(score: float) -> float:
    """What the log of the odds means."""
    return 1 / (1 + exp(-max(-30.0, min(30.0, score))))


_source: list[Callable[[], Model]] = []
_learned: list[Model] = []


def hand_over(source: Callable[[], Model]) -> None:
    """Say where the model comes from when the first value has to be weighed."""
    _source[:] = [source]
    _learned.clear()


def learned() -> Model:
    """The model; it is asked for at the first value that has to be weighed."""
    if not _learned:
        _learned.append(_source[0]())
    return _learned[0]


DRAWN = 4.5
"""Bits of surprise a character has at least in what was drawn; identifiers have two to four."""


def surprise(text: str) -> float:
    """How surprising a text is to a reader who knows the words of source, bits."""
    bits, letters = learned().words.surprise(text)
    return bits + 3.3 * (len(text) - letters)


def drawn(value: bytes) -> bool:
    """Whether a value looks drawn from an alphabet, not written by a person."""
    digits = sum(value.count(digit) for digit in b"0123456789")
    return digits * 4 >= len(value) or surprise(value.decode("latin-1")) >= DRAWN * len(value)
