"""SARIF 2.1.0, checked against the standard's own schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft4Validator

from leakguard.finding import Evidence, Outcome
from leakguard.report.sarif import render

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
    tree,
)

VALIDATOR = Draft4Validator(
    json.loads((Path(__file__).parent / "sarif-schema-2.1.0.json").read_text("ascii"))
)
URI = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/%")


def run_of(outcome: Outcome) -> dict[str, Any]:
    """The one run of the log, checked against the standard."""
    text = render(outcome)
    assert text.isascii()
    assert text.count("\n") == 1
    loaded = json.loads(text)
    VALIDATOR.validate(loaded)
    (run,) = loaded["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    found: dict[str, Any] = run
    return found


def artifact(path: str) -> dict[str, str]:
    """How the place of a finding in `path` is written."""
    result = run_of(tree(finding(SLACK, place(path))))["results"][0]
    written: dict[str, str] = result["locations"][0]["physicalLocation"]["artifactLocation"]
    return written


@pytest.mark.parametrize("name", CASES)
def test_every_case_fits_the_standard(name: str) -> None:
    run_of(CASES[name])


def test_a_result_says_where_and_how_sure() -> None:
    result = run_of(pushed(in_commit()))["results"][0]
    assert result["ruleId"] == "slack-bot-token"
    assert result["level"] == "error"
    assert result["kind"] == "fail"
    assert result["message"]["text"].startswith("Slack bot token in commit ab12cd3. Fix: take it")
    assert result["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 14,
        "startColumn": 16,
        "endLine": 14,
        "endColumn": 67,
    }
    assert result["locations"][0]["properties"]["commit"] == COMMIT
    assert result["properties"]["confidence"] == "likely"
    assert result["properties"]["validity"] == "unknown"
    assert result["properties"]["exposure"] == "committed"
    assert result["properties"]["preview"] == "xoxb-*****"


def test_the_fingerprint_follows_the_value_and_not_the_line() -> None:
    here = run_of(tree(finding(SLACK, place("a.py", 1))))["results"][0]
    there = run_of(tree(finding(SLACK, place("b.py", 99))))["results"][0]
    assert here["partialFingerprints"] == {"leakguard/v1": "7f3a9c0e51d24b6f"}
    assert here["partialFingerprints"] == there["partialFingerprints"] == there["fingerprints"]


def test_a_result_says_what_decided_its_confidence_and_how_it_was_encoded() -> None:
    seen = (Evidence("pattern", "matches the format of x, in base64 in url"), Evidence("a", "<b>"))
    (result,) = run_of(tree(finding()._replace(evidence=seen)))["results"]
    assert result["properties"]["evidence"] == [
        {"term": "pattern", "detail": "matches the format of x, in base64 in url"},
        {"term": "a", "detail": "<b>"},
    ]
    told = result["message"]["markdown"]
    assert told.startswith(result["message"]["text"].split(".")[0])
    assert "\n- pattern: matches the format of x, in base64 in url\n" in told
    assert "<b>" not in told
    assert [run_of(tree(one))["results"][0]["rank"] for one in (finding(), possible())] == [70, 30]


def test_what_is_not_all_says_so() -> None:
    whole, part = run_of(tree(finding())), run_of(CASES["staged, unread only"])
    assert (whole["properties"]["partial"], part["properties"]["partial"]) == (False, True)
    assert whole["tool"]["driver"]["isComprehensive"] is False
    assert run_of(CASES["many places"])["results"][0]["properties"]["partial"] is True


def test_runs_of_one_commit_do_not_replace_each_other() -> None:
    ids = {run_of(tree()._replace(mode=mode))["automationDetails"]["id"] for mode in ("ci", "logs")}
    assert ids == {"leakguard/ci/", "leakguard/logs/"}


def test_only_rules_that_fired_are_described() -> None:
    rules = run_of(tree(finding(), finding(), finding(NPM)))["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["slack-bot-token", "npm-token"]


def test_a_rule_says_why_how_to_fix_and_how_to_revoke() -> None:
    rule = run_of(tree(finding()))["tool"]["driver"]["rules"][0]
    assert rule["shortDescription"]["text"] == "Slack bot token"
    assert rule["fullDescription"]["text"] == "whoever reads this can read and post as your bot"
    assert (
        "- **Rotate**: reinstall the app, then revoke the old token\n" in (rule["help"]["markdown"])
    )
    assert "https://slack.example/apps" in rule["help"]["text"]
    assert rule["helpUri"] == "https://docs.slack.example/tokens"
    assert rule["properties"]["security-severity"] == "8.0"
    assert {"security", "secret"} <= set(rule["properties"]["tags"])
    assert rule["defaultConfiguration"]["level"] == "error"


def test_what_does_not_block_is_a_warning() -> None:
    run = run_of(tree(possible()))
    assert run["results"][0]["level"] == "warning"
    assert run["tool"]["driver"]["rules"][0]["defaultConfiguration"]["level"] == "warning"


def test_an_allowance_is_a_suppression_with_its_reason() -> None:
    results = run_of(tree(finding(), allowed(finding(NPM))))["results"]
    assert results[0]["suppressions"] == []
    assert results[1]["level"] == "error"
    assert results[1]["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "sample of the public docs",
        }
    ]


def test_not_scanned_is_not_a_success() -> None:
    (invocation,) = run_of(CASES["staged, unread only"])["invocations"]
    assert invocation["executionSuccessful"] is False
    (told,) = invocation["toolExecutionNotifications"]
    assert told["level"] == "error"
    assert told["message"]["text"] == "not scanned: big.zip: larger than the limit"
    assert run_of(CASES["staged"])["invocations"][0]["executionSuccessful"] is True


def test_columns_are_characters() -> None:
    assert run_of(tree())["columnKind"] == "unicodeCodePoints"


def test_every_place_is_listed_and_all_are_counted() -> None:
    result = run_of(CASES["many places"])["results"][0]
    assert len(result["locations"]) == 6
    assert result["occurrenceCount"] == 13


def test_no_source_is_quoted() -> None:
    text = render(tree(finding(excerpt="the_rest_of_the_line = *****")))
    assert "snippet" not in text
    assert "the_rest_of_the_line" not in text


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("app/notify.py", "app/notify.py"),
        ("a b/#1?.py", "a%20b/%231%3F.py"),
        ("c:d/e.py", "c%3Ad/e.py"),
        ("100%.py", "100%25.py"),
        ("stra\u00dfe.py", "stra%C3%9Fe.py"),
        ("caf\udce9.py", "caf%E9.py"),
        ("outer.zip!in/a.py", "outer.zip%21in/a.py"),
    ],
)
def test_paths_are_encoded_byte_by_byte(path: str, uri: str) -> None:
    assert artifact(path) == {"uri": uri, "uriBaseId": "SRCROOT"}


def test_what_is_not_below_the_root_does_not_claim_to_be() -> None:
    assert artifact("/srv/a b.py") == {"uri": "file:///srv/a%20b.py"}
    assert artifact("(standard input)") == {"uri": "%28standard%20input%29"}


@given(hostile_outcomes())
def test_every_outcome_fits_the_standard(outcome: Outcome) -> None:
    run = run_of(outcome)
    for result in run["results"]:
        for location in result["locations"]:
            uri = location["physicalLocation"]["artifactLocation"]["uri"]
            assert not set(uri.removeprefix("file:")) - URI
