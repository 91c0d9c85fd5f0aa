"""Replacing the key that signs sessions, of Django and of Flask under gunicorn."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from servers import django_session, free_port, place, until

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

pytestmark = pytest.mark.skipif(
    bool(django_session.available()), reason=f"sessions: {django_session.available()}"
)

SCRIPT = SCRIPTS / "session-key"


@pytest.fixture(params=django_session.FRAMEWORKS)
def server(request: pytest.FixtureRequest) -> Iterator[django_session.Server]:
    with place() as folder, django_session.start(folder, request.param) as running:
        yield running


@pytest.fixture
def parts(server: django_session.Server) -> dict[str, Any]:
    return {
        "target": {
            "key_file": str(server.folder / "keys"),
            "framework": server.framework,
            "check_url": server.who,
            "session": django_session.session_of(server),
            "pid_file": str(server.folder / "pid"),
            "dual_window": True,
        },
        "secrets": {
            "old": server.keys[0],
            "new": secrets.token_hex(32),
            "password_field": (server.folder / "password").read_text("utf-8"),
        },
    }


def probe(parts: dict[str, Any]) -> tuple[str, str]:
    said = done(SCRIPT, "probe", **parts)["probe"]
    return said["new"], said["old"]


def state(parts: dict[str, Any]) -> tuple[str, str]:
    said = done(SCRIPT, "observe", **parts)["state"]
    return said["old"], said["new"]


def test_the_script_is_what_its_manifest_says() -> None:
    manifest = manifest_of(SCRIPT)
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said == {name: manifest[name] for name in said}


def test_a_new_key_signs_and_sessions_of_the_old_one_end(
    server: django_session.Server, parts: dict[str, Any]
) -> None:
    before, somebodys = server.keys, server.login()
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert failing_checks(parts["plan"]) == []
    assert server.keys == before
    assert probe(parts) == ("refused", "accepted")
    assert state(parts) == ("active", "absent")

    assert done(SCRIPT, "create", **parts)["status"] == "done"
    assert done(SCRIPT, "create", **parts)["status"] == "already"
    assert server.keys == [parts["secrets"]["new"], *before]
    until(lambda: done(SCRIPT, "verify_new", **parts)["status"] == "done")
    assert (server.says(somebodys), server.says(server.login())) == (200, 200)
    assert probe(parts) == ("accepted", "accepted")

    assert done(SCRIPT, "disable_old", **parts)["status"] == "done"
    assert done(SCRIPT, "disable_old", **parts)["status"] == "already"
    until(lambda: done(SCRIPT, "kill_derived", **parts)["status"] == "done")
    assert (server.says(somebodys), server.says(server.login())) == (401, 200)
    assert probe(parts) == ("accepted", "refused")
    assert done(SCRIPT, "destroy_old", **parts)["status"] == "already"
    assert state(parts) == ("absent", "active")

    assert done(SCRIPT, "rollback", **parts)["status"] == "done"
    assert done(SCRIPT, "rollback", **parts)["status"] == "already"
    assert server.keys == before


def test_without_a_window_the_old_key_is_out_with_the_same_write(
    server: django_session.Server, parts: dict[str, Any]
) -> None:
    parts["target"]["dual_window"] = False
    (server.folder / "keys").chmod(0o640)
    assert done(SCRIPT, "plan", **parts)["capabilities"] == {"overlap": "none"}
    done(SCRIPT, "create", **parts)
    assert server.keys == [parts["secrets"]["new"]]
    assert (server.folder / "keys").stat().st_mode & 0o7777 == 0o640
    assert done(SCRIPT, "disable_old", **parts)["status"] == "already"
    until(lambda: done(SCRIPT, "kill_derived", **parts)["status"] == "done")
    until(lambda: probe(parts) == ("accepted", "refused"))


@pytest.mark.parametrize("server", ["flask"], indirect=True)
def test_what_stands_in_the_way_is_told_before_anything_changes(
    server: django_session.Server, parts: dict[str, Any]
) -> None:
    parts["secrets"]["old"] = secrets.token_hex(32)
    parts["target"]["pid_file"] = str(server.folder / "no-such-file")
    assert failing_checks(done(SCRIPT, "plan", **parts)) == [
        "the leaked key is in the file",
        "the server can be told to read it again",
    ]
    assert failed(SCRIPT, "disable_old", **parts) == "conflict"  # nothing would sign


@pytest.mark.parametrize("server", ["flask"], indirect=True)
def test_a_leaked_key_may_end_before_there_is_a_new_one(
    server: django_session.Server, parts: dict[str, Any]
) -> None:
    new = parts["secrets"].pop("new")
    assert done(SCRIPT, "disable_old", **parts)["status"] == "done"
    until(lambda: done(SCRIPT, "kill_derived", **parts)["status"] == "done")
    assert len(server.keys) == 1  # one that nobody knows: something has to sign
    assert parts["secrets"]["old"] not in server.keys
    parts["secrets"]["new"] = new
    done(SCRIPT, "create", **parts)
    until(lambda: done(SCRIPT, "verify_new", **parts)["status"] == "done")


@pytest.mark.parametrize("server", ["flask"], indirect=True)
def test_a_server_that_was_not_told_keeps_the_rotation_open(
    server: django_session.Server, parts: dict[str, Any]
) -> None:
    parts["target"] |= {"pid_file": "", "dual_window": False}
    done(SCRIPT, "create", **parts)
    assert done(SCRIPT, "verify_new", **parts)["status"] == "pending"
    assert done(SCRIPT, "kill_derived", **parts)["status"] == "pending"
    assert probe(parts) == ("refused", "accepted")


@pytest.mark.parametrize("server", ["flask"], indirect=True)
def test_one_worker_that_still_has_the_old_key_is_met(
    server: django_session.Server, parts: dict[str, Any]
) -> None:
    parts["target"] |= {"pid_file": "", "dual_window": False}
    done(SCRIPT, "create", **parts)
    os.kill(server.loaded[0], signal.SIGKILL)  # who comes in its place reads the new file
    until(lambda: len(server.loaded) == django_session.WORKERS + 1)
    for _ in range(8):
        assert probe(parts) == ("refused", "accepted")


@pytest.mark.parametrize("server", ["flask"], indirect=True)
def test_a_server_that_is_down_is_unreachable_never_refused(parts: dict[str, Any]) -> None:
    parts["target"]["check_url"] += f", http://127.0.0.1:{free_port()}/who"
    parts["secrets"]["old"] = secrets.token_hex(32)
    assert probe(parts)[1] == "unreachable"
    parts["target"]["check_url"] = "http://shop.example.com/who"
    assert failed(SCRIPT, "probe", **parts) == "unsupported"
