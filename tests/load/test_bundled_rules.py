"""The rules that ship: each is proven by its own examples."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings

from leakguard.blob import Blob, Origin
from leakguard.cli import rules_check
from leakguard.cli.crew import cores
from leakguard.cli.rules_check import check_rules, complete, path_for
from leakguard.detect.scanner import Scanner
from leakguard.finding import preview
from leakguard.load.rules import bundled_files, read_file, unique
from leakguard.recipe import expand
from leakguard.rule import Rule
from leakguard.secret import MASK

FILES = bundled_files()


def test_ids_are_unique_and_companions_exist(rules: list[Rule]) -> None:
    unique(rules)


def test_every_rule_finds_its_examples_and_leaves_its_negatives_alone(
    rules: list[Rule], monkeypatch: pytest.MonkeyPatch
) -> None:
    if settings().max_examples < 100:  # the quick profile: one fake of each example
        monkeypatch.setattr(rules_check, "ROUNDS", 1)
    problems = check_rules(rules, rules, seed=1, jobs=cores())
    assert not problems, "\n".join(f"{one.rule_id}: {one.what}" for one in problems)


@pytest.mark.parametrize("path", FILES, ids=os.path.basename)
def test_a_file_would_pass_as_a_strangers(path: str) -> None:
    # Ours are not checked when they load, for every first run would pay.
    by_code = Path(path).stem == "workflow"
    found = read_file(os.path.basename(path), Path(path).read_bytes(), bundled_rules=by_code)
    assert {bool(rule.finder) for rule in found} == {by_code}
    assert found
    for rule in found:
        assert rule.provider == Path(path).stem
        assert rule.id.startswith((rule.provider, "private-key"))


@pytest.mark.parametrize("path", FILES, ids=os.path.basename)
def test_a_file_is_plain_text(path: str) -> None:
    assert Path(path).read_bytes().isascii()


def test_words_of_a_rule_are_written_for_reading(rules: list[Rule]) -> None:
    for rule in rules:
        assert not rule.why.endswith("."), rule.id
        assert not rule.name.endswith("."), rule.id
        assert rule.since, rule.id


def test_a_public_prefix_begins_the_values_of_its_rule(
    rules: list[Rule], scanner: Scanner, rng: Random
) -> None:
    # Or else the preview would never show it.
    for rule in rules:
        previews = {
            preview(one.rule, one.secret)
            for example in rule.examples
            for one in scanner.look(
                Blob(
                    Origin("tree", path_for(rule, example)),
                    expand(example, rng, complete(rule)).encode(),
                )  # type: ignore[arg-type]
            )
            if one.rule.id == rule.id
        }
        assert not rule.public_prefix or rule.public_prefix + MASK in previews, rule.id
