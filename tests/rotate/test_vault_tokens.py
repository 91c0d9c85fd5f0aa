"""Replacing a Vault token and an AppRole secret id, and ending what hangs on them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, place, vault

from rotate.drive import (
    SCRIPTS,
    call,
    done,
    failed,
    failing_checks,
    hurried,
    manifest_of,
)

TOKEN, SECRET_ID = SCRIPTS / "vault-token", SCRIPTS / "vault-approle-secret-id"
DEAD = {"method": "login", "new": "accepted", "old": "refused", "old_error": "auth",
        "derived": "none"}  # fmt: skip


@pytest.fixture(scope="module", params=[vault.KIND])
def server() -> Iterator[vault.Server]:
    with place() as folder, vault.start(folder) as running:
        yield running


class Leak:
    """A leaked credential, and what a rotation of it knows so far."""

    script: Any = None

    def __init__(self, server: vault.Server) -> None:
        self.server = server
        self.more: dict[str, Any] = {}
        self.secrets = {"admin": server.root, "old": self.make()}
        self.rotation = f"LG-2026-0001-S1-{secrets.token_hex(4)}"
        self.parts: dict[str, Any] = {"rotation": self.rotation}

    def make(self) -> str:
        raise NotImplementedError

    def all(self, more: dict[str, Any]) -> dict[str, Any]:
        where = {"address": self.server.url} | self.more
        return {"target": where, "secrets": self.secrets, **self.parts, **more}

    def do(self, phase: str, **more: Any) -> dict[str, Any]:
        answer = done(self.script, phase, **self.all(more))
        if phase == "plan":
            self.parts |= {"plan": answer, "old": answer.get("old", {})}
        if phase == "create":
            self.parts["new"] = answer["new"]
            self.secrets["new"] = answer["secrets"]["new"]
        return answer

    def fail(self, phase: str, **more: Any) -> str:
        return failed(self.script, phase, **self.all(more))

    def probe(self, **more: Any) -> dict[str, str]:
        found: dict[str, str] = self.do("probe", **more)["probe"]
        return found

    def states(self) -> tuple[str, str]:
        state = hurried(self.script, "observe", **self.all({}))["state"]
        return state["old"], state["new"]

    def without(self, slot: str) -> dict[str, Any]:
        return {"secrets": {name: one for name, one in self.secrets.items() if name != slot}}


class LeakedToken(Leak):
    """A token with one policy, and a child."""

    script = TOKEN

    def make(self) -> str:
        value = self.server.token(
            ("secret/data/app", "read"), ("auth/token/create", "update"), no_parent=True
        )
        self.child = self.server.do("POST", "auth/token/create", {}, token=value)["client_token"]
        return value


class LeakedSecretId(Leak):
    """A secret id of a role, and a token that it opened."""

    script = SECRET_ID

    def make(self) -> str:
        self.role = f"app-{secrets.token_hex(4)}"
        self.more = {"role": self.role}
        where = f"auth/approle/role/{self.role}"
        self.server.do("POST", where, {"token_policies": ["default"]})
        self.role_id = self.server.do("GET", f"{where}/role-id")["role_id"]
        value: str = self.server.do("POST", f"{where}/secret-id", {})["secret_id"]
        self.child = self.login(value)
        return value

    def login(self, secret_id: str) -> str:
        body = {"role_id": self.role_id, "secret_id": secret_id}
        token: str = self.server.do("POST", "auth/approle/login", body)["client_token"]
        return token


@pytest.fixture(params=[LeakedToken, LeakedSecretId], ids=["token", "secret-id"])
def leak(request: pytest.FixtureRequest, server: vault.Server) -> Leak:
    made: Leak = request.param(server)
    return made


def alive(leak: Leak, token: str) -> bool:
    said = leak.server.ask("GET", "auth/token/lookup-self", token=token)
    return bool(said.status_code == 200)


def test_the_scripts_are_what_their_manifests_say(leak: Leak) -> None:
    said = call(leak.script, "describe", target={})["capabilities"]
    manifest = manifest_of(leak.script)
    assert said == {name: manifest[name] for name in said}


def test_from_a_leaked_one_to_a_dead_one(leak: Leak) -> None:
    plan = leak.do("plan")
    assert failing_checks(plan) == []
    leak.do("create")
    leak.do("verify_new")
    assert leak.states() == ("active", "active")
    found = leak.probe()
    assert (found["new"], found["old"], found["derived"]) == ("accepted", "accepted", "alive")
    assert leak.do("disable_old")["status"] == "done"
    assert leak.do("disable_old")["status"] == "already"
    leak.do("kill_derived")
    assert not alive(leak, leak.child)  # type: ignore[attr-defined]
    assert leak.probe() == DEAD
    assert leak.states() == ("absent", "active")
    assert leak.probe(**leak.without("old")) == DEAD | {"method": "metadata"}


def test_one_whose_value_was_lost_in_a_crash_is_ended(leak: Leak) -> None:
    leak.do("plan")
    leak.do("create")
    lost, value = leak.parts.pop("new")["id"], leak.secrets["new"]
    again = leak.do("create")
    assert again["observed"][0].split()[1] == f"{lost},"
    assert leak.secrets["new"] != value
    states = hurried(leak.script, "observe", **leak.all({}))["state"]["credentials"]
    assert [one["id"] for one in states if one["label"] == leak.rotation] == [
        leak.parts["new"]["id"]
    ]


def test_a_dry_run_and_a_plan_change_nothing(leak: Leak) -> None:
    before = repr(leak.server.fake.tokens) if leak.server.fake else ""
    leak.do("plan")
    hurried(leak.script, "create", **leak.all({}), dry_run=True)
    hurried(leak.script, "disable_old", **leak.all({}), dry_run=True)
    assert leak.probe()["old"] == "accepted"
    assert not before or repr(leak.server.fake.tokens) == before  # type: ignore[union-attr]


def test_a_server_that_is_down_or_sealed_refuses_nobody(leak: Leak) -> None:
    leak.do("plan")
    leak.do("create")
    leak.do("disable_old")
    leak.more = leak.more | {"address": f"http://127.0.0.1:{free_port()}"}
    found = leak.probe()
    assert (found["new"], found["old"]) == ("unreachable", "unreachable")
    assert leak.fail("disable_old") == "network"
    assert leak.fail("verify_new") == "network"


def test_a_sealed_server_refuses_nobody(leak: Leak) -> None:
    leak.do("plan")
    leak.do("create")
    leak.server.seal()
    try:
        found = leak.probe()
    finally:
        leak.server.unseal()
    assert (found["new"], found["old"]) == ("unreachable", "unreachable")


def test_who_may_not_is_told_before(leak: Leak) -> None:
    admin = leak.server.token(("auth/token/lookup-accessor", "update"))
    leak.secrets["admin"] = admin
    assert "the acting token may use auth/token/revoke-accessor" in failing_checks(leak.do("plan"))
    leak.parts["plan"] = {}
    assert leak.fail("create") == "permission"


def test_the_leaked_one_must_be_this_servers(leak: Leak) -> None:
    leak.secrets["old"] = secrets.token_hex(16)
    assert leak.fail("plan") == "not_found"
    leak.more = leak.more | {"accessor": secrets.token_hex(8)}
    assert len(failing_checks(leak.do("plan"))) == 1
    del leak.secrets["old"]
    leak.more.pop("accessor")
    leak.parts.pop("old")
    leak.parts.pop("plan")
    assert leak.fail("plan") == "missing"


# Tokens alone


def test_a_token_does_not_rotate_itself(server: vault.Server) -> None:
    leak = LeakedToken(server)
    leak.secrets["admin"] = leak.secrets["old"]
    assert failing_checks(leak.do("plan"))[0] == "the acting token is not the leaked one"


def test_a_root_token_is_not_replaced_by_another_root(server: vault.Server) -> None:
    leak = LeakedToken(server)
    made = server.do("POST", "auth/token/create", {"policies": ["root"], "no_parent": True})
    leak.secrets["old"] = made["client_token"]
    assert failing_checks(leak.do("plan")) == ["the new one will not be root"]
    leak.more = {"policies": "default"}
    assert failing_checks(leak.do("plan")) == []
    leak.do("create")
    told = server.do("GET", "auth/token/lookup-self", token=leak.secrets["new"])
    assert told["policies"] == ["default"]
    assert told["meta"] == {"rotation": leak.rotation}
    assert told["orphan"] is True


def test_a_token_of_a_namespace(server: vault.Server) -> None:
    if vault.KIND != "bao":
        pytest.skip("the fake has no namespaces, nor has Vault but for its Enterprise")
    server.do("POST", "sys/namespaces/team", {})
    leak = LeakedToken(server)
    leak.more = {"namespace": "team"}
    made = server.do("POST", "team/auth/token/create-orphan", {"policies": ["default"]})
    leak.secrets["old"] = made["client_token"]
    for phase in ("plan", "create", "verify_new", "disable_old", "kill_derived"):
        leak.do(phase)
    assert leak.probe() == DEAD
    told = server.do("GET", "team/auth/token/lookup-self", token=leak.secrets["new"])
    assert told["namespace_path"] == "team/"


# Secret ids alone


def test_a_role_that_is_not_there_is_said(server: vault.Server) -> None:
    leak = LeakedSecretId(server)
    leak.more = {"role": "none"}
    assert leak.fail("plan") == "not_found"
    leak.more |= {"accessor": "any"}
    assert leak.fail("plan") == "not_found"


def test_destroying_a_secret_id_alone_ends_no_token(server: vault.Server) -> None:
    leak = LeakedSecretId(server)
    leak.do("plan")
    leak.do("create")
    fresh = leak.login(leak.secrets["new"])
    leak.do("disable_old")
    assert alive(leak, leak.child)
    assert leak.probe()["derived"] == "alive"
    answer = leak.do("kill_derived")
    assert answer["evidence"] == [{"tokens_ended": 1, "left": 0}]
    assert leak.do("kill_derived")["status"] == "already"
    assert (alive(leak, leak.child), alive(leak, fresh)) == (False, True)
