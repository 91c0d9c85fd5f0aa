"""openldap against a real slapd and OpenLDAP's own clients."""

from __future__ import annotations

import secrets as random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from servers import openldap, place

from rotate.drive import SCRIPTS, failed, failing_checks, manifest_of
from rotate.rotation import Rotation

pytestmark = pytest.mark.skipif(bool(openldap.available()), reason=openldap.available())

SCRIPT = SCRIPTS / "openldap"


@dataclass
class Scene(Rotation):
    """A directory entry whose password leaked."""

    script = SCRIPT
    steps = ("create", "disable_old")
    server: openldap.Server
    target: dict[str, Any] = field(repr=False)
    secrets: dict[str, str] = field(repr=False)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with place() as folder, openldap.start(folder) as server:
        target = {"uri": server.uri, "dn": openldap.APP, "admin_dn": openldap.ADMIN}
        target |= {"restart": server.restart, "transport": "local"}
        values = {"admin": server.admin, "old": server.app, "new": random.token_urlsafe(24)}
        yield Scene(server, target, values)


def test_it_says_of_itself_what_its_manifest_says(scene: Scene) -> None:
    manifest = manifest_of(SCRIPT)
    for name, value in scene.ask("describe")["capabilities"].items():
        assert manifest[name] == value


def test_planning_changes_nothing_not_even_when_it_asks_for_permission(scene: Scene) -> None:
    before = scene.server.dump()
    plan = scene.ask("plan")
    assert failing_checks(plan) == []
    assert "the server would do it" in [check["detail"] for check in plan["checks"]]
    assert plan["old"]["id"].startswith("SSHA:")
    assert scene.server.dump() == before


def test_both_passwords_open_until_the_old_one_is_taken_away(scene: Scene) -> None:
    scene.ask("plan")
    assert scene.state() == ("active", "absent")
    created = scene.ask("create")
    assert (created["status"], scene.ask("create")["status"]) == ("done", "already")
    scene.new = created["new"]
    scene.ask("verify_new")
    assert scene.said() == ("accepted", "accepted")
    assert scene.state() == ("active", "active")

    assert scene.ask("disable_old")["status"] == "done"
    assert scene.ask("disable_old")["status"] == "already"
    assert scene.ask("destroy_old")["status"] == "already"
    assert scene.said() == ("accepted", "refused")
    assert scene.ask("probe")["probe"]["old_error"] == "auth"
    assert scene.state() == ("absent", "active")


def test_the_directory_never_stores_the_new_password_in_the_clear(scene: Scene) -> None:
    scene.replace()
    dump = scene.server.dump()
    assert "userPassword::" in dump
    assert scene.secrets["new"] not in dump


def test_a_bound_connection_outlives_its_password_until_slapd_is_restarted(scene: Scene) -> None:
    session = scene.server.session()
    try:
        assert search(session) == "# app, example.com"
        scene.replace()
        assert search(session) == "# app, example.com"
        assert scene.ask("probe")["probe"]["derived"] == "alive"
        ended = scene.ask("kill_derived")
        assert ended["evidence"] == [{"sessions_before": 1, "sessions_after": 0}]
        assert search(session) == ""
        assert scene.ask("probe")["probe"]["derived"] == "none"
        assert scene.ask("kill_derived")["status"] == "already"
    finally:
        session.kill()
        session.communicate()


def test_sessions_that_nothing_can_end_are_not_called_ended(scene: Scene) -> None:
    session = scene.server.session()
    try:
        search(session)
        scene.replace()
        del scene.target["restart"]
        parts = {"target": scene.target, "secrets": scene.secrets, "plan": scene.plan}
        assert failed(SCRIPT, "kill_derived", **parts) == "unsupported"
    finally:
        session.kill()
        session.communicate()


def test_the_old_password_can_end_before_there_is_a_new_one(scene: Scene) -> None:
    scene.ask("plan")
    assert scene.ask("disable_old")["status"] == "done"
    assert scene.said() == ("refused", "refused")
    assert scene.state() == ("absent", "absent")
    scene.ask("create")
    assert scene.said() == ("accepted", "refused")


def test_a_directory_that_is_down_is_unreachable_never_refused(scene: Scene) -> None:
    scene.replace()
    scene.server.stop()
    assert scene.ask("probe")["probe"] == {
        "old": "unreachable", "new": "unreachable", "derived": "unknown",
    }  # fmt: skip
    parts = {"target": scene.target, "secrets": scene.secrets, "plan": scene.plan}
    assert failed(SCRIPT, "verify_new", **parts) == "network"
    assert failed(SCRIPT, "disable_old", **parts) == "network"
    scene.server.start()
    assert scene.said() == ("accepted", "refused")


def test_a_rollback_gives_the_old_password_back_and_takes_the_new_one(scene: Scene) -> None:
    scene.replace()
    assert len(scene.ask("rollback")["observed"]) == 2
    assert scene.said() == ("refused", "accepted")
    assert scene.state() == ("active", "absent")
    assert scene.ask("rollback")["status"] == "already"


def test_another_password_of_the_entry_is_left_alone(scene: Scene) -> None:
    other = random.token_urlsafe(24)
    scene.ask("plan", secrets=scene.secrets)
    scene.ask("create", secrets=scene.secrets | {"new": other}, rotation="LG-another")
    scene.replace()
    assert len(scene.plan["known"]) == 2
    assert len(scene.plan["snapshot"]["leaked"]) == 1
    assert scene.ask("probe", secrets=scene.secrets | {"new": other})["probe"]["new"] == "accepted"


def test_a_rotation_without_the_leaked_value_at_hand_goes_by_the_stored_one(scene: Scene) -> None:
    old = scene.secrets.pop("old")
    scene.replace()
    probe = scene.ask("probe")["probe"]
    assert (probe["old"], probe["method"]) == ("refused", "metadata")
    assert scene.ask("probe", secrets=scene.secrets | {"old": old})["probe"]["old"] == "refused"


def test_the_leaked_identity_may_not_rotate_itself(scene: Scene) -> None:
    scene.target["dn"] = openldap.ADMIN
    scene.secrets["old"] = scene.server.admin
    assert failing_checks(scene.ask("plan")) == ["the admin is not the identity that leaked"]


def test_an_admin_who_may_only_read_is_told_so_before_anything_changes(scene: Scene) -> None:
    scene.target["admin_dn"] = openldap.READER
    scene.secrets["admin"] = scene.server.reader
    assert failing_checks(scene.ask("plan")) == ["the admin may add a password"]
    parts = {"target": scene.target, "secrets": scene.secrets}
    assert failed(SCRIPT, "create", **parts) == "permission"


def test_a_wrong_leaked_value_or_admin_password_stops_the_plan(scene: Scene) -> None:
    wrong = scene.secrets | {"old": random.token_urlsafe(12)}
    plan = scene.ask("plan", secrets=wrong)
    assert failing_checks(plan) == ["the leaked password is one of the entry's"]
    wrong = scene.secrets | {"admin": random.token_urlsafe(12)}
    assert failed(SCRIPT, "plan", target=scene.target, secrets=wrong) == "auth"


def test_a_connection_in_the_clear_to_another_machine_is_refused(scene: Scene) -> None:
    scene.target["uri"] = scene.server.uri_elsewhere
    assert failing_checks(scene.ask("plan")) == ["passwords cross no network in the clear"]


def test_starttls_is_used_and_its_certificate_is_checked(scene: Scene) -> None:
    scene.target |= {"starttls": True, "ca_file": str(scene.server.folder / "ca.pem")}
    scene.replace()
    assert scene.said() == ("accepted", "refused")
    scene.target["ca_file"] = str(scene.server.folder / "other-ca.pem")
    assert scene.said() == ("unknown", "unknown")


def search(session: Any) -> str:
    """What the open connection still finds; "" when it was ended."""
    try:
        session.stdin.write(b"app\n")
        session.stdin.flush()
    except BrokenPipeError:
        return ""
    for line in session.stdout:
        if line.startswith(b"# app"):
            found: str = line.decode().strip()
            session.stdout.readline()
            return found
    return ""
