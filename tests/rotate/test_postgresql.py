"""The PostgreSQL script against a real server, in both modes, through a whole life."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from servers import place, program, run

from rotate.drive import SCRIPTS, call, done, failing_checks, manifest_of
from rotate.rotation import Rotation

psycopg = pytest.importorskip("psycopg")

from servers import postgresql  # noqa: E402 - after the skip: it imports psycopg too

pytestmark = pytest.mark.skipif(bool(postgresql.available()), reason=postgresql.available())

SCRIPT = SCRIPTS / "postgresql"


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.Server]:
    with place() as folder, postgresql.start(folder) as running:
        yield running


@dataclass
class Leak(Rotation):
    """Two roles of one application; the password of the first has leaked."""

    script = SCRIPT
    server: postgresql.Server
    mode: str = "alternating"
    more: dict[str, Any] = field(default_factory=dict)
    old_value: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    new_value: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    def __post_init__(self) -> None:
        mark = secrets.token_hex(4)
        self.role, self.partner = f"app_a_{mark}", f"app_b_{mark}"

    def set_up(self) -> Leak:
        self.server.role(self.role, self.old_value)
        self.server.role(self.partner)
        return self

    @property
    def target(self) -> dict[str, Any]:
        named = {"mode": self.mode, "role": self.role, "partner": self.partner}
        return self.server.target(**named) | self.more

    @property
    def secrets(self) -> dict[str, str]:
        return {
            "admin": self.server.admin_password, "old": self.old_value, "new": self.new_value,
        }  # fmt: skip

    def open_session(self) -> psycopg.Connection:
        return self.server.connect(self.role, self.old_value)


@pytest.fixture
def leak(server: postgresql.Server) -> Leak:
    return Leak(server).set_up()


@pytest.fixture
def single(server: postgresql.Server) -> Leak:
    return Leak(server, mode="single").set_up()


def ended(session: psycopg.Connection) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def without(values: dict[str, str], slot: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if name != slot}


# What it says before it does anything


def test_it_describes_itself_as_its_manifest_does(server: postgresql.Server) -> None:
    said = done(SCRIPT, "describe", target={})["capabilities"]
    manifest = manifest_of(SCRIPT)
    assert said == {name: manifest[name] for name in said}


def test_a_plan_for_a_single_role_says_that_nothing_overlaps(single: Leak) -> None:
    capabilities = single.ask("plan")["capabilities"]
    assert (capabilities["overlap"], capabilities["max_active"]) == ("none", 1)
    assert capabilities["reversible_disable"] is False


def test_a_plan_changes_nothing_and_names_what_would_happen(leak: Leak) -> None:
    before = leak.server.roles()
    plan = leak.ask("plan")
    assert leak.server.roles() == before
    assert failing_checks(plan) == []
    assert plan["known"] == [leak.role, leak.partner]
    phases = [(action["phase"], action["target"]) for action in plan["actions"]]
    assert phases == [
        ("create", leak.partner), ("disable_old", leak.role),
        ("kill_derived", leak.role), ("destroy_old", leak.role),
    ]  # fmt: skip


@pytest.mark.parametrize("phase", ["create", "disable_old", "destroy_old", "rollback"])
def test_a_dry_run_of_any_phase_changes_nothing(leak: Leak, phase: str) -> None:
    before = leak.server.roles()
    leak.ask(phase, dry_run=True)
    assert leak.server.roles() == before


# The whole life, with two roles


def test_from_a_leaked_password_to_a_dead_one(leak: Leak) -> None:
    leak.ask("plan")
    assert leak.state() == ("active", "absent")

    assert leak.status("create") == "done"
    assert leak.new["user"] == leak.partner
    assert leak.ask("verify_new")["evidence"] == [{"login": "accepted", "role": leak.partner}]
    assert leak.state() == ("active", "active")
    assert leak.probe()["old"] == "accepted"

    assert leak.status("disable_old") == "done"
    assert leak.state() == ("disabled", "active")
    assert leak.status("kill_derived") == "already"
    dead = {"new": "accepted", "old": "refused", "old_error": "auth", "derived": "none"}
    assert leak.probe() == dead

    assert leak.status("destroy_old") == "done"
    assert leak.state() == ("absent", "active")
    assert leak.probe() == dead


@pytest.mark.parametrize(
    "before, phase",
    [
        ((), "create"),
        (("create",), "disable_old"),
        (("create", "disable_old"), "destroy_old"),
    ],
)
def test_each_phase_may_be_asked_twice(leak: Leak, before: tuple[str, ...], phase: str) -> None:
    leak.after("plan", *before)
    assert leak.status(phase) == "done"
    after = leak.server.roles()
    assert leak.status(phase) == "already"
    assert leak.server.roles() == after


def test_a_session_outlives_the_change_until_it_is_ended(leak: Leak) -> None:
    with leak.open_session() as session:
        leak.after("plan", "create", "disable_old")
        assert not ended(session)
        assert leak.probe()["derived"] == "alive"
        answer = leak.ask("kill_derived")
        assert answer["status"] == "done"
        assert answer["evidence"] == [{"sessions_ended": 1, "left": 0, "prepared": 0}]
        assert ended(session)
    assert leak.probe()["derived"] == "none"


def test_a_prepared_transaction_of_the_role_is_reported(leak: Leak) -> None:
    with leak.open_session() as session:
        session.execute("BEGIN")
        session.execute(f"PREPARE TRANSACTION '{leak.role}'")
    try:
        assert leak.after("create", "disable_old").ask("kill_derived")["observed"] == [
            f"1 prepared transactions of {leak.role} wait: look at them"
        ]
    finally:
        leak.server.do(f"ROLLBACK PREPARED '{leak.role}'")


def test_no_password_reaches_the_log_of_a_server_that_logs_every_statement(leak: Leak) -> None:
    leak.after("plan", "create", "verify_new", "disable_old", "kill_derived", "probe")
    leak.after("rollback", "create", "disable_old", "destroy_old", "observe")
    said = leak.server.said()
    assert f'ALTER ROLE "{leak.partner}" LOGIN PASSWORD \'SCRAM-SHA-256$' in said
    assert sum(value in said for value in leak.secrets.values()) == 0


def test_names_are_names_whatever_is_in_them(server: postgresql.Server) -> None:
    leak = Leak(server)
    leak.role = leak.role + ' "; DROP ROLE admin; -- %s {}'
    leak.partner = leak.partner + " host=example.com"
    leak.set_up().after("plan", "create", "disable_old", "destroy_old")
    assert leak.probe() == {
        "new": "accepted", "old": "refused", "old_error": "auth", "derived": "none",
    }  # fmt: skip


def test_an_administrator_without_superuser_is_enough(leak: Leak) -> None:
    admin, password = f"keeper_{secrets.token_hex(4)}", secrets.token_hex(16)
    leak.server.role(admin, password, more="CREATEROLE IN ROLE pg_signal_backend")
    leak.more = {"admin_user": admin}
    own = {"secrets": leak.secrets | {"admin": password}}
    with leak.open_session() as session:
        assert failing_checks(leak.ask("plan", **own)) == []
        for phase in ("create", "disable_old", "kill_derived", "destroy_old", "destroy_old"):
            leak.ask(phase, **own)
        assert ended(session)
    assert leak.ask("observe", **own)["state"]["old"] == "absent"


# The whole life, with one role


def test_one_role_is_cut_over_at_once(single: Leak) -> None:
    single.ask("plan")
    assert single.state() == ("active", "absent")
    assert single.status("create") == "done"
    assert single.new["user"] == single.role
    assert single.state() == ("absent", "active")
    assert single.status("create") == "already"
    assert single.status("disable_old") == "already"
    assert single.status("destroy_old") == "already"
    assert single.probe() == {
        "new": "accepted", "old": "refused", "old_error": "auth", "derived": "none",
    }  # fmt: skip


def test_with_one_role_only_the_sessions_of_the_old_password_are_ended(single: Leak) -> None:
    with single.open_session() as old:
        single.after("plan", "create")
        with single.server.connect(single.role, single.new_value) as new:
            assert single.probe()["derived"] == "alive"
            single.after("kill_derived")
            assert ended(old)
            assert not ended(new)
            assert single.probe()["derived"] == "none"


def test_with_one_role_nothing_ends_before_the_new_password_is_set(single: Leak) -> None:
    single.ask("plan")
    assert single.fails("disable_old") == "conflict"
    assert single.fails("destroy_old") == "conflict"


def test_with_one_role_the_way_back_needs_the_old_value(single: Leak) -> None:
    single.after("plan", "create")
    assert single.fails("rollback", secrets=without(single.secrets, "old")) == "missing"
    assert single.ask("rollback")["observed"] == [
        f"role {single.role} has its old, leaked password again; the new one is void"
    ]
    assert single.state() == ("active", "absent")


# Going back


def test_rollback_revives_the_old_and_ends_the_new(leak: Leak) -> None:
    leak.after("plan", "create", "disable_old")
    with leak.server.connect(leak.partner, leak.new_value) as session:
        leak.ask("rollback")
        assert ended(session)
    assert leak.state() == ("active", "absent")
    assert leak.server.accepts(leak.role, leak.old_value)


def test_rollback_before_create_leaves_the_partner_alone(leak: Leak) -> None:
    leak.ask("plan")
    other = secrets.token_hex(16)
    leak.server.do(f"ALTER ROLE {{}} LOGIN PASSWORD '{other}'", leak.partner)
    leak.ask("rollback")
    assert leak.server.accepts(leak.partner, other)


def test_there_is_no_way_back_once_the_password_is_deleted(leak: Leak) -> None:
    leak.after("plan", "create", "disable_old", "destroy_old")
    assert leak.fails("rollback") == "conflict"
    assert leak.state() == ("absent", "active")


# What a probe may not say


def test_a_server_that_is_down_refuses_nobody(leak: Leak) -> None:
    leak.after("plan", "create", "disable_old")
    leak.server.stop()
    try:
        found = leak.probe()
        assert (found["new"], found["old"]) == ("unreachable", "unreachable")
        assert found["derived"] == "unknown"
        for phase in ("plan", "create", "verify_new", "disable_old", "kill_derived", "observe"):
            assert leak.fails(phase) == "network"
    finally:
        leak.server.again()
    assert leak.probe()["old"] == "refused"


@contextmanager
def rules_of_access(server: postgresql.Server, *lines: str) -> Iterator[None]:
    """These lines before the others of pg_hba.conf."""
    path = server.folder / "pg_hba.conf"
    before = path.read_text("utf-8")
    path.write_text("\n".join(lines) + "\n" + before, encoding="utf-8")
    server.reload()
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")
        server.reload()


def test_being_kept_out_by_address_is_no_refusal_of_the_password(leak: Leak) -> None:
    leak.after("plan", "create")
    with rules_of_access(leak.server, f"host all {leak.role} 127.0.0.1/32 reject"):
        found = leak.probe()
    assert (found["new"], found["old"]) == ("accepted", "unknown")


@contextmanager
def encryption(server: postgresql.Server) -> Iterator[None]:
    """With a certificate that nobody vouches for."""
    key, certificate = server.folder / "server.key", server.folder / "server.crt"
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
         "-days", "2", "-keyout", key, "-out", certificate], user=postgresql.USER, cwd=server.folder)  # fmt: skip
    key.chmod(0o600)
    server.do("ALTER SYSTEM SET ssl = on")
    server.reload()
    try:
        yield
    finally:
        server.do("ALTER SYSTEM RESET ssl")
        server.reload()


@pytest.mark.skipif(not program("openssl"), reason="not installed: the program openssl")
def test_a_refusal_counts_when_only_encrypted_connections_are_let_in(leak: Leak) -> None:
    leak.after("plan", "create")
    names = f"{leak.role},{leak.partner}"
    rules = [f"hostssl all {names} 127.0.0.1/32 scram-sha-256", f"host all {names} all reject"]
    with encryption(leak.server), rules_of_access(leak.server, *rules):
        assert leak.probe()["old"] == "accepted"
        leak.after("disable_old", "destroy_old")
        assert leak.probe() == {
            "new": "accepted", "old": "refused", "old_error": "auth", "derived": "none",
        }  # fmt: skip


def test_a_server_that_asks_for_no_password_proves_nothing(leak: Leak) -> None:
    leak.after("plan", "create")
    rules = [f"host all {name} 127.0.0.1/32 trust" for name in (leak.role, leak.partner)]
    with rules_of_access(leak.server, *rules):
        assert failing_checks(leak.ask("plan")) == [
            f"the server asks {leak.role} for a password",
            f"the server asks {leak.partner} for a password",
        ]
        assert leak.fails("verify_new") == "unsupported"
        found = leak.probe()
    assert (found["new"], found["old"]) == ("unknown", "unknown")


def test_a_refusal_in_another_language_is_not_taken_for_one(leak: Leak) -> None:
    message = "authentification par mot de passe échouée pour l'utilisateur"
    with refusing(message, "28P01") as port:
        found = leak.probe(target=leak.target | {"port": port})
    assert (found["new"], found["old"]) == ("unknown", "unknown")


def test_a_server_that_wants_the_password_in_clear_does_not_get_it(leak: Leak) -> None:
    with asking_in_clear() as (port, heard):
        found = leak.probe(target=leak.target | {"port": port})
    assert (found["new"], found["old"]) == ("unknown", "unknown")
    assert not any(value.encode() in b"".join(heard) for value in leak.secrets.values())


def test_without_the_old_value_the_catalogue_tells(leak: Leak) -> None:
    leak.after("plan", "create")
    forgotten = {"secrets": without(leak.secrets, "old")}
    assert leak.probe(**forgotten)["old"] == "accepted"
    leak.ask("disable_old")
    found = leak.probe(**forgotten)
    assert (found["old"], found["method"]) == ("refused", "metadata")


def test_with_one_role_nothing_but_the_old_value_can_tell(single: Leak) -> None:
    single.after("plan", "create")
    assert single.probe(secrets=without(single.secrets, "old"))["old"] == "unknown"


# What a plan refuses


def test_a_plan_refuses_to_act_as_a_role_that_it_changes(leak: Leak) -> None:
    for acting in (leak.role, leak.partner):
        leak.more = {"admin_user": acting}
        assert failing_checks(leak.ask("plan")) == [
            "the acting role is not one that this rotation changes"
        ]
        assert leak.fails("create") == "permission"


def test_a_plan_says_what_the_acting_role_may_not_do(leak: Leak) -> None:
    weak, password = f"weak_{secrets.token_hex(4)}", secrets.token_hex(16)
    leak.server.role(weak, password)
    leak.more = {"admin_user": weak}
    own = {"secrets": leak.secrets | {"admin": password}}
    assert failing_checks(leak.ask("plan", **own)) == [
        "the acting role may alter them",
        "the acting role may end its sessions",
    ]
    assert leak.fails("create", **own) == "permission"


def test_a_wrong_administrator_password_is_an_auth_failure(leak: Leak) -> None:
    wrong = {"secrets": leak.secrets | {"admin": secrets.token_hex(16)}}
    assert leak.fails("plan", **wrong) == "auth"


def test_a_plan_misses_a_role_that_is_not_there(leak: Leak) -> None:
    leak.server.do("DROP ROLE {}", leak.partner)
    assert failing_checks(leak.ask("plan")) == ["the roles exist"]


def test_a_plan_names_what_consumers_would_miss_as_the_partner(leak: Leak) -> None:
    group, table = f"team_{secrets.token_hex(4)}", f"t_{secrets.token_hex(4)}"
    do = leak.server.do
    do("CREATE ROLE {}", group)
    do("GRANT {} TO {}", group, leak.role)
    do("CREATE TABLE {} (n int)", table)
    do("GRANT SELECT ON {} TO {}", table, leak.role)
    do("ALTER ROLE {} CREATEDB", leak.role)
    do("ALTER ROLE {} SET search_path = x", leak.role)
    try:
        plan = leak.ask("plan")
        lacks = next(c for c in plan["checks"] if c["what"].startswith("the partner may do"))
        assert set(lacks["detail"].split("; ")) == {
            f"membership in {group}", "CREATEDB", "1 granted objects", "the setting search_path",
        }  # fmt: skip
        do("GRANT {} TO {}", leak.role, leak.partner)
        do("ALTER ROLE {} CREATEDB", leak.partner)
        do("ALTER ROLE {} SET search_path = x", leak.partner)
        assert failing_checks(leak.ask("plan")) == []
    finally:
        do("DROP TABLE {}", table)


def test_a_plan_refuses_a_partner_that_somebody_uses(leak: Leak) -> None:
    leak.server.do(f"ALTER ROLE {{}} LOGIN PASSWORD '{leak.new_value}'", leak.partner)
    with leak.server.connect(leak.partner, leak.new_value):
        assert failing_checks(leak.ask("plan")) == ["nobody is logged in as the partner"]


def test_a_plan_refuses_a_partner_that_has_expired(leak: Leak) -> None:
    leak.server.do("ALTER ROLE {} VALID UNTIL '2001-01-01'", leak.partner)
    assert failing_checks(leak.ask("plan")) == ["the partner has not expired"]


def test_a_phase_gets_only_the_secrets_that_its_manifest_names(leak: Leak) -> None:
    assert manifest_of(SCRIPT)["needs"]["verify_new"] == ["new"]
    answer = call(SCRIPT, "verify_new", target=leak.target, secrets={"admin": "x"})
    assert answer["error"]["class"] == "missing"


# Servers that answer as they like


@contextmanager
def refusing(message: str, code: str) -> Iterator[int]:
    """Answers each login with this refusal."""
    fields = [b"SFATAL", b"VFATAL", b"C" + code.encode(), b"M" + message.encode(), b""]
    body = b"\0".join(fields) + b"\0"
    with answering(b"E" + (len(body) + 4).to_bytes(4, "big") + body) as (port, _):
        yield port


@contextmanager
def asking_in_clear() -> Iterator[tuple[int, list[bytes]]]:
    """Asks each login for the plain password, and keeps what it hears."""
    with answering(b"R" + (8).to_bytes(4, "big") + (3).to_bytes(4, "big")) as found:
        yield found


@contextmanager
def answering(reply: bytes) -> Iterator[tuple[int, list[bytes]]]:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, reply, heard), daemon=True).start()
        yield listener.getsockname()[1], heard


def _serve(listener: socket.socket, reply: bytes, heard: list[bytes]) -> None:
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        with peer:
            peer.settimeout(5)
            first = peer.recv(4096)
            if first[4:8] == (80877103).to_bytes(4, "big"):  # "may we speak TLS?"
                peer.sendall(b"N")
                first = peer.recv(4096)
            peer.sendall(reply)
            heard += [first, peer.recv(4096)]
