"""Replacing an API token of a user, on a real JupyterHub."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, jupyterhub, place

from rotate.drive import (
    ROTATION,
    SCRIPTS,
    call,
    done,
    failed,
    failing_checks,
    manifest_of,
)

pytestmark = pytest.mark.skipif(
    bool(jupyterhub.available()), reason=f"jupyterhub: {jupyterhub.available()}"
)

SCRIPT = SCRIPTS / "jupyterhub-token"


@pytest.fixture(scope="module")
def running() -> Iterator[jupyterhub.Server]:
    with place() as folder, jupyterhub.start(folder) as server:
        yield server


@pytest.fixture
def server(running: jupyterhub.Server) -> jupyterhub.Server:
    for token in running.tokens():
        running.ask("DELETE", f"/users/{jupyterhub.USER}/tokens/{token}").raise_for_status()
    return running


@pytest.fixture
def parts(server: jupyterhub.Server) -> dict[str, Any]:
    leaked, value = server.token()
    return {
        "target": {"api": server.api, "user": jupyterhub.USER},
        "secrets": {"admin": server.services["rotator"], "old": value},
        "old": {"id": leaked},
    }


def created(parts: dict[str, Any]) -> str:
    made = done(SCRIPT, "create", **parts)
    parts["new"] = made["new"]
    parts["secrets"]["new"] = made["secrets"]["new"]
    return str(made["new"]["id"])


def test_the_script_is_what_its_manifest_says() -> None:
    manifest = manifest_of(SCRIPT)
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said == {name: manifest[name] for name in said}


def test_a_leaked_token_is_replaced_and_deleted(
    server: jupyterhub.Server, parts: dict[str, Any]
) -> None:
    leaked = parts["old"]["id"]
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert failing_checks(parts["plan"]) == []
    assert server.tokens() == parts["plan"]["known"] == [leaked]

    new = created(parts)
    listed = done(SCRIPT, "observe", **parts)["state"]["credentials"]
    assert {"id": new, "state": "active", "label": ROTATION} in listed
    done(SCRIPT, "verify_new", **parts)
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["new"], said["old"]) == ("accepted", "accepted")

    assert done(SCRIPT, "disable_old", **parts)["status"] == "done"
    assert done(SCRIPT, "disable_old", **parts)["status"] == "already"
    assert done(SCRIPT, "destroy_old", **parts)["status"] == "already"
    assert server.tokens() == [new]
    assert server.ask("GET", "/user", parts["secrets"]["old"]).status_code == 403
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["new"], said["old"], said["old_error"]) == ("accepted", "refused", "auth")
    del parts["secrets"]["old"]
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["old"], said["method"]) == ("refused", "metadata")
    state = done(SCRIPT, "observe", **parts)["state"]
    assert (state["old"], state["new"]) == ("absent", "active")


def test_the_leaked_value_tells_which_token_it_is(
    server: jupyterhub.Server, parts: dict[str, Any]
) -> None:
    server.token()
    leaked = parts["old"]["id"]
    parts["old"] = {"id": "NAME_IN_SOME_FILE"}
    assert done(SCRIPT, "plan", **parts)["old"] == {"id": leaked}
    del parts["secrets"]["old"]
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["the leaked token is known"]


def test_what_a_thief_made_with_the_leaked_token_is_deleted(
    server: jupyterhub.Server, parts: dict[str, Any]
) -> None:
    parts["plan"] = done(SCRIPT, "plan", **parts)
    stolen = server.ask(
        "POST", f"/users/{jupyterhub.USER}/tokens", parts["secrets"]["old"], json={"note": "mine"}
    ).json()
    new = created(parts)
    done(SCRIPT, "disable_old", **parts)
    assert server.ask("GET", "/user", stolen["token"]).ok  # it outlives its maker
    assert done(SCRIPT, "probe", **parts)["probe"]["derived"] == "alive"
    assert done(SCRIPT, "kill_derived", **parts)["evidence"] == [{"deleted": 1}]
    assert done(SCRIPT, "kill_derived", **parts)["status"] == "already"
    assert server.ask("GET", "/user", stolen["token"]).status_code == 403
    assert server.tokens() == [new]


def test_a_token_whose_value_was_lost_in_a_crash_is_deleted_and_made_again(
    server: jupyterhub.Server, parts: dict[str, Any]
) -> None:
    parts["plan"] = done(SCRIPT, "plan", **parts)
    created(parts)
    lost = parts["secrets"]["new"]
    again = created(parts)
    assert sorted(server.tokens()) == sorted([parts["old"]["id"], again])
    assert server.ask("GET", "/user", lost).status_code == 403
    assert server.ask("GET", "/user", parts["secrets"]["new"]).ok


def test_a_token_that_was_given_the_id_of_the_deleted_one_is_left_alone(
    server: jupyterhub.Server, parts: dict[str, Any]
) -> None:
    parts["plan"] = done(SCRIPT, "plan", **parts)
    done(SCRIPT, "disable_old", **parts)
    reused, value = server.token()
    assert reused == parts["old"]["id"]  # SQLite does that to the newest
    assert done(SCRIPT, "destroy_old", **parts)["status"] == "already"
    assert server.ask("GET", "/user", value).ok


def test_a_narrow_token_is_replaced_by_one_as_narrow(
    server: jupyterhub.Server, parts: dict[str, Any]
) -> None:
    leaked, value = server.token(scopes=["read:users:activity!user"])
    parts["old"], parts["secrets"]["old"] = {"id": leaked}, value
    parts["plan"] = done(SCRIPT, "plan", **parts)
    new = created(parts)
    scopes = [
        server.ask("GET", f"/users/{jupyterhub.USER}/tokens/{token}").json()["scopes"]
        for token in (leaked, new)
    ]
    assert scopes[0] == scopes[1]


def test_the_leaked_token_never_acts(parts: dict[str, Any]) -> None:
    parts["secrets"]["admin"] = parts["secrets"]["old"]
    failing = failing_checks(done(SCRIPT, "plan", **parts))
    assert "the acting token is not the leaked one" in failing


def test_a_missing_scope_shows_in_the_plan(
    server: jupyterhub.Server, parts: dict[str, Any]
) -> None:
    parts["secrets"]["admin"] = server.services["reader"]
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["may manage the user's tokens"]
    assert failed(SCRIPT, "create", **parts) == "permission"
    assert len(server.tokens()) == 1


def test_a_hub_that_is_down_is_unreachable_never_refused(parts: dict[str, Any]) -> None:
    parts["target"]["api"] = f"http://127.0.0.1:{free_port()}/hub/api"
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["new"], said["old"]) == ("unreachable", "unreachable")
    assert failed(SCRIPT, "disable_old", **parts) == "network"
