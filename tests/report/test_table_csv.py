"""CSV: one row a place, and no cell that a spreadsheet would calculate."""

from __future__ import annotations

import csv
import re

import pytest
from hypothesis import given

from leakguard.finding import Outcome
from leakguard.report.table_csv import COLUMNS, render

from .builders import CASES, SLACK, allowed, finding, hostile_outcomes, place, tree

FORMULA = re.compile("[=+\\-@\uff1d\uff0b\uff0d\uff20]")


def rows(outcome: Outcome) -> list[dict[str, str]]:
    """The rows by the names of their columns."""
    header, *found = csv.reader(render(outcome).splitlines(keepends=True), strict=True)
    assert tuple(header) == COLUMNS
    assert all(len(row) == len(COLUMNS) for row in found)
    return [dict(zip(header, row, strict=True)) for row in found]


def begins(cell: str) -> str:
    """What a spreadsheet sees first in a cell."""
    return cell.strip(' "')[:1]


@pytest.mark.parametrize("name", CASES)
def test_every_case_has_a_row_for_each_place(name: str) -> None:
    outcome = CASES[name]
    places = sum(len(found.locations) for found in outcome.findings)
    assert len(rows(outcome)) == places + len(outcome.unread)


def test_a_row_says_all_of_a_place() -> None:
    (row,) = rows(CASES["push"])
    assert row["kind"] == "blocking"
    assert row["finding"] == "7f3a9c"
    assert row["preview"] == "xoxb-*****"
    assert (row["path"], row["start_line"], row["end_column"]) == ("app/notify.py", "14", "67")
    assert row["author_date"] == "2026-11-21T14:02:00+01:00"
    assert row["fix"].startswith("take it out, rewrite the commit")


def test_allowed_and_unread_have_rows_of_their_own_kind() -> None:
    kinds = [row["kind"] for row in rows(CASES["staged, everything"])]
    assert kinds == ["unread", "unread", "blocking", "blocking", "warning", "allowed"]
    (row,) = rows(tree(allowed(finding(), 'because, "so"; it is')))
    assert row["note"] == 'because, "so"; it is'
    (row,) = rows(CASES["staged, unread only"])
    assert (row["path"], row["note"]) == ("big.zip", "larger than the limit")


@pytest.mark.parametrize(
    ("path", "cell"),
    [
        ("=cmd|' /c calc'!A0", "'=cmd|' /c calc'!A0"),
        ("+1.py", "'+1.py"),
        ("-x/a.py", "'-x/a.py"),
        ("@sum(a).py", "'@sum(a).py"),
        (" =1", " '=1"),
        ('"=1', "\"'=1"),
        ("a;=1+1;b", "a;'=1+1;b"),
        ('a,"=1', "a,\"'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("\t=1", "\\t=1"),
        ("a\r\n=1", "a\\r\\n=1"),
        ("a-b=c+d@e", "a-b=c+d@e"),
    ],
)
def test_a_formula_becomes_text(path: str, cell: str) -> None:
    assert rows(tree(finding(SLACK, place(path))))[0]["path"] == cell


@given(hostile_outcomes())
def test_no_cell_of_a_stranger_is_calculated(outcome: Outcome) -> None:
    text = render(outcome)
    for row in rows(outcome):
        assert not any(FORMULA.match(begins(cell)) for cell in row.values())
    for splits in (";", "[|]", "\t", "[;|,]"):
        for each in text.splitlines():
            assert not any(FORMULA.match(begins(cell)) for cell in re.split(splits, each))
