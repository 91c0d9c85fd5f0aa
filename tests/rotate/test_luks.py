"""luks-keyslot against the real cryptsetup and a LUKS2 header in a plain file."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers import lacking, place, program

from rotate.drive import SCRIPTS, failing_checks, manifest_of
from rotate.rotation import Rotation

LACKING = lacking(programs=["cryptsetup"])
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

SCRIPT = SCRIPTS / "luks-keyslot"
FAST = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")


@dataclass
class Scene(Rotation):
    """A volume of which one passphrase leaked."""

    script = SCRIPT
    steps = ("create", "verify_new", "disable_old")
    volume: Path
    secrets: dict[str, str] = field(repr=False)

    @property
    def target(self) -> dict[str, Any]:
        return {"device": str(self.volume), "pbkdf": "pbkdf2", "iterations": 1000}


def cryptsetup(*words: Any, passphrase: str = "") -> int:
    argv = [program("cryptsetup"), *map(str, words)]
    text = passphrase.encode()
    return subprocess.run(argv, input=text, capture_output=True, check=False).returncode


def opens(volume: Path, passphrase: str) -> bool:
    words = ("luksOpen", "--test-passphrase", "--key-file", "-", volume)
    return cryptsetup(*words, passphrase=passphrase) == 0


@pytest.fixture(scope="module")
def formatted() -> Iterator[tuple[Path, str]]:
    leaked = secrets.token_hex(16)
    with place() as folder:
        volume = folder / "volume"
        with volume.open("wb") as file:
            file.truncate(20 << 20)
        words = ("luksFormat", "-q", "--type", "luks2", *FAST, "--key-file", "-", volume)
        assert cryptsetup(*words, passphrase=leaked) == 0
        yield volume, leaked


@pytest.fixture
def scene(formatted: tuple[Path, str]) -> Iterator[Scene]:
    with place() as folder:
        shutil.copy(formatted[0], folder / "volume")
        yield Scene(folder / "volume", {"old": formatted[1], "new": secrets.token_hex(16)})


def test_it_says_of_itself_what_its_manifest_says(scene: Scene) -> None:
    for name, value in scene.ask("describe")["capabilities"].items():
        assert manifest_of(SCRIPT)[name] == value


def test_planning_changes_nothing(scene: Scene) -> None:
    before = scene.volume.read_bytes()
    plan = scene.ask("plan")
    assert failing_checks(plan) == []
    assert plan["known"] == [plan["old"]["id"]]
    assert scene.volume.read_bytes() == before


def test_a_rotation_ends_with_one_keyslot_that_the_new_passphrase_opens(scene: Scene) -> None:
    scene.prepare()
    assert scene.ask("create") == {"ok": True, "status": "already", "new": scene.new}
    scene.ask("verify_new")
    assert scene.said() == ("accepted", "accepted")
    assert scene.state() == ("active", "active")
    assert [scene.ask("disable_old")["status"] for _ in range(2)] == ["done", "already"]
    assert scene.said() == ("accepted", "refused")
    assert scene.ask("probe")["probe"]["old_error"] == "auth"
    assert scene.state() == ("absent", "active")
    assert [scene.ask("destroy_old")["status"] for _ in range(2)] == ["already", "already"]
    assert opens(scene.volume, scene.secrets["new"])
    assert not opens(scene.volume, scene.secrets["old"])


def test_a_copy_taken_before_still_opens_and_the_plan_says_so(scene: Scene) -> None:
    stolen = scene.volume.with_name("stolen")
    shutil.copy(scene.volume, stolen)
    scene.replace()
    assert opens(stolen, scene.secrets["old"])
    assert "reencrypt" in scene.plan["actions"][-1]["effect"]
    assert "reencrypt" in scene.ask("destroy_old")["observed"][-1]


def test_the_last_way_in_is_never_wiped(scene: Scene) -> None:
    scene.ask("plan")
    assert scene.fails("disable_old") == "conflict"
    assert opens(scene.volume, scene.secrets["old"])


def test_with_a_responder_the_old_one_can_end_first_and_its_number_be_used_again(
    scene: Scene,
) -> None:
    scene.prepare()
    scene.secrets["responder"], scene.secrets["new"] = scene.secrets["new"], secrets.token_hex(16)
    scene.new = {}
    scene.ask("plan")
    assert failing_checks(scene.plan) == []
    scene.ask("disable_old")
    assert scene.said() == ("refused", "refused")
    scene.ask("create")
    assert scene.new["id"].split("-")[1] == scene.plan["old"]["id"].split("-")[1]
    assert scene.state() == ("absent", "active")
    assert scene.said() == ("accepted", "refused")


def test_a_passphrase_that_opens_two_keyslots_loses_both(scene: Scene) -> None:
    key = scene.volume.with_name("key")
    key.write_text(scene.secrets["old"])
    assert cryptsetup("luksAddKey", "-q", *FAST, "--key-file", key, scene.volume, key) == 0
    scene.prepare()
    assert len(scene.ask("disable_old")["observed"]) == 3  # and what is left of the leak
    assert scene.said() == ("accepted", "refused")


def test_without_the_leaked_value_the_named_keyslot_is_wiped(scene: Scene) -> None:
    scene.prepare()
    del scene.secrets["old"]
    assert scene.ask("disable_old")["status"] == "done"
    found = scene.ask("probe")["probe"]
    assert (found["new"], found["old"], found["method"]) == ("accepted", "refused", "metadata")


def test_a_rollback_adds_the_old_passphrase_again(scene: Scene) -> None:
    scene.replace()
    assert len(scene.ask("rollback")["observed"]) == 2
    assert scene.said() == ("refused", "accepted")
    assert scene.ask("rollback")["status"] == "already"
    assert scene.fails("verify_new") == "auth"


def test_a_device_that_is_gone_is_unreachable_never_refused(scene: Scene) -> None:
    scene.replace()
    scene.volume.rename(scene.volume.with_name("elsewhere"))
    assert scene.said() == ("unreachable", "unreachable")
    assert scene.fails("verify_new") == "network"
    assert scene.fails("plan") == "not_found"


def test_what_is_no_volume_is_neither_open_nor_closed(scene: Scene) -> None:
    scene.replace()
    scene.volume.write_bytes(bytes(1 << 20))
    assert scene.said() == ("unknown", "unknown")
    assert scene.fails("plan") == "unsupported"


def test_a_value_that_opens_nothing_stands_in_the_way(scene: Scene) -> None:
    scene.secrets["old"] = secrets.token_hex(16)
    assert failing_checks(scene.ask("plan")) == ["the leaked passphrase opens a keyslot"]
    assert scene.fails("create") == "conflict"
