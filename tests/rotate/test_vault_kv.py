"""A new value in Vault's KV version 2: nobody else's write is lost, old versions end."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, place, vault
from servers.fake import Asked, Fake, Said

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, hurried, manifest_of

SCRIPT = SCRIPTS / "vault-kv"


@pytest.fixture(scope="module", params=[vault.KIND])
def server() -> Iterator[vault.Server]:
    with place() as folder, vault.start(folder) as running:
        yield running


class Kept:
    """One secret in Vault, and what a script is told of it."""

    def __init__(self, server: vault.Server) -> None:
        self.server = server
        self.path = f"app/{secrets.token_hex(4)}"
        self.old, self.new = secrets.token_hex(16), secrets.token_hex(16)
        self.more: dict[str, Any] = {}
        self.write(user="app_a", password=secrets.token_hex(4))
        self.write(user="app_a", password=self.old)
        self.token = server.root

    def write(self, **data: Any) -> None:
        self.server.do("POST", f"secret/data/{self.path}", {"data": data})

    def read(self, version: int = 0) -> Any:
        asked = self.server.ask("GET", f"secret/data/{self.path}?version={version}")
        return asked.json()["data"]["data"]

    def version(self) -> int:
        number: int = self.server.do("GET", f"secret/metadata/{self.path}")["current_version"]
        return number

    @property
    def parts(self) -> dict[str, Any]:
        where = {"address": self.server.url, "path": self.path, "field": "password"} | self.more
        values = {"old": self.old, "new": self.new, "token": self.token}
        return {"target": where, "consumer": where, "secrets": values}


@pytest.fixture
def kept(server: vault.Server) -> Kept:
    return Kept(server)


def test_the_script_is_what_its_manifest_says() -> None:
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said["dry_run"] == manifest_of(SCRIPT)["dry_run"]


def test_a_new_version_is_written_once_and_older_ones_end(kept: Kept) -> None:
    plan = done(SCRIPT, "plan", **kept.parts)
    assert failing_checks(plan) == []
    assert plan["snapshot"] == {"version": 2}
    done(SCRIPT, "distribute", **kept.parts, plan=plan, dry_run=True)
    assert kept.version() == 2
    assert done(SCRIPT, "distribute", **kept.parts, plan=plan)["status"] == "done"
    assert kept.read() == {"user": "app_a", "password": kept.new}
    assert (kept.read(1), kept.read(2)) == (None, None)
    assert done(SCRIPT, "distribute", **kept.parts, plan=plan)["status"] == "already"
    assert kept.version() == 3
    said = done(SCRIPT, "confirm", **kept.parts)
    assert (said["status"], said["method"]) == ("done", "config")
    state = done(SCRIPT, "observe", **kept.parts)["state"]
    assert (state["old"], state["new"]) == ("absent", "active")


def test_a_crash_between_writing_and_ending_is_made_good(kept: Kept) -> None:
    kept.more = {"old_versions": "keep"}
    hurried(SCRIPT, "distribute", **kept.parts)
    assert kept.read(2)["password"] == kept.old
    kept.more = {}
    assert hurried(SCRIPT, "distribute", **kept.parts)["observed"][1] == "deleted version 1, 2"
    assert kept.version() == 3


def test_destroyed_versions_do_not_come_back(kept: Kept) -> None:
    kept.more = {"old_versions": "destroy"}
    plan = hurried(SCRIPT, "plan", **kept.parts)
    hurried(SCRIPT, "distribute", **kept.parts, plan=plan)
    found = kept.server.do("GET", f"secret/metadata/{kept.path}")["versions"]
    assert [found[one]["destroyed"] for one in "123"] == [True, True, False]
    without = {name: one for name, one in kept.parts["secrets"].items() if name != "old"}
    assert failed(SCRIPT, "rollback", **kept.parts | {"secrets": without}, plan=plan) == "missing"
    hurried(SCRIPT, "rollback", **kept.parts, plan=plan)
    assert kept.read()["password"] == kept.old


def test_somebody_elses_write_is_not_lost(kept: Kept) -> None:
    plan = hurried(SCRIPT, "plan", **kept.parts)
    kept.write(user="app_a", password=kept.old, host="db2.example.com")
    assert failed(SCRIPT, "distribute", **kept.parts, plan=plan) == "conflict"
    assert kept.read()["host"] == "db2.example.com"
    plan = hurried(SCRIPT, "plan", **kept.parts)
    hurried(SCRIPT, "distribute", **kept.parts, plan=plan)
    assert kept.read() == {"user": "app_a", "password": kept.new, "host": "db2.example.com"}


def test_the_public_half_goes_along_and_comes_back(kept: Kept) -> None:
    kept.more = {"id_field": "user"}
    plan = hurried(SCRIPT, "plan", **kept.parts)
    hurried(SCRIPT, "distribute", **kept.parts, plan=plan, new={"user": "app_b"})
    assert kept.read() == {"user": "app_b", "password": kept.new}
    hurried(SCRIPT, "rollback", **kept.parts, plan=plan)
    assert kept.read() == {"user": "app_a", "password": kept.old}
    assert hurried(SCRIPT, "rollback", **kept.parts, plan=plan)["status"] == "already"
    kept.write(user="x", password=secrets.token_hex(4))
    assert failed(SCRIPT, "rollback", **kept.parts, plan=plan) == "conflict"


def test_a_token_that_may_too_little_stands_in_the_way(kept: Kept) -> None:
    kept.token = kept.server.token((f"secret/data/{kept.path}", "read"))
    checks = failing_checks(done(SCRIPT, "plan", **kept.parts))
    assert [check.rpartition("/")[0] for check in checks] == [
        f"the acting token may use secret/{what}/app" for what in ("data", "delete", "metadata")
    ]
    assert failed(SCRIPT, "distribute", **kept.parts) == "permission"
    kept.token = kept.server.token(
        (f"secret/data/{kept.path}", "read update"), (f"secret/delete/{kept.path}", "update"),
        (f"secret/metadata/{kept.path}", "read"),
    )  # fmt: skip
    assert failing_checks(done(SCRIPT, "plan", **kept.parts)) == []
    hurried(SCRIPT, "distribute", **kept.parts)


def test_the_leaked_token_rotates_nothing(kept: Kept) -> None:
    kept.old = kept.token
    assert failing_checks(done(SCRIPT, "plan", **kept.parts)) == [
        "the acting token is not the leaked one"
    ]


def test_another_field_or_value_is_not_overwritten_by_mistake(kept: Kept) -> None:
    kept.more = {"field": "passwort"}
    assert failing_checks(hurried(SCRIPT, "plan", **kept.parts)) == ["the field is there"]
    kept.more, kept.old = {}, secrets.token_hex(4)
    assert failing_checks(hurried(SCRIPT, "plan", **kept.parts)) == [
        "the field holds the value that leaked"
    ]


class Reader(Fake):
    """An application that tells which version it has read."""

    version: Any = None

    def answer(self, _: Asked) -> Said:
        return Said(200, {"version": self.version})


def test_it_is_confirmed_by_who_reads_it(kept: Kept) -> None:
    reader = Reader()
    assert failed(SCRIPT, "confirm", **kept.parts) == "conflict"
    hurried(SCRIPT, "distribute", **kept.parts)
    with reader.serving():
        kept.more = {"health_url": reader.url}
        for version, status in ((None, "pending"), (2, "pending"), (3, "done")):
            reader.version = version
            assert done(SCRIPT, "confirm", **kept.parts)["status"] == status
    assert hurried(SCRIPT, "confirm", **kept.parts)["status"] == "pending"


def test_a_sealed_server_is_asked_again_later(kept: Kept) -> None:
    kept.server.seal()
    try:
        said = call(SCRIPT, "distribute", **kept.parts)
    finally:
        kept.server.unseal()
    assert said["error"] == {
        "class": "network", "message": "Vault is sealed or not ready (503)", "retryable": True,
    }  # fmt: skip


@pytest.mark.skipif(bool(vault.real()), reason="a real server does not fail at will")
@pytest.mark.parametrize("status, kind", [(412, "network"), (429, "quota"), (500, "network")])
def test_faults_have_a_class(kept: Kept, status: int, kind: str) -> None:
    assert kept.server.fake is not None
    kept.server.fake.faults = [Said(status, {"errors": []})]
    with pytest.raises(AssertionError, match=kind):
        hurried(SCRIPT, "distribute", **kept.parts)


def test_nobody_there_and_no_encryption(kept: Kept) -> None:
    kept.more = {"address": f"http://127.0.0.1:{free_port()}"}
    assert failed(SCRIPT, "distribute", **kept.parts) == "network"
    kept.more = {"address": "http://vault.example.com"}
    assert failed(SCRIPT, "distribute", **kept.parts) == "unsupported"
