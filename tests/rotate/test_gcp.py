"""Replacing a service account key, with google-auth against a token endpoint that verifies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, gcp
from servers.fake import Said

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

pytestmark = pytest.mark.skipif(bool(gcp.available()), reason=f"gcp: {gcp.available()}")

SCRIPT = SCRIPTS / "gcp-service-account-key"


@pytest.fixture
def server() -> Iterator[gcp.Google]:
    with gcp.start() as running:
        yield running


@pytest.fixture
def parts(server: gcp.Google) -> dict[str, Any]:
    account = server.account("nightly")
    leaked, file = server.key(account)
    _, admin = server.key(server.account("rotator", gcp.ALL))
    return {
        "target": {"account": account, "api": server.url},
        "secrets": {"admin": admin, "old": file},
        "old": {"id": leaked},
    }


def created(parts: dict[str, Any]) -> str:
    made = done(SCRIPT, "create", **parts)
    parts["new"], parts["secrets"]["new"] = made["new"], made["secrets"]["new"]
    return str(made["new"]["id"])


def probe(parts: dict[str, Any]) -> tuple[str, str]:
    said = done(SCRIPT, "probe", **parts)["probe"]
    return said["new"], said["old"]


def test_the_script_is_what_its_manifest_says() -> None:
    manifest = manifest_of(SCRIPT)
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said == {name: manifest[name] for name in said}


def test_a_leaked_key_is_replaced_disabled_and_deleted(
    server: gcp.Google, parts: dict[str, Any]
) -> None:
    account, leaked = parts["target"]["account"], parts["old"]["id"]
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert failing_checks(parts["plan"]) == []
    assert parts["plan"]["known"] == [leaked]
    assert server.state(account) == {leaked: "active"}

    new = created(parts)
    assert done(SCRIPT, "verify_new", **parts)["status"] == "done"
    assert probe(parts) == ("accepted", "accepted")

    assert done(SCRIPT, "disable_old", **parts)["status"] == "done"
    assert done(SCRIPT, "disable_old", **parts)["status"] == "already"
    assert server.state(account) == {leaked: "disabled", new: "active"}
    assert probe(parts) == ("accepted", "refused")

    assert done(SCRIPT, "destroy_old", **parts)["status"] == "done"
    assert done(SCRIPT, "destroy_old", **parts)["status"] == "already"
    assert server.state(account) == {new: "active"}
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["old"], said["old_error"], said["derived"]) == ("refused", "auth", "unknown")


def test_an_access_token_that_the_key_obtained_lives_on_and_nobody_says_otherwise(
    server: gcp.Google, parts: dict[str, Any]
) -> None:
    parts["plan"] = done(SCRIPT, "plan", **parts)
    created(parts)
    probe(parts)  # the leaked key obtains a token
    stolen = [token for token, who in server.tokens.items() if who == parts["target"]["account"]]
    done(SCRIPT, "disable_old", **parts)
    assert stolen
    assert set(stolen) <= set(server.tokens)
    assert done(SCRIPT, "probe", **parts)["probe"]["derived"] == "unknown"


def test_a_key_whose_file_was_lost_in_a_crash_is_disabled_and_deleted_at_the_end(
    server: gcp.Google, parts: dict[str, Any]
) -> None:
    account = parts["target"]["account"]
    parts["plan"] = done(SCRIPT, "plan", **parts)
    lost = done(SCRIPT, "create", **parts)["new"]["id"]  # the answer never reaches the journal
    new = created(parts)
    assert server.state(account)[lost] == "disabled"
    somebodys, _ = server.key(account)  # made meanwhile, by a person: not ours to delete
    done(SCRIPT, "disable_old", **parts)
    done(SCRIPT, "destroy_old", **parts)
    assert server.state(account) == {new: "active", somebodys: "active"}


def test_without_the_old_file_iams_list_tells_its_state(parts: dict[str, Any]) -> None:
    parts["plan"] = done(SCRIPT, "plan", **parts)
    created(parts)
    bare = json.loads(parts["secrets"]["old"])["private_key"]
    for old in ({"old": bare}, {}):
        slots = {name: parts["secrets"][name] for name in ("admin", "new")} | old
        said = done(SCRIPT, "probe", **{**parts, "secrets": slots})["probe"]
        assert (said["old"], said["method"]) == ("accepted", "metadata")
    done(SCRIPT, "disable_old", **parts)
    said = done(SCRIPT, "probe", **{**parts, "secrets": slots})["probe"]
    assert (said["old"], said["method"]) == ("refused", "metadata")
    parts["old"] = {"id": "NAME_IN_SOME_FILE"}
    assert done(SCRIPT, "plan", **parts)["old"]["id"] == parts["plan"]["old"]["id"]


def test_ten_keys_leave_no_room(server: gcp.Google, parts: dict[str, Any]) -> None:
    for _ in range(9):
        server.key(parts["target"]["account"])
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert failing_checks(parts["plan"]) == ["there is room for another key"]
    assert failed(SCRIPT, "create", **parts) == "quota"


def test_the_leaked_identity_never_acts_and_missing_permissions_show(
    server: gcp.Google, parts: dict[str, Any]
) -> None:
    server.permissions[parts["target"]["account"]] = gcp.ALL
    _, another = server.key(parts["target"]["account"])
    weak = server.key(server.account("weak", frozenset({"list", "create"})))[1]
    for admin, expected in (
        (another, ["the acting identity is not the leaked one"]),
        (weak, ["may manage keys"]),
    ):
        parts["secrets"]["admin"] = admin
        assert failing_checks(done(SCRIPT, "plan", **parts)) == expected
    assert failed(SCRIPT, "disable_old", **parts) == "permission"


def test_rollback_enables_the_old_key_and_deletes_the_new_one(
    server: gcp.Google, parts: dict[str, Any]
) -> None:
    def state() -> tuple[str, str]:
        said = done(SCRIPT, "observe", **parts)["state"]
        return said["old"], said["new"]

    parts["plan"] = done(SCRIPT, "plan", **parts)
    created(parts)
    assert state() == ("active", "active")
    done(SCRIPT, "disable_old", **parts)
    assert state() == ("disabled", "active")
    assert done(SCRIPT, "rollback", **parts)["status"] == "done"
    assert done(SCRIPT, "rollback", **parts)["status"] == "already"
    assert state() == ("active", "absent")
    done(SCRIPT, "destroy_old", **{**parts, "new": {}})
    assert failed(SCRIPT, "rollback", **parts) == "not_found"


def test_limits_and_outages_are_never_taken_for_a_refusal(
    server: gcp.Google, parts: dict[str, Any]
) -> None:
    parts["plan"] = done(SCRIPT, "plan", **parts)
    created(parts)
    token = Said(200, {"access_token": "none", "expires_in": 3600})
    for fault, kind in (
        (Said(429, {}, {"Retry-After": "60"}), "quota"),
        (Said(403, {}), "permission"),
    ):
        server.faults = [token, fault]
        assert failed(SCRIPT, "disable_old", **parts) == kind
    for slot in ("old", "new"):
        file = json.loads(parts["secrets"][slot])
        file["token_uri"] = f"http://127.0.0.1:{free_port()}/token"
        parts["secrets"][slot] = json.dumps(file)
    assert probe(parts) == ("unreachable", "unreachable")
    assert failed(SCRIPT, "verify_new", **parts) == "network"
    parts["target"]["api"] = "http://iam.example.com"
    assert failed(SCRIPT, "disable_old", **parts) == "unsupported"


def test_a_young_key_that_google_does_not_know_yet_is_pending(
    server: gcp.Google, parts: dict[str, Any]
) -> None:
    parts["plan"] = done(SCRIPT, "plan", **parts)
    new = created(parts)
    server.keys[new].disabled = True
    assert done(SCRIPT, "verify_new", **parts)["status"] == "pending"
    server.keys[new].disabled = False
    assert done(SCRIPT, "verify_new", **parts)["status"] == "done"
