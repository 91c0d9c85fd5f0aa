"""What ships is tried: every script by a test of its own, each of its phases, each extra."""

from __future__ import annotations

import ast
import functools
import tomllib
from pathlib import Path

import pytest

from rotate.drive import SCRIPTS, manifest_of
from rotate.rotation import Rotation

HERE = Path(__file__).resolve().parent
PROJECT = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]

NAMES = sorted(one.parent.name for one in SCRIPTS.glob("*/manifest.yml"))
BY_HAND = {"generic"}
"""A person does its work: tried through the engine, in test_plan_command."""

SHARED = {
    "prepare": {"plan", Rotation.steps[0]},
    "probe": {"probe"},
    "replace": {"plan", *Rotation.steps},
    "said": {"probe"},
    "state": {"observe"},
}
"""What the methods of a `Rotation` ask."""


@functools.cache
def tries() -> list[tuple[str, set[str]]]:
    """Which scripts each module of tests names, as `SCRIPTS / name`, and what it asks them."""
    parsed = [ast.parse(path.read_text("utf-8")) for path in HERE.glob("test_*.py")]
    return [(name, asked(module)) for module in parsed for name in scripts_of(module)]


def scripts_of(module: ast.Module) -> set[str]:
    found = [one for one in ast.walk(module) if isinstance(one, ast.BinOp)]
    return {
        one.right.value
        for one in found
        if isinstance(one.right, ast.Constant) and getattr(one.left, "id", "") == "SCRIPTS"
    }


def asked(module: ast.Module) -> set[str]:
    """The words that are handed over or gone through there, and what shared steps ask."""
    found: set[str] = set()
    own_steps = any(getattr(one, "id", "") == "steps" for one in ast.walk(module))
    shared = SHARED | ({"replace": {"plan"}} if own_steps else {})
    for one in ast.walk(module):
        if isinstance(one, ast.Call):
            found |= shared.get(getattr(one.func, "attr", ""), set()) | _texts(one.args)
        if isinstance(one, ast.Tuple | ast.List):
            found |= _texts(one.elts)
    return found


def _texts(nodes: list[ast.expr]) -> set[str]:
    return {str(one.value) for one in nodes if isinstance(one, ast.Constant)}


@pytest.mark.parametrize("name", sorted(set(NAMES) - BY_HAND))
def test_each_phase_of_each_script_is_asked_by_a_test_of_it(name: str) -> None:
    of_it = [asks for one, asks in tries() if one == name]
    assert of_it, f"no test here tries {name}"
    assert sorted(set(manifest_of(SCRIPTS / name)["phases"]).difference(*of_it)) == []


def test_what_a_script_requires_is_an_extra_that_can_be_installed() -> None:
    extras = {manifest_of(SCRIPTS / name).get("requires", {}).get("extra", "") for name in NAMES}
    known = PROJECT["optional-dependencies"]
    assert sorted(extras - {""} - set(known)) == []
    together = known["rotate"][0].partition("[")[2].rstrip("]").split(",")
    assert sorted(extras - {""} - set(together)) == []


def test_every_folder_is_a_script() -> None:
    folders = sorted(one.name for one in SCRIPTS.iterdir() if one.is_dir())
    assert folders == NAMES
