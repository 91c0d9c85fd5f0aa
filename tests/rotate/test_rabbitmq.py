"""The RabbitMQ script against a real broker, in both modes, through a whole life."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from rotate.drive import SCRIPTS, done, failing_checks, manifest_of
from rotate.rotation import Rotation

pika = pytest.importorskip("pika")

from servers import free_port, place, rabbitmq  # noqa: E402 - after the skip: it imports pika too

pytestmark = pytest.mark.skipif(bool(rabbitmq.available()), reason=rabbitmq.available())

SCRIPT = SCRIPTS / "rabbitmq"

DEAD = {"new": "accepted", "old": "refused", "old_error": "auth", "derived": "none"}


@pytest.fixture(scope="module")
def server() -> Iterator[rabbitmq.Server]:
    with place() as folder, rabbitmq.start(folder) as running:
        yield running


@dataclass
class Leak(Rotation):
    """Two users of one application; the password of the first has leaked."""

    script = SCRIPT
    server: rabbitmq.Server
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
        self.server.user(self.partner)

    @property
    def secrets(self) -> dict[str, str]:
        admin = self.server.admin_password
        return {"admin": admin, "old": self.old_value, "new": self.new_value}

    def without_old(self) -> dict[str, Any]:
        return {"secrets": {name: one for name, one in self.secrets.items() if name != "old"}}

    def accepts(self, user: str, password: str) -> bool:
        try:
            self.server.connect(user, password).close()
        except pika.exceptions.ProbableAuthenticationError:
            return False
        return True


@pytest.fixture
def leak(server: rabbitmq.Server) -> Leak:
    return Leak(server)


@pytest.fixture
def single(server: rabbitmq.Server) -> Leak:
    return Leak(server, mode="single")


def listening_to_its_end(session: Any) -> Any:
    """A consumer, which hears of the end of its connection; returns a way to wait for that."""
    from threading import Thread

    heard: list[str] = []

    def listen() -> None:
        try:
            while True:
                session.process_data_events(time_limit=60)
        except pika.exceptions.AMQPConnectionError as error:
            heard.append(str(error))

    thread = Thread(target=listen, daemon=True)
    thread.start()

    def how() -> str:
        thread.join(30)
        return "".join(heard)

    return how


def test_it_describes_itself_as_its_manifest_does() -> None:
    said = done(SCRIPT, "describe", target={})["capabilities"]
    manifest = manifest_of(SCRIPT)
    assert said == {name: manifest[name] for name in said}


def test_a_plan_and_a_dry_run_change_nothing(leak: Leak) -> None:
    before = leak.server.users()
    plan = leak.ask("plan")
    assert failing_checks(plan) == []
    assert plan["known"] == [leak.user, leak.partner]
    for phase in ("create", "disable_old", "kill_derived", "destroy_old", "rollback"):
        leak.ask(phase, dry_run=True)
    assert leak.server.users() == before


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
    assert leak.state() == ("absent", "active")
    assert leak.status("kill_derived") == "already"
    assert leak.probe() == DEAD
    assert leak.status("destroy_old") == "already"


def test_a_connection_outlives_the_change_until_it_is_ended(leak: Leak) -> None:
    session = leak.server.connect(leak.user, leak.old_value)
    leak.after("plan", "create", "disable_old")
    session.channel().close()  # it still works
    assert leak.probe()["derived"] == "alive"
    how_it_ended = listening_to_its_end(session)
    assert leak.ask("kill_derived")["evidence"] == [{"sessions_ended": 1, "left": 0}]
    assert "CONNECTION_FORCED" in how_it_ended()
    assert leak.probe() == DEAD


def test_one_user_is_cut_over_at_once(single: Leak) -> None:
    capabilities = single.ask("plan")["capabilities"]
    assert (capabilities["overlap"], capabilities["max_active"]) == ("none", 1)
    assert single.fails("disable_old") == "conflict"
    old = single.server.connect(single.user, single.old_value)
    assert single.status("create") == "done"
    assert single.status("create") == "already"
    assert single.status("disable_old") == "already"
    assert single.probe()["derived"] == "alive"
    how_it_ended = listening_to_its_end(old)
    assert single.status("kill_derived") == "done"
    assert "CONNECTION_FORCED" in how_it_ended()
    new = single.server.connect(single.user, single.new_value)
    assert single.probe() == DEAD
    new.close()
    assert single.status("destroy_old") == "already"
    assert single.state() == ("absent", "active")


def test_tags_of_a_user_stay(leak: Leak) -> None:
    for name in (leak.user, leak.partner):
        leak.server.do("PUT", f"/users/{name}", {"password_hash": "", "tags": "monitoring"})
    leak.after("plan", "create", "rollback", "disable_old")
    assert leak.server.do("GET", f"/users/{leak.user}")["tags"] == ["monitoring"]
    assert leak.server.do("GET", f"/users/{leak.partner}")["tags"] == ["monitoring"]


def test_rollback_revives_the_old_and_ends_the_new(leak: Leak) -> None:
    leak.after("plan", "create", "disable_old")
    assert leak.fails("rollback", **leak.without_old()) == "missing"
    how_it_ended = listening_to_its_end(leak.server.connect(leak.partner, leak.new_value))
    leak.ask("rollback")
    assert "CONNECTION_FORCED" in how_it_ended()
    assert leak.state() == ("active", "absent")
    assert leak.accepts(leak.user, leak.old_value)
    assert not leak.accepts(leak.partner, leak.new_value)


def test_a_broker_that_is_down_refuses_nobody(leak: Leak) -> None:
    leak.after("plan", "create", "disable_old")
    leak.more = {"port": free_port(), "management_port": free_port()}
    found = leak.probe()
    assert (found["new"], found["old"]) == ("unreachable", "unreachable")
    assert found["derived"] == "unknown"
    for phase in ("plan", "create", "verify_new", "disable_old", "kill_derived", "observe"):
        assert leak.fails(phase) == "network"


def test_being_kept_out_of_a_virtual_host_is_no_refusal_of_the_password(leak: Leak) -> None:
    leak.after("plan", "create")
    leak.more = {"vhost": "elsewhere"}
    found = leak.probe()
    assert (found["new"], found["old"]) == ("unknown", "unknown")


def test_without_the_old_value_the_catalogue_tells(leak: Leak, single: Leak) -> None:
    for one in (leak, single):
        one.after("plan", "create")
    assert leak.probe(**leak.without_old())["old"] == "accepted"
    leak.ask("disable_old")
    for one in (leak, single):
        found = one.probe(**one.without_old())
        assert (found["old"], found["method"]) == ("refused", "metadata")


def test_no_password_reaches_the_log(leak: Leak) -> None:
    leak.after("plan", "create", "verify_new", "probe", "disable_old", "rollback")
    said = leak.server.said()
    assert leak.partner in said
    assert sum(value in said for value in leak.secrets.values()) == 0


def test_a_plan_refuses_to_act_as_a_user_that_it_changes(leak: Leak) -> None:
    for acting in (leak.user, leak.partner):
        leak.more = {"admin_user": acting}
        assert failing_checks(leak.ask("plan")) == [
            "the acting user is not one that this rotation changes"
        ]
        assert leak.fails("create") == "permission"


def test_a_plan_says_which_tag_is_missing(leak: Leak) -> None:
    weak, password = f"weak_{secrets.token_hex(4)}", secrets.token_hex(16)
    leak.server.user(weak, password, tags="management")
    leak.more = {"admin_user": weak}
    own = {"secrets": leak.secrets | {"admin": password}}
    assert failing_checks(leak.ask("plan", **own)) == ["the acting user may do all this"]
    assert leak.fails("create", **own) == "permission"
    wrong = {"secrets": leak.secrets | {"admin": secrets.token_hex(16)}}
    assert leak.fails("plan", **wrong) == "auth"


def test_a_plan_names_what_consumers_would_miss_as_the_partner(leak: Leak) -> None:
    leak.server.do("PUT", f"/permissions/%2F/{leak.partner}",
                   {"configure": "", "write": ".*", "read": ".*"})  # fmt: skip
    plan = leak.ask("plan")
    assert failing_checks(plan) == ["the partner may do what the user may"]
    assert "permissions configure=.* read=.* vhost=/ write=.*" in str(plan["checks"])


def test_a_plan_refuses_a_partner_that_somebody_uses_or_that_is_not_there(leak: Leak) -> None:
    leak.server.user(leak.partner, leak.new_value)
    session = leak.server.connect(leak.partner, leak.new_value)
    assert failing_checks(leak.ask("plan")) == ["nobody is connected as the partner"]
    session.close()
    leak.server.do("DELETE", f"/users/{leak.partner}")
    assert failing_checks(leak.ask("plan")) == ["the users exist"]
    assert leak.fails("create") == "not_found"
