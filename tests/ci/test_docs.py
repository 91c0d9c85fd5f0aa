"""The templates and pages about pipelines say what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import yaml

from leakguard.ci.services import SERVICES
from leakguard.cli.app import app
from leakguard.cli.ci import command
from leakguard.cli.outlets import FILES
from leakguard.report import FORMATS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "ci"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
OPTIONS = {name for one in command.params for name in one.opts}


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yml")), ids=lambda file: file.name)
def test_every_template_is_yaml_and_runs_ci(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert yaml.safe_load(text)
    assert "leakguard ci" in text or "uses: OWNER/leakguard" in text


def test_every_option_of_the_templates_exists() -> None:
    for file in FOLDER.iterdir():
        text = " ".join(file.read_text(encoding="utf-8").split())
        for call in re.findall(r"leakguard\"? ci((?: (?:--)?[\w./\"$()-]+)*)", text):
            for option in re.findall(r"--[a-z][a-z-]*", call):
                assert option in OPTIONS, (file.name, option)


def test_every_template_is_listed_and_every_service_is_named() -> None:
    for file in FOLDER.iterdir():
        assert file.name == "README.md" or f"({file.name})" in README, file.name
    help_text = " ".join((command.help or "").split())
    for service in SERVICES:
        name = service.title.removesuffix(" CI").removesuffix(" Pipelines")
        assert name in README, name
        assert name in help_text, name


def test_the_inputs_of_the_github_template_are_those_of_the_action() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    steps = yaml.safe_load((FOLDER / "github.yml").read_text())["jobs"]["secrets"]["steps"]
    used = next(step["with"] for step in steps if "OWNER/leakguard" in step["uses"])
    assert set(used) <= set(action["inputs"])


def test_every_report_is_a_known_format() -> None:
    assert set(FILES) <= set(FORMATS)
    assert "ci" in app.list_commands(click.Context(app))
