"""The etcd script against a real member, in both modes, through a whole life."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from servers import etcd, free_port, place

from rotate.drive import SCRIPTS, done, failing_checks, manifest_of
from rotate.rotation import Rotation

pytestmark = pytest.mark.skipif(bool(etcd.available()), reason=etcd.available())

SCRIPT = SCRIPTS / "etcd"

DEAD = {"new": "accepted", "old": "refused", "old_error": "auth", "derived": "unknown"}


@pytest.fixture(scope="module")
def server() -> Iterator[etcd.Server]:
    with place() as folder, etcd.start(folder) as running:
        yield running


@dataclass
class Leak(Rotation):
    """Two users of one application; the password of the first has leaked."""

    script = SCRIPT
    server: etcd.Server
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
        self.server.user(self.user, self.old_value)
        self.server.user(self.partner, secrets.token_hex(16))

    @property
    def secrets(self) -> dict[str, str]:
        admin = self.server.admin_password
        return {"admin": admin, "old": self.old_value, "new": self.new_value}

    def opens(self, value: str) -> bool:
        return bool(self.server.token(self.user, value))


@pytest.fixture
def leak(server: etcd.Server) -> Leak:
    return Leak(server)


@pytest.fixture
def single(server: etcd.Server) -> Leak:
    return Leak(server, mode="single")


def test_it_describes_itself_as_its_manifest_does() -> None:
    said = done(SCRIPT, "describe", target={})["capabilities"]
    manifest = manifest_of(SCRIPT)
    assert said == {name: manifest[name] for name in said}


def test_a_plan_and_a_dry_run_change_nothing(leak: Leak) -> None:
    plan = leak.ask("plan")
    assert failing_checks(plan) == []
    assert plan["known"] == [leak.user, leak.partner]
    for phase in ("create", "disable_old", "destroy_old", "rollback"):
        leak.ask(phase, dry_run=True)
    assert leak.state() == ("active", "absent")


def test_from_a_leaked_password_to_a_dead_one(leak: Leak) -> None:
    assert leak.state() == ("active", "absent")
    assert leak.status("create") == "done"
    assert leak.status("create") == "already"
    leak.ask("verify_new")
    assert leak.state() == ("active", "active")
    assert leak.probe()["old"] == "accepted"
    assert leak.status("disable_old") == "done"
    assert leak.status("disable_old") == "already"
    assert leak.state() == ("absent", "active")
    assert leak.probe() == DEAD
    assert leak.status("destroy_old") == "already"


@pytest.mark.parametrize("mode", ["alternating", "single"])
def test_tokens_of_the_leaked_password_end_with_it(server: etcd.Server, mode: str) -> None:
    leak = Leak(server, mode=mode)
    token = server.token(leak.user, leak.old_value)
    myself = {"name": leak.user}
    assert server.ask("/auth/user/get", myself, token).ok
    leak.after("create", "disable_old")
    assert server.ask("/auth/user/get", myself, token).status_code == 401


def test_one_user_is_cut_over_at_once(single: Leak) -> None:
    assert single.ask("plan")["capabilities"]["overlap"] == "none"
    assert single.fails("disable_old") == "conflict"
    assert single.status("create") == "done"
    assert single.status("disable_old") == "already"
    assert single.status("destroy_old") == "already"
    assert single.probe() == DEAD
    assert single.state() == ("absent", "active")


def test_the_user_is_not_left_with_an_empty_password(leak: Leak) -> None:
    leak.after("create", "disable_old", "destroy_old")
    assert not leak.opens("")


def test_rollback_revives_the_old_and_ends_the_new(leak: Leak) -> None:
    leak.after("create", "disable_old")
    values = {name: one for name, one in leak.secrets.items() if name != "old"}
    assert leak.fails("rollback", secrets=values) == "missing"
    leak.ask("rollback")
    assert leak.state() == ("active", "absent")


def test_a_member_that_is_down_refuses_nobody(leak: Leak) -> None:
    leak.after("create", "disable_old")
    leak.more = {"port": free_port()}
    found = leak.probe()
    assert (found["new"], found["old"]) == ("unreachable", "unreachable")
    for phase in ("plan", "create", "verify_new", "disable_old", "observe"):
        assert leak.fails(phase) == "network"


def test_a_plan_refuses_to_act_as_a_user_that_it_changes(leak: Leak) -> None:
    leak.more = {"admin_user": leak.user}
    assert failing_checks(leak.ask("plan")) == [
        "the acting user is not one that this rotation changes"
    ]
    assert leak.fails("create") == "permission"


def test_a_plan_says_which_role_is_missing(leak: Leak) -> None:
    weak, password = f"weak_{secrets.token_hex(4)}", secrets.token_hex(16)
    leak.server.user(weak, password)
    leak.more = {"admin_user": weak}
    own = {"secrets": leak.secrets | {"admin": password}}
    assert failing_checks(leak.ask("plan", **own)) == ["the acting user may do all this"]
    assert leak.fails("create", **own) == "permission"


def test_a_plan_names_what_consumers_would_miss_as_the_partner(leak: Leak) -> None:
    role = f"reader_{secrets.token_hex(4)}"
    leak.server.do("/auth/role/add", {"name": role})
    leak.server.do("/auth/user/grant", {"user": leak.user, "role": role})
    assert failing_checks(leak.ask("plan")) == ["the partner has the roles of the user"]
