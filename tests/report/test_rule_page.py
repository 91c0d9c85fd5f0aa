"""Rules as pages: the same words for `leakguard rules show` and for docs/rules/."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from leakguard.load.rules import titles
from leakguard.report.rule_page import pages, render, render_all, rows
from leakguard.rule import Companion, Revoke, Rule

SCRIPT = Path(__file__).parents[2] / "docs" / "rule_pages.py"

ACME = Rule(
    id="acme-key",
    name="ACME key",
    why="whoever holds it opens doors",
    provider="acme",
    secret_class="provider-api-key",
    severity="high",
    confidence="likely",
    value="hex:32-40",
    words=("acme", "acme corp"),
    companions=(Companion("acme-id", 5),),
    revoke=Revoke("https://acme.example/keys", "delete it"),
    references=("https://docs.acme.example/", "https://acme.example/format"),
    since="0.1",
)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rule_pages", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_folder_says_what_the_rules_say(script: ModuleType, rules: list[Rule]) -> None:
    there = script.current()
    wanted = script.wanted(list(rules), there.get("ids.txt", ""))
    stale = sorted(
        name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name)
    )
    assert not stale, f"make rule-pages would change {len(stale)} files: {stale[:5]}"


def test_an_id_that_was_published_does_not_vanish(script: ModuleType, rules: list[Rule]) -> None:
    published = (SCRIPT.parent / "rules" / "ids.txt").read_text("utf-8").split()[::2]
    gone = set(published) - {rule.id for rule in rules}
    assert not gone, f"allowances name these rules: {sorted(gone)}"


def test_an_id_is_kept_once_its_release_is_out(script: ModuleType) -> None:
    assert script.ids([], "acme-old 0.1\nacme-draft 99.0\n") == "acme-old 0.1\n"
    assert script.ids([ACME], "") == "acme-key 0.1\n"


def test_no_two_pages_differ_only_in_case(rules: list[Rule]) -> None:
    names = pages(rules, titles())
    assert len({name.lower() for name in names}) == len(names)


def test_a_rule_is_told_in_words() -> None:
    told = dict(rows(ACME))
    assert told["looks like"] == (
        '32 to 40 lower-case hexadecimal digits near the words "acme" or "acme corp", '
        "named as a key, token, secret or password"
    )
    assert told["companions"] == "acme-id within 5 lines"
    assert told["confidence"] == "likely, confirmed with one"


def test_a_rule_and_a_provider_fit_79_columns() -> None:
    text = render_all("ACME", [ACME, ACME._replace(id="acme-other")])
    assert max(map(len, text.splitlines())) <= 79
    assert text.startswith("ACME\n\nacme-key\n")
    assert "  at         https://acme.example/keys\n" in render(ACME)


def test_words_of_a_rule_cannot_become_markup() -> None:
    nasty = ACME._replace(name="a | b <script> [x](y) `c`", why="one\ntwo")
    page = pages([nasty], {"acme": "ACME *corp*"})["acme.md"]
    assert "<script>" not in page.replace("\\<script\\>", "")
    assert "a \\| b" in page
    assert "| why | one two |" in page
    assert page.startswith("# ACME \\*corp\\*\n")


def test_every_bundled_provider_has_a_title(rules: list[Rule]) -> None:
    assert {rule.provider for rule in rules} <= titles().keys()
