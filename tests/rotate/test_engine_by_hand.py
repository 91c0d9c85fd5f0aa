"""A script that cannot end the old one: nothing but a proof calls it dead, and the plan says so."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from leakguard.errors import RefusedError
from leakguard.incident import SecretState
from leakguard.keep.store import open_store
from leakguard.rotate import contract, words
from leakguard.rotate.policy import End
from rotate.faults.promises import it_is_over
from rotate.simulator.case import Case, today


def no_way_to_end_it(folder: Path) -> Case:
    case = Case(folder, disables=False, destroys=False)
    case.start()
    return case


def a_person_ends_it(case: Case) -> None:
    with case.sim.changing() as state:
        state["credentials"]["k1"]["state"] = "disabled"
        state["sessions"] = {}


def test_the_plan_says_beforehand_what_a_person_has_to_do(tmp_path: Path) -> None:
    shown = words.plan(Case(tmp_path, disables=False, destroys=False).plan())
    assert "end the leaked one yourself" in shown
    assert "simulated cannot" in " ".join(shown.split())
    assert "--resume" in shown
    assert "yourself" not in words.plan(Case(tmp_path / "other").plan())


def test_while_it_works_it_is_not_dead_and_the_rotation_waits_for_a_person(tmp_path: Path) -> None:
    case = no_way_to_end_it(tmp_path)
    outcome = case.run()
    assert outcome.end is End.WAITING
    assert "still works" in outcome.message
    assert "end it (k1) at the issuer yourself" in " ".join(outcome.hints)
    assert not case.recorded_dead
    assert case.incident().secrets["S1"].state is SecretState.CUTOVER
    assert case.sim.calls("probe") == 2  # before anything, and once more: nobody waits for a person
    assert case.run().end is End.WAITING


def test_when_a_person_ended_it_the_proof_is_made_and_counts(tmp_path: Path) -> None:
    case = no_way_to_end_it(tmp_path)
    assert case.run().end is End.WAITING
    a_person_ends_it(case)
    it_is_over(case, case.run())
    moved = case.incident().secrets["S1"].moved
    assert SecretState.REVOKED in moved


def test_a_proof_on_demand_ends_it_too(tmp_path: Path) -> None:
    case = no_way_to_end_it(tmp_path)
    assert case.run().end is End.WAITING
    a_person_ends_it(case)
    with open_store(case.place) as store:
        assert case.engine(store).probe(case.rotation, case.sim.slots).good
    assert case.recorded_dead
    it_is_over(case, case.run())


def test_an_issuer_that_is_silent_proves_nothing_of_what_a_person_did(tmp_path: Path) -> None:
    case = no_way_to_end_it(tmp_path)
    assert case.run().end is End.WAITING
    case.sim.fail("probe", "down", times=1000)
    assert case.run().end is End.UNKNOWN
    assert not case.recorded_dead


def test_the_deadline_does_not_wait_for_consumers_but_still_for_the_proof(tmp_path: Path) -> None:
    case = Case(tmp_path, disables=False, destroys=False)
    deadline = today() + timedelta(minutes=15)
    case.start(revoke_by=deadline)
    with case.sim.changing() as state:
        state["consumers"]["app"]["stuck"] = True
    assert case.run().unconfirmed == ("C1",)
    late = case.run(now=lambda: deadline + timedelta(minutes=1))
    assert "still works" in late.message
    assert not case.recorded_dead


def test_once_it_is_proven_dead_there_is_no_quiet_way_back(tmp_path: Path) -> None:
    case = no_way_to_end_it(tmp_path)
    case.run()
    a_person_ends_it(case)
    assert case.run_until_killed("after_commit", "prove")
    with open_store(case.place) as store, pytest.raises(RefusedError, match="arm it again"):
        case.engine(store).roll_back(case.rotation, case.sim.slots, reason="it broke")


def test_a_script_that_can_only_delete_deletes_before_the_proof(tmp_path: Path) -> None:
    case = Case(tmp_path, disables=False)
    case.start()
    it_is_over(case, case.run())
    calls = case.sim.state["calls"]
    assert calls.index("destroy_old") < calls.index("kill_derived")


def test_what_comes_back_to_life_while_a_consumer_lags_is_ended_again(tmp_path: Path) -> None:
    case = Case(tmp_path, destroys=False)
    deadline = today() + timedelta(minutes=15)
    case.start(revoke_by=deadline)
    with case.sim.changing() as state:
        state["consumers"]["app"]["stuck"] = True
    assert case.run(now=lambda: deadline + timedelta(minutes=1)).end is End.DEAD
    with case.sim.changing() as state:  # configuration management puts it back
        state["credentials"]["k1"]["state"] = "active"
        app = state["consumers"]["app"]
        app |= {"stuck": False, "running": app["stored"]}
    with open_store(case.place) as store:
        case.engine(store).observe(case.rotation, case.sim.slots)
    assert not case.recorded_dead
    it_is_over(case, case.run(now=lambda: deadline + timedelta(minutes=2)))
    assert case.sim.calls("disable_old") == 2


def test_the_contract_of_such_a_script_is_kept_and_says_so(tmp_path: Path) -> None:
    from leakguard.rotate import scaffold

    folder = Path(scaffold.make("acme", str(tmp_path)))
    text = (folder / "manifest.yml").read_text()
    for phase in ("disable_old", "destroy_old"):
        text = text.replace(f"{phase}, ", "").replace(f"  {phase}: [admin]\n", "")
    (folder / "manifest.yml").write_text(text.replace("[destroy_old]", "[]"))
    os.chmod(folder / "manifest.yml", 0o644)
    report = contract.check(str(folder))
    assert [one for one in report.findings if not one.ok] == []
    assert any("a person has to end the old one" in one.what for one in report.findings)
