"""Replacing GitLab access tokens, on a server with GitLab's reuse detection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, gitlab_api

from rotate.drive import (
    ROTATION,
    SCRIPTS,
    call,
    done,
    failed,
    failing_checks,
    manifest_of,
)

SCRIPT = SCRIPTS / "gitlab-token"
USER = 7
PLACES = {"personal": "", "project": "projects/5", "group": "groups/5"}


@pytest.fixture
def server() -> Iterator[gitlab_api.GitLab]:
    with gitlab_api.start() as running:
        yield running


def parts_of(
    server: gitlab_api.GitLab, kind: str = "personal", method: str = "create"
) -> dict[str, Any]:
    user = USER if kind == "personal" else 500
    leaked = server.make(user, "deploys", ("read_api",), PLACES[kind])
    for name in ("one", "two"):
        server.make(user, name, ("api",), PLACES[kind])
    return {
        "target": {"api": f"{server.url}/api/v4", "kind": kind, "owner": "5", "method": method},
        "secrets": {"admin": server.admin, "old": leaked.value},
        "old": {"id": str(leaked.id)},
    }


def created(parts: dict[str, Any]) -> int:
    made = done(SCRIPT, "create", **parts)
    parts["new"], parts["secrets"]["new"] = made["new"], made["secrets"]["new"]
    return int(made["new"]["id"])


def probe(parts: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = done(SCRIPT, "probe", **parts)["probe"]
    return said


def test_the_script_is_what_its_manifest_says() -> None:
    manifest = manifest_of(SCRIPT)
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said == {name: manifest[name] for name in said}


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("method", ["create", "rotate"])
def test_a_leaked_token_is_replaced_and_revoked(
    server: gitlab_api.GitLab, kind: str, method: str
) -> None:
    parts = parts_of(server, kind, method)
    leaked = int(parts["old"]["id"])
    before = [token.shown() for token in server.tokens]
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert failing_checks(parts["plan"]) == []
    assert [token.shown() for token in server.tokens] == before
    overlap = {} if method == "create" else {"overlap": "none", "label_support": False}
    assert parts["plan"].get("capabilities", {}) == overlap

    new = created(parts)
    made = next(token for token in server.tokens if token.id == new)
    assert made.scopes == ("read_api",)
    assert made.name == (f"deploys ({ROTATION})" if method == "create" else "deploys")
    done(SCRIPT, "verify_new", **parts)
    said = probe(parts)
    assert (said["new"], said["old"]) == (
        "accepted",
        "accepted" if method == "create" else "refused",
    )

    status = done(SCRIPT, "disable_old", **parts)["status"]
    assert status == ("done" if method == "create" else "already")
    assert done(SCRIPT, "destroy_old", **parts)["status"] == "already"
    assert done(SCRIPT, "kill_derived", **parts)["status"] == "already"
    said = probe(parts)
    assert (said["new"], said["old"], said["old_error"]) == ("accepted", "refused", "auth")
    assert said["derived"] == "none"
    assert leaked not in server.active(made.user_id)
    assert len(server.active(made.user_id)) == 3
    state = done(SCRIPT, "observe", **parts)["state"]
    assert (state["old"], state["new"]) == ("absent", "active")


@pytest.mark.parametrize("method", ["create", "rotate"])
def test_a_token_whose_value_was_lost_in_a_crash_is_replaced_once_more(
    server: gitlab_api.GitLab, method: str
) -> None:
    parts = parts_of(server, "personal", method)
    parts["plan"] = done(SCRIPT, "plan", **parts)
    lost = created(parts)
    again = created(parts)
    assert lost not in server.active(USER)
    assert again in server.active(USER)  # rotating the leaked one twice would have killed it
    done(SCRIPT, "verify_new", **parts)
    if method == "rotate":
        assert len(server.active(USER)) == 3


def test_what_a_thief_rotated_out_of_the_leaked_token_is_revoked(
    server: gitlab_api.GitLab,
) -> None:
    parts = parts_of(server)
    parts["plan"] = done(SCRIPT, "plan", **parts)
    thief = done(
        SCRIPT, "create",
        **{**parts, "target": {**parts["target"], "method": "rotate"}, "old": parts["old"]},
    )  # fmt: skip
    new = created(parts)
    assert probe(parts)["derived"] == "alive"
    assert done(SCRIPT, "kill_derived", **parts)["evidence"] == [{"revoked": 1}]
    assert int(thief["new"]["id"]) not in server.active(USER)
    assert new in server.active(USER)
    assert probe(parts)["derived"] == "none"


def test_without_the_old_value_gitlabs_own_list_tells_its_state(
    server: gitlab_api.GitLab,
) -> None:
    parts = parts_of(server)
    parts["plan"] = done(SCRIPT, "plan", **parts)
    created(parts)
    del parts["secrets"]["old"]
    assert (probe(parts)["old"], probe(parts)["method"]) == ("accepted", "metadata")
    done(SCRIPT, "disable_old", **parts)
    assert probe(parts)["old"] == "refused"
    parts["old"] = {"id": "NAME_IN_SOME_FILE"}
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["the leaked token is known"]


def test_the_leaked_token_never_acts_and_missing_rights_show(server: gitlab_api.GitLab) -> None:
    parts = parts_of(server)
    parts["secrets"]["admin"] = parts["secrets"]["old"]
    assert failed(SCRIPT, "plan", **parts) == "permission"  # it may only read
    other = server.make(USER, "another")
    parts["secrets"]["admin"] = other.value
    assert failing_checks(done(SCRIPT, "plan", **parts)) == [
        "the acting token is an administrator's"
    ]
    parts["target"]["method"] = "rotate"
    assert failing_checks(done(SCRIPT, "plan", **parts)) == []
    parts["secrets"]["old"], parts["old"] = other.value, {}
    assert failing_checks(done(SCRIPT, "plan", **parts)) == [
        "the acting token is not the leaked one"
    ]


def test_limits_and_outages_are_never_taken_for_a_refusal(server: gitlab_api.GitLab) -> None:
    parts = parts_of(server)
    parts["plan"] = done(SCRIPT, "plan", **parts)
    created(parts)
    for fault, expected in (
        (gitlab_api.Said(429, {}, {"Retry-After": "60"}), "unknown"),
        (gitlab_api.Said(403, {"message": "403 Forbidden"}), "unknown"),
        (gitlab_api.Said(502), "unreachable"),
    ):
        server.faults = [fault, fault]
        said = probe(parts)
        assert (said["new"], said["old"]) == (expected, expected)
    server.faults = [gitlab_api.Said(429, {}, {"Retry-After": "60"})]
    answer = call(SCRIPT, "disable_old", **parts)
    assert (answer["error"]["class"], answer["error"]["retryable"]) == ("quota", True)
    parts["target"]["api"] = f"http://127.0.0.1:{free_port()}/api/v4"
    said = probe(parts)
    assert (said["new"], said["old"]) == ("unreachable", "unreachable")
    parts["target"]["api"] = "http://gitlab.example.com/api/v4"
    assert failed(SCRIPT, "disable_old", **parts) == "unsupported"
