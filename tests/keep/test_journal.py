"""A rotation's journal: what was intended, what came of it, and values that only the key opens."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from servers import postgresql

from keep.builders import NOON, Somewhere, declared, notes
from leakguard import event as ev
from leakguard.errors import UsageError
from leakguard.event import Event
from leakguard.incident import Incident, SecretState
from leakguard.keep.errors import Conflict, Held, StoreError, Tampered
from leakguard.keep.journal import Journal, Lease, Rotation
from leakguard.keep.store import Store
from leakguard.secret import Secret

INCIDENT = "LG-2026-0001"
FIRST = f"{INCIDENT}-S1-r1"


@pytest.fixture
def journal(store: Store) -> Journal:
    """A journal over a store with one incident."""
    declared(store)
    return Journal(store)


@pytest.fixture
def leased(journal: Journal) -> Iterator[Lease]:
    """The first rotation, held by us."""
    begun(journal)
    with journal.lease(FIRST, "ada", 600) as lease:
        yield lease


def begun(journal: Journal, **more) -> Rotation:
    given = {"plan": {"actions": [1, "two"]}, "policy": {"overlap": True}, "actor": "ada"} | more
    return journal.begin(INCIDENT, "S1", "postgresql", **given)


def value() -> Secret:
    return Secret(secrets.token_urlsafe(24).encode())


def test_a_rotation_is_kept_whole(journal: Journal) -> None:
    by = NOON + timedelta(minutes=15)
    made = begun(journal, revoke_by=by, state="waiting")
    assert (made.id, made.incident, made.secret, made.script) == (
        FIRST,
        INCIDENT,
        "S1",
        "postgresql",
    )
    assert (made.state, made.revoke_by) == ("waiting", by)
    assert (made.plan, made.policy) == ({"actions": [1, "two"]}, {"overlap": True})
    assert (made.steps, made.slots, made.holder) == ((), (), None)
    assert journal.load(FIRST) == made


def test_a_secrets_rotations_are_numbered(journal: Journal) -> None:
    assert [begun(journal).id for _ in range(2)] == [FIRST, f"{INCIDENT}-S1-r2"]
    assert [one.id for one in journal.list()] == [FIRST, f"{INCIDENT}-S1-r2"]


def test_only_a_secret_of_the_incident_is_rotated(journal: Journal) -> None:
    with pytest.raises(UsageError, match="has no secret S7") as caught:
        journal.begin(INCIDENT, "S7", "x", plan={}, policy={}, actor="ada")
    assert caught.value.hints == ("it has: S1",)
    with pytest.raises(UsageError, match="no incident LG-2026-0099"):
        journal.begin("LG-2026-0099", "S1", "x", plan={}, policy={}, actor="ada")
    for ask in (journal.load, journal.shred):
        if ask == journal.load:
            with pytest.raises(UsageError, match="no rotation"):
                ask("LG-2026-0001-S1-r9")


def test_rotations_are_listed_by_state_and_incident(journal: Journal, store: Store) -> None:
    first, second = begun(journal), begun(journal, state="running")
    other = declared(store)
    third = journal.begin(other.id, "S1", "x", plan={}, policy={}, actor="ada", state="running")
    assert journal.list(["running"]) == (second, third)
    assert journal.list(incident=INCIDENT) == (first, second)
    assert journal.list(["running"], incident=other.id) == (third,)
    assert journal.list([]) == ()


def test_a_step_is_an_intent_until_its_outcome_is_known(journal: Journal, leased: Lease) -> None:
    journal.intent(FIRST, "create", 1, "key", lease=leased)
    step = journal.load(FIRST).step("create")
    assert step
    assert (step.status, step.attempt, step.idempotency_key) == ("intent", 1, "key")
    after = journal.finish(
        FIRST, "create", "done", {"new": {"id": "k2"}}, actor="ada", state="created", lease=leased
    )
    done = after.step("create")
    assert done
    assert (after.state, done.status, done.public) == ("created", "done", {"new": {"id": "k2"}})
    assert after.step("destroy_old") is None


def test_the_same_intent_twice_is_one(journal: Journal, leased: Lease) -> None:
    one = journal.intent(FIRST, "create", 1, "key", lease=leased)
    assert journal.intent(FIRST, "create", 1, "key", lease=leased) == one
    assert len(journal.load(FIRST).steps) == 1
    with pytest.raises(Conflict, match="was made already"):
        journal.intent(FIRST, "create", 1, "another key", lease=leased)


def test_every_attempt_is_kept(journal: Journal, leased: Lease) -> None:
    for attempt, status in ((1, "failed"), (2, "unknown"), (3, "done")):
        journal.intent(FIRST, "create", attempt, "key", lease=leased)
        journal.finish(FIRST, "create", status, actor="ada", lease=leased)
    found = [(step.attempt, step.status) for step in journal.load(FIRST).steps]
    assert found == [(1, "failed"), (2, "unknown"), (3, "done")]


def test_only_an_unknown_outcome_can_be_replaced(journal: Journal, leased: Lease) -> None:
    journal.intent(FIRST, "create", 1, "key", lease=leased)
    journal.finish(FIRST, "create", "unknown", actor="ada", lease=leased)
    journal.finish(FIRST, "create", "done", actor="ada", lease=leased)
    with pytest.raises(Conflict, match="has an outcome already: done"):
        journal.finish(FIRST, "create", "failed", actor="ada", lease=leased)
    with pytest.raises(Conflict, match="was made already"):
        journal.intent(FIRST, "create", 1, "key", lease=leased)
    with pytest.raises(Conflict, match="was never begun"):
        journal.finish(FIRST, "destroy_old", "done", actor="ada", lease=leased)
    with pytest.raises(ValueError, match="no outcome"):
        journal.finish(FIRST, "create", "intent", actor="ada", lease=leased)


def test_result_value_and_events_come_together(
    journal: Journal, leased: Lease, store: Store
) -> None:
    new = value()
    journal.intent(FIRST, "create", 1, "key", lease=leased)
    moved = [ev.SecretMoved("S1", "issued", rotation=FIRST), ev.Noted("issued")]
    after = journal.finish(
        FIRST, "create", "done", {}, {"new": new}, moved, actor="ada", lease=leased
    )
    assert after.slots == ("new",)
    assert journal.unseal(FIRST, "new") == new
    assert store.load(INCIDENT).secrets["S1"].state is SecretState.ISSUED
    assert notes(store, INCIDENT) == ["issued"]


def test_or_not_at_all(journal: Journal, leased: Lease, store: Store) -> None:
    journal.intent(FIRST, "create", 1, "key", lease=leased)
    before = (journal.load(FIRST), store.tip())

    def impossible(_: Incident) -> list[Event]:
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        journal.finish(
            FIRST, "create", "done", {"x": 1}, {"new": value()}, impossible, actor="ada",
            state="created", lease=leased,
        )  # fmt: skip
    assert (journal.load(FIRST), store.tip()) == before


def test_events_can_depend_on_the_incident_as_it_is_then(
    journal: Journal, leased: Lease, store: Store
) -> None:
    def found(incident: Incident) -> list[Event]:
        return [ev.ConsumerAdded(f"C{len(incident.consumers) + 1}", "S1", "web")]

    for _ in range(2):
        journal.change(FIRST, actor="ada", events=found, lease=leased)
    assert list(store.load(INCIDENT).consumers) == ["C1", "C2"]


def test_the_rotation_itself_can_change(journal: Journal, leased: Lease) -> None:
    by = NOON + timedelta(hours=1)
    after = journal.change(
        FIRST, actor="ada", state="deferred", plan={"p": 1}, policy={"q": 2}, revoke_by=by,
        secrets={"old": value()}, lease=leased,
    )  # fmt: skip
    assert (after.state, after.plan, after.policy, after.revoke_by) == (
        "deferred", {"p": 1}, {"q": 2}, by,
    )  # fmt: skip
    assert after.slots == ("old",)
    again = journal.change(FIRST, actor="ada", state="running", lease=leased)
    assert (again.plan, again.revoke_by) == ({"p": 1}, by)


def test_a_value_never_stands_where_people_read(journal: Journal, leased: Lease) -> None:
    new = Secret(b'quoted " and long enough')
    text = new.reveal().decode()
    journal.intent(FIRST, "create", 1, "key", lease=leased)
    for public, events in (({"id": text}, ()), ({"id": f"x{text}y"}, ()), ({}, [ev.Noted(text)])):
        with pytest.raises(ValueError, match="a secret value") as caught:
            journal.finish(
                FIRST, "create", "done", public, {"new": new}, events, actor="ada", lease=leased
            )
        assert text not in str(caught.value)
    with pytest.raises(ValueError, match="a secret value"):
        journal.change(FIRST, actor="ada", plan={"x": text}, secrets={"new": new}, lease=leased)
    assert journal.load(FIRST).slots == ()


def test_a_sealed_value_opens_only_in_its_own_slot(
    journal: Journal, leased: Lease, spot: Somewhere
) -> None:
    journal.change(FIRST, actor="ada", secrets={"old": value(), "new": value()}, lease=leased)
    spot.sql(
        "UPDATE sealed SET ciphertext = (SELECT ciphertext FROM sealed WHERE slot = 'old'),"
        " nonce = (SELECT nonce FROM sealed WHERE slot = 'old') WHERE slot = 'new'"
    )
    assert journal.unseal(FIRST, "old")
    with pytest.raises(StoreError, match="damaged or exchanged"):
        journal.unseal(FIRST, "new")


def test_a_slot_holds_the_last_value_it_was_given(journal: Journal, leased: Lease) -> None:
    one, two = value(), value()
    for given in (one, two):
        journal.change(FIRST, actor="ada", secrets={"new": given}, lease=leased)
    assert journal.unseal(FIRST, "new") == two


def test_without_its_key_a_value_is_told_to_be_there_but_not_open(
    journal: Journal, leased: Lease, spot: Somewhere
) -> None:
    journal.change(FIRST, actor="ada", secrets={"new": value()}, lease=leased)
    (spot.keys / "seal.key").rename(spot.keys / "elsewhere")
    with spot.open() as store:
        assert Journal(store).load(FIRST).slots == ("new",)
        with pytest.raises(StoreError, match="seal key is missing"):
            Journal(store).unseal(FIRST, "new")
    (spot.keys / "seal.key").write_bytes(secrets.token_bytes(32))
    (spot.keys / "seal.key").chmod(0o600)
    with spot.open() as store, pytest.raises(StoreError, match="not the store's seal key"):
        Journal(store).unseal(FIRST, "new")


def test_shredding_leaves_no_byte_of_what_was_sealed(
    journal: Journal, leased: Lease, spot: Somewhere
) -> None:
    given = {f"slot {number}": value() for number in range(20)}
    journal.change(FIRST, actor="ada", secrets=given, lease=leased)
    sealed = [bytes(row[0]) for row in spot.sql("SELECT ciphertext FROM sealed")]
    assert len(sealed) == 20
    if spot.sqlite:
        assert all(one in _bytes(spot.folder) for one in sealed)  # the search can find them
    assert journal.shred(FIRST)
    assert journal.load(FIRST).slots == ()
    assert spot.sql("SELECT count(*) FROM sealed") == [(0,)]
    if spot.sqlite:
        assert not any(one in _bytes(spot.folder) for one in sealed)
    with pytest.raises(StoreError, match="no value 'slot 1' is sealed"):
        journal.unseal(FIRST, "slot 1")
    assert journal.shred(FIRST)


def test_shredding_says_when_a_reader_keeps_the_log_from_being_emptied(sqlite: Somewhere) -> None:
    with sqlite.open(patience=0.2) as store:
        declared(store)
        journal = Journal(store)
        begun(journal, secrets={"new": value()})
        (sealed,) = (bytes(row[0]) for row in sqlite.sql("SELECT ciphertext FROM sealed"))
        with store.database.read() as reader:
            reader.exec_driver_sql("SELECT count(*) FROM sealed").all()
            assert not journal.shred(FIRST)
            assert journal.load(FIRST).slots == ()
        assert journal.shred(FIRST)
        assert sealed not in _bytes(sqlite.folder)


def test_no_value_is_ever_written_in_plain(
    spot: Somewhere, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    given = {f"slot {number}": value() for number in range(5)}
    with spot.open() as store:
        declared(store)
        journal = Journal(store)
        begun(journal, secrets=given)
        written = [_bytes(spot.folder)]
        with journal.lease(FIRST, "ada", 60) as lease:
            journal.intent(FIRST, "create", 1, "key", lease=lease)
            more = {"new": value()}
            journal.finish(FIRST, "create", "done", {}, more, actor="ada", lease=lease)
            written += [_bytes(spot.folder)]
        journal.shred(FIRST)
        written += [_bytes(spot.folder), "".join(capfd.readouterr()).encode()]
        if not spot.sqlite:
            server: postgresql.Server = request.getfixturevalue("server")
            server.do("CHECKPOINT")
            log = server.said().encode()
            assert b"INSERT INTO sealed" in log  # it does log every statement
            written += [log, _bytes(server.folder)]
    for one in [*given.values(), *more.values()]:
        assert not any(one.reveal() in text for text in written)


def test_a_second_operator_is_told_who_and_since_when(journal: Journal, leased: Lease) -> None:
    with pytest.raises(Held) as caught, journal.lease(FIRST, "bob", 60):
        pass
    assert "is being worked on by ada (process " in caught.value.message
    assert datetime.now(UTC).strftime(" since %Y-%m-%dT") in caught.value.message
    holder = journal.load(FIRST).holder
    assert holder
    assert holder.owner == "ada"
    assert timedelta(0) < holder.until - holder.since <= timedelta(seconds=600)


def test_a_lease_ends_with_its_block_also_when_it_fails(journal: Journal) -> None:
    begun(journal)
    with pytest.raises(RuntimeError), journal.lease(FIRST, "ada", 600):
        raise RuntimeError
    with journal.lease(FIRST, "bob", 600):
        assert journal.load(FIRST).holder
    assert journal.load(FIRST).holder is None


def test_a_lease_of_another_machine_ends_only_with_its_time(store: Store, spot: Somewhere) -> None:
    declared(store)
    clock = [NOON]
    journal = Journal(store, clock=lambda: clock[0])
    begun(journal)
    with journal.lease(FIRST, "ada", 60):
        spot.sql("UPDATE rotation SET lease_host = 'elsewhere 1/2', lease_pid = 1")
        clock[0] += timedelta(seconds=59)
        with pytest.raises(Held, match=r"on elsewhere\) since"), journal.lease(FIRST, "bob", 60):
            pass
        clock[0] += timedelta(seconds=2)
        with journal.lease(FIRST, "bob", 60):
            holder = journal.load(FIRST).holder
            assert holder
            assert holder.owner == "bob"


def test_who_was_overtaken_can_write_nothing_more(journal: Journal) -> None:
    begun(journal)
    with journal.lease(FIRST, "ada", 0) as late, journal.lease(FIRST, "bob", 600) as lease:
        for write in (
            lambda: journal.intent(FIRST, "create", 1, "key", lease=late),
            lambda: journal.change(FIRST, actor="ada", state="x", lease=late),
            lambda: journal.renew(late, 60),
        ):
            with pytest.raises(Conflict, match="somebody took over"):
                write()
        journal.intent(FIRST, "create", 1, "key", lease=lease)
        with pytest.raises(Conflict, match="somebody took over"):
            journal.finish(FIRST, "create", "done", actor="ada", lease=late)
    step = journal.load(FIRST).step("create")
    assert step
    assert step.status == "intent"


def test_a_lease_can_be_made_longer(journal: Journal) -> None:
    begun(journal)
    with journal.lease(FIRST, "ada", 10) as lease:
        before = journal.load(FIRST).holder
        journal.renew(lease, 1000)
        after = journal.load(FIRST).holder
        assert before
        assert after
        assert after.until > before.until + timedelta(seconds=900)
        assert after.since == before.since


def test_a_clock_can_be_given(store: Store) -> None:
    declared(store)
    journal = Journal(store, clock=lambda: NOON)
    made = begun(journal)
    assert made.created_at == NOON
    with journal.lease(FIRST, "ada", 60):
        holder = journal.load(FIRST).holder
        assert holder
        assert (holder.since, holder.until) == (NOON, NOON + timedelta(minutes=1))


def test_a_chain_that_was_tampered_with_stops_a_rotation_before_it_does_anything(
    journal: Journal, leased: Lease, spot: Somewhere
) -> None:
    spot.head.unlink()
    with pytest.raises(Tampered):
        journal.intent(FIRST, "create", 1, "key", lease=leased)


def test_many_rotations_at_once_in_one_process(store: Store) -> None:
    journal = Journal(store)
    incidents = [declared(store).id for _ in range(6)]

    def rotate(incident: str) -> str:
        made = journal.begin(incident, "S1", "x", plan={}, policy={}, actor="ada")
        with journal.lease(made.id, "ada", 60) as lease:
            for key in ("create", "destroy_old"):
                journal.intent(made.id, key, 1, key, lease=lease)
                journal.finish(
                    made.id, key, "done", {}, {key: value()}, [ev.Noted(key)],
                    actor="ada", lease=lease,
                )  # fmt: skip
        return made.id

    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(rotate, incidents))
    assert {one.id for one in journal.list()} == set(made)
    assert all(notes(store, incident) == ["create", "destroy_old"] for incident in incidents)
    assert store.verify() == []


def _bytes(folder: Path) -> bytes:
    """Every byte of every file below a folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
