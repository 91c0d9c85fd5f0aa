"""GitLab's secret detection report, checked against what its schema asks for."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft7Validator

from leakguard.finding import Exposure, Outcome
from leakguard.report.gitlab import render

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

TEXT = {"type": "string", "minLength": 1}
ADDRESS = {"type": "string", "pattern": "^(https?|ftp)://.+"}
TIME = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$"}
LINE = {"type": "integer", "minimum": 1}


def record(required: str, **properties: object) -> dict[str, object]:
    """A schema of an object that has `required` (names with spaces between) and nothing unknown."""
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


TOOL = record(
    "id name version vendor", id=TEXT, name=TEXT, version=TEXT, vendor=record("name", name=TEXT)
)
FILE = record("type file_name line_start", type={"const": "file-location"}, name=TEXT,
              file_name=TEXT, line_start=LINE, line_end=LINE)  # fmt: skip
DETAIL = {
    "oneOf": [
        record("type value name", type={"const": "text"}, name=TEXT, value={"type": "string"}),
        record("type value name", type={"const": "value"}, name=TEXT, value={"type": "integer"}),
        record("type items name", type={"const": "list"}, name=TEXT,
               items={"type": "array", "items": FILE}),
    ]
}  # fmt: skip
SIGNED = record(
    "signatures",
    file={"type": "string"},
    start_line={"type": "number"},
    end_line={"type": "number"},
    signatures={
        "type": "array",
        "minItems": 1,
        "items": record("algorithm value", algorithm={"const": "rule_value"}, value=TEXT),
    },
)
VULNERABILITY = record(
    "id identifiers location",
    id=TEXT,
    name={"type": "string", "maxLength": 255},
    description={"type": "string", "maxLength": 1048576},
    severity={"enum": ["Info", "Unknown", "Low", "Medium", "High", "Critical"]},
    solution={"type": "string", "maxLength": 7000},
    identifiers={
        "type": "array",
        "minItems": 1,
        "items": record("type name value", type=TEXT, name=TEXT, value=TEXT, url=ADDRESS),
    },
    links={"type": "array", "items": record("url", name={"type": "string"}, url=ADDRESS)},
    details={"type": "object", "additionalProperties": DETAIL},
    tracking=record(
        "type items", type={"const": "source"}, items={"type": "array", "items": SIGNED}
    ),
    location=record(
        "commit",
        file={"type": "string"},
        start_line={"type": "number"},
        end_line={"type": "number"},
        commit=record("sha", sha=TEXT, date={"type": "string"}),
    ),
)
FACTS = record(
    "version scan vulnerabilities",
    version={"const": "15.2.1"},
    schema={"type": "string", "pattern": "^https?://.+"},
    scan=record(
        "analyzer end_time scanner start_time status type",
        analyzer=TOOL,
        scanner=TOOL,
        start_time=TIME,
        end_time=TIME,
        status={"enum": ["success", "failure"]},
        type={"const": "secret_detection"},
        messages={
            "type": "array",
            "items": record("level value", level={"enum": ["info", "warn", "fatal"]}, value=TEXT),
        },
    ),
    vulnerabilities={"type": "array", "items": VULNERABILITY},
)
"""What schema 15.2.1 asks of the fields that we write, and no field besides them."""

VALIDATOR = Draft7Validator(FACTS)


def report(outcome: Outcome) -> dict[str, Any]:
    """The report, checked."""
    text = render(outcome)
    assert text.isascii()
    assert "raw_source_code_extract" not in text
    loaded: dict[str, Any] = json.loads(text)
    VALIDATOR.validate(loaded)
    identifiers = [each["id"] for each in loaded["vulnerabilities"]]
    assert all(len(each) == 36 for each in identifiers)
    return loaded


def only(outcome: Outcome) -> dict[str, Any]:
    """Its one vulnerability."""
    (found,) = report(outcome)["vulnerabilities"]
    vulnerability: dict[str, Any] = found
    return vulnerability


def test_the_facts_are_a_schema() -> None:
    Draft7Validator.check_schema(FACTS)


@pytest.mark.parametrize("name", CASES)
def test_every_case_fits_the_schema(name: str) -> None:
    report(CASES[name])


@given(hostile_outcomes())
def test_every_outcome_fits_the_schema(outcome: Outcome) -> None:
    report(outcome)


def test_a_finding_says_what_where_and_what_to_do() -> None:
    found = only(pushed(in_commit()))
    assert found["name"] == "Slack bot token"
    assert found["severity"] == "High"
    assert found["description"].startswith(
        "Slack bot token in commit ab12cd3: `xoxb-*****`\n\nWhy: whoever reads this"
    )
    assert found["solution"].startswith("take it out, rewrite the commit")
    assert found["location"] == {
        "file": "app/notify.py",
        "start_line": 14,
        "end_line": 14,
        "commit": {"sha": COMMIT, "date": "2026-11-21T14:02:00+01:00"},
    }
    assert found["details"]["confidence"]["value"] == "likely"
    assert found["links"][0] == {"url": "https://slack.example/apps"}


def test_the_rule_comes_first_among_the_identifiers() -> None:
    kinds = [(each["type"], each["value"]) for each in only(tree(finding()))["identifiers"]]
    assert kinds == [("leakguard_rule_id", "slack-bot-token"), ("cwe", "798")]
    logged = only(tree(finding(exposure=Exposure.LOGGED)))["identifiers"]
    assert logged[1]["name"] == "CWE-532"


def test_a_value_that_moves_in_its_file_stays_the_same_vulnerability() -> None:
    here, there = (only(tree(finding(SLACK, place("a.py", line)))) for line in (1, 99))
    other = only(tree(finding(SLACK, place("b.py", 1))))
    assert here["id"] == there["id"] != other["id"]
    signed = [each["tracking"]["items"][0]["signatures"] for each in (here, there, other)]
    assert signed[0] == signed[1] != signed[2]


def test_a_value_is_reported_once_a_file() -> None:
    many = tree(finding(SLACK, place("a.py", 1), place("a.py", 9), place("b.py", 1)))
    found = report(many)["vulnerabilities"]
    assert [each["location"]["file"] for each in found] == ["a.py", "b.py"]
    places = found[0]["details"]["places"]["items"]
    assert [each["line_start"] for each in places] == [1, 9]
    assert found[0]["details"]["total"]["value"] == 3


def test_without_a_commit_one_is_named_that_is_none() -> None:
    assert only(tree(finding()))["location"]["commit"] == {"sha": "0000000"}


def test_not_scanned_is_a_failure_and_is_told() -> None:
    scan = report(CASES["staged, unread only"])["scan"]
    assert scan["status"] == "failure"
    assert scan["messages"] == [
        {"level": "warn", "value": "not scanned: big.zip: larger than the limit"}
    ]
    assert report(tree())["scan"]["status"] == "success"


def test_allowed_findings_are_counted_and_not_reported() -> None:
    printed = report(tree(allowed(finding()), possible()))
    assert [each["severity"] for each in printed["vulnerabilities"]] == ["Medium"]
    assert printed["scan"]["messages"] == [
        {"level": "info", "value": "1 allowed secret seen, not reported"}
    ]


def test_times_are_utc() -> None:
    ended = datetime(2026, 11, 21, 15, 0, 10, tzinfo=timezone(timedelta(hours=1)))
    scan = report(CASES["history"]._replace(ended=ended.timestamp()))["scan"]
    assert (scan["start_time"], scan["end_time"]) == ("2026-11-21T13:59:57", "2026-11-21T14:00:10")


def test_a_real_run_tells_its_own_time(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    words = [sys.executable, "-m", "leakguard", "scan", ".", "--format", "gitlab"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=True)
    told = datetime.fromisoformat(json.loads(done.stdout)["scan"]["end_time"])
    assert told >= before


def test_a_description_is_markdown_and_cannot_be_more_than_text() -> None:
    rule = NPM._replace(why="![x](https://evil.example/a.png) @all")
    description = only(tree(finding(rule)))["description"]
    assert "![" not in description
    assert "https://" not in description
    assert "@all" not in description
