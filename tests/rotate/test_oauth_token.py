"""Replacing leaked OAuth tokens, against Django OAuth Toolkit under gunicorn."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, oauth, place

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

pytestmark = pytest.mark.skipif(bool(oauth.available()), reason=f"oauth: {oauth.available()}")

SCRIPT = SCRIPTS / "oauth-token"


@pytest.fixture(scope="module")
def server() -> Iterator[oauth.Server]:
    with place() as folder, oauth.start(folder) as running:
        yield running


@pytest.fixture
def guarded() -> Iterator[oauth.Server]:
    with place() as folder, oauth.start(folder, reuse_protection=True) as running:
        yield running


def target(server: oauth.Server, client: str = oauth.MACHINE, **more: Any) -> dict[str, Any]:
    return {
        "token_url": server.url("/o/token/"),
        "revoke_url": server.url("/o/revoke_token/"),
        "introspect_url": server.url("/o/introspect/"),
        "resource_url": server.url("/resource"),
        "client_id": oauth.CLIENTS[client],
        "redirect_uri": oauth.REDIRECT,
        **more,
    }


def test_the_script_is_what_its_manifest_says() -> None:
    manifest = manifest_of(SCRIPT)
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said == {name: manifest[name] for name in said}


def test_a_machines_leaked_token_is_replaced_and_revoked(server: oauth.Server) -> None:
    leaked = server.token(oauth.MACHINE)
    parts: dict[str, Any] = {
        "target": target(server),
        "secrets": {"client_secret": server.secrets[oauth.MACHINE], "old": leaked},
    }
    plan = done(SCRIPT, "plan", **parts)
    assert failing_checks(plan) == []
    assert plan["snapshot"]["scope"] == "read"
    assert server.active(leaked)

    made = done(SCRIPT, "create", **parts, plan=plan)
    again = done(SCRIPT, "create", **parts, plan=plan)  # the one before expires by itself
    assert made["secrets"] != again["secrets"]
    parts["secrets"]["new"] = again["secrets"]["new"]
    done(SCRIPT, "verify_new", **parts)
    probe = done(SCRIPT, "probe", **parts)["probe"]
    assert (probe["new"], probe["old"]) == ("accepted", "accepted")
    assert done(SCRIPT, "observe", **parts)["state"]["old"] == "active"

    assert done(SCRIPT, "disable_old", **parts)["status"] == "done"
    assert done(SCRIPT, "disable_old", **parts)["status"] == "already"
    assert done(SCRIPT, "destroy_old", **parts)["status"] == "already"
    probe = done(SCRIPT, "probe", **parts)["probe"]
    assert (probe["new"], probe["old"], probe["derived"]) == ("accepted", "refused", "none")
    assert (server.uses(leaked), server.uses(again["secrets"]["new"])) == (401, 200)
    state = done(SCRIPT, "observe", **parts)["state"]
    assert (state["old"], state["new"]) == ("absent", "active")


def test_a_persons_pair_is_replaced_after_they_authorize_again(server: oauth.Server) -> None:
    leaked = server.pair()
    code, verifier = server.code()
    parts: dict[str, Any] = {
        "target": target(server, oauth.PERSONAL, grant="authorization_code"),
        "secrets": {
            "client_secret": server.secrets[oauth.PERSONAL],
            "old": leaked["access_token"],
            "partner": leaked["refresh_token"],
            "code": code,
            "code_verifier": verifier,
        },
    }
    plan = done(SCRIPT, "plan", **parts)
    assert failing_checks(plan) == []
    made = done(SCRIPT, "create", **parts, plan=plan)
    assert failed(SCRIPT, "create", **parts, plan=plan) == "auth"  # a code works once
    assert set(made["secrets"]) == {"new", "new_refresh"}
    parts["secrets"] |= made["secrets"]
    done(SCRIPT, "verify_new", **parts)

    done(SCRIPT, "disable_old", **parts)
    probe = done(SCRIPT, "probe", **parts)["probe"]
    assert (probe["new"], probe["old"]) == ("accepted", "refused")
    assert probe["derived"] == "unknown"  # this server keeps what was minted before
    said = server.post(
        "/o/token/", oauth.PERSONAL,
        grant_type="refresh_token", refresh_token=leaked["refresh_token"],
    )  # fmt: skip
    assert said.json()["error"] == "invalid_grant"


def test_what_a_thief_minted_from_the_refresh_token_ends_with_reuse_protection(
    guarded: oauth.Server,
) -> None:
    leaked = guarded.pair()
    stolen = guarded.post(
        "/o/token/", oauth.PERSONAL,
        grant_type="refresh_token", refresh_token=leaked["refresh_token"],
    ).json()  # fmt: skip
    parts: dict[str, Any] = {
        "target": target(
            guarded, oauth.PERSONAL, grant="authorization_code",
            leaked="refresh_token", reuse_protection=True,
        ),
        "secrets": {
            "client_secret": guarded.secrets[oauth.PERSONAL], "old": leaked["refresh_token"],
        },
    }  # fmt: skip
    code, verifier = guarded.code()
    parts["secrets"] |= {"code": code, "code_verifier": verifier}
    parts["secrets"] |= done(SCRIPT, "create", **parts)["secrets"]
    assert parts["secrets"]["new_access"]
    done(SCRIPT, "verify_new", **parts)

    done(SCRIPT, "disable_old", **parts)
    assert guarded.active(stolen["access_token"])  # revoking a spent token reaches nothing else
    assert done(SCRIPT, "kill_derived", **parts)["status"] == "done"
    assert not guarded.active(stolen["access_token"])
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["new"], said["old"], said["derived"]) == ("accepted", "refused", "none")


def test_a_200_of_the_revocation_endpoint_proves_nothing(server: oauth.Server) -> None:
    leaked = server.token(oauth.OTHER)
    assert server.post("/o/revoke_token/", oauth.MACHINE, token="nonsense").status_code == 200
    parts: dict[str, Any] = {
        "target": target(server),  # the wrong client: the server answers 200, and keeps the token
        "secrets": {"client_secret": server.secrets[oauth.MACHINE], "old": leaked},
    }
    assert failing_checks(done(SCRIPT, "plan", **parts)) == [
        "the leaked token belongs to the client"
    ]
    assert failed(SCRIPT, "disable_old", **parts) == "conflict"
    assert server.active(leaked)


def test_a_refresh_token_that_still_works_is_found_alive_and_what_it_gave_is_revoked(
    server: oauth.Server,
) -> None:
    leaked = server.pair()["refresh_token"]
    parts: dict[str, Any] = {
        "target": target(server, oauth.PERSONAL, leaked="refresh_token"),
        "secrets": {"client_secret": server.secrets[oauth.PERSONAL], "old": leaked},
    }
    assert done(SCRIPT, "probe", **parts)["probe"]["old"] == "accepted"
    assert done(SCRIPT, "probe", **parts)["probe"]["old"] == "refused"


def test_a_leaked_client_secret_is_sent_to_the_other_script(server: oauth.Server) -> None:
    secret = server.secrets[oauth.MACHINE]
    plan = done(
        SCRIPT, "plan", target=target(server), secrets={"client_secret": secret, "old": secret}
    )
    assert failing_checks(plan) == ["the client secret is not what leaked"]


def test_a_wrong_client_secret_is_auth_and_a_scope_too_many_is_permission(
    server: oauth.Server,
) -> None:
    secret = {"client_secret": secrets.token_urlsafe(20), "old": secrets.token_urlsafe(20)}
    assert failed(SCRIPT, "plan", target=target(server), secrets=secret) == "auth"
    assert failed(SCRIPT, "create", target=target(server), secrets=secret) == "auth"
    secret["client_secret"] = server.secrets[oauth.MACHINE]
    wide = target(server, scope="everything")
    assert failed(SCRIPT, "create", target=wide, secrets=secret) == "permission"


def test_a_server_that_is_down_is_unreachable_never_refused(server: oauth.Server) -> None:
    nobody = {
        key: value.replace(str(server.port), str(free_port()))
        for key, value in target(server).items()
    }
    slots = {name: secrets.token_urlsafe(20) for name in ("client_secret", "old", "new")}
    said = done(SCRIPT, "probe", target=nobody, secrets=slots)["probe"]
    assert (said["new"], said["old"]) == ("unreachable", "unreachable")
    assert failed(SCRIPT, "disable_old", target=nobody, secrets=slots) == "network"


def test_a_token_is_not_sent_over_plain_http(server: oauth.Server) -> None:
    plain = target(server, introspect_url="http://login.example.com/introspect")
    slots = {"client_secret": secrets.token_urlsafe(20), "old": secrets.token_urlsafe(20)}
    assert failed(SCRIPT, "plan", target=plain, secrets=slots) == "unsupported"
