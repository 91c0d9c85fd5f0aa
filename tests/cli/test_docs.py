"""What the documents say is what the program does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from leakguard import exits
from leakguard.cli.app import COMMANDS, app
from leakguard.detect.checksum import CHECKSUMS
from leakguard.load import config
from leakguard.load import rules as rule_files
from leakguard.recipe import ALPHABETS
from leakguard.rule import CLASSES

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
WRITING = (ROOT / "docs" / "writing-rules.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def commands() -> list[tuple[str, click.Command]]:
    found = []
    context = click.Context(app)
    for name in COMMANDS:
        command = app.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {sub}", one) for sub, one in command.commands.items()]
    return found


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_command_has_help_with_an_example(name: str, command: click.Command) -> None:
    words = [sys.executable, "-m", "leakguard", *name.split(), "--help"]
    env = {**os.environ, "COLUMNS": "80"}
    shown = subprocess.run(words, capture_output=True, text=True, check=True, env=env).stdout
    assert re.search(r"Examples?:", shown), shown
    assert f"leakguard {name}" in shown
    assert all(len(line) <= 79 for line in shown.splitlines()), shown


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_is_in_the_readme_and_the_changelog(name: str) -> None:
    assert f"`leakguard {name}" in README or f"`{name}`" in README
    assert name in CHANGELOG or name == "completion"


def test_every_option_of_the_readme_exists() -> None:
    known = {option for _, command in commands() for one in command.params for option in one.opts}
    known |= {"--help", "--global"}
    for option in re.findall(r"`[^`\n]*?(--[a-z][a-z-]*)", README):
        assert option in known, option


def test_the_exit_codes_of_the_readme_are_those_of_the_program() -> None:
    rows = {int(number) for number in re.findall(r"^\| (\d+) \| ", README, re.MULTILINE)}
    used = {
        exits.CLEAN, exits.FOUND, exits.USAGE, exits.CONFIG, exits.UNREAD, exits.OUTCOME,
        exits.REFUSED, exits.OVERDUE, exits.BUG, exits.INTERRUPTED,
    }  # fmt: skip
    assert rows == used


def test_every_key_of_the_configuration_is_documented_and_no_other() -> None:
    block = CONFIGURATION.split("```yaml")[1].split("```")[0]
    keys = re.findall(r"^([a-z]+):", block, re.MULTILINE)
    assert sorted(keys) == sorted(config._KEYS)


def test_every_field_of_a_rule_is_documented_and_no_other() -> None:
    table = WRITING.split("| field | meaning |")[1].split("\n\n")[0]
    fields = {
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`([a-z_]+)`", row)
    }
    assert fields == {*rule_files._READERS, "alone"}


def test_every_class_checksum_and_recipe_is_documented() -> None:
    for name in (*CLASSES, *CHECKSUMS):
        assert f"`{name}`" in WRITING, name
    for name in (*ALPHABETS, "uuid", "jwt", "pem", "b64", "checksum"):
        assert f"{{{{{name}" in WRITING, name


def test_the_links_between_the_documents_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "bench" / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_number_of_the_version_is_written_once() -> None:
    from leakguard import __version__

    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert "version" in (ROOT / "pyproject.toml").read_text().split("dynamic = ")[1][:20]


def test_the_readme_counts_the_rules() -> None:
    rules = rule_files.read_bundled()
    providers = {rule.provider for rule in rules}
    assert f"{len(rules):,} rules for {len(providers)} providers" in README


def test_the_page_of_rotations_lists_every_script_as_its_manifest_says() -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import rotation_table
    finally:
        sys.path.pop(0)
    page = (ROOT / "docs" / "rotation.md").read_text(encoding="utf-8")
    assert rotation_table.page(page) == page, "run docs/rotation_table.py"


def test_every_extra_that_a_rotation_script_names_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for path in (ROOT / "hooks" / "rotate").glob("*/manifest.yml"):
        named = re.search(r"extra: [\"\']?([a-z0-9-]*)", path.read_text(encoding="utf-8"))
        assert not named or not named[1] or named[1] in extras, path


def test_every_guard_that_refuses_is_in_the_catalogue() -> None:
    catalogue = (ROOT / "docs" / "guards.md").read_text(encoding="utf-8")
    for path in (ROOT / "leakguard").rglob("*.py"):
        for guard in re.findall(r'"(G-\d\d)"', path.read_text(encoding="utf-8")):
            assert f"| {guard} |" in catalogue, f"{guard} of {path.name}"
