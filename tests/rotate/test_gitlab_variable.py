"""A new value in a CI/CD variable of GitLab; its limits and its looks stay."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, secret_stores
from servers.fake import Said

from leakguard.rotate import manifest
from leakguard.rotate.generate import common, make
from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

SCRIPT = SCRIPTS / "gitlab-variable"


@pytest.fixture
def server() -> Iterator[secret_stores.GitLab]:
    with secret_stores.gitlab() as running:
        yield running


@pytest.fixture
def parts(server: secret_stores.GitLab) -> dict[str, Any]:
    values = {"old": secrets.token_hex(16), "new": secrets.token_hex(16), "token": server.token}
    server.have("KEY", values["old"])
    server.have("KEY", secrets.token_hex(4), "live")
    where = {"api": server.url, "project": "team/app", "key": "KEY"}
    return {"target": where, "consumer": where, "secrets": values}


def held(server: secret_stores.GitLab, scope: str = "*") -> Any:
    return server.variables["KEY", scope]["value"]


def test_the_script_is_what_its_manifest_says() -> None:
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said["dry_run"] == manifest_of(SCRIPT)["dry_run"]


def test_the_value_of_one_scope_changes_and_comes_back(
    server: secret_stores.GitLab, parts: dict[str, Any]
) -> None:
    values, other = parts["secrets"], held(server, "live")
    assert failing_checks(done(SCRIPT, "plan", **parts)) == []
    done(SCRIPT, "distribute", **parts, dry_run=True)
    assert held(server) == values["old"]
    assert failed(SCRIPT, "confirm", **parts) == "conflict"
    assert done(SCRIPT, "distribute", **parts)["status"] == "done"
    assert (held(server), held(server, "live")) == (values["new"], other)
    assert server.variables["KEY", "*"]["protected"] is True
    assert done(SCRIPT, "distribute", **parts)["status"] == "already"
    assert done(SCRIPT, "confirm", **parts)["method"] == "config"
    state = done(SCRIPT, "observe", **parts)["state"]
    assert (state["old"], state["new"]) == ("absent", "active")
    done(SCRIPT, "rollback", **parts)
    assert held(server) == values["old"]


def test_what_the_generator_makes_can_be_masked() -> None:
    shape = common([("gitlab", manifest.read(str(SCRIPT)).constraints)])
    assert all(
        secret_stores.MASKABLE.fullmatch(make(shape, secrets.choice).reveal().decode())
        for _ in range(200)
    )
    assert not shape.takes(make(shape, lambda _: "$"))


def test_a_value_that_cannot_be_masked_is_not_even_sent(
    server: secret_stores.GitLab, parts: dict[str, Any]
) -> None:
    for bad in ("short", "with a blank in it", "two\nlines-of-it"):
        parts["secrets"]["new"] = bad
        assert failed(SCRIPT, "distribute", **parts) == "unsupported"
    server.variables["KEY", "*"]["masked"] = False
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["job logs mask it"]


def test_a_hidden_variable_can_be_written_but_not_read(
    server: secret_stores.GitLab, parts: dict[str, Any]
) -> None:
    server.variables["KEY", "*"]["hidden"] = True
    assert failing_checks(done(SCRIPT, "plan", **parts)) == []
    done(SCRIPT, "distribute", **parts)
    assert held(server) == parts["secrets"]["new"]
    assert "hidden" in done(SCRIPT, "confirm", **parts)["observed"][0]
    assert done(SCRIPT, "observe", **parts)["state"]["new"] == "unknown"


def test_somebody_elses_value_is_left_alone(
    server: secret_stores.GitLab, parts: dict[str, Any]
) -> None:
    server.variables["KEY", "*"]["value"] = secrets.token_hex(8)
    assert failing_checks(done(SCRIPT, "plan", **parts)) == [
        "the variable holds the value that leaked"
    ]
    assert failed(SCRIPT, "rollback", **parts) == "conflict"


def test_what_the_token_may_not_is_said(
    server: secret_stores.GitLab, parts: dict[str, Any]
) -> None:
    parts["secrets"]["token"] = server.reader
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["the token may write"]
    assert failed(SCRIPT, "distribute", **parts) == "permission"
    parts["secrets"]["token"] = secrets.token_hex(4)
    assert failed(SCRIPT, "plan", **parts) == "auth"
    parts["secrets"]["token"] = parts["secrets"]["old"]
    assert failing_checks(done(SCRIPT, "plan", **parts)) == [
        "the acting token is not the leaked one"
    ]


def test_faults_have_a_class(server: secret_stores.GitLab, parts: dict[str, Any]) -> None:
    for status, kind in ((429, "quota"), (503, "network"), (404, "not_found")):
        server.faults = [Said(status, {})]
        assert failed(SCRIPT, "distribute", **parts) == kind
    for more, kind in (({"api": f"http://127.0.0.1:{free_port()}"}, "network"),
                       ({"api": "http://gitlab.example.com"}, "unsupported"),
                       ({"group": "7"}, "unsupported")):  # fmt: skip
        assert failed(SCRIPT, "plan", **parts | {"target": parts["target"] | more}) == kind
