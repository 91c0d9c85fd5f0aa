"""kek-rewrap: data keys in files, under KEKs that are values or live in a real SoftHSM token."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers import kek, lacking, place, until

from rotate.drive import SCRIPTS, done, failing_checks, manifest_of
from rotate.rotation import Rotation

LACKING = lacking(modules=["cryptography"])
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

SCRIPT = SCRIPTS / "kek-rewrap"
OLD = "kek-2025"


@dataclass
class Scene(Rotation):
    """A store whose KEK leaked."""

    script = SCRIPT
    steps = ("create", "verify_new", "disable_old", "kill_derived")
    folder: Path
    target: dict[str, Any]
    secrets: dict[str, str] = field(repr=False)

    def prepare(self) -> None:
        assert failing_checks(self.ask("plan", old={"id": OLD})) == []
        self.ask("create")

    def count(self) -> Counter[str]:
        return Counter(kek.read(path)[0] for path in self.folder.glob("*.json"))

    def held(self) -> dict[str, bytes]:
        """The data keys, opened as an application does: with the KEK that the record names."""
        values = {OLD: self.secrets["old"], self.new.get("id", ""): self.secrets.get("new", "")}
        found = {}
        for path in self.folder.glob("*.json"):
            name, blob = kek.read(path)
            found[path.name] = kek.keywrap.aes_key_unwrap(bytes.fromhex(values[name]), blob)
        return found


@pytest.fixture
def folder() -> Iterator[Path]:
    with place() as made:
        yield made


@pytest.fixture
def scene(folder: Path) -> Scene:
    old = secrets.token_bytes(32)
    kek.store(folder / "store", OLD, old, 12)
    target = {"backend": "files", "store": str(folder / "store")}
    values = {"old": old.hex(), "new": secrets.token_hex(32)}
    return Scene(folder / "store", target, values)


def test_it_says_of_itself_what_its_manifest_says(scene: Scene) -> None:
    for name, value in scene.ask("describe")["capabilities"].items():
        assert manifest_of(SCRIPT)[name] == value


def test_planning_changes_nothing_and_finds_the_id_by_the_leaked_value(scene: Scene) -> None:
    before = everything(scene.folder)
    plan = scene.ask("plan")
    assert failing_checks(plan) == []
    assert plan["old"] == {"id": OLD}
    assert plan["snapshot"] == {"records": 12}
    assert everything(scene.folder) == before


def test_a_rotation_ends_with_the_same_data_keys_under_the_new_kek(scene: Scene) -> None:
    keys = scene.held()
    scene.prepare()
    assert scene.ask("create")["new"] == scene.new
    scene.ask("verify_new")
    assert scene.state() == ("active", "absent")
    assert scene.said() == ("accepted", "accepted")
    assert scene.ask("probe")["probe"]["derived"] == "alive"
    assert [scene.ask("disable_old")["status"] for _ in range(2)] == ["done", "already"]
    assert scene.ask("kill_derived")["status"] == "already"
    assert scene.count() == {scene.new["id"]: 12}
    assert scene.held() == keys
    assert scene.said() == ("accepted", "refused")
    assert scene.state() == ("absent", "active")
    assert scene.ask("destroy_old")["status"] == "already"


def test_copies_taken_before_still_open_and_the_plan_says_so(scene: Scene) -> None:
    keys = scene.held()
    shutil.copytree(scene.folder, scene.folder.parent / "stolen")
    scene.replace()
    stolen = Scene(scene.folder.parent / "stolen", scene.target, scene.secrets)
    assert stolen.held() == keys
    told = [action["effect"] for action in scene.plan["actions"]]
    assert sum("copies of the store" in effect for effect in told) == 2
    assert "copies" in scene.ask("destroy_old")["observed"][-1]


def test_half_way_both_are_read_by_id_and_a_second_run_goes_on(scene: Scene) -> None:
    """The program is killed in the middle, as by a crash of the machine."""
    kek.store(scene.folder, OLD, bytes.fromhex(scene.secrets["old"]), 400)
    keys = scene.held()
    scene.prepare()
    child = begun(scene, "disable_old")
    until(lambda: scene.count()[scene.new["id"]] > 20)
    child.kill()
    child.communicate()
    half = scene.count()
    assert set(half) == {OLD, scene.new["id"]}
    assert scene.held() == keys
    assert scene.said() == ("accepted", "accepted")
    answer = scene.ask("disable_old")
    assert answer["evidence"] == [{"wrapped_anew": half[OLD], "left": 0}]
    assert scene.held() == keys


def test_a_run_that_lacks_time_says_pending(scene: Scene) -> None:
    kek.store(scene.folder, OLD, bytes.fromhex(scene.secrets["old"]), 1500)
    scene.prepare()
    started = time.monotonic()
    raw = begun(scene, "disable_old", deadline=0.2).communicate()[0]
    assert json.loads(raw)["status"] == "pending"
    assert time.monotonic() - started < 30
    assert scene.ask("disable_old")["status"] == "done"
    assert scene.count() == {scene.new["id"]: 1500}


def test_a_data_key_wrapped_late_with_the_old_kek_moves_too(scene: Scene) -> None:
    scene.replace()
    kek.store(scene.folder, OLD, bytes.fromhex(scene.secrets["old"]), 1)
    found = scene.ask("probe")["probe"]
    assert (found["old"], found["derived"]) == ("accepted", "alive")
    assert scene.fails("destroy_old") == "conflict"
    assert scene.ask("kill_derived")["evidence"] == [{"wrapped_anew": 1, "left": 0}]
    assert scene.said() == ("accepted", "refused")


def test_a_record_that_only_says_it_is_under_the_new_kek_is_found_out(scene: Scene) -> None:
    scene.replace()
    path = scene.folder / "999-lies.json"
    old = bytes.fromhex(scene.secrets["old"])
    kek.write(path, scene.new["id"], kek.keywrap.aes_key_wrap(old, secrets.token_bytes(32)))
    assert scene.said() == ("refused", "accepted")


def test_a_record_that_does_not_open_stops_it_but_no_other_record(scene: Scene) -> None:
    kek.write(scene.folder / "000-broken.json", OLD, secrets.token_bytes(40))
    scene.ask("plan")
    assert failing_checks(scene.plan) == ["it opens all of them"]
    scene.ask("create")
    assert scene.fails("disable_old") == "conflict"
    assert scene.count() == {OLD: 1, scene.new["id"]: 12}


def test_a_kek_does_not_end_before_its_successor(scene: Scene) -> None:
    scene.ask("plan")
    assert scene.fails("disable_old") == "conflict"
    assert scene.count() == {OLD: 12}


def test_the_old_value_is_no_new_kek(scene: Scene) -> None:
    scene.ask("plan")
    scene.secrets["new"] = scene.secrets["old"]
    assert [scene.fails(phase) for phase in ("create", "probe")] == ["conflict", "conflict"]


def test_a_kek_may_be_written_in_base64(scene: Scene) -> None:
    raw = bytes.fromhex(scene.secrets["old"])
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        scene.secrets["old"] = encode(raw).decode()
        assert scene.ask("plan")["old"] == {"id": OLD}
    scene.secrets["old"] = raw.hex()[:-2]
    assert scene.fails("plan") == "unsupported"


def test_a_rollback_puts_every_record_under_the_old_kek(scene: Scene) -> None:
    keys = scene.held()
    scene.replace()
    assert [scene.ask("rollback")["status"] for _ in range(2)] == ["done", "already"]
    assert scene.count() == {OLD: 12}
    assert scene.held() == keys


def test_a_store_that_is_gone_is_unreachable_never_refused(scene: Scene) -> None:
    scene.replace()
    scene.folder.rename(scene.folder.parent / "elsewhere")
    assert scene.said() == ("unreachable", "unreachable")


def test_without_the_leaked_value_the_records_tell(scene: Scene) -> None:
    scene.replace()
    del scene.secrets["old"]
    found = scene.ask("probe")["probe"]
    assert (found["old"], found["method"]) == ("refused", "metadata")


def test_no_kek_and_no_data_key_reaches_a_file(scene: Scene) -> None:
    keys = scene.held()
    scene.replace()
    content = b"".join(everything(scene.folder).values())
    plain = [*keys.values(), *map(bytes.fromhex, scene.secrets.values())]
    assert not [one for one in plain if one in content or one.hex().encode() in content]


# -- in a token

in_token = pytest.mark.skipif(bool(kek.available()), reason=kek.available())


@pytest.fixture
def token(folder: Path) -> Iterator[Scene]:
    """Records under a KEK that the token made itself."""
    with kek.start(folder) as running:
        target = running.target | {"store": str(folder / "store")}
        (folder / "store").mkdir()
        (folder / "store" / "000.json").write_text(json.dumps({"kek_id": OLD, "wrapped": ""}))
        made = Scene(folder / "store", target, {"pin": running.pin})
        done(SCRIPT, "create", **made.parts | {"plan": {"old": {"id": OLD}}, "new": {"id": OLD}})
        blobs = wrapped_in(running, OLD, 5)
        for number, blob in enumerate(blobs):
            kek.write(folder / "store" / f"{number:03}.json", OLD, blob)
        yield made


def wrapped_in(running: kek.Token, name: str, count: int) -> list[bytes]:
    """Data keys that an application of the token made."""
    code = """
import json, os, sys
import pkcs11
from pkcs11 import Attribute as A, KeyType, Mechanism, ObjectClass
module, token, name, count = sys.argv[1:]
open_ = pkcs11.lib(module).get_token(token_label=token).open
with open_(user_pin=sys.stdin.readline().strip()) as session:
    kek = next(iter(session.get_objects({A.CLASS: ObjectClass.SECRET_KEY, A.LABEL: name})))
    make = lambda: session.generate_key(KeyType.AES, 256, store=False, template={A.EXTRACTABLE: True})
    print(json.dumps([kek.wrap_key(make(), mechanism=Mechanism.AES_KEY_WRAP).hex() for _ in range(int(count))]))
"""
    argv = [sys.executable, "-c", code, kek.module(), kek.LABEL, name, str(count)]
    environment = os.environ | {"SOFTHSM2_CONF": str(running.config)}
    out = subprocess.run(
        argv, input=running.pin, env=environment, capture_output=True, text=True, check=True
    )
    return [bytes.fromhex(one) for one in json.loads(out.stdout)]


@in_token
def test_in_a_token_the_keys_move_without_ever_leaving_it(token: Scene) -> None:
    token.prepare()
    assert token.ask("create")["status"] == "already"
    token.ask("verify_new")
    assert token.said() == ("accepted", "accepted")
    assert [token.ask("disable_old")["status"] for _ in range(2)] == ["done", "already"]
    assert token.said() == ("accepted", "refused")
    assert token.state() == ("disabled", "active")
    assert [token.ask("destroy_old")["status"] for _ in range(2)] == ["done", "already"]
    assert token.state() == ("absent", "active")
    found = token.ask("probe")["probe"]
    assert (found["new"], found["old"], found["derived"]) == ("accepted", "refused", "none")
    told = token.plan["actions"][-1]["effect"]
    assert "backups" in told


@in_token
def test_a_token_does_not_lose_a_kek_that_records_need(token: Scene) -> None:
    token.prepare()
    assert token.fails("destroy_old") == "conflict"
    token.ask("disable_old")
    token.ask("rollback")
    assert token.count() == {OLD: 5}
    assert token.said() == ("accepted", "accepted")


@in_token
def test_a_wrong_pin_is_of_the_class_auth_and_a_token_that_is_gone_is_unreachable(
    token: Scene,
) -> None:
    token.prepare()
    right = token.secrets["pin"]
    token.secrets["pin"] = "".join(reversed(right)) + "7"
    assert token.fails("verify_new") == "auth"
    token.secrets["pin"] = right
    token.target["token"] = "another"
    assert token.said() == ("unreachable", "unreachable")


def begun(scene: Scene, phase: str, deadline: float = 60.0) -> subprocess.Popen[bytes]:
    """One call that the test does not wait for."""
    request = {
        "protocol": 1,
        "phase": phase,
        "rotation": "LG-2026-0001-S1-r1",
        "deadline": deadline,
    }
    child = subprocess.Popen(
        [sys.executable, "-I", "-B", SCRIPT / "rotate.py"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=scene.folder.parent,
    )  # fmt: skip
    assert child.stdin is not None
    child.stdin.write(json.dumps(request | scene.parts).encode())
    child.stdin.close()
    child.stdin = None
    return child


def everything(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir()}
