"""Replacing a storage account key: Azurite checks the signatures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from servers import azure, free_port, place
from servers.fake import Said

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

pytestmark = pytest.mark.skipif(bool(azure.available()), reason=f"azure: {azure.available()}")

SCRIPT = SCRIPTS / "azure-storage-key"


@pytest.fixture(scope="module")
def running() -> Iterator[azure.Azure]:
    with place() as folder, azure.start(folder) as server:
        yield server


@pytest.fixture
def server(running: azure.Azure) -> azure.Azure:
    running.actions, running.regenerated, running.lazy = ["Microsoft.Storage/*"], [], False
    return running


@pytest.fixture
def parts(server: azure.Azure) -> dict[str, Any]:
    return {
        "target": {
            "subscription": azure.SUBSCRIPTION,
            "resource_group": azure.GROUP,
            "account": azure.ACCOUNT,
            "tenant": azure.TENANT,
            "client_id": azure.CLIENT,
            "management": server.url,
            "login": server.url,
            "blob": server.blob,
        },
        "secrets": {"admin": server.secret, "old": server.keys["key1"]},
        "old": {"id": "key1"},
    }


def created(parts: dict[str, Any]) -> None:
    made = done(SCRIPT, "create", **parts)
    parts["new"], parts["secrets"]["new"] = made["new"], made["secrets"]["new"]


def probe(parts: dict[str, Any]) -> tuple[str, str]:
    said = done(SCRIPT, "probe", **parts)["probe"]
    return said["new"], said["old"]


def test_the_script_is_what_its_manifest_says() -> None:
    manifest = manifest_of(SCRIPT)
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said == {name: manifest[name] for name in said}


def test_consumers_move_to_the_other_key_and_the_leaked_one_is_made_anew_once(
    server: azure.Azure, parts: dict[str, Any]
) -> None:
    before = dict(server.keys)
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert failing_checks(parts["plan"]) == []
    created(parts)
    created(parts)
    assert server.keys == before
    assert parts["new"] == {"id": "key2"}
    done(SCRIPT, "verify_new", **parts)
    assert probe(parts) == ("accepted", "accepted")
    state = done(SCRIPT, "observe", **parts)["state"]
    assert (state["old"], state["new"]) == ("active", "active")

    assert done(SCRIPT, "disable_old", **parts)["status"] == "done"
    assert done(SCRIPT, "disable_old", **parts)["status"] == "already"
    assert done(SCRIPT, "destroy_old", **parts)["status"] == "already"
    assert server.regenerated == ["key1"]
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["new"], said["old"], said["old_error"]) == ("accepted", "refused", "auth")
    assert said["derived"] == "none"
    state = done(SCRIPT, "observe", **parts)["state"]
    assert (state["old"], state["new"]) == ("absent", "active")


def test_without_the_leaked_value_the_age_of_the_key_tells(
    server: azure.Azure, parts: dict[str, Any]
) -> None:
    del parts["secrets"]["old"]
    assert failed(SCRIPT, "disable_old", **parts) == "missing"
    parts["plan"] = done(SCRIPT, "plan", **parts)
    created(parts)
    assert probe(parts) == ("accepted", "accepted")
    assert done(SCRIPT, "disable_old", **parts)["status"] == "done"
    assert done(SCRIPT, "disable_old", **parts)["status"] == "already"
    assert probe(parts) == ("accepted", "refused")
    assert server.regenerated == ["key1"]


def test_the_other_key_is_made_anew_too_when_it_may_have_leaked(
    server: azure.Azure, parts: dict[str, Any]
) -> None:
    parts["old"], parts["secrets"]["old"] = {"id": "ACCOUNT_KEY"}, server.keys["key2"]
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert parts["plan"]["old"] == {"id": "key2"}
    parts["target"]["fresh"] = True
    before = server.keys["key1"]
    created(parts)
    assert server.regenerated == ["key1"]
    assert parts["secrets"]["new"] == server.keys["key1"] != before
    done(SCRIPT, "verify_new", **parts)


def test_a_missing_permission_or_a_key_that_is_gone_shows_in_the_plan(
    server: azure.Azure, parts: dict[str, Any]
) -> None:
    action = "Microsoft.Storage/storageAccounts/{}/action"
    server.actions = [action.format("listKeys")]
    assert failing_checks(done(SCRIPT, "plan", **parts)) == [
        f"may {action.format('regenerateKey')}"
    ]
    assert failed(SCRIPT, "disable_old", **parts) == "permission"
    server.actions = ["Microsoft.Storage/*"]
    parts["secrets"]["old"] = azure.make_key()
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["the leaked value is the key's value"]
    del parts["old"]
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["the leaked key is the account's"]
    assert server.regenerated == []


def test_a_200_that_changed_nothing_is_no_success(
    server: azure.Azure, parts: dict[str, Any]
) -> None:
    server.lazy = True
    assert failed(SCRIPT, "disable_old", **parts) == "conflict"


def test_limits_and_outages_are_never_taken_for_a_refusal(
    server: azure.Azure, parts: dict[str, Any]
) -> None:
    parts["plan"] = done(SCRIPT, "plan", **parts)
    created(parts)
    for fault, kind in (
        (Said(429, {}, {"Retry-After": "60"}), "quota"),
        (Said(409, {}), "auth"),  # of the token service
        (Said(503), "network"),
    ):
        server.faults = [fault]
        assert failed(SCRIPT, "disable_old", **parts) == kind
    parts["secrets"]["admin"] = "wrong"
    assert failed(SCRIPT, "disable_old", **parts) == "auth"
    parts["target"]["blob"] = f"http://127.0.0.1:{free_port()}/{azure.ACCOUNT}"
    assert probe(parts) == ("unreachable", "unreachable")
    parts["target"]["blob"] = f"{server.blob}-of-somebody-else"
    assert "refused" not in probe(parts)
    parts["target"]["management"] = "http://management.example.com"
    parts["target"]["login"] = "http://login.example.com"
    assert failed(SCRIPT, "disable_old", **parts) == "unsupported"
    assert server.regenerated == []
