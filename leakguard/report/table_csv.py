"""CSV, one row for each place, for spreadsheets and for whoever reads them.

Every field is quoted. A spreadsheet takes a cell that begins with `=`, `+`, `-`
or `@` for a formula, and some split rows at semicolons whatever the quotes say:
an apostrophe stands before such a beginning.
https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

from collections.abc import Iterable

from leakguard import late
from leakguard.finding import Finding, Location, Outcome
from leakguard.report.advice import advise
from leakguard.report.escape import line
from leakguard.report.style import clean

COLUMNS = (
    "kind", "finding", "fingerprint", "rule_id", "rule_name", "provider", "class", "severity",
    "confidence", "validity", "exposure", "preview", "path", "start_line", "start_column",
    "end_line", "end_column", "commit", "author_date", "places", "fix", "note",
)  # fmt: skip
"""Within a version columns are added at the end, never renamed or removed."""

_FORMULA = late.pattern("(^|[;,|])([\\s\"']*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])")
"""Also the wide forms of the four, which some spreadsheets understand."""


def render(outcome: Outcome) -> str:
    """A row of names, then what was not scanned, then findings: blocking, warning, allowed."""
    kinds = (
        ("blocking", outcome.blocking),
        ("warning", outcome.warnings),
        ("allowed", outcome.allowed),
    )
    rows = [dict(zip(COLUMNS, COLUMNS, strict=True))]
    rows += [
        {"kind": "unread", "path": clean(name), "note": line(reason)}
        for name, reason in outcome.unread
    ]
    rows += [
        {**_finding(found, outcome.mode), **_place(place), "kind": kind}
        for kind, findings in kinds
        for found in findings
        for place in found.locations
    ]
    return "".join(_row(row.get(name, "") for name in COLUMNS) for row in rows)


def _finding(found: Finding, mode: str) -> dict[str, str]:
    reason = found.suppression.justification if found.suppression else ""
    return {
        "finding": found.short_id,
        "fingerprint": found.fingerprint,
        "rule_id": found.rule_id,
        "rule_name": line(found.rule.name),
        "provider": line(found.rule.provider),
        "class": found.rule.secret_class,
        "severity": found.severity,
        "confidence": found.confidence,
        "validity": found.validity.value,
        "exposure": found.exposure.value,
        "preview": clean(found.preview),
        "places": str(len(found.locations) + found.more_places),
        "fix": line(advise(found, mode).text),
        "note": line(reason),
    }


def _place(place: Location) -> dict[str, str]:
    return {
        "path": clean(place.path),
        "start_line": str(place.start_line),
        "start_column": str(place.start_column),
        "end_line": str(place.end_line),
        "end_column": str(place.end_column),
        "commit": place.commit,
        "author_date": line(place.author_date),
    }


def _row(cells: Iterable[str]) -> str:
    return ",".join(map(_cell, cells)) + "\n"


def _cell(text: str) -> str:
    guarded = _FORMULA.sub(r"\1\2'", text)
    return '"' + guarded.replace('"', '""') + '"'
