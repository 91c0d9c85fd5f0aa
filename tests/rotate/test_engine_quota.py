"""An issuer that asks to be left alone for a while is left alone, within the time there is."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from leakguard.keep.store import open_store
from leakguard.rotate.answer import Garbage, parse
from leakguard.rotate.policy import End, Policy
from rotate.faults.promises import it_is_over
from rotate.simulator.case import Case, today

PATIENT = Policy(patience=30, poll=0.01, level=2)


@pytest.mark.parametrize("phase", ["create", "verify_new", "distribute", "disable_old", "probe"])
def test_who_asks_for_time_gets_it_and_the_change_is_made_once(tmp_path: Path, phase: str) -> None:
    case = Case(tmp_path, origin="issuer")
    case.start(PATIENT)
    case.sim.fail(phase, "busy 12", times=2)
    slept: list[float] = []
    it_is_over(case, case.run(sleep=slept.append))
    assert sum(slept) >= 24
    assert max(slept) <= 10  # so that the rotation stays ours, and who watches hears of it
    made = {key: one for key, one in case.sim.state["credentials"].items() if key != "k1"}
    assert len(made) == 1


def test_longer_than_our_patience_nobody_waits_and_the_hint_says_when(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start(PATIENT)
    case.sim.fail("create", "busy 3600", times=1)
    slept: list[float] = []
    outcome = case.run(sleep=slept.append)
    assert outcome.end is End.FAILED
    assert slept == []
    assert "not before" in " ".join(outcome.hints)
    it_is_over(case, case.run())


def test_nobody_waits_beyond_the_hour_at_which_the_old_one_has_to_end(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start(PATIENT, revoke_by=today() + timedelta(seconds=5))
    case.sim.fail("create", "busy 20", times=1)
    slept: list[float] = []
    assert case.run(sleep=slept.append).end is End.FAILED
    assert slept == []


def test_those_who_share_the_issuer_hear_of_it_and_so_does_who_watches(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start(PATIENT)
    case.sim.fail("create", "busy 12", times=1)
    paused: list[float] = []
    said: list[str] = []
    with open_store(case.place) as store:
        engine = case.engine(store, pause=paused.append, tell=said.append)
        assert engine.run(case.rotation, case.sim.slots).end is End.CLOSED
    assert paused == [12.0]
    assert "create: asked to come back in 12 s" in said
    assert "waited 10 s" in said


@pytest.mark.parametrize("said", ["soon", -1, True, 10**9, float("inf")])
def test_an_odd_time_to_come_back_breaks_the_protocol(said: object) -> None:
    error = {"class": "quota", "message": "", "retry_after": said}
    with pytest.raises(Garbage):
        parse(json.dumps({"ok": False, "error": error}).encode(), "create")


def test_only_a_quota_is_waited_for() -> None:
    error = {"class": "permission", "message": "", "retry_after": 10}
    reply = parse(json.dumps({"ok": False, "error": error}).encode(), "create")
    assert reply.retry_after is None
    zero = parse(b'{"ok": false, "error": {"class": "quota", "retry_after": 0}}', "create")
    assert zero.retry_after == 1.0  # no busy loop
