"""Reports: an outcome into text. Pure: what a report needs is handed in.

A new format is one module and one line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable

from leakguard.finding import Outcome
from leakguard.report.style import Style


def _text(outcome: Outcome, style: Style, explain: bool) -> str:
    from leakguard.report.text import render

    return render(outcome, style, explain=explain)


def _json(outcome: Outcome, _style: Style, _explain: bool) -> str:
    from leakguard.report.json_v1 import render

    return render(outcome)


def _sarif(outcome: Outcome, _style: Style, _explain: bool) -> str:
    from leakguard.report.sarif import render

    return render(outcome)


def _gitlab(outcome: Outcome, _style: Style, _explain: bool) -> str:
    from leakguard.report.gitlab import render

    return render(outcome)


def _code_quality(outcome: Outcome, _style: Style, _explain: bool) -> str:
    from leakguard.report.code_quality import render

    return render(outcome)


def _junit(outcome: Outcome, _style: Style, _explain: bool) -> str:
    from leakguard.report.junit import render

    return render(outcome)


def _csv(outcome: Outcome, _style: Style, _explain: bool) -> str:
    from leakguard.report.table_csv import render

    return render(outcome)


def _html(outcome: Outcome, _style: Style, explain: bool) -> str:
    from leakguard.report.html import render

    return render(outcome, explain=explain)


def _summary(outcome: Outcome, _style: Style, _explain: bool) -> str:
    from leakguard.report.summary import render

    return render(outcome)


def _github(outcome: Outcome, _style: Style, _explain: bool) -> str:
    from leakguard.report.annotations import github

    return github(outcome)


def _azure(outcome: Outcome, _style: Style, _explain: bool) -> str:
    from leakguard.report.annotations import azure

    return azure(outcome)


def _teamcity(outcome: Outcome, _style: Style, _explain: bool) -> str:
    from leakguard.report.annotations import teamcity

    return teamcity(outcome)


FORMATS: dict[str, Callable[[Outcome, Style, bool], str]] = {
    "text": _text,
    "json": _json,
    "json-v1": _json,
    "sarif": _sarif,
    "gitlab": _gitlab,
    "code-quality": _code_quality,
    "junit": _junit,
    "csv": _csv,
    "html": _html,
    "summary": _summary,
    "github": _github,
    "azure": _azure,
    "teamcity": _teamcity,
}
"""How an outcome can be written; a format's module is loaded when it is used."""
