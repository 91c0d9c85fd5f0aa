"""A new value in Azure Key Vault: added first, the leaked version disabled after."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, secret_stores
from servers.fake import Asked, Fake, Said

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

SCRIPT = SCRIPTS / "azure-key-vault"


@pytest.fixture
def server() -> Iterator[secret_stores.KeyVault]:
    with secret_stores.key_vault() as running:
        yield running


@pytest.fixture
def parts(server: secret_stores.KeyVault) -> dict[str, Any]:
    values = {"old": secrets.token_hex(16), "new": secrets.token_hex(16), "admin": server.secret}
    for value in (secrets.token_hex(4), secrets.token_hex(4), values["old"]):
        server.have("db", value, contentType="text/plain", tags={"team": "app"})
    where = {"vault": server.url, "secret": "db", "tenant": "tenant-1", "client_id": "app-1",
             "login": server.url}  # fmt: skip
    return {"target": where, "consumer": where, "secrets": values}


def enabled(server: secret_stores.KeyVault) -> list[str]:
    found = server.versions["db"].values()
    return [one["value"] for one in found if one["attributes"]["enabled"]]


def add(server: secret_stores.KeyVault, value: str) -> None:
    server.have("db", value)


def count(server: secret_stores.KeyVault) -> int:
    return len(server.versions["db"])


def test_the_script_is_what_its_manifest_says() -> None:
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said["dry_run"] == manifest_of(SCRIPT)["dry_run"]


def test_a_version_is_added_once_and_older_ones_are_disabled(
    server: secret_stores.KeyVault, parts: dict[str, Any]
) -> None:
    values = parts["secrets"]
    plan = done(SCRIPT, "plan", **parts)
    assert failing_checks(plan) == []
    assert len(plan["known"]) == 3
    done(SCRIPT, "distribute", **parts, plan=plan, dry_run=True)
    assert len(enabled(server)) == 3
    assert done(SCRIPT, "distribute", **parts, plan=plan)["status"] == "done"
    assert enabled(server) == [values["new"]]
    assert done(SCRIPT, "distribute", **parts, plan=plan)["status"] == "already"
    assert count(server) == 4
    assert done(SCRIPT, "confirm", **parts)["method"] == "config"
    state = done(SCRIPT, "observe", **parts)["state"]
    assert (state["old"], state["new"]) == ("absent", "active")


def test_a_crash_between_adding_and_disabling_is_made_good(
    server: secret_stores.KeyVault, parts: dict[str, Any]
) -> None:
    keep = parts | {"target": parts["target"] | {"old_versions": "keep"}}
    done(SCRIPT, "distribute", **keep)
    assert len(enabled(server)) == 4
    assert done(SCRIPT, "distribute", **parts)["status"] == "done"
    assert enabled(server) == [parts["secrets"]["new"]]


def test_the_way_back_adds_the_old_value_out_of_its_version(
    server: secret_stores.KeyVault, parts: dict[str, Any]
) -> None:
    plan = done(SCRIPT, "plan", **parts)
    old = parts["secrets"]["old"]
    done(SCRIPT, "distribute", **parts, plan=plan)
    without = {name: one for name, one in parts["secrets"].items() if name != "old"}
    done(SCRIPT, "rollback", **parts | {"secrets": without}, plan=plan)
    assert set(enabled(server)) == {old}
    assert done(SCRIPT, "rollback", **parts, plan=plan)["status"] == "already"


def test_somebody_elses_version_is_not_pushed_aside(
    server: secret_stores.KeyVault, parts: dict[str, Any]
) -> None:
    plan = done(SCRIPT, "plan", **parts)
    other = secrets.token_hex(8)
    add(server, other)
    assert failed(SCRIPT, "distribute", **parts, plan=plan) == "conflict"
    assert failed(SCRIPT, "rollback", **parts, plan=plan) == "conflict"
    assert other in enabled(server)
    assert failing_checks(done(SCRIPT, "plan", **parts)) == [
        "the secret holds the value that leaked"
    ]


class Reader(Fake):
    """An application that tells which version it has read."""

    version: Any = None

    def answer(self, _: Asked) -> Said:
        return Said(200, {"version": self.version})


def test_it_is_confirmed_by_who_reads_it(parts: dict[str, Any]) -> None:
    reader = Reader()
    assert failed(SCRIPT, "confirm", **parts) == "conflict"
    done(SCRIPT, "distribute", **parts)
    (latest,) = done(SCRIPT, "observe", **parts)["state"]["credentials"]
    with reader.serving():
        one = parts | {"target": parts["target"] | {"health_url": reader.url}}
        for version, status in ((None, "pending"), ("another", "pending"), (latest["id"], "done")):
            reader.version = version
            assert done(SCRIPT, "confirm", **one)["status"] == status
    assert done(SCRIPT, "confirm", **one)["status"] == "pending"


def test_what_describes_the_secret_stays(
    server: secret_stores.KeyVault, parts: dict[str, Any]
) -> None:
    done(SCRIPT, "distribute", **parts)
    *_, last = server.versions["db"].values()
    assert (last["contentType"], last["tags"]) == ("text/plain", {"team": "app"})


def test_what_may_be_seen_before_is_said(
    server: secret_stores.KeyVault, parts: dict[str, Any]
) -> None:
    server.may = {"get", "set"}
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["may list the secret"]
    server.may = {"get", "list"}  # Key Vault tells nothing of writing before somebody writes
    assert failing_checks(done(SCRIPT, "plan", **parts)) == []
    assert failed(SCRIPT, "distribute", **parts) == "permission"
    parts["secrets"]["admin"] = secrets.token_hex(4)
    assert failed(SCRIPT, "plan", **parts) == "auth"


def test_faults_have_a_class(server: secret_stores.KeyVault, parts: dict[str, Any]) -> None:
    for status, kind in ((401, "auth"), (404, "not_found"), (429, "quota"), (503, "network")):
        server.faults = [Said(200, {"access_token": secrets.token_hex(4)}), Said(status, {})]
        assert failed(SCRIPT, "distribute", **parts) == kind
    for address, kind in ((f"http://127.0.0.1:{free_port()}", "network"),
                          ("http://store.example.com", "unsupported")):  # fmt: skip
        where = parts["target"] | {"vault": address}
        assert failed(SCRIPT, "distribute", **parts | {"target": where}) == kind
