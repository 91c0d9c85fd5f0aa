"""GitLab's code quality report: every issue has every field, or GitLab stops reading."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from leakguard.finding import Outcome
from leakguard.report.code_quality import render
from leakguard.rule import SEVERITIES

from .builders import CASES, NPM, SLACK, allowed, finding, hostile_outcomes, place, tree


def issues(outcome: Outcome) -> list[dict[str, Any]]:
    """The issues, each checked for what GitLab asks of it."""
    text = render(outcome)
    assert text.isascii()
    assert not text.startswith("\ufeff")
    listed: list[dict[str, Any]] = json.loads(text)
    for issue in listed:
        assert set(issue) == {"type", "check_name", "description", "categories", "severity",
                              "fingerprint", "location"}  # fmt: skip
        assert issue["type"] == "issue"
        assert issue["description"].isprintable()
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert set(issue["fingerprint"]) <= set("0123456789abcdef")
        assert issue["location"]["path"].isprintable()
        assert issue["location"]["path"]
        assert issue["location"]["lines"]["begin"] >= 1
    return listed


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_read_to_its_end(name: str) -> None:
    issues(CASES[name])


@given(hostile_outcomes())
def test_every_outcome_is_read_to_its_end(outcome: Outcome) -> None:
    issues(outcome)


def test_an_issue_says_what_how_sure_and_what_to_do() -> None:
    (issue,) = issues(CASES["staged"])
    assert issue["check_name"] == "slack-bot-token"
    assert issue["description"] == (
        "Slack bot token in a staged file (confidence likely, 7f3a9c): "
        "load it when the program runs, then stage the file again"
    )
    assert issue["location"] == {"path": "app/notify.py", "lines": {"begin": 14, "end": 14}}


def test_nothing_found_is_an_empty_list() -> None:
    assert render(tree()) == "[]\n"
    assert render(tree(allowed(finding()))) == "[]\n"


def test_harm_in_the_words_of_gitlab() -> None:
    said = [issues(tree(finding(severity=word)))[0]["severity"] for word in SEVERITIES]
    assert said == ["info", "minor", "major", "critical", "blocker"]


def test_every_place_is_an_issue_and_a_moved_line_is_the_same_issue() -> None:
    before = issues(tree(finding(SLACK, place("a.py", 1), place("a.py", 5), place("b.py", 1))))
    after = issues(tree(finding(SLACK, place("a.py", 3), place("a.py", 7), place("b.py", 2))))
    prints = [issue["fingerprint"] for issue in before]
    assert len(set(prints)) == 3
    assert prints == [issue["fingerprint"] for issue in after]
    assert not set(prints) & {issue["fingerprint"] for issue in issues(tree(finding(NPM)))}


def test_not_scanned_is_an_issue() -> None:
    (issue,) = issues(CASES["staged, unread only"])
    assert issue["check_name"] == "not-scanned"
    assert issue["severity"] == "critical"
    assert issue["description"] == "not scanned: big.zip: larger than the limit"
    assert issue["location"]["path"] == "big.zip"
