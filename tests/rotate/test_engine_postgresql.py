"""The engine with shipped scripts: a leaked password of a real PostgreSQL, and a .env file."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from servers import place

from rotate.simulator.case import fork

psycopg = pytest.importorskip("psycopg")

from servers import postgresql  # noqa: E402 - after the skip: it imports psycopg too

from leakguard import event as ev  # noqa: E402
from leakguard.incident import SecretState  # noqa: E402
from leakguard.keep.journal import Journal  # noqa: E402
from leakguard.keep.store import Store, open_store  # noqa: E402
from leakguard.rotate.choose import check_target  # noqa: E402
from leakguard.rotate.engine import Engine  # noqa: E402
from leakguard.rotate.plan import Delivery, Plan, plan  # noqa: E402
from leakguard.rotate.policy import End, Outcome, Policy  # noqa: E402
from leakguard.rotate.script import catalogue  # noqa: E402
from leakguard.rotate.world import World  # noqa: E402
from leakguard.secret import Secret  # noqa: E402

pytestmark = pytest.mark.skipif(bool(postgresql.available()), reason=postgresql.available())

QUICK = Policy(patience=10, poll=0.2, level=2)


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.Server]:
    with place() as folder, postgresql.start(folder) as running:
        yield running


@dataclass
class Leak:
    """The password of app_a stands in a .env file that somebody committed."""

    server: postgresql.Server
    folder: Path
    role: str
    old: str
    incident: str = ""
    rotation: str = ""

    @property
    def env_file(self) -> Path:
        return self.folder / ".env"

    @property
    def place(self) -> str:
        return str(self.folder / "data" / "incidents.db")

    @property
    def slots(self) -> dict[str, Secret]:
        return {
            "admin": Secret(self.server.admin_password.encode()),
            "old": Secret(self.old.encode()),
        }

    def consumers_login(self) -> bool:
        lines = dict(line.split("=", 1) for line in self.env_file.read_text().splitlines())
        return self.server.accepts(lines["DB_USER"], lines["DB_PASSWORD"])

    def engine(self, store: Store, crash: Any = None) -> Engine:
        def now() -> datetime:
            return datetime.now(UTC)

        def rest(_: float) -> None:
            pass

        world = World(now, rest, crash=crash) if crash else World(now, rest)
        return Engine(store, Journal(store), catalogue({}), "ada", world)

    def plan(self) -> Plan:
        scripts = catalogue({})
        given = self.server.target(role=self.role, partner=f"{self.role}_b", sslmode="disable")
        target = check_target(
            scripts["postgresql"].manifest, {name: str(value) for name, value in given.items()}
        )
        told = {"path": str(self.env_file), "key": "DB_PASSWORD", "id_key": "DB_USER"}
        env = Delivery(
            "C1", "the app", "env-file", check_target(scripts["env-file"].manifest, told)
        )
        with open_store(self.place) as store:
            incident = store.load(self.incident)
        return plan(
            incident, "S1", scripts["postgresql"], target, secrets=self.slots, deliveries=[env],
            runners=scripts,
        )  # fmt: skip

    def run(self, crash: Any = None) -> Outcome:
        with open_store(self.place) as store:
            return self.engine(store, crash).run(self.rotation, self.slots)


@pytest.fixture
def leak(server: postgresql.Server, tmp_path: Path) -> Leak:
    (tmp_path / "data").mkdir(mode=0o700)
    found = Leak(server, tmp_path, f"app_{secrets.token_hex(4)}", secrets.token_hex(16))
    server.role(found.role, found.old)
    server.role(f"{found.role}_b")
    found.env_file.write_text(f"DB_USER={found.role}\nDB_PASSWORD={found.old}\n")
    now = datetime.now(UTC)
    events: list[ev.Event] = [
        ev.Opened("a .env file in a commit", "manual", ev.stamp(now)),
        ev.SecretAdded("S1", "database-password", provider="postgresql", label=found.role),
        ev.SeverityJudged(2, "SEV-2", "", "", ()),
        ev.ConsumerAdded("C1", "S1", "the app"),
        ev.ConsumersCounted("S1", "yes"),
    ]
    with open_store(found.place) as store:
        found.incident = store.create(events, actor="ada", at=now).id
        found.rotation = found.engine(store).start(found.plan(), QUICK).id
    return found


def test_a_leaked_password_is_replaced_everywhere_and_proven_dead(leak: Leak) -> None:
    attacker = leak.server.connect(leak.role, leak.old)
    outcome = leak.run()
    assert outcome.end is End.CLOSED, outcome
    with pytest.raises(psycopg.OperationalError):
        attacker.execute("SELECT 1")
    attacker.close()
    assert not leak.server.accepts(leak.role, leak.old)
    assert leak.consumers_login()
    with open_store(leak.place) as store:
        assert store.load(leak.incident).secrets["S1"].state is SecretState.DEAD
        assert store.verify() == []


@pytest.mark.parametrize("step", ["create", "distribute:C1", "disable_old"])
def test_killed_after_an_effect_it_goes_on_with_a_real_server(leak: Leak, step: str) -> None:
    child = fork()
    if not child:
        try:
            leak.run(
                lambda *at: (
                    os.kill(os.getpid(), signal.SIGKILL) if at == ("after_effect", step) else None
                )
            )
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert leak.consumers_login()
    assert leak.run().end is End.CLOSED
    assert not leak.server.accepts(leak.role, leak.old)
    assert leak.consumers_login()


def test_a_server_that_goes_down_is_no_proof(leak: Leak) -> None:
    down: list[bool] = []

    def stop(point: str, step: str) -> None:
        if (point, step) == ("after_commit", "kill_derived"):
            leak.server.stop()
            down.append(True)

    try:
        outcome = leak.run(stop)
    finally:
        if down:
            leak.server.again()
    assert outcome.end is End.UNKNOWN, outcome
    with open_store(leak.place) as store:
        assert store.load(leak.incident).secrets["S1"].state is SecretState.REVOKED
    assert leak.run().end is End.CLOSED
