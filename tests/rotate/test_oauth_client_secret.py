"""Replacing a client secret: against Keycloak where it is installed, and against its stand-in."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from servers import free_port, keycloak, oauth, place

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, hurried, manifest_of

SCRIPT = SCRIPTS / "oauth-client-secret"


@pytest.fixture(scope="module")
def real() -> Iterator[keycloak.Server]:
    if lack := keycloak.available():
        pytest.skip(f"keycloak: {lack}")
    with place() as folder, keycloak.real(folder) as running:
        yield running


@pytest.fixture(scope="module")
def standin() -> Iterator[keycloak.Server]:
    if lack := oauth.available():
        pytest.skip(f"oauth: {lack}")
    with place() as folder, keycloak.standin(folder) as running:
        yield running


@pytest.fixture(scope="module", params=["real", "standin"])
def server(request: pytest.FixtureRequest) -> keycloak.Server:
    running: keycloak.Server = request.getfixturevalue(request.param)
    return running


@pytest.fixture
def client(server: keycloak.Server) -> keycloak.Client:
    return server.client()


@pytest.fixture
def parts(client: keycloak.Client) -> dict[str, Any]:
    return _parts(client)


def _parts(client: keycloak.Client) -> dict[str, Any]:
    return {
        "target": client.target(),
        "secrets": {
            "admin": client.server.secrets[keycloak.ADMIN],
            "old": client.secret,
            "new": secrets.token_urlsafe(36),
        },
    }


def test_the_script_is_what_its_manifest_says() -> None:
    manifest = manifest_of(SCRIPT)
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said == {name: manifest[name] for name in said}


def test_a_new_secret_kills_the_old_one_and_then_the_tokens_it_minted(
    server: keycloak.Server, client: keycloak.Client, parts: dict[str, Any]
) -> None:
    minted, bystander = client.token(), server.client().token()
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
    assert not server.active(minted)
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["old_error"], said["derived"]) == ("auth", "none")
    assert done(SCRIPT, "destroy_old", **parts)["status"] == "already"


def test_nothing_but_the_secret_changes_above_all_not_the_service_account(
    client: keycloak.Client, parts: dict[str, Any]
) -> None:
    account, known = client.account(), client.known()
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert client.known() == known
    done(SCRIPT, "create", **parts)
    done(SCRIPT, "kill_derived", **parts)
    assert client.account() == account  # its roles hang on it
    assert client.known() | {"notBefore": 0} == known | {"notBefore": 0}


def test_a_token_that_is_asked_for_after_the_end_of_the_others_works(
    server: keycloak.Server, client: keycloak.Client, parts: dict[str, Any]
) -> None:
    parts["plan"] = done(SCRIPT, "plan", **parts)
    done(SCRIPT, "create", **parts)
    client.secret = parts["secrets"]["new"]
    client.token()  # so that the next one is had at once
    hurried(SCRIPT, "kill_derived", **parts)
    assert server.uses(client.token()) == 200


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
    server: keycloak.Server, client: keycloak.Client, parts: dict[str, Any]
) -> None:
    parts["target"] |= server.powerless
    parts["secrets"]["admin"] = server.secrets[parts["target"]["admin_client_id"]]
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["the administration shows the client"]
    assert failed(SCRIPT, "create", **parts) == "permission"
    client.token()  # the old secret is untouched


def test_an_address_of_another_client_shows_in_the_plan(
    server: keycloak.Server, parts: dict[str, Any]
) -> None:
    parts["target"]["admin_url"] = server.client().url
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["admin_url is the client's"]


def test_a_client_that_refuses_every_secret_is_no_proof(
    server: keycloak.Server, parts: dict[str, Any]
) -> None:
    off = server.client(enabled=False)
    parts["target"] = off.target()
    failing = failing_checks(done(SCRIPT, "plan", **parts))
    assert failing == ["the client is enabled and logs in by its secret"]


def test_an_endpoint_that_does_not_look_at_the_secret_is_no_proof(
    server: keycloak.Server, parts: dict[str, Any]
) -> None:
    parts["target"]["token_url"] = server.resource_url
    assert "the token endpoint refuses a wrong secret" in failing_checks(
        call(SCRIPT, "plan", **parts)
    )


def test_a_secret_that_a_policy_replaced_and_lets_live_on_is_taken_away(
    real: keycloak.Server,
) -> None:
    with _secrets_live_on(real):
        client = real.client()
        parts = _parts(client)
        real.admin("POST", f"{client.url}/client-secret")  # as its console does, before us
        parts["plan"] = done(SCRIPT, "plan", **parts)
        done(SCRIPT, "create", **parts)
        said = done(SCRIPT, "probe", **parts)["probe"]
        assert (said["new"], said["old"]) == ("accepted", "accepted")
        assert done(SCRIPT, "disable_old", **parts)["status"] == "done"
        assert done(SCRIPT, "disable_old", **parts)["status"] == "already"
        said = done(SCRIPT, "probe", **parts)["probe"]
        assert (said["new"], said["old"]) == ("accepted", "refused")


@contextmanager
def _secrets_live_on(server: keycloak.Server) -> Iterator[None]:
    policies = server.clients_url.replace("/clients", "/client-policies")
    times = {"expiration-period": "86400", "rotated-expiration-period": "3600",
             "remaining-rotation-period": "3600"}  # fmt: skip
    rotate = {"executor": "secret-rotation", "configuration": times}
    profile = {"name": "aging", "executors": [rotate]}
    policy = {"name": "all", "enabled": True, "profiles": ["aging"],
              "conditions": [{"condition": "any-client", "configuration": {}}]}  # fmt: skip
    server.admin("PUT", f"{policies}/profiles", json={"profiles": [profile]})
    server.admin("PUT", f"{policies}/policies", json={"policies": [policy]})
    try:
        yield
    finally:
        server.admin("PUT", f"{policies}/policies", json={"policies": []})


def test_a_server_that_is_down_is_unreachable_never_refused(parts: dict[str, Any]) -> None:
    parts["target"]["token_url"] = f"http://127.0.0.1:{free_port()}/"
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["new"], said["old"]) == ("unreachable", "unreachable")
    assert failed(SCRIPT, "verify_new", **parts) == "network"
    assert failed(SCRIPT, "kill_derived", **parts) == "network"
