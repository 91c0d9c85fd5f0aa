"""The engine against an issuer that remembers: order, gates, deadlines, proof, the way back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from leakguard import event as ev
from leakguard.errors import RefusedError, UsageError
from leakguard.incident import SecretState
from leakguard.keep.store import open_store
from leakguard.rotate.answer import Reply
from leakguard.rotate.manifest import Manifest
from leakguard.rotate.order import way
from leakguard.rotate.policy import End
from leakguard.rotate.reconcile import Fate, fate
from leakguard.secret import Secret
from rotate.faults.promises import it_is_over
from rotate.simulator.case import QUICK, Case, today


@pytest.mark.parametrize("origin", ["client", "issuer"])
def test_a_rotation_ends_with_a_dead_credential_and_a_working_consumer(
    tmp_path: Path, origin: str
) -> None:
    case = Case(tmp_path, origin=origin)
    case.start()
    it_is_over(case, case.run())


def test_the_record_tells_the_whole_way(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    case.run()
    incident = case.incident()
    moved = [state for state in SecretState if state in incident.secrets["S1"].moved]
    assert moved == [
        SecretState.IDENTIFIED, SecretState.STAGED, SecretState.ISSUED, SecretState.DISTRIBUTED,
        SecretState.CUTOVER, SecretState.REVOKED, SecretState.DEAD,
    ]  # fmt: skip
    assert [one.phase for one in incident.rotations[case.rotation]] == [
        "start", "baseline", "generate", "create", "verify_new", "distribute:C1", "confirm:C1",
        "capture", "disable_old", "kill_derived", "prove", "destroy_old", "prove-end", "close",
    ]  # fmt: skip
    assert incident.consumers["C1"].proof is not None
    assert {proof.kind for _, proof in incident.secrets["S1"].proofs} == {"live-new", "dead"}


def test_with_evidence_of_use_the_leaked_one_ends_first(tmp_path: Path) -> None:
    case = Case(tmp_path)
    with open_store(case.place) as store:
        stated = ev.Stated("evidence-of-use", "yes", "S1")
        store.change(case.id, lambda _: [stated], actor="ada", at=today())
    case.start()
    it_is_over(case, case.run())
    calls = case.sim.state["calls"]
    assert calls.index("disable_old") < calls.index("create")
    assert case.incident().secrets["S1"].state is SecretState.DEAD  # it never went back


def test_without_overlap_creating_is_ending(tmp_path: Path) -> None:
    case = Case(tmp_path, overlap="none", destroys=False)
    assert case.start().policy["strategy"] == "contain"
    it_is_over(case, case.run())
    assert case.sim.active == ["k1"]


def test_one_consumer_that_fails_does_not_keep_the_others_from_switching(tmp_path: Path) -> None:
    case = Case(tmp_path, consumers=("app", "till"))
    case.start()
    case.sim.fail("distribute", "denied")
    outcome = case.run()
    assert outcome.end is End.WAITING
    assert outcome.unconfirmed == ("C1",)
    assert case.sim.works("app")  # with the old one
    assert case.sim.works("till")
    assert case.sim.alive(case.sim.old)
    it_is_over(case, case.run())
    assert case.sim.works("till")


def test_the_old_one_does_not_end_before_somebody_said_who_uses_it(tmp_path: Path) -> None:
    case = Case(tmp_path)
    with open_store(case.place) as store:
        store.change(case.id, lambda _: [ev.ConsumersCounted("S1", "")], actor="ada", at=today())
    case.start()
    outcome = case.run()
    assert outcome.end is End.WAITING
    assert "consumers complete" in " ".join(outcome.hints)
    assert case.sim.alive(case.sim.old)


def test_a_consumer_without_a_script_is_waited_for_until_a_person_confirms_it(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path)
    case.start()
    with open_store(case.place) as store:
        added = ev.ConsumerAdded("C2", "S1", "the fax machine")
        store.change(case.id, lambda _: [added], actor="ada", at=today())
    plan = case.plan()
    by_hand = replace(plan.deliveries[0], id="C2", name="the fax machine", script="")
    _start_with(case, replace(plan, deliveries=(*plan.deliveries, by_hand)))
    assert case.run().unconfirmed == ("C2",)
    with open_store(case.place) as store:
        proof = ev.Proved("switch", "C2", "attestation", holds=True, detail="it faxes")
        store.change(case.id, lambda _: [proof], actor="ada", at=today())
    it_is_over(case, case.run())


def _start_with(case: Case, plan: object) -> None:
    """In place of the rotation that was begun, which is taken back first."""
    with open_store(case.place) as store:
        engine = case.engine(store)
        engine.roll_back(case.rotation, case.sim.slots, reason="another plan")
        case.rotation = engine.start(plan, QUICK).id  # type: ignore[arg-type]


def test_a_deferral_is_recorded_and_keeps_the_old_one_alive(tmp_path: Path) -> None:
    case = Case(tmp_path)
    deadline = today() + timedelta(minutes=15)
    case.start(revoke_by=deadline)
    with case.sim.changing() as state:
        state["consumers"]["app"]["stuck"] = True
    with open_store(case.place) as store:
        case.engine(store, actor="li").defer(
            case.rotation,
            reason="the till cannot be restarted",
            until=deadline + timedelta(hours=2),
        )
    outcome = case.run(now=lambda: deadline + timedelta(minutes=1))
    assert outcome.end is End.WAITING
    assert case.sim.alive(case.sim.old)
    noted = [one for one in case.incident().rotations[case.rotation] if one.phase == "defer"]
    assert "the till cannot be restarted" in noted[0].detail
    late = case.run(now=lambda: deadline + timedelta(hours=3))
    assert late.end is End.DEAD


def test_a_deferral_needs_a_reason_and_a_time_to_come(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    with open_store(case.place) as store:
        engine = case.engine(store)
        with pytest.raises(UsageError, match="reason"):
            engine.defer(case.rotation, reason=" ", until=today() + timedelta(hours=1))
        with pytest.raises(UsageError, match="passed"):
            engine.defer(case.rotation, reason="later", until=today() - timedelta(hours=1))


# The way back


def test_before_the_old_one_ended_everything_can_be_put_back(tmp_path: Path) -> None:
    case = Case(tmp_path, origin="issuer")
    case.start()
    assert case.run_until_killed("after_commit", "confirm:C1")
    with open_store(case.place) as store:
        outcome = case.engine(store).roll_back(case.rotation, case.sim.slots, reason="it broke")
    assert outcome.end is End.ROLLED_BACK
    assert case.sim.active == ["k1"]
    assert case.sim.works()
    assert case.journal().slots == ()
    assert case.incident().secrets["S1"].state is not SecretState.DEAD


def disabled(folder: Path) -> Case:
    case = Case(folder)
    case.start()
    assert case.run_until_killed("after_commit", "disable_old")
    return case


def test_once_the_leaked_one_ended_it_is_not_armed_again(tmp_path: Path) -> None:
    case = disabled(tmp_path)
    with open_store(case.place) as store, pytest.raises(RefusedError, match="arm it again"):
        case.engine(store).roll_back(case.rotation, case.sim.slots, reason="it broke")
    assert not case.sim.alive(case.sim.old)


def test_behind_glass_it_is_with_a_reason_that_stays_on_record(tmp_path: Path) -> None:
    case = disabled(tmp_path)
    with open_store(case.place) as store:
        engine = case.engine(store)
        with pytest.raises(RefusedError, match="reason"):
            engine.roll_back(case.rotation, case.sim.slots, reason="", break_glass=True)
        outcome = engine.roll_back(
            case.rotation, case.sim.slots, reason="the hospital stands still", break_glass=True
        )
    assert outcome.end is End.ROLLED_BACK
    assert case.sim.alive(case.sim.old)
    assert case.sim.works()
    incident = case.incident()
    assert incident.secrets["S1"].state is SecretState.CUTOVER  # no longer revoked
    noted = incident.rotations[case.rotation][-1]
    assert (noted.phase, noted.status) == ("break-glass", "done")
    assert "the hospital stands still" in noted.detail


def test_once_it_is_destroyed_there_is_no_way_back(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    assert case.run_until_killed("after_intent", "destroy_old")  # it may have happened
    with open_store(case.place) as store, pytest.raises(RefusedError, match="no way back"):
        case.engine(store).roll_back(case.rotation, case.sim.slots, reason="now", break_glass=True)


# Who may begin what


def test_a_plan_with_a_failing_check_is_not_begun(tmp_path: Path) -> None:
    case = Case(tmp_path, quota=1)
    with pytest.raises(RefusedError, match="room"):
        case.start()
    assert case.sim.calls("create") == 0


def test_a_second_rotation_of_the_same_secret_is_refused(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    with pytest.raises(RefusedError, match="under way"):
        case.start()


@pytest.mark.parametrize("approver", ["", "ada"])
def test_what_cannot_be_undone_needs_a_second_person_at_the_worst_levels(
    tmp_path: Path, approver: str
) -> None:
    case = Case(tmp_path)
    with pytest.raises(RefusedError):
        case.start(replace(QUICK, level=1, approver=approver))
    assert case.start(replace(QUICK, level=1, approver="li")).state == "planned"


# Odd values and odd answers


def test_a_value_that_the_consumer_cannot_take_is_not_handed_over(tmp_path: Path) -> None:
    case = Case(tmp_path, origin="issuer")
    plan = replace(case.plan(), shape=("abc", 4, 8))
    with open_store(case.place) as store:
        case.rotation = case.engine(store).start(plan, QUICK).id
    outcome = case.run()
    assert outcome.end is End.WAITING
    assert case.sim.calls("distribute") == 0
    assert case.sim.works()


def test_without_the_leaked_value_nothing_proves_it_dead(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    only_admin = {"admin": case.sim.admin}
    outcome = case.run(slots=only_admin)
    assert outcome.end is End.UNKNOWN
    assert "--old" in " ".join(outcome.hints)
    assert case.incident().secrets["S1"].state is SecretState.REVOKED
    it_is_over(case, case.run())


def test_the_refusal_of_a_wrong_value_in_place_of_the_leaked_one_proves_nothing(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path)
    case.start()
    wrong = case.sim.slots | {"old": Secret(b"not the one that leaked")}
    outcome = case.run(slots=wrong)
    assert outcome.end is End.UNKNOWN
    assert "refused before the rotation too" in outcome.message
    assert "--proves dead" in " ".join(outcome.hints)
    assert not case.recorded_dead
    with open_store(case.place) as store:  # a person answers for it
        said = ev.Proved("dead", "S1", "provider-metadata", holds=True, detail="their list")
        store.change(case.id, lambda _: [said], actor="ada", at=today())
    it_is_over(case, case.run(slots=wrong))


@pytest.mark.parametrize("phase", ["create", "disable_old", "destroy_old"])
def test_what_is_accepted_counts_when_it_has_come_true(tmp_path: Path, phase: str) -> None:
    case = Case(tmp_path)
    case.start()
    case.sim.fail(phase, "accepted")
    it_is_over(case, case.run())


def test_what_stays_pending_is_unknown_in_the_end(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    case.sim.fail("create", "pending", times=1000)
    assert case.run().end is End.UNKNOWN
    case.sim.mend()
    it_is_over(case, case.run())


def test_a_refusal_stops_at_once_and_a_later_run_tries_again(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    case.sim.fail("create", "denied")
    outcome = case.run()
    assert outcome.end is End.FAILED
    assert case.sim.calls("create") == 1
    assert "NOT revoked" in outcome.hints[0]
    it_is_over(case, case.run())


def test_a_person_may_answer_for_repeating_what_nobody_can_find_out(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    case.sim.fail("disable_old", "lost")
    case.sim.fail("observe", "down", times=1000)
    assert case.run().end is End.UNKNOWN
    waiting = case.run(again=True)
    assert waiting.end is End.WAITING
    assert "[G-28]" in waiting.message  # nobody can say what the issuer's logs hold
    case.sim.mend()
    it_is_over(case, case.run())
    assert case.sim.calls("disable_old") == 2


def test_a_credential_that_comes_back_to_life_is_noticed(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    it_is_over(case, case.run())
    with case.sim.changing() as state:  # configuration management puts it back
        state["credentials"]["k1"] = {
            "hash": state["consumers"]["app"]["running"], "state": "active", "label": ""
        }  # fmt: skip
    with open_store(case.place) as store:
        reply = case.engine(store).observe(case.rotation, case.sim.slots)
    assert reply.more["state"]["old"] == "active"
    assert not case.recorded_dead


def test_a_further_run_of_a_closed_rotation_does_nothing(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    case.run()
    calls = len(case.sim.state["calls"])
    assert case.run().end is End.CLOSED
    assert len(case.sim.state["calls"]) == calls


# Pure parts


def _manifest(**parts: object) -> Manifest:
    phases = ("create", "verify_new", "disable_old", "kill_derived", "probe", "destroy_old")
    made: dict[str, object] = {
        "name": "x", "kind": "issuer", "title": "", "classes": (), "tier": "service",
        "run": ("x",), "phases": phases, "secret_origin": "issuer",
    }  # fmt: skip
    return Manifest(**(made | parts))  # type: ignore[arg-type]


def test_the_order_depends_on_what_is_feared_more() -> None:
    overlap = [one.key for one in way(_manifest(), "overlap", "native", ["C1"])]
    contain = [one.key for one in way(_manifest(), "contain", "native", ["C1"])]
    assert overlap.index("confirm:C1") < overlap.index("disable_old") < overlap.index("prove")
    assert contain.index("disable_old") < contain.index("create") < contain.index("prove")
    assert overlap[-2:] == contain[-2:] == ["destroy_old", "prove-end"]


def _seen(old: str, new: str = "unknown") -> Reply:
    return Reply(ok=True, more={"state": {"old": old, "new": new}})


FATES = [
    ("disable_old", _seen("disabled"), Fate.HAPPENED),
    ("disable_old", _seen("absent"), Fate.HAPPENED),
    ("disable_old", _seen("active"), Fate.AGAIN),
    ("disable_old", _seen("unknown"), Fate.UNKNOWN),
    ("destroy_old", _seen("disabled"), Fate.AGAIN),
    ("destroy_old", _seen("absent"), Fate.HAPPENED),
    ("create", _seen("active"), Fate.AGAIN),
    ("create", _seen("unknown"), Fate.UNKNOWN),
    ("distribute", _seen("unknown"), Fate.AGAIN),
    ("destroy_old", Reply(ok=False, error="network"), Fate.UNKNOWN),
]


@pytest.mark.parametrize("phase, seen, what", FATES)
def test_what_became_of_a_change_is_decided_by_what_is_seen(
    phase: str, seen: Reply, what: Fate
) -> None:
    assert fate(phase, seen) is what
