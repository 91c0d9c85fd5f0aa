"""Two processes at once lose nothing, and a kill at any moment loses nothing that was committed."""

from __future__ import annotations

import signal
import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from random import Random
from typing import Any

import pytest

from keep import writer
from keep.builders import Somewhere, declared, noted, notes
from leakguard.keep.errors import Held, StoreError
from leakguard.keep.journal import Journal

ROUNDS = 8
PATIENCE = 60


def test_two_processes_that_make_the_store_at_once_give_no_number_twice(spot: Somewhere) -> None:
    with (
        writer.process(writer.create_many, spot.where, 15) as (_, one),
        writer.process(writer.create_many, spot.where, 15) as (_, two),
    ):
        one.send("go")
        two.send("go")
        made = sorted([*one.recv(), *two.recv()])
    with spot.open(create=False) as store:
        assert len(set(made)) == 30
        assert [one.id for one in store.listing()] == made[::-1]
        assert store.verify() == []


def test_two_processes_on_one_incident_lose_no_update(spot: Somewhere) -> None:
    with spot.open() as store:
        incident = declared(store).id
        with (
            writer.process(writer.change_many, spot.where, incident, "one", 40) as (_, one),
            writer.process(writer.change_many, spot.where, incident, "two", 40) as (_, two),
        ):
            assert (one.recv(), two.recv()) == ("ready", "ready")
            one.send("go")
            two.send("go")
            assert (one.recv(), two.recv()) == ("done", "done")
        found = notes(store, incident)
        for name in ("one", "two"):
            assert [text for text in found if name in text] == [f"{name} {n}" for n in range(40)]
        times = [entry.at for entry in store.entries(incident)]
        assert times == sorted(set(times))
        assert store.verify() == []


def test_a_kill_while_writing_loses_nothing_and_corrupts_nothing(spot: Somewhere) -> None:
    with spot.open() as store:
        incident = declared(store).id
    committed: list[int] = []
    for turn in range(ROUNDS):
        first = len(committed)
        with writer.process(writer.change_for_ever, spot.where, incident, first) as (process, pipe):
            committed += _killed(process, pipe, Random(turn))
        with spot.open(create=False) as store:
            found = [int(text) for text in notes(store, incident)]
            assert found[: len(committed)] == committed
            assert found == list(range(len(found)))
            assert len(found) - len(committed) in (0, 1)  # committed, but not yet said
            assert store.verify() == []
            committed = found
    assert len(committed) > 2 * ROUNDS


@pytest.mark.parametrize(("moment", "kept"), [("prepare", []), ("publish", ["publish"])])
def test_a_kill_around_the_commit_is_told_apart_from_tampering(
    spot: Somewhere, moment: str, kept: list[str]
) -> None:
    with spot.open() as store:
        incident = declared(store).id
        before = spot.head.read_bytes()
        with writer.process(writer.die_at, spot.where, incident, moment) as (process, _):
            process.join(PATIENCE)
            assert process.exitcode == -signal.SIGKILL
        assert spot.head.read_bytes() == before
        assert notes(store, incident) == kept
        assert store.verify() == []
        noted(store, incident, "on it goes")
        assert store.verify() == []
        assert spot.head.read_bytes() != before


def test_a_kill_in_a_rotation_leaves_every_step_whole(spot: Somewhere) -> None:
    with spot.open() as store:
        incident = declared(store).id
        journal = Journal(store)
        rotation = journal.begin(incident, "S1", "script", plan={}, policy={}, actor="ada").id
    said: list[tuple[str, int]] = []
    for turn in range(ROUNDS // 2):
        first = len(said)
        with writer.process(writer.rotate_for_ever, spot.where, rotation, first) as (process, pipe):
            said += _killed(process, pipe, Random(turn))
        with spot.open(create=False) as store:
            _whole(store, Journal(store), rotation, said)
    assert sum(word == "done" for word, _ in said) > 3


def _whole(store, journal: Journal, rotation: str, said: list[tuple[str, int]]) -> None:
    """A result is there with its value and its event, or none of the three is."""
    kept = journal.load(rotation)
    done = {step.key for step in kept.steps if step.status == "done"}
    assert done >= {f"step {number}" for word, number in said if word == "done"}
    assert {step.key for step in kept.steps} >= {f"step {number}" for _, number in said}
    assert set(notes(store, kept.incident)) == done
    assert {slot.replace("slot", "step") for slot in kept.slots} == done
    for slot in kept.slots:
        assert journal.unseal(rotation, slot).reveal().decode() == slot.replace("slot", "value")
    assert store.verify() == []


def test_a_lease_is_refused_to_others_and_ends_with_its_process(spot: Somewhere) -> None:
    with spot.open() as store:
        incident = declared(store).id
        journal = Journal(store)
        rotation = journal.begin(incident, "S1", "script", plan={}, policy={}, actor="ada").id
        with writer.process(writer.hold, spot.where, rotation) as (process, pipe):
            assert pipe.recv() == "held"
            with pytest.raises(Held) as caught, journal.lease(rotation, "ada", 60):
                pass
            assert f"by bob (process {process.pid} on " in caught.value.message
            assert " since 20" in caught.value.message
            with pytest.raises(Held):
                journal.intent(rotation, "create", 1, "key")
            process.kill()
            process.join()
            with journal.lease(rotation, "ada", 60):
                journal.intent(rotation, "create", 1, "key")
        assert journal.load(rotation).holder is None


def test_a_process_that_never_ends_its_write_is_waited_for_only_so_long(spot: Somewhere) -> None:
    with spot.open(patience=0.3) as store:
        incident = declared(store).id
        with writer.process(writer.lock, spot.where) as (_, pipe):
            assert pipe.recv() == "locked"
            assert len(store.entries(incident)) == 2  # reading goes on
            with pytest.raises(StoreError, match="is locked by another process") as caught:
                noted(store, incident, "x")
            assert caught.value.hints == ("wait for it to end and try again",)
        noted(store, incident, "now it works")
        assert store.verify() == []


def _killed(process: ForkServerProcess, pipe: Connection, rng: Random) -> list[Any]:
    """Kill a process some moment after it said something; all that it said."""
    found = [pipe.recv() for _ in range(rng.randint(1, 6))]
    time.sleep(rng.uniform(0, 0.03))  # the moment, anywhere in what it does next
    process.kill()
    process.join()
    try:
        while pipe.poll(1):
            found.append(pipe.recv())
    except EOFError:
        pass
    return found
