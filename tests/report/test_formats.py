"""What every format must do."""

from __future__ import annotations

import re
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given

from leakguard.finding import Outcome
from leakguard.report import FORMATS
from leakguard.report.annotations import SERVICES
from leakguard.report.style import PLAIN, Style

from .builders import CASES, hostile_outcomes, in_commit, pushed

WITH_A_LINE = {"text"}
"""Formats that show the masked line; whatever is kept or sent on quotes no source."""


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
        "import leakguard.report.json_v1, leakguard.report.sarif, leakguard.report.gitlab\n"
        "import leakguard.report.code_quality, leakguard.report.junit, leakguard.report.html\n"
        "import leakguard.report.table_csv, leakguard.report.annotations\n"
        "import leakguard.report.summary\n"
        "print(*sorted({'click', 'subprocess', 'socket', 'requests', 'yaml'}"
        " & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("shape", FORMATS)
@given(outcome=hostile_outcomes())
def test_nothing_foreign_drives_a_terminal_or_a_runner(shape: str, outcome: Outcome) -> None:
    """Annotations are commands; tests/report/test_annotations.py says that all are ours."""
    text = FORMATS[shape](outcome, PLAIN, True)
    assert text.endswith("\n")
    text.encode("utf-8")
    for line in text.split("\n"):
        assert line.isprintable()
        if shape not in SERVICES:
            assert not line.strip().startswith("::")
            assert not re.search(r"##\w{0,20}\[", line)


@pytest.mark.parametrize("shape", sorted(set(FORMATS) - WITH_A_LINE))
def test_no_source_is_quoted(shape: str, rng: Random) -> None:
    canary = "".join(rng.choices(string.ascii_letters, k=24))
    outcome = pushed(in_commit(excerpt=f'connect("{canary}", "xoxb-*****") # {canary}'))
    assert canary not in FORMATS[shape](outcome, PLAIN, True)


@pytest.mark.parametrize("shape", FORMATS)
def test_a_scan_tells_of_a_secret_and_never_tells_it(
    shape: str, tmp_path: Path, fake: Callable[..., str]
) -> None:
    digits = fake("{{digits:12}}")
    body = fake("{{alnum:24}}")
    token = f"xoxb-{digits}-{digits}-{body}"
    (tmp_path / "notify.py").write_text(f'SLACK_TOKEN = "{token}"\n', "ascii")
    words = [sys.executable, "-m", "leakguard", "scan", "--format", shape, "--explain", "."]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1, done.stderr
    assert "notify.py" in done.stdout
    for part in (body, digits):
        assert part not in done.stdout + done.stderr
        assert part[:8] not in done.stdout
