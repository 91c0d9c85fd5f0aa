"""Rotating a transit key: all that it wrapped is wrapped anew before older versions close."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, place, vault

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, hurried, manifest_of

SCRIPT = SCRIPTS / "vault-transit"
DATA_KEYS = 7


@pytest.fixture(scope="module", params=[vault.KIND])
def server() -> Iterator[vault.Server]:
    with place() as folder, vault.start(folder) as running:
        yield running


class Wrapping:
    """A key, and data keys that it wrapped."""

    def __init__(self, server: vault.Server) -> None:
        self.server = server
        self.key = f"kek-{secrets.token_hex(4)}"
        self.folder = f"wrapped/{secrets.token_hex(4)}"
        server.do("POST", f"transit/keys/{self.key}", {})
        self.plain = {self.put(number): number for number in range(DATA_KEYS)}
        self.more: dict[str, Any] = {"wrapped": self.folder}
        self.parts: dict[str, Any] = {}
        self.secrets = {"admin": server.root}

    def put(self, number: int) -> str:
        path = f"{self.folder}/{'deep/' if number % 2 else ''}{number}"
        text = base64.b64encode(str(number).encode()).decode()
        made = self.server.do("POST", f"transit/encrypt/{self.key}", {"plaintext": text})
        data = {"dek": made["ciphertext"], "note": "kept"}
        self.server.do("POST", f"secret/data/{path}", {"data": data})
        return path

    def opened(self) -> dict[str, int]:
        found = {}
        for path in self.plain:
            data = self.server.do("GET", f"secret/data/{path}")["data"]
            assert data["note"] == "kept"
            body = {"ciphertext": data["dek"]}
            text = self.server.do("POST", f"transit/decrypt/{self.key}", body)["plaintext"]
            found[path] = int(base64.b64decode(text))
        return found

    def all(self, more: dict[str, Any]) -> dict[str, Any]:
        where = {"address": self.server.url, "key": self.key} | self.more
        return {"target": where, "secrets": self.secrets, **self.parts, **more}

    def do(self, phase: str, **more: Any) -> dict[str, Any]:
        answer = done(SCRIPT, phase, **self.all(more))
        if phase == "plan":
            self.parts |= {"plan": answer}
        if phase == "create":
            self.parts["new"] = answer["new"]
            self.secrets["new"] = answer["secrets"]["new"]
        return answer

    def fail(self, phase: str) -> str:
        return failed(SCRIPT, phase, **self.all({}))

    def state(self) -> tuple[str, str]:
        found = hurried(SCRIPT, "observe", **self.all({}))["state"]
        return found["old"], found["new"]


@pytest.fixture
def wrapping(server: vault.Server) -> Wrapping:
    return Wrapping(server)


def test_the_script_is_what_its_manifest_says() -> None:
    said = call(SCRIPT, "describe", target={})["capabilities"]
    manifest = manifest_of(SCRIPT)
    assert said == {name: manifest[name] for name in said}


def test_from_a_leaked_version_to_none(wrapping: Wrapping) -> None:
    plan = wrapping.do("plan")
    assert failing_checks(plan) == []
    assert [one["target"] for one in plan["actions"]][1] == f"{DATA_KEYS} values"
    assert wrapping.state() == ("active", "absent")
    wrapping.do("create")
    assert wrapping.do("create")["status"] == "already"
    wrapping.do("verify_new")
    found = wrapping.do("probe")["probe"]
    assert (found["new"], found["old"], found["derived"]) == ("accepted", "accepted", "alive")
    answer = wrapping.do("disable_old")
    assert answer["evidence"] == [{"rewrapped": DATA_KEYS, "left": 0}]
    assert wrapping.do("disable_old")["status"] == "already"
    assert wrapping.state() == ("disabled", "active")
    assert wrapping.opened() == wrapping.plain
    dead = {"method": "login", "new": "accepted", "old": "refused", "old_error": "auth",
            "derived": "none"}  # fmt: skip
    assert wrapping.do("probe")["probe"] == dead
    assert wrapping.do("destroy_old")["status"] == "done"
    assert wrapping.do("destroy_old")["status"] == "already"
    assert wrapping.state() == ("absent", "active")
    assert wrapping.fail("rollback") == "conflict"
    assert wrapping.do("probe")["probe"] == dead


def test_a_crash_half_way_through_goes_on_where_it_stopped(wrapping: Wrapping) -> None:
    wrapping.do("plan")
    wrapping.do("create")
    for path in list(wrapping.plain)[:3]:  # what an earlier try had done
        data = wrapping.server.do("GET", f"secret/data/{path}")["data"]
        body = {"ciphertext": data["dek"]}
        dek = wrapping.server.do("POST", f"transit/rewrap/{wrapping.key}", body)["ciphertext"]
        wrapping.server.do("POST", f"secret/data/{path}", {"data": data | {"dek": dek}})
    answer = wrapping.do("disable_old")
    assert answer["evidence"] == [{"rewrapped": DATA_KEYS - 3, "left": 0}]
    assert wrapping.opened() == wrapping.plain


def test_the_older_version_opens_again_after_going_back(wrapping: Wrapping) -> None:
    wrapping.do("plan")
    wrapping.do("create")
    wrapping.do("disable_old")
    wrapping.do("rollback")
    assert wrapping.state()[0] == "active"
    assert hurried(SCRIPT, "probe", **wrapping.all({}))["probe"]["old"] == "accepted"
    assert hurried(SCRIPT, "rollback", **wrapping.all({}))["status"] == "already"


def test_a_plan_and_a_dry_run_change_nothing(wrapping: Wrapping) -> None:
    before = wrapping.server.do("GET", f"transit/keys/{wrapping.key}")
    wrapping.do("plan")
    hurried(SCRIPT, "create", **wrapping.all({"dry_run": True}))
    assert wrapping.server.do("GET", f"transit/keys/{wrapping.key}") == before


def test_nothing_is_closed_out_of_turn(wrapping: Wrapping) -> None:
    assert wrapping.fail("create") == "missing"
    wrapping.do("plan")
    assert wrapping.fail("disable_old") == "conflict"
    wrapping.do("create")
    assert wrapping.fail("destroy_old") == "conflict"
    wrapping.server.do("POST", f"transit/keys/{wrapping.key}/rotate", {})
    wrapping.parts.pop("new")
    assert wrapping.fail("create") == "conflict"


def test_a_value_of_another_key_stops_before_anything_closes(wrapping: Wrapping) -> None:
    other = Wrapping(wrapping.server)
    path = next(iter(other.plain))
    stray = wrapping.server.do("GET", f"secret/data/{path}")["data"]
    wrapping.server.do("POST", f"secret/data/{wrapping.folder}/z", {"data": stray})
    wrapping.do("plan")
    wrapping.do("create")
    assert wrapping.fail("disable_old") == "conflict"
    assert wrapping.state()[0] == "active"
    assert wrapping.opened() == wrapping.plain


def test_what_is_not_known_or_not_allowed_is_said_before(wrapping: Wrapping) -> None:
    wrapping.more = {}
    assert failing_checks(hurried(SCRIPT, "plan", **wrapping.all({}))) == [
        "what the key wrapped is known"
    ]
    wrapping.secrets["admin"] = wrapping.server.token((f"transit/keys/{wrapping.key}", "read"))
    assert len(failing_checks(hurried(SCRIPT, "plan", **wrapping.all({})))) == 6


def test_who_may_not_write_what_is_wrapped_is_told_before(wrapping: Wrapping) -> None:
    key = [f"transit/{one}/{wrapping.key}" for one in ("encrypt", "decrypt", "rewrap", "keys")]
    may = [(f"{one}*", "read update") for one in key]
    seen = [(f"secret/{one}/{wrapping.folder}*", "read list") for one in ("data", "metadata")]
    wrapping.secrets["admin"] = wrapping.server.token(*may, *seen)
    assert failing_checks(wrapping.do("plan")) == [
        "the acting token may write what the key wrapped"
    ]


def test_a_server_that_is_down_refuses_nobody(wrapping: Wrapping) -> None:
    wrapping.do("plan")
    wrapping.more |= {"address": f"http://127.0.0.1:{free_port()}"}
    found = wrapping.do("probe")["probe"]
    assert (found["new"], found["old"]) == ("unreachable", "unreachable")
    assert wrapping.fail("disable_old") == "conflict"  # there is no new version yet
    assert wrapping.fail("observe") == "network"
