"""The incident store in a real PostgreSQL: journal, leases, and two operators at two desks.

The issuer is the same server: a role of it leaked. Each desk has its own connection.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import place

psycopg = pytest.importorskip("psycopg")

from servers import postgresql  # noqa: E402 - after the skip: it imports psycopg too

from leakguard.incident import SecretState  # noqa: E402
from leakguard.keep.errors import Conflict, Held  # noqa: E402
from leakguard.keep.journal import Journal  # noqa: E402
from leakguard.keep.store import open_store  # noqa: E402
from leakguard.rotate.fleet import Fleet, Job  # noqa: E402
from leakguard.rotate.policy import End, Outcome  # noqa: E402
from rotate.simulator.live import QUICK, Live  # noqa: E402

pytestmark = pytest.mark.skipif(bool(postgresql.available()), reason=postgresql.available())


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.Server]:
    with place() as folder, postgresql.start(folder) as running:
        yield running


@pytest.fixture
def shared(server: postgresql.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty store in a schema of its own, and keys beside it."""
    for name in ("LEAKGUARD_STORE", "LEAKGUARD_KEY_DIR", "LEAKGUARD_SEAL_KEY_FILE", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LEAKGUARD_DATA", str(tmp_path / "data"))
    name = f"store_{secrets.token_hex(6)}"
    server.do("CREATE SCHEMA {}", name)
    login = f"{server.admin}:{server.admin_password}@127.0.0.1:{server.port}"
    return f"postgresql://{login}/postgres?options=-csearch_path%3D{name}"


def leaked(server: postgresql.Server, folder: Path, store: str) -> Live:
    role, old = f"app_{secrets.token_hex(4)}", secrets.token_hex(16)
    server.role(role, old)
    server.role(f"{role}_b")
    where = server.target(role=role, partner=f"{role}_b", sslmode="disable")
    leak = Live(folder, "postgresql", "database-password", where,
                {"admin": server.admin_password, "old": old}, store=store)  # fmt: skip
    env = folder / f"{role}.env"
    env.write_text(f"DB_USER={role}\nDB_PASSWORD={old}\n")
    leak.deliver("the app", "env-file", path=env, key="DB_PASSWORD", id_key="DB_USER")
    return leak


@pytest.fixture
def leak(server: postgresql.Server, tmp_path: Path, shared: str) -> Live:
    return leaked(server, tmp_path, shared)


def it_is_dead(server: postgresql.Server, leak: Live) -> None:
    assert leak.recorded_dead
    assert not server.accepts(leak.target["role"], leak.slots["old"].reveal().decode())
    assert leak.journal().slots == ()
    with open_store(leak.store) as store:
        assert store.verify() == []


def told_by(server: postgresql.Server, schema: str) -> str:
    """Everything that the tables of the store hold, as text."""
    listed = server.do("SELECT table_name FROM information_schema.tables WHERE table_schema = "
                       f"'{schema}'")  # fmt: skip
    return "\n".join(
        str(row)
        for (table,) in listed
        for row in server.do("SELECT t::text FROM {}.{} AS t", schema, table)
    )


def test_a_rotation_over_a_shared_store_ends_dead_and_tells_no_value(
    server: postgresql.Server, leak: Live, shared: str
) -> None:
    leak.start()
    seen: list[str] = []

    def look(point: str, step: str) -> None:
        if (point, step) == ("after_commit", "distribute:C1"):
            seen.append(leak.new_value())

    assert leak.run(crash=look).end is End.CLOSED
    it_is_dead(server, leak)
    kept = told_by(server, shared.rsplit("%3D", 1)[1])
    assert "RotationNoted" in kept or "rotation" in kept
    for value in (*seen, leak.slots["old"].reveal().decode(), server.admin_password):
        assert (value in kept) is False


@pytest.mark.parametrize(
    "point, step", [("after_effect", "create"), ("after_intent", "disable_old")]
)
def test_killed_on_one_desk_it_is_finished_on_another(
    server: postgresql.Server, leak: Live, point: str, step: str
) -> None:
    leak.start()
    assert leak.run_until_killed(point, step)
    outcome = leak.run(actor="li")
    assert outcome.end is End.CLOSED
    it_is_dead(server, leak)
    with open_store(leak.store) as store:
        assert {"ada", "li"} <= {one.actor for one in store.entries(leak.id)}


def test_of_two_operators_one_is_told_who_is_at_it(server: postgresql.Server, leak: Live) -> None:
    leak.start()
    refused: list[str] = []

    def meanwhile(point: str, step: str) -> None:
        if (point, step) == ("after_intent", "create"):
            with pytest.raises(Held) as held:
                leak.run(actor="li")
            refused.append(held.value.message)

    assert leak.run(crash=meanwhile).end is End.CLOSED
    assert len(refused) == 1
    assert "ada" in refused[0]
    it_is_dead(server, leak)


def test_two_who_begin_at_the_same_moment_begin_one_rotation(
    server: postgresql.Server, leak: Live
) -> None:
    found = leak.plan()
    ready = threading.Barrier(2, timeout=30)
    begun: list[str] = []
    refused: list[str] = []

    def begin(actor: str) -> None:
        with open_store(leak.store) as store:
            engine = leak.engine(store, actor)
            ready.wait()
            try:
                begun.append(engine.start(found, QUICK).id)
            except Exception as error:  # noqa: BLE001 - which one is looked at below
                refused.append(type(error).__name__)

    both = [threading.Thread(target=begin, args=(actor,)) for actor in ("ada", "li")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(begun) == 1
    assert refused in (["Held"], ["RefusedError"])


def test_who_was_taken_over_writes_nothing_any_more(server: postgresql.Server, leak: Live) -> None:
    """A desk that slept through its lease: another one finishes, and the first one is stopped."""
    leak.start()

    def overslept(point: str, step: str) -> None:
        if (point, step) == ("after_effect", "create"):
            with open_store(leak.store) as store, store.database.write() as writing:
                writing.connection.exec_driver_sql(
                    "UPDATE rotation SET lease_until = '2000-01-01T00:00:00.000000Z'"
                )
            assert leak.run(actor="li").end is End.CLOSED

    with pytest.raises(Conflict):
        leak.run(crash=overslept)
    it_is_dead(server, leak)


def test_several_of_one_incident_are_rotated_beside_each_other(
    server: postgresql.Server, tmp_path: Path, shared: str
) -> None:
    leaks = [leaked(server, tmp_path, shared) for _ in range(3)]
    for one in leaks:
        one.start()

    def runs(one: Live) -> Outcome:
        with open_store(one.store) as store:
            return one.engine(store).run(one.rotation, one.slots)

    work = [Job(one.id, "postgresql", "service", lambda _, one=one: runs(one)) for one in leaks]
    results = Fleet(3, time.monotonic, lambda _: None).run(work)
    assert [one.good for one in results] == [True] * 3, results
    for one in leaks:
        it_is_dead(server, one)
        assert one.incident().secrets["S1"].state is SecretState.DEAD
    with open_store(shared) as store:
        assert len(Journal(store).list(["closed"])) == 3
