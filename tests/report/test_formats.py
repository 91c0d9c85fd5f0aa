"""What every format must do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from leakguard.report import FORMATS
from leakguard.report.style import PLAIN, Style

from .builders import CASES


@pytest.mark.parametrize("shape", FORMATS)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("explain", [False, True])
def test_every_format_renders_every_case(shape: str, name: str, explain: bool) -> None:
    text = FORMATS[shape](CASES[name], PLAIN, explain)
    assert text.endswith("\n")
    assert text.isascii()
    assert "\x1b" not in text


@pytest.mark.parametrize("name", CASES)
def test_json_is_another_name_of_its_first_version(name: str) -> None:
    assert FORMATS["json"](CASES[name], PLAIN, False) == FORMATS["json-v1"](
        CASES[name], Style(colour=True), True
    )


def test_only_text_is_coloured() -> None:
    style = Style(colour=True, links=True)
    printed = {shape: render(CASES["staged"], style, False) for shape, render in FORMATS.items()}
    assert {shape for shape, text in printed.items() if "\x1b" in text} == {"text"}


def test_the_same_outcome_gives_the_same_bytes() -> None:
    for name, shape in ((name, shape) for name in CASES for shape in FORMATS):
        assert FORMATS[shape](CASES[name], PLAIN, True) == FORMATS[shape](CASES[name], PLAIN, True)


def test_reports_touch_nothing() -> None:
    """No format loads what could read a file, a clock or a socket, or draw a terminal."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import leakguard.report.text, leakguard.report.problem\n"
        "import leakguard.report.json_v1, leakguard.report.sarif\n"
        "print(*sorted({'click', 'subprocess', 'socket', 'requests', 'yaml'}"
        " & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
