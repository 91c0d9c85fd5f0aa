"""The Redis script against real servers: two passwords, sessions, nodes and restarts."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rotate.drive import SCRIPTS, done, failing_checks, manifest_of
from rotate.rotation import Rotation

redis = pytest.importorskip("redis")

from servers import redis as server_of  # noqa: E402 - after the skip: it imports redis too

pytestmark = pytest.mark.skipif(bool(server_of.available()), reason=server_of.available())

SCRIPT = SCRIPTS / "redis"

DEAD = {"new": "accepted", "old": "refused", "old_error": "auth", "derived": "none"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server_of.Server]:
    with server_of.start(tmp_path_factory.mktemp("redis")) as running:
        yield running


@dataclass
class Leak(Rotation):
    """A user whose password has leaked."""

    script = SCRIPT
    server: server_of.Server
    more: dict[str, Any] = field(default_factory=dict)
    user: str = field(default_factory=lambda: f"app_{secrets.token_hex(4)}")
    old_value: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    new_value: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def target(self) -> dict[str, Any]:
        return self.server.target(user=self.user) | self.more

    @property
    def secrets(self) -> dict[str, str]:
        admin = self.server.admin_password
        return {"admin": admin, "old": self.old_value, "new": self.new_value}

    def acl(self) -> list[str]:
        found: list[str] = self.server.do("ACL", "LIST")
        return found

    def without_old(self) -> dict[str, Any]:
        return {"secrets": {name: one for name, one in self.secrets.items() if name != "old"}}


def leak_on(server: server_of.Server) -> Leak:
    leak = Leak(server)
    server.user(leak.user, leak.old_value)
    return leak


@pytest.fixture
def leak(server: server_of.Server) -> Leak:
    return leak_on(server)


def ended(session: Any) -> bool:
    try:
        session.ping()
    except redis.exceptions.ConnectionError:
        return True
    except redis.exceptions.AuthenticationError:
        return True  # it was ended, and redis-py tried to log in again
    return False


def test_it_describes_itself_as_its_manifest_does() -> None:
    said = done(SCRIPT, "describe", target={})["capabilities"]
    manifest = manifest_of(SCRIPT)
    assert said == {name: manifest[name] for name in said}


def test_a_plan_and_a_dry_run_change_nothing(leak: Leak) -> None:
    before = leak.acl()
    plan = leak.ask("plan")
    assert failing_checks(plan) == []
    assert plan["known"] == [f"127.0.0.1:{leak.server.port} {leak.user}#1"]
    for phase in ("create", "disable_old", "kill_derived", "destroy_old", "rollback"):
        leak.ask(phase, dry_run=True)
    assert leak.acl() == before


def test_from_a_leaked_password_to_a_dead_one(leak: Leak) -> None:
    leak.ask("plan")
    assert leak.state() == ("active", "absent")
    assert leak.status("create") == "done"
    assert leak.status("create") == "already"
    leak.ask("verify_new")
    assert leak.state() == ("active", "active")
    assert leak.probe()["old"] == "accepted"
    assert leak.status("disable_old") == "done"
    assert leak.status("disable_old") == "already"
    assert leak.state() == ("absent", "active")
    assert leak.status("kill_derived") == "already"
    assert leak.probe() == DEAD
    assert leak.status("destroy_old") == "already"
    assert leak.status("destroy_old") == "already"


def test_sessions_end_with_the_password_and_new_ones_stay(leak: Leak) -> None:
    with leak.server.session(leak.user, leak.old_value) as old:
        leak.after("plan", "create")
        assert leak.probe()["derived"] == "alive"
        leak.ask("disable_old")
        assert ended(old)
    with leak.server.session(leak.user, leak.new_value) as new:
        assert leak.status("kill_derived") == "already"
        assert leak.probe() == DEAD
        assert not ended(new)


def test_sessions_that_outlived_their_password_are_found_and_ended(leak: Leak) -> None:
    with leak.server.session(leak.user, leak.old_value) as old:
        leak.after("plan", "create")
        leak.server.do("ACL", "SETUSER", leak.user, f"<{leak.old_value}")  # by hand: it lives on
        assert not ended(old)
        assert leak.probe()["derived"] == "alive"
        assert leak.ask("kill_derived")["evidence"] == [{"sessions_ended": 1, "left": 0}]
        assert ended(old)
    assert leak.probe() == DEAD


def test_who_takes_the_password_away_by_hand_leaves_sessions_that_are_ended_too(leak: Leak) -> None:
    leak.after("plan", "create")
    with leak.server.session(leak.user, leak.old_value) as old:
        leak.server.do("ACL", "SETUSER", leak.user, f"<{leak.old_value}")
        assert not ended(old)
        assert leak.status("disable_old") == "already"
        assert ended(old)


def test_what_was_done_survives_a_crash_of_the_server(tmp_path: Path) -> None:
    for place, acl_file in (("acl", True), ("conf", False)):
        with server_of.start(tmp_path / place, acl_file=acl_file) as server:
            leak = leak_on(server)
            server.do(*(("ACL", "SAVE") if acl_file else ("CONFIG", "REWRITE")))
            leak.after("plan", "create", "disable_old")
            server.crash()
            server.again()
            assert leak.state() == ("absent", "active")
            assert leak.probe() == DEAD


def test_what_the_server_cannot_keep_is_no_success(tmp_path: Path) -> None:
    with server_of.start(tmp_path, acl_file=False) as bare:
        leak = leak_on(bare)
        (tmp_path / "redis.conf").unlink()
        tmp_path.joinpath("redis.conf").mkdir()  # it can no longer be written
        assert leak.fails("create") == "conflict"


def test_a_session_of_the_user_of_old_counts_no_more_after_a_restart(tmp_path: Path) -> None:
    with server_of.start(tmp_path) as server:
        leak = leak_on(server)
        leak.after("plan", "create", "disable_old")
        server.stop()
        server.again()
        with server.session(leak.user, leak.new_value):
            assert leak.probe() == DEAD


def test_every_node_is_rotated_and_asked(server: server_of.Server, tmp_path: Path) -> None:
    with server_of.start(tmp_path, "--replicaof", f"127.0.0.1 {server.port}",
                         "--masteruser", "admin", "--masterauth", server.admin_password) as other:  # fmt: skip
        other.admin_password = _same_password(server, other)
        _until_connected(server)
        leak = leak_on(server)
        other.user(leak.user, leak.old_value)
        unnamed = failing_checks(leak.ask("plan"))
        assert unnamed == [f"every node is named in others, says 127.0.0.1:{server.port}"]

        leak.more = {"others": f"127.0.0.1:{other.port}"}
        assert failing_checks(leak.ask("plan")) == []
        leak.after("create", "verify_new", "disable_old")
        assert not other.accepts(leak.user, leak.old_value)
        assert leak.probe() == DEAD

        other.user(leak.user, leak.old_value)  # somebody's old configuration comes back
        assert leak.probe()["old"] == "accepted"
        assert leak.state() == ("active", "active")


def _same_password(server: server_of.Server, other: server_of.Server) -> str:
    other.do("ACL", "SETUSER", "admin", f">{server.admin_password}")
    return server.admin_password


def _until_connected(server: server_of.Server) -> None:
    from servers import until

    until(lambda: "connected_slaves:1" in str(server.do("INFO", "replication")) or
          dict(server.do("INFO", "replication")).get("connected_slaves") == 1)  # fmt: skip


def test_without_the_old_value_the_only_other_password_is_taken_away(leak: Leak) -> None:
    leak.after("plan", "create")
    forgotten = leak.without_old()
    assert leak.probe(**forgotten)["old"] == "unknown"
    assert leak.status("disable_old", **forgotten) == "done"
    assert leak.state() == ("absent", "active")


def test_without_the_old_value_one_of_several_is_not_guessed(leak: Leak) -> None:
    leak.server.do("ACL", "SETUSER", leak.user, f">{secrets.token_hex(8)}")
    before = leak.after("plan", "create").acl()
    assert leak.fails("disable_old", **leak.without_old()) == "missing"
    assert leak.acl() == before


def test_other_passwords_of_the_user_stay(leak: Leak) -> None:
    third = secrets.token_hex(8)
    leak.server.do("ACL", "SETUSER", leak.user, f">{third}")
    leak.after("plan", "create", "disable_old", "destroy_old")
    assert leak.server.accepts(leak.user, third)
    assert not leak.server.accepts(leak.user, leak.old_value)


def test_rollback_revives_the_old_and_ends_the_new(leak: Leak) -> None:
    leak.after("plan", "create", "disable_old")
    with leak.server.session(leak.user, leak.new_value) as session:
        leak.ask("rollback")
        assert ended(session)
    assert leak.state() == ("active", "absent")


def test_a_server_that_is_down_refuses_nobody(tmp_path: Path) -> None:
    with server_of.start(tmp_path) as server:
        leak = leak_on(server).after("plan", "create", "disable_old")
        server.stop()
        found = leak.probe()
        assert (found["new"], found["old"]) == ("unreachable", "unreachable")
        for phase in ("plan", "create", "verify_new", "disable_old", "kill_derived", "observe"):
            assert leak.fails(phase) == "network"
        server.again()
        assert leak.probe() == DEAD


def test_who_watches_the_server_sees_no_password_but_in_a_login(leak: Leak) -> None:
    with (
        leak.server.session("admin", leak.server.admin_password) as watcher,
        watcher.monitor() as seen,
    ):
        leak.after("create", "disable_old", "rollback")
        leak.server.do("PING", "over")
        said = ""
        while "PING over" not in said:
            said += seen.next_command()["command"] + "\n"
    assert "EXEC" in said
    assert sum(value in said for value in leak.secrets.values()) == 0


def test_the_acting_user_needs_little_and_a_plan_says_what(leak: Leak) -> None:
    admin, password = f"keeper_{secrets.token_hex(4)}", secrets.token_hex(16)
    leak.server.do("ACL", "SETUSER", admin, "on", f">{password}", "+acl", "+client", "+info",
                   "+config|get")  # fmt: skip
    leak.more = {"admin_user": admin}
    own = {"secrets": leak.secrets | {"admin": password}}
    assert failing_checks(leak.ask("plan", **own)) == [
        f"the acting user may do all this on 127.0.0.1:{leak.server.port}"
    ]
    leak.server.do("ACL", "SETUSER", admin, "+config|rewrite", "+multi", "+exec")
    assert failing_checks(leak.ask("plan", **own)) == []
    for phase in ("create", "disable_old", "kill_derived", "destroy_old"):
        leak.ask(phase, **own)
    assert leak.probe(**own) == DEAD

    leak.server.do("ACL", "SETUSER", admin, "-acl|setuser")
    assert leak.fails("rollback", **own) == "permission"


def test_a_plan_refuses_to_act_as_the_leaked_user(leak: Leak) -> None:
    leak.more = {"admin_user": leak.user}
    assert failing_checks(leak.ask("plan")) == ["the acting user is not the leaked one"]
    assert leak.fails("create") == "permission"


def test_a_user_that_needs_no_password_proves_nothing(leak: Leak) -> None:
    leak.server.do("ACL", "SETUSER", leak.user, "nopass")
    where = f"127.0.0.1:{leak.server.port}"
    assert failing_checks(leak.ask("plan")) == [f"{where} refuses a wrong password"]
    leak.ask("create")  # a password of its own ends that
    assert failing_checks(leak.ask("plan")) == []
