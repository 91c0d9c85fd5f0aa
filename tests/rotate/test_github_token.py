"""Replacing and revoking GitHub tokens, against a server that answers 202 as GitHub does."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, github_api, lacking

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

pytestmark = pytest.mark.skipif(
    bool(lacking(modules=["jwt", "cryptography"])), reason=lacking(modules=["jwt", "cryptography"])
)

SCRIPT = SCRIPTS / "github-token"


@pytest.fixture
def server() -> Iterator[github_api.GitHub]:
    with github_api.start() as running:
        yield running


def parts_of(server: github_api.GitHub, kind: str = "personal") -> dict[str, Any]:
    return {
        "target": {
            "api": server.url,
            "kind": kind,
            "client_id": server.client[0],
            "app_id": server.app_id,
            "installation_id": server.installation,
        },
        "secrets": {
            "old": server.token(kind=kind),
            "replacement": server.token(kind=kind),
            "client_secret": server.client[1],
            "app_key": server.app_key,
        },
    }


def probe(parts: dict[str, Any]) -> tuple[str, str]:
    said = done(SCRIPT, "probe", **parts)["probe"]
    return said["new"], said["old"]


def test_the_script_is_what_its_manifest_says() -> None:
    manifest = manifest_of(SCRIPT)
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said == {name: manifest[name] for name in said}


@pytest.mark.parametrize(
    "kind, status", [("personal", "accepted"), ("oauth", "done"), ("installation", "done")]
)
def test_each_kind_of_token_is_replaced_and_revoked(
    server: github_api.GitHub, kind: str, status: str
) -> None:
    parts = parts_of(server, kind)
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert failing_checks(parts["plan"]) == []
    assert all(token.alive for token in server.tokens.values())

    made = done(SCRIPT, "create", **parts)
    done(SCRIPT, "create", **parts)
    parts["new"], parts["secrets"]["new"] = made["new"], made["secrets"]["new"]
    done(SCRIPT, "verify_new", **parts)
    assert probe(parts) == ("accepted", "accepted")
    state = done(SCRIPT, "observe", **parts)["state"]
    assert (state["old"], state["new"]) == ("active", "active")

    assert done(SCRIPT, "disable_old", **parts)["status"] == status
    for _ in range(3):
        last = probe(parts)
    assert last == ("accepted", "refused")
    assert done(SCRIPT, "disable_old", **parts)["status"] == "already"
    assert done(SCRIPT, "destroy_old", **parts)["status"] == "already"
    state = done(SCRIPT, "observe", **parts)["state"]
    assert (state["old"], state["new"]) == ("absent", "active")
    assert not server.tokens[parts["secrets"]["old"]].alive


def test_a_202_is_accepted_and_no_proof_the_token_may_still_work(
    server: github_api.GitHub,
) -> None:
    server.late = 1000
    parts = parts_of(server)
    assert done(SCRIPT, "disable_old", **parts)["status"] == "accepted"
    parts["secrets"]["new"] = parts["secrets"]["replacement"]
    assert probe(parts) == ("accepted", "accepted")


def test_a_report_names_nobody_except_to_an_enterprise_server(server: github_api.GitHub) -> None:
    parts = parts_of(server)
    server.enterprise = True
    assert failed(SCRIPT, "disable_old", **parts) == "permission"
    parts["target"]["authenticated"] = True
    assert done(SCRIPT, "disable_old", **parts)["status"] == "accepted"


def test_what_is_wrong_with_a_replacement_shows_in_the_plan(server: github_api.GitHub) -> None:
    parts = parts_of(server)
    parts["secrets"]["replacement"] = parts["secrets"]["old"]
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["a replacement was made"]
    assert failed(SCRIPT, "disable_old", **parts) == "bug"
    parts["secrets"]["replacement"] = server.token("somebody-else", scopes="gist")
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert failing_checks(parts["plan"]) == [
        "the replacement is the same account's",
        "the replacement may do as much",
    ]
    parts["secrets"]["new"] = parts["secrets"]["replacement"]
    assert failed(SCRIPT, "verify_new", **parts) == "conflict"
    parts["secrets"]["replacement"] = secrets.token_hex(20)
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["the replacement works"]


def test_a_wrong_app_key_or_client_secret_shows(server: github_api.GitHub) -> None:
    parts = parts_of(server, "installation")
    parts["secrets"]["app_key"] = secrets.token_hex(40)
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["the App can make another"]
    assert failed(SCRIPT, "create", **parts) == "auth"
    parts = parts_of(server, "oauth")
    parts["secrets"]["client_secret"] = secrets.token_hex(20)
    assert failed(SCRIPT, "disable_old", **parts) == "auth"
    del parts["secrets"]["client_secret"]
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["the application can revoke it"]


def test_limits_and_outages_are_never_taken_for_a_refusal(server: github_api.GitHub) -> None:
    parts = parts_of(server)
    parts["secrets"]["new"] = parts["secrets"]["replacement"]
    limit = github_api.Said(403, {}, {"X-RateLimit-Remaining": "0"})
    for fault, expected in (
        (github_api.Said(429, {}, {"Retry-After": "60"}), "unknown"),
        (limit, "unknown"),
        (github_api.Said(403, {"message": "single sign-on"}), "unknown"),
        (github_api.Said(502), "unreachable"),
    ):
        server.faults = [fault, fault]
        assert probe(parts) == (expected, expected)
    server.faults = [github_api.Said(200, {}), github_api.Said(422, {})]
    answer = call(SCRIPT, "disable_old", **parts)
    assert (answer["error"]["class"], answer["error"]["retryable"]) == ("quota", True)


def test_a_server_that_is_down_is_unreachable_and_plain_http_is_refused(
    server: github_api.GitHub,
) -> None:
    parts = parts_of(server)
    parts["target"]["api"] = f"http://127.0.0.1:{free_port()}"
    parts["secrets"]["new"] = parts["secrets"]["replacement"]
    assert probe(parts) == ("unreachable", "unreachable")
    assert failed(SCRIPT, "verify_new", **parts) == "network"
    parts["target"]["api"] = "http://github.example.com/api/v3"
    assert failed(SCRIPT, "disable_old", **parts) == "unsupported"
