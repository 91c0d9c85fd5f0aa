"""restic-key against the real restic and a repository in a folder."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers import lacking, place

from rotate.drive import SCRIPTS, failing_checks, manifest_of
from rotate.rotation import Rotation

LACKING = lacking(programs=["restic"])
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

SCRIPT = SCRIPTS / "restic-key"


@dataclass
class Scene(Rotation):
    """A repository of which one password leaked."""

    script = SCRIPT
    repository: Path
    secrets: dict[str, str] = field(repr=False)

    @property
    def target(self) -> dict[str, Any]:
        return {"repository": str(self.repository)}


def restic(repository: Path, password: str, *words: str) -> bool:
    argv = ["restic", "-q", "--no-cache", "-r", str(repository), "--password-file", "/dev/stdin"]
    text = password.encode()
    return (
        subprocess.run([*argv, *words], input=text, capture_output=True, check=False).returncode
        == 0
    )


@pytest.fixture(scope="module")
def first() -> Iterator[Scene]:
    """A repository, planned for."""
    with place() as folder:
        made = Scene(
            folder / "repository", {slot: secrets.token_hex(16) for slot in ("old", "new")}
        )
        assert restic(made.repository, made.secrets["old"], "init")
        made.plan = made.ask("plan")
        yield made


@pytest.fixture(scope="module")
def both(first: Scene) -> Iterator[Scene]:
    """The same, when both passwords open it."""
    with place() as folder:
        made = copied(first, folder)
        made.new = made.ask("create")["new"]
        yield made


@pytest.fixture
def scene(first: Scene) -> Iterator[Scene]:
    with place() as folder:
        yield copied(first, folder)


@pytest.fixture
def overlap(both: Scene) -> Iterator[Scene]:
    with place() as folder:
        yield copied(both, folder)


def copied(scene: Scene, folder: Path) -> Scene:
    shutil.copytree(scene.repository, folder / "repository")
    return Scene(folder / "repository", dict(scene.secrets), plan=scene.plan, new=scene.new)


def test_it_says_of_itself_what_its_manifest_says(scene: Scene) -> None:
    for name, value in scene.ask("describe")["capabilities"].items():
        assert manifest_of(SCRIPT)[name] == value


def test_a_rotation_ends_with_one_key_and_a_stolen_copy_that_still_opens(scene: Scene) -> None:
    stolen = scene.repository.with_name("stolen")
    shutil.copytree(scene.repository, stolen)
    before = files(scene.repository)
    scene.ask("plan")
    assert failing_checks(scene.plan) == []
    assert files(scene.repository) == before
    scene.ask("create")
    assert scene.ask("create")["status"] == "already"
    scene.ask("verify_new")
    assert scene.said() == ("accepted", "accepted")
    assert [scene.ask("disable_old")["status"] for _ in range(2)] == ["done", "already"]
    assert scene.said() == ("accepted", "refused")
    state = scene.ask("observe")["state"]
    assert (state["old"], state["new"]) == ("absent", "active")
    assert [one["label"] for one in state["credentials"]] == [f"leakguard@{scene.new['label']}"]
    told = scene.ask("destroy_old")
    assert told["status"] == "already"
    assert len(files(scene.repository / "keys")) == 1
    assert restic(stolen, scene.secrets["old"], "key", "list")
    assert "copies" in told["observed"][-1]


def test_the_last_key_is_never_removed(scene: Scene) -> None:
    assert scene.fails("disable_old") == "conflict"
    assert restic(scene.repository, scene.secrets["old"], "key", "list")


def test_a_rollback_adds_the_old_password_again(overlap: Scene) -> None:
    overlap.ask("disable_old")
    assert len(overlap.ask("rollback")["observed"]) == 2
    assert overlap.said() == ("refused", "accepted")


def test_without_the_leaked_value_the_named_key_is_removed(overlap: Scene) -> None:
    del overlap.secrets["old"]
    assert overlap.ask("disable_old")["status"] == "done"
    found = overlap.ask("probe")["probe"]
    assert (found["new"], found["old"], found["method"]) == ("accepted", "refused", "metadata")


def test_a_repository_that_is_gone_is_unreachable_never_refused(overlap: Scene) -> None:
    overlap.repository.rename(overlap.repository.with_name("elsewhere"))
    assert overlap.said() == ("unreachable", "unreachable")
    assert [overlap.fails(phase) for phase in ("verify_new", "plan")] == ["network", "network"]


def test_a_password_that_opens_nothing_stands_in_the_way(scene: Scene) -> None:
    scene.secrets["old"] = secrets.token_hex(16)
    assert failing_checks(scene.ask("plan")) == ["the leaked password opens a key"]


def files(folder: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
