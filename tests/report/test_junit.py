"""JUnit XML: a finding is a test."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from leakguard.finding import Outcome
from leakguard.report.junit import render

from .builders import CASES, SLACK, allowed, finding, hostile_outcomes, place, possible, tree


def suite(outcome: Outcome) -> ET.Element:
    """The one suite, its counts checked."""
    text = render(outcome)
    assert text.isascii()
    root = ET.fromstring(text)
    (only,) = root
    assert (root.tag, only.tag) == ("testsuites", "testsuite")
    assert root.attrib == only.attrib
    counted = {
        "tests": len(only),
        "failures": len(only.findall("testcase/failure")),
        "errors": len(only.findall("testcase/error")),
        "skipped": len(only.findall("testcase/skipped")),
    }
    assert {name: int(only.attrib[name]) for name in counted} == counted
    assert counted["tests"] > 0
    assert counted["failures"] == len(outcome.blocking)
    assert counted["errors"] == len(outcome.unread)
    for case in only:
        assert set(case.attrib) <= {"classname", "name", "file", "time"}
        assert {child.tag for child in case} <= {"failure", "error", "skipped", "system-out"}
    return only


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_well_formed(name: str) -> None:
    suite(CASES[name])


@given(hostile_outcomes())
def test_every_outcome_is_well_formed(outcome: Outcome) -> None:
    suite(outcome)


def test_a_blocking_finding_fails_with_why_and_fix() -> None:
    (case,) = suite(CASES["staged"])
    assert case.attrib == {
        "classname": "leakguard.slack-bot-token",
        "name": "Slack bot token 7f3a9c",
        "file": "app/notify.py",
        "time": "0",
    }
    (failure,) = case
    assert failure.attrib["message"] == "Slack bot token in a staged file"
    assert failure.attrib["type"] == "severity high, confidence likely"
    assert (failure.text or "").splitlines() == [
        "xoxb-*****, severity high, confidence likely",
        "at: app/notify.py:14:16",
        "why: whoever reads this can read and post as your bot",
        "fix: load it when the program runs, then stage the file again",
        '     SLACK_TOKEN = os.environ["SLACK_TOKEN"]',
        "finding: 7f3a9c",
    ]


def test_what_does_not_block_is_skipped_and_the_run_passes() -> None:
    passed, soft, calm = suite(tree(possible(), allowed(finding())))
    assert passed.attrib["name"] == "nothing blocks"
    assert len(passed) == 0
    assert soft[0].attrib["message"].startswith("does not block (confidence possible): password")
    assert calm[0].attrib["message"] == "allowed: sample of the public docs"


def test_a_clean_run_is_one_test_that_passed() -> None:
    (case,) = suite(tree())
    assert case.findtext("system-out") == "Clean: 412 files, 0 secrets, 0 allowed (0.8 s)"


def test_not_scanned_is_an_error_and_no_pass() -> None:
    (case,) = suite(CASES["staged, unread only"])
    assert case.attrib["name"] == "big.zip"
    assert case[0].tag == "error"
    assert case[0].attrib["message"] == "not scanned: big.zip: larger than the limit"


def test_a_name_keeps_its_letters_and_loses_its_power() -> None:
    outcome = tree(finding(SLACK, place('stra\u00dfe/<b>&"\x00\n.py')))
    (case,) = suite(outcome)
    assert case.attrib["file"] == 'stra\u00dfe/<b>&"\\x00\\n.py'


def test_words_of_a_rule_or_a_reason_are_text() -> None:
    words = '<b>&"]]>'
    rule = SLACK._replace(name=words, why=words)
    hard, soft, calm = suite(
        tree(
            finding(rule),
            finding(rule, confidence="possible"),
            allowed(finding(rule), words),
        )
    )
    assert hard[0].attrib["message"].startswith(words)
    assert f"why: {words}" in (hard[0].text or "")
    assert soft[0].attrib["message"].endswith(f"{words} in the working tree")
    assert calm[0].attrib["message"] == f"allowed: {words}"


def test_a_test_keeps_its_name_when_its_line_moves() -> None:
    here, there = (suite(tree(finding(SLACK, place("a.py", line)))) for line in (1, 9))
    assert here[0].attrib["name"] == there[0].attrib["name"]


def test_seconds_are_those_of_the_run() -> None:
    assert suite(tree()._replace(seconds=1.23456)).attrib["time"] == "1.235"
