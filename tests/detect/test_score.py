"""The scorer's model: what it is made of, and what it must never hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from random import Random

import pytest

from leakguard.detect import score
from leakguard.detect.score import Model, from_plain
from leakguard.detect.terms import Place, Words, kind_of, terms, words_of_name
from leakguard.detect.vocabulary import look_of
from leakguard.load import scorer
from leakguard.recipe import expand

FAMILIES = {
    "about", "after", "before", "behind", "bias", "bits", "changes", "comment", "distinct", "echo", "ends",
    "ext", "file", "form", "harmless", "kind", "known", "length", "looks", "name", "odd", "says", "shape", "sign",
    "starts", "steps", "test", "vowels",
}  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> dict[str, object]:
    with open(scorer.path(), encoding="ascii") as file:
        return json.load(file)


def test_the_weights_are_few_and_small() -> None:
    assert os.path.getsize(scorer.path()) < 150_000


def test_the_weights_hold_words_and_forms_but_no_values(plain: dict[str, object]) -> None:
    weights = plain["weights"]
    assert isinstance(weights, dict)
    assert set(weights) <= FAMILIES
    for family in ("name", "ends", "starts", "before", "behind", "says"):
        for word in weights[family]:
            assert len(word) <= 40
            assert sum(char.isdigit() for char in word) <= 4, word
    assert all(len(shape) <= 7 and set(shape) <= set("aA0-u") for shape in weights["shape"])
    assert all(word.isalpha() and word.islower() for word in str(plain["words"]).split())


def test_likely_asks_for_more_than_possible() -> None:
    model = scorer.read()
    assert model.possible < model.likely
    assert [model.tier(at) for at in (model.possible - 1, model.possible, model.likely)] == [
        "", "possible", "likely",
    ]  # fmt: skip


def test_words_surprise_less_than_random_text() -> None:
    words = scorer.read().words

    def each(text: str) -> float:
        bits, letters = words.surprise(text)
        return bits / letters

    assert each("configuration") < each("Wachtwoord") < each(expand("{{letters:30}}", Random(1)))
    assert words.surprise("1234-5678") == (0, 0)


def test_a_score_is_the_sum_of_the_weights_of_its_terms() -> None:
    words = Words(bytes(27**3), frozenset({"kitchen"}))
    place = Place("dbPassword", "Kitchen7", ext=".py", quote='"', left=("user",))
    found = terms(place, words)
    assert {
        "name:password",
        "ends:db_password",
        "kind:pass",
        "ext:.py",
        "before:user",
        "says:kitchen",
    } <= set(found)
    model = Model({"name:password": 1.5, "before:user": -0.25, "absent": 9.0}, words, 0, 1)
    total, parts = model.score(place)
    assert total == 1.25
    assert dict(parts) == {"name:password": 1.5, "before:user": -0.25}


@pytest.mark.parametrize(
    ("value", "look"),
    [
        ("8231", "digits"), ("deadbeef01", "hex"), ("kitchen", "lower"), ("Kitchen", "title"),
        ("kitchenDoor", "camel"), ("SOME_NAME", "constant"), ("some_name", "snake"), ("some-name", "kebab"),
        ("a.b.c", "dotted"), ("ab/cd+ef==", "base64"), ("a tree", "text"), ("\u00e9", "odd"), ("", "odd"),
    ],
)  # fmt: skip
def test_what_a_value_is_made_of(value: str, look: str) -> None:
    assert look_of(value) == look


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("DB_PASSWORD", "pass"), ("clientSecret", "secret"), ("accessToken", "token"), ("apiKey", "key"),
        ("basic_auth", "auth"), ("config['db_pw", "pass"), ("passwordHash", "pass"), ("keyHash", "public"),
        ("title", "other"), ("", "none"),
    ],
)  # fmt: skip
def test_what_a_name_says(name: str, kind: str) -> None:
    assert kind_of(words_of_name(name)) == kind


def test_a_model_survives_json(plain: dict[str, object]) -> None:
    one, two = from_plain(plain), scorer.read()
    assert one.weights == two.weights
    assert "bias" in one.weights
    assert one.words.known == two.words.known


def test_no_weights_are_read_before_a_value_has_to_be_weighed() -> None:
    code = """
import builtins
real = builtins.open
def watched(path, *args, **kwargs):
    assert "scorer.json" not in str(path), path
    return real(path, *args, **kwargs)
builtins.open = watched
from leakguard.blob import Blob, Origin
from leakguard.cli.rules_check import scanner
from leakguard.load.rules import read_bundled
generic = [rule for rule in read_bundled() if rule.provider == "generic"]
assert not scanner(generic).look(Blob(Origin("tree", "a.py"), b"password = read_password()"))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_model_is_read_once() -> None:
    read = []

    def source() -> Model:
        read.append(1)
        return scorer.read()

    try:
        score.hand_over(source)
        assert score.learned() is score.learned()
        assert read == [1]
    finally:
        score.hand_over(scorer.read)
