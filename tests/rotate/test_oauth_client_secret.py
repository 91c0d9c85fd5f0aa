"""Replacing a client secret: real tokens by Django OAuth Toolkit, Keycloak's shape on top."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, oauth, place

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

pytestmark = pytest.mark.skipif(bool(oauth.available()), reason=f"oauth: {oauth.available()}")

SCRIPT = SCRIPTS / "oauth-client-secret"


@pytest.fixture
def server() -> Iterator[oauth.Server]:
    with place() as folder, oauth.start(folder) as running:
        yield running


@pytest.fixture
def parts(server: oauth.Server) -> dict[str, Any]:
    client = oauth.CLIENTS[oauth.MACHINE]
    return {
        "target": {
            "admin_url": server.url(f"/admin/clients/{client}"),
            "token_url": server.url("/o/token/"),
            "client_id": client,
            "admin_client_id": oauth.CLIENTS[oauth.ADMIN],
            "admin_scope": "manage-clients",
        },
        "secrets": {
            "admin": server.secrets[oauth.ADMIN],
            "old": server.secrets[oauth.MACHINE],
            "new": secrets.token_urlsafe(36),
        },
    }


def test_the_script_is_what_its_manifest_says() -> None:
    manifest = manifest_of(SCRIPT)
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said == {name: manifest[name] for name in said}


def test_a_new_secret_kills_the_old_one_and_then_the_tokens_it_minted(
    server: oauth.Server, parts: dict[str, Any]
) -> None:
    minted, bystander = server.token(oauth.MACHINE), server.token(oauth.OTHER)
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert failing_checks(parts["plan"]) == []
    assert server.uses(minted) == 200
    before = done(SCRIPT, "probe", **parts)["probe"]
    assert (before["new"], before["old"]) == ("refused", "accepted")
    assert failed(SCRIPT, "disable_old", **parts) == "conflict"

    assert done(SCRIPT, "create", **parts)["status"] == "done"
    assert done(SCRIPT, "create", **parts)["status"] == "already"
    done(SCRIPT, "verify_new", **parts)
    assert done(SCRIPT, "disable_old", **parts)["status"] == "already"
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["new"], said["old"], said["derived"]) == ("accepted", "refused", "alive")
    assert server.uses(minted) == 200  # the secret is dead, and its token lives

    assert done(SCRIPT, "kill_derived", **parts)["status"] == "done"
    assert done(SCRIPT, "kill_derived", **parts)["status"] == "already"
    assert (server.uses(minted), server.uses(bystander)) == (401, 200)
    assert not server.active(minted, oauth.OTHER)
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["old_error"], said["derived"]) == ("auth", "none")
    assert done(SCRIPT, "destroy_old", **parts)["status"] == "already"


def test_observe_and_rollback_tell_which_secret_is_in_place(parts: dict[str, Any]) -> None:
    def state() -> tuple[str, str]:
        said = done(SCRIPT, "observe", **parts)["state"]
        return said["old"], said["new"]

    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert state() == ("active", "absent")
    done(SCRIPT, "create", **parts)
    assert state() == ("absent", "active")
    assert done(SCRIPT, "rollback", **parts)["status"] == "done"
    assert done(SCRIPT, "rollback", **parts)["status"] == "already"
    assert state() == ("active", "absent")


def test_the_leaked_client_never_acts(parts: dict[str, Any]) -> None:
    parts["target"]["admin_client_id"] = parts["target"]["client_id"]
    parts["secrets"]["admin"] = parts["secrets"]["old"]
    failing = failing_checks(done(SCRIPT, "plan", **parts))
    assert "the acting identity is not the leaked one" in failing


def test_an_admin_without_permission_shows_in_the_plan(
    server: oauth.Server, parts: dict[str, Any]
) -> None:
    parts["target"]["admin_scope"] = "read"
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["the administration shows the client"]
    assert failed(SCRIPT, "create", **parts) == "permission"
    server.token(oauth.MACHINE)  # the old secret is untouched


def test_an_address_of_another_client_shows_in_the_plan(parts: dict[str, Any]) -> None:
    url = parts["target"]["admin_url"]
    parts["target"]["admin_url"] = url.replace(oauth.CLIENTS[oauth.MACHINE], "batch-8")
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["admin_url is the client's"]


def test_a_server_that_is_down_is_unreachable_never_refused(parts: dict[str, Any]) -> None:
    parts["target"]["token_url"] = f"http://127.0.0.1:{free_port()}/"
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["new"], said["old"]) == ("unreachable", "unreachable")
    assert failed(SCRIPT, "verify_new", **parts) == "network"
    assert failed(SCRIPT, "kill_derived", **parts) == "network"
