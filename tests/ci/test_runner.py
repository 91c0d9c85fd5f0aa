"""What a stranger named cannot speak to the service that reads our output, errors included."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from leakguard import cli
from leakguard.report.style import defused

ALIVE = re.compile(r"(?mi)^\s*::[\w-]+|##(?:vso|teamcity)?\[")
"""What GitHub obeys at the start of a line, and it, Azure and TeamCity anywhere."""

ORDERS = [
    "::set-output name=a::b",
    "words\n::add-path::/tmp",
    "words\r::stop-commands::x",
    " \t::error::x",
    "##[add-path]/tmp",
    "##vso[task.setvariable variable=A]b",
    "##VSO[task.complete result=Succeeded]",
    "##teamcity[buildStatus status='SUCCESS']",
    "long words that fill a line up to its very end so that the next begins anew ::set-env name=A::b",
]


def words(order: str) -> dict[str, list[str]]:
    """Commands that fail because of a name, and tell it."""
    return {
        "a path": ["scan", order],
        "a log": ["logs", order],
        "a folder for a report": ["logs", "calm.log", "--json", f"calm.log/{order}"],
        "a format": ["scan", "--format", order],
        "a command": [order],
        "an option": ["scan", f"--{order}"],
        "a range": ["scan", "--range", order],
        "a program": ["exec", "--", order],
        "a commit": ["ci", "--base", order],
        "a configuration": ["ci", "--base", "HEAD", "--config", order],
        "a finding": ["allow", order, "--reason", "x"],
        "a rule": ["rules", "show", order],
        "an incident": ["status", order],
    }


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of a stranger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEAKGUARD_STORE", str(tmp_path / "store.db"))
    (tmp_path / "calm.log").write_text("calm\n")
    subprocess.run(["git", "init", "-q"], check=True)
    return tmp_path


def dead(shown: tuple[str, str]) -> None:
    """Nothing in what was printed is an order, and something was printed."""
    assert "".join(shown).strip()
    for text in shown:
        assert not ALIVE.search(text), text


@pytest.mark.parametrize("order", ORDERS)
def test_an_error_about_a_name_is_no_order(
    order: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for what, arguments in words(order).items():
        assert cli.main(arguments), what
        dead(capfd.readouterr())


@pytest.mark.parametrize("order", ORDERS)
def test_a_configuration_that_is_wrong_gives_no_order(
    order: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / ".leakguard.yml").write_text(json.dumps({order: 1}))
    assert cli.main(["scan", "calm.log"]) == 3
    dead(capfd.readouterr())


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be")
@pytest.mark.parametrize("order", [one for one in ORDERS if "/" not in one])
def test_a_file_that_cannot_be_read_gives_no_order(order: str, here: Path) -> None:
    (here / order).mkdir()
    (here / order / "cut.zip").write_bytes(b"PK\x03\x04" + b"\0" * 40)
    done = subprocess.run(
        [sys.executable, "-m", "leakguard", "scan", "."], capture_output=True, check=False
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert not ALIVE.search(done.stdout.decode() + done.stderr.decode())


@pytest.mark.parametrize("order", ORDERS)
def test_the_last_line_of_defence_holds_and_leaves_other_text_alone(order: str) -> None:
    for text in (order, f"a\n{order}", f"\x1b[31m{order}", f"  {order}\n{order}"):
        assert not ALIVE.search(defused(text))
    for calm in ("### heading: a::b\n", "a::b\n# [x]\n", "std::vector\n", "## title\n"):
        assert defused(calm) == calm
