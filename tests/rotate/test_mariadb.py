"""The MariaDB script against a real server, in both modes, through a whole life."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from rotate.drive import SCRIPTS, done, failing_checks, manifest_of
from rotate.rotation import Rotation

pymysql = pytest.importorskip("pymysql")

from servers import mariadb, place  # noqa: E402 - after the skip: it imports pymysql too

pytestmark = pytest.mark.skipif(bool(mariadb.available()), reason=mariadb.available())

SCRIPT = SCRIPTS / "mariadb"

DEAD = {"new": "accepted", "old": "refused", "old_error": "auth", "derived": "none"}


@pytest.fixture(scope="module")
def server() -> Iterator[mariadb.Server]:
    with place() as folder, mariadb.start(folder) as running:
        yield running


@dataclass
class Leak(Rotation):
    """Two users of one application; the password of the first has leaked."""

    script = SCRIPT
    server: mariadb.Server
    mode: str = "alternating"
    more: dict[str, Any] = field(default_factory=dict)
    old_value: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    new_value: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def target(self) -> dict[str, Any]:
        named = {"mode": self.mode, "user": self.user, "partner": self.partner}
        return self.server.target(**named) | self.more

    def __post_init__(self) -> None:
        mark = secrets.token_hex(4)
        self.user, self.partner = f"app_a_{mark}", f"app_b_{mark}"

    def set_up(self) -> Leak:
        self.server.account(self.user, self.old_value)
        self.server.account(self.partner)
        return self

    @property
    def secrets(self) -> dict[str, str]:
        admin = self.server.admin_password
        return {"admin": admin, "old": self.old_value, "new": self.new_value}

    def open_session(self) -> Any:
        return self.server.connect(self.user, self.old_value)


@pytest.fixture
def leak(server: mariadb.Server) -> Leak:
    return Leak(server).set_up()


@pytest.fixture
def single(server: mariadb.Server) -> Leak:
    return Leak(server, mode="single").set_up()


def ended(session: Any) -> bool:
    try:
        session.ping(reconnect=False)
    except pymysql.err.MySQLError:
        return True
    return False


def test_it_describes_itself_as_its_manifest_does() -> None:
    said = done(SCRIPT, "describe", target={})["capabilities"]
    manifest = manifest_of(SCRIPT)
    assert said == {name: manifest[name] for name in said}


def test_a_plan_changes_nothing_and_names_what_would_happen(leak: Leak) -> None:
    before = leak.server.accounts()
    plan = leak.ask("plan")
    assert leak.server.accounts() == before
    assert failing_checks(plan) == []
    assert plan["known"] == [leak.user, leak.partner]
    phases = [action["phase"] for action in plan["actions"]]
    assert phases == ["create", "disable_old", "kill_derived", "destroy_old"]


def test_a_dry_run_of_any_phase_changes_nothing(leak: Leak) -> None:
    before = leak.server.accounts()
    for phase in ("create", "disable_old", "destroy_old", "rollback"):
        leak.ask(phase, dry_run=True)
    assert leak.server.accounts() == before


def test_from_a_leaked_password_to_a_dead_one(leak: Leak) -> None:
    leak.ask("plan")
    assert leak.state() == ("active", "absent")

    assert leak.status("create") == "done"
    assert leak.status("create") == "already"
    assert leak.new["user"] == leak.partner
    leak.ask("verify_new")
    assert leak.state() == ("active", "active")
    assert leak.probe()["old"] == "accepted"

    assert leak.status("disable_old") == "done"
    assert leak.status("disable_old") == "already"
    assert leak.state() == ("disabled", "active")
    assert leak.status("kill_derived") == "already"
    assert leak.probe() == DEAD

    assert leak.status("destroy_old") == "done"
    assert leak.status("destroy_old") == "already"
    assert leak.state() == ("absent", "active")
    assert leak.probe() == DEAD


def test_a_session_outlives_the_change_until_it_is_ended(leak: Leak) -> None:
    session = leak.open_session()
    leak.after("plan", "create", "disable_old")
    assert not ended(session)
    assert leak.probe()["derived"] == "alive"
    assert leak.ask("kill_derived")["evidence"] == [{"sessions_ended": 1, "left": 0}]
    assert ended(session)
    assert leak.probe()["derived"] == "none"


def test_every_account_of_the_user_is_rotated_whatever_host_it_is_for(leak: Leak) -> None:
    leak.server.account(leak.user, leak.old_value, "10.0.0.%")
    assert failing_checks(leak.ask("plan")) == ["the partner may come from the same hosts"]
    leak.server.account(leak.partner, host="10.0.0.%")
    assert failing_checks(leak.ask("plan")) == []
    leak.after("create", "disable_old")
    locked = dict(leak.server.do(LOCKED, leak.user))
    assert locked == {"%": "1", "10.0.0.%": "1"}
    assert dict(leak.server.do(LOCKED, leak.partner)) == {"%": "0", "10.0.0.%": "0"}


LOCKED = (
    "SELECT Host, IFNULL(JSON_VALUE(Priv, '$.account_locked'), 0) FROM mysql.global_priv"
    " WHERE User = %s"
)


def test_no_password_reaches_the_log_of_a_server_that_logs_every_statement(leak: Leak) -> None:
    leak.after("plan", "create", "verify_new", "disable_old", "kill_derived", "probe")
    leak.after("rollback", "create", "disable_old", "destroy_old", "observe")
    said = leak.server.said()
    assert f"ALTER USER '{leak.partner}'@'%' IDENTIFIED VIA" in said
    assert sum(value in said for value in leak.secrets.values()) == 0


def test_an_administrator_with_few_grants_is_enough(leak: Leak) -> None:
    admin, password = f"keeper_{secrets.token_hex(4)}", secrets.token_hex(16)
    leak.server.account(admin, password)
    leak.more = {"admin_user": admin}
    own = {"secrets": leak.secrets | {"admin": password}}
    assert failing_checks(leak.ask("plan", **own)) == ["the acting user may look"]
    assert leak.fails("create", **own) == "permission"

    leak.server.do("GRANT SELECT ON mysql.* TO %s", admin)
    plan = leak.ask("plan", **own)
    assert failing_checks(plan) == ["the acting user may do all this"]
    assert "GRANT CONNECTION ADMIN, CREATE USER, PROCESS ON *.*" in str(plan["checks"])
    assert leak.fails("create", **own) == "permission"

    leak.server.do("GRANT CONNECTION ADMIN, CREATE USER, PROCESS ON *.* TO %s", admin)
    session = leak.open_session()
    assert failing_checks(leak.ask("plan", **own)) == []
    for phase in ("create", "disable_old", "kill_derived", "destroy_old"):
        leak.ask(phase, **own)
    assert ended(session)
    assert leak.probe(**own) == DEAD


def test_one_user_is_cut_over_at_once(single: Leak) -> None:
    capabilities = single.ask("plan")["capabilities"]
    assert (capabilities["overlap"], capabilities["max_active"]) == ("none", 1)
    old = single.open_session()
    assert single.status("create") == "done"
    assert single.status("create") == "already"
    assert single.state() == ("absent", "active")
    new = single.server.connect(single.user, single.new_value)
    assert single.probe()["derived"] == "alive"
    assert [single.status(p) for p in ("disable_old", "destroy_old")] == ["already", "already"]
    assert single.status("kill_derived") == "done"
    assert (ended(old), ended(new)) == (True, False)
    assert single.probe() == DEAD
    new.close()


def test_with_one_user_the_way_back_needs_the_old_value(single: Leak) -> None:
    single.after("plan", "create")
    values = {name: value for name, value in single.secrets.items() if name != "old"}
    assert single.fails("rollback", secrets=values) == "missing"
    single.ask("rollback")
    assert single.state() == ("active", "absent")


def test_rollback_revives_the_old_and_ends_the_new(leak: Leak) -> None:
    leak.after("plan", "create", "disable_old")
    session = leak.server.connect(leak.partner, leak.new_value)
    leak.ask("rollback")
    assert ended(session)
    assert leak.state() == ("active", "absent")


def test_rollback_before_create_leaves_the_partner_alone(leak: Leak) -> None:
    leak.ask("plan")
    other = secrets.token_hex(16)
    leak.server.set_password(leak.partner, other)
    leak.ask("rollback")
    assert leak.server.accepts(leak.partner, other)


def test_there_is_no_way_back_once_the_password_is_deleted(leak: Leak) -> None:
    leak.after("plan", "create", "disable_old", "destroy_old")
    assert leak.fails("rollback") == "conflict"


def test_a_server_that_is_down_refuses_nobody(leak: Leak) -> None:
    leak.after("plan", "create", "disable_old")
    leak.server.stop()
    try:
        found = leak.probe()
        for phase in ("plan", "create", "verify_new", "disable_old", "kill_derived", "observe"):
            assert leak.fails(phase) == "network"
    finally:
        leak.server.again()
    assert (found["new"], found["old"]) == ("unreachable", "unreachable")
    assert leak.probe() == DEAD


def test_without_the_old_value_the_catalogue_tells(leak: Leak) -> None:
    leak.after("plan", "create")
    forgotten = {n: v for n, v in leak.secrets.items() if n != "old"}
    assert leak.probe(secrets=forgotten)["old"] == "accepted"
    leak.ask("disable_old")
    found = leak.probe(secrets=forgotten)
    assert (found["old"], found["method"]) == ("refused", "metadata")


def test_with_one_user_another_password_in_its_place_tells(single: Leak) -> None:
    single.ask("plan")
    forgotten = {"secrets": {n: v for n, v in single.secrets.items() if n != "old"}}
    assert single.probe(**forgotten)["old"] == "unknown"
    single.ask("create")
    found = single.probe(**forgotten)
    assert (found["old"], found["method"]) == ("refused", "metadata")


def test_with_one_user_nothing_ends_before_the_new_password_is_set(single: Leak) -> None:
    single.ask("plan")
    assert single.fails("disable_old") == "conflict"
    assert single.fails("destroy_old") == "conflict"


def test_a_plan_refuses_to_act_as_a_user_that_it_changes(leak: Leak) -> None:
    for acting in (leak.user, leak.partner):
        leak.more = {"admin_user": acting}
        assert failing_checks(leak.ask("plan")) == [
            "the acting user is not one that this rotation changes"
        ]
        assert leak.fails("create") == "permission"


def test_a_plan_names_what_consumers_would_miss_as_the_partner(leak: Leak) -> None:
    leak.server.do("GRANT SELECT ON shop.* TO %s", leak.user)
    leak.server.do("GRANT PROCESS ON *.* TO %s", leak.user)
    plan = leak.ask("plan")
    lacks = next(c for c in plan["checks"] if c["what"] == "the partner may do what the user may")
    assert lacks["detail"] == "PROCESS '%'; SELECT on shop.* '%'"
    leak.server.do("GRANT SELECT ON shop.* TO %s", leak.partner)
    leak.server.do("GRANT PROCESS ON *.* TO %s", leak.partner)
    assert failing_checks(leak.ask("plan")) == []


def test_a_plan_refuses_a_partner_that_somebody_uses(leak: Leak) -> None:
    leak.server.set_password(leak.partner, leak.new_value)
    with leak.server.connect(leak.partner, leak.new_value):
        assert failing_checks(leak.ask("plan")) == ["nobody is logged in as the partner"]


def test_a_plan_misses_a_user_that_is_not_there(leak: Leak) -> None:
    leak.server.do("DROP USER %s", leak.partner)
    assert "the users exist" in failing_checks(leak.ask("plan"))
    assert leak.fails("create") == "not_found"


def test_a_replica_is_left_alone(leak: Leak) -> None:
    leak.server.do("SET GLOBAL read_only = 1")
    try:
        assert failing_checks(leak.ask("plan")) == ["the server takes changes"]
    finally:
        leak.server.do("SET GLOBAL read_only = 0")
