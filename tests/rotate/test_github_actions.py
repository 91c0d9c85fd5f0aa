"""A new value in a secret of GitHub Actions: sealed for real, and opened by the fake."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, github_actions
from servers.fake import Said

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

pytestmark = pytest.mark.skipif(
    bool(github_actions.available()), reason=f"github_actions: {github_actions.available()}"
)

SCRIPT = SCRIPTS / "github-actions-secret"
PLACES: dict[str, dict[str, Any]] = {
    "/repos/octo/app/actions/secrets/KEY": {"repository": "octo/app"},
    "/repos/octo/app/environments/live/secrets/KEY": {
        "repository": "octo/app", "environment": "live"},
    "/orgs/octo/actions/secrets/KEY": {"organization": "octo"},
}  # fmt: skip
REPOSITORY = "/repos/octo/app/actions/secrets/KEY"


@pytest.fixture
def server() -> Iterator[github_actions.Actions]:
    with github_actions.start() as running:
        yield running


@pytest.fixture
def values(server: github_actions.Actions) -> dict[str, str]:
    return {"old": secrets.token_hex(16), "new": secrets.token_hex(16), "token": server.token}


def parts(server: github_actions.Actions, values: dict[str, str], **more: Any) -> dict[str, Any]:
    where = {"api": server.url, "name": "KEY"} | (more or {"repository": "octo/app"})
    return {"target": where, "consumer": where, "secrets": values}


def test_the_script_is_what_its_manifest_says() -> None:
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said["dry_run"] == manifest_of(SCRIPT)["dry_run"]


@pytest.mark.parametrize("path", PLACES)
def test_github_can_open_what_was_sealed(
    server: github_actions.Actions, values: dict[str, str], path: str
) -> None:
    server.put(path, values["old"], visibility="selected")
    one = parts(server, values, **PLACES[path])
    plan = done(SCRIPT, "plan", **one)
    assert failing_checks(plan) == []
    done(SCRIPT, "distribute", **one, plan=plan, dry_run=True)
    assert server.values[path] == values["old"]
    done(SCRIPT, "distribute", **one, plan=plan)
    assert server.values[path] == values["new"]
    done(SCRIPT, "distribute", **one, plan=plan)
    said = done(SCRIPT, "confirm", **one, plan=plan)
    assert (said["status"], said["method"]) == ("done", "config")
    done(SCRIPT, "rollback", **one, plan=plan)
    assert server.values[path] == values["old"]


def test_who_shares_a_secret_of_an_organization_goes_on_sharing_it(
    server: github_actions.Actions, values: dict[str, str]
) -> None:
    path = "/orgs/octo/actions/secrets/KEY"
    server.put(path, values["old"], visibility="selected")
    done(SCRIPT, "distribute", **parts(server, values, organization="octo"))
    assert server.about[path]["visibility"] == "selected"
    assert server.about[path]["selected_repository_ids"] == [11, 12]
    server.shared = [{"id": number} for number in range(101)]
    assert failed(SCRIPT, "distribute", **parts(server, values, organization="octo")) == (
        "unsupported"
    )


def test_a_key_that_github_changes_in_between_is_fetched_again(
    server: github_actions.Actions, values: dict[str, str]
) -> None:
    server.put(REPOSITORY, values["old"])
    server.change_key_after_next = True
    done(SCRIPT, "distribute", **parts(server, values))
    assert server.values[REPOSITORY] == values["new"]


def test_it_is_confirmed_by_a_run_that_began_later(
    server: github_actions.Actions, values: dict[str, str]
) -> None:
    server.put(REPOSITORY, values["old"])
    one = parts(server, values, repository="octo/app", workflow="deploy.yml")
    server.run("success")
    plan = done(SCRIPT, "plan", **one)
    assert failing_checks(plan) == []
    assert failed(SCRIPT, "confirm", **one, plan=plan) == "conflict"
    done(SCRIPT, "distribute", **one, plan=plan)
    assert done(SCRIPT, "confirm", **one, plan=plan)["status"] == "pending"
    server.run("failure")
    assert done(SCRIPT, "confirm", **one, plan=plan)["status"] == "pending"
    server.run("success")
    said = done(SCRIPT, "confirm", **one, plan=plan)
    assert (said["status"], said["method"]) == ("done", "usage")


def test_a_missing_secret_is_made_only_when_asked_for(
    server: github_actions.Actions, values: dict[str, str]
) -> None:
    one = parts(server, values)
    assert failing_checks(done(SCRIPT, "plan", **one)) == ["the secret is there"]
    assert failed(SCRIPT, "distribute", **one) == "not_found"
    assert failed(SCRIPT, "confirm", **one) == "not_found"
    one = parts(server, values, repository="octo/app", create=True)
    done(SCRIPT, "distribute", **one)
    assert server.values[REPOSITORY] == values["new"]
    state = done(SCRIPT, "observe", **one)["state"]
    assert (state["old"], state["new"]) == ("unknown", "unknown")


def test_what_the_token_may_not_is_said(
    server: github_actions.Actions, values: dict[str, str]
) -> None:
    server.put(REPOSITORY, values["old"])
    reader = values | {"token": server.reader}
    assert failed(SCRIPT, "distribute", **parts(server, reader)) == "permission"
    nobody = values | {"token": secrets.token_hex(4)}
    assert failed(SCRIPT, "distribute", **parts(server, nobody)) == "auth"
    leaked = values | {"token": values["old"]}
    assert failing_checks(done(SCRIPT, "plan", **parts(server, leaked))) == [
        "the acting token is not the leaked one"
    ]


def test_a_place_is_a_repository_or_an_organization(
    server: github_actions.Actions, values: dict[str, str]
) -> None:
    both = {"repository": "octo/app", "organization": "octo"}
    for where in (both, {"environment": "live"}):
        assert failed(SCRIPT, "plan", **parts(server, values, **where)) == "unsupported"


LIMIT = Said(403, {}, {"X-RateLimit-Remaining": "0"})


@pytest.mark.parametrize(
    "said, kind", [(Said(429, {}), "quota"), (LIMIT, "quota"), (Said(502, {}), "network")]
)
def test_faults_have_a_class(
    server: github_actions.Actions, values: dict[str, str], said: Said, kind: str
) -> None:
    server.faults = [said]
    assert failed(SCRIPT, "distribute", **parts(server, values)) == kind


def test_nobody_there_and_no_encryption(
    server: github_actions.Actions, values: dict[str, str]
) -> None:
    for api, kind in ((f"http://127.0.0.1:{free_port()}", "network"),
                      ("http://github.example.com", "unsupported")):  # fmt: skip
        one = parts(server, values, repository="octo/app", api=api)
        assert failed(SCRIPT, "distribute", **one) == kind
