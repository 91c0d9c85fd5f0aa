"""`leakguard/1`: one object, described by the schema that ships in docs/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from leakguard.finding import Outcome
from leakguard.report.json_v1 import render

from .builders import (
    CASES,
    COMMIT,
    NPM,
    SLACK,
    allowed,
    finding,
    hostile_outcomes,
    in_commit,
    place,
    possible,
    pushed,
    staged,
    tree,
)

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "schema" / "leakguard-1.json").read_text("ascii")
)
VALIDATOR = Draft202012Validator(SCHEMA)


def report(outcome: Outcome) -> dict[str, Any]:
    """The object that is printed, checked against its schema."""
    text = render(outcome)
    assert text.isascii()
    assert text.count("\n") == 1
    loaded: dict[str, Any] = json.loads(text)
    VALIDATOR.validate(loaded)
    return loaded


def test_the_schema_is_one_and_closed() -> None:
    Draft202012Validator.check_schema(SCHEMA)

    def closed(node: object) -> None:
        if isinstance(node, dict):
            if node.get("type") == "object":
                assert node["additionalProperties"] is False
                # Only fetched logs have something to say of themselves.
                assert set(node["required"]) == set(node["properties"]) - {"log"}
            for value in node.values():
                closed(value)

    closed(SCHEMA)


@pytest.mark.parametrize("name", CASES)
def test_every_case_fits_the_schema(name: str) -> None:
    report(CASES[name])


def test_a_finding_says_all_that_is_known() -> None:
    found = report(pushed(in_commit()))["findings"][0]
    assert found == {
        "fingerprint": "7f3a9c0e51d24b6f",
        "id": "7f3a9c",
        "rule_id": "slack-bot-token",
        "rule_name": "Slack bot token",
        "provider": "slack",
        "class": "provider-api-key",
        "severity": "high",
        "confidence": "likely",
        "validity": "unknown",
        "exposure": "committed",
        "preview": "xoxb-*****",
        "blocking": True,
        "locations": [
            {
                "path": "app/notify.py",
                "start_line": 14,
                "start_column": 16,
                "end_line": 14,
                "end_column": 67,
                "commit": COMMIT,
                "author_date": "2026-11-21T14:02:00+01:00",
            }
        ],
        "places": 1,
        "evidence": [],
        "alternatives": [],
        "suppression": None,
    }


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (tree(), "clean"),
        (tree(allowed(finding())), "clean"),
        (tree(possible()), "warned"),
        (tree(possible(), unread=(("a", "b"),)), "unread"),
        (tree(finding(), unread=(("a", "b"),)), "found"),
    ],
)
def test_the_outcome_follows_the_exit_code(outcome: Outcome, word: str) -> None:
    assert report(outcome)["outcome"] == word


def test_an_allowed_finding_is_listed_with_its_reason_and_does_not_block() -> None:
    printed = report(staged(allowed(finding())))
    assert printed["allowed"] == 1
    assert printed["findings"][0]["blocking"] is False
    assert printed["findings"][0]["suppression"] == {
        "kind": "external",
        "justification": "sample of the public docs",
        "status": "accepted",
    }
    assert printed["next"] == []


def test_the_next_commands_can_be_run_as_they_stand() -> None:
    assert report(staged(finding(), finding(NPM, fingerprint="19c04e0000000000")))["next"] == [
        'leakguard allow 7f3a9c --reason "why it is safe"',
        'leakguard allow 19c04e --reason "why it is safe"',
        "leakguard respond 7f3a9c",
        "leakguard respond 19c04e",
        "leakguard rules show slack-bot-token",
        "leakguard rules show npm-token",
    ]


def test_all_places_are_counted_even_where_some_are_not_listed() -> None:
    found = report(CASES["many places"])["findings"][0]
    assert len(found["locations"]) == 6
    assert found["places"] == 13


def test_a_name_that_is_not_utf8_is_spelled() -> None:
    found = report(CASES["not UTF-8"])["findings"][0]
    assert found["locations"][0]["path"] == r"caf\xe9/a b.py"


def test_letters_and_controls_survive_the_round_trip() -> None:
    path = "stra\u00dfe\n\x1b[2J##vso[x]/\U0001f511"
    text = render(staged(finding(SLACK, place(path))))
    assert "##" not in text
    assert json.loads(text)["findings"][0]["locations"][0]["path"] == path


def test_seconds_are_short() -> None:
    assert report(tree()._replace(seconds=0.123456))["scanned"]["seconds"] == 0.123


@given(hostile_outcomes())
def test_every_outcome_fits_the_schema(outcome: Outcome) -> None:
    report(outcome)
