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


FORMATS: dict[str, Callable[[Outcome, Style, bool], str]] = {
    "text": _text,
    "json": _json,
    "json-v1": _json,
    "sarif": _sarif,
}
"""How an outcome can be written; a format's module is loaded when it is used."""
