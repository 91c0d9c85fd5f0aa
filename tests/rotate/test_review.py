"""Ways in which a rotation could have claimed too much, or waited for too long."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from leakguard import event as ev
from leakguard import exits
from leakguard.cli import main
from leakguard.errors import RefusedError, UsageError
from leakguard.incident import LeakedSecret
from leakguard.keep.errors import Held
from leakguard.keep.journal import Journal
from leakguard.keep.store import open_store
from leakguard.load import bundled
from leakguard.rotate import manifest
from leakguard.rotate.choose import best
from leakguard.rotate.guided import Guided
from leakguard.rotate.plan import plan
from leakguard.rotate.policy import RUNNING, End, Outcome
from rotate.faults.promises import it_is_over
from rotate.simulator.case import QUICK, Case, today


def by_hand(case: Case) -> None:
    """A rotation with the consumer C1, and C2 that a person switches."""
    with open_store(case.place) as store:
        added = ev.ConsumerAdded("C2", "S1", "the fax machine")
        store.change(case.id, lambda _: [added], actor="ada", at=today())
        found = case.plan()
        fax = replace(found.deliveries[0], id="C2", name="the fax machine", script="")
        both = replace(found, deliveries=(*found.deliveries, fax))
        by = today() + timedelta(minutes=15)
        case.rotation = case.engine(store).start(both, QUICK, revoke_by=by).id


def switched(case: Case, consumer: str) -> None:
    with open_store(case.place) as store:
        proof = ev.Proved("switch", consumer, "attestation", holds=True, detail="seen with it")
        store.change(case.id, lambda _: [proof], actor="ada", at=today())


def rolled_back(case: Case) -> None:
    with open_store(case.place) as store:
        case.engine(store).roll_back(case.rotation, case.sim.slots, reason="it broke")


def probed(case: Case) -> Outcome:
    with open_store(case.place) as store:
        return case.engine(store).probe(case.rotation, case.sim.slots)


# What showed a consumer on the new one


def test_going_back_takes_back_what_showed_a_consumer_on_the_new_one(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    assert case.run_until_killed("after_commit", "confirm:C1")
    assert case.incident().consumers["C1"].settled
    rolled_back(case)
    assert not case.incident().consumers["C1"].settled


def test_what_an_earlier_rotation_showed_does_not_let_a_later_one_close(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    assert case.run_until_killed("after_commit", "confirm:C1")
    rolled_back(case)
    switched(case, "C1")
    case.start()
    case.sim.fail("distribute", "denied")
    outcome = case.run()
    assert outcome.end is End.WAITING
    assert outcome.unconfirmed == ("C1",)
    assert case.sim.works()
    assert case.new_value() is not None


def test_a_person_confirms_the_new_one_only_after_it_exists(tmp_path: Path) -> None:
    case = Case(tmp_path)
    by_hand(case)
    switched(case, "C2")
    assert case.run().unconfirmed == ("C2",)
    switched(case, "C2")
    it_is_over(case, case.run())


# The deadline


def test_after_the_deadline_a_consumer_switched_by_hand_holds_up_nothing(tmp_path: Path) -> None:
    case = Case(tmp_path)
    by_hand(case)
    assert case.run().end is End.WAITING
    assert case.sim.alive(case.sim.old)
    late = case.run(now=lambda: today() + timedelta(minutes=16))
    assert late.end is End.DEAD
    assert late.unconfirmed == ("C2",)
    assert not case.sim.alive(case.sim.old)


def test_after_the_deadline_nobody_has_to_count_the_consumers(tmp_path: Path) -> None:
    case = Case(tmp_path)
    with open_store(case.place) as store:
        store.change(case.id, lambda _: [ev.ConsumersCounted("S1", "")], actor="ada", at=today())
    case.start(revoke_by=today() + timedelta(minutes=15))
    assert case.run().end is End.WAITING
    it_is_over(case, case.run(now=lambda: today() + timedelta(minutes=16)))


# A proof on demand


def test_nothing_is_proven_before_the_old_one_was_ended(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    assert case.run_until_killed("after_commit", "confirm:C1")
    case.sim.fail("probe", "down")
    with pytest.raises(RefusedError, match="not ended yet"):
        probed(case)
    assert not case.recorded_dead
    it_is_over(case, case.run())


def test_a_proof_is_made_anew_after_a_later_change(tmp_path: Path) -> None:
    case = Case(tmp_path, destroys=False)
    case.start()
    assert case.run_until_killed("after_commit", "disable_old")
    with case.sim.changing() as state:
        state["sessions"] = {}
    assert probed(case).good
    before = case.sim.calls("probe")
    it_is_over(case, case.run())
    assert case.sim.calls("kill_derived") == 1
    assert case.sim.calls("probe") > before


def test_a_live_credential_is_never_recorded_dead(tmp_path: Path) -> None:
    from leakguard.rotate.proof import Round
    from leakguard.rotate.record import Record

    case = Case(tmp_path)
    case.start()
    assert case.run_until_killed("after_commit", "confirm:C1")
    rounds = [Round("accepted", "refused", "auth")] * 2
    told = Record(case.rotation, "S1", "simulated").dead(rounds, final=True)(case.incident())
    assert [one for one in told if isinstance(one, ev.SecretMoved)] == []


def test_a_further_proof_while_a_consumer_lags_is_a_success(tmp_path: Path) -> None:
    case = Case(tmp_path)
    by_hand(case)
    assert case.run(now=lambda: today() + timedelta(minutes=16)).end is End.DEAD
    outcome = probed(case)
    assert outcome.good
    assert outcome.end is End.DEAD
    assert case.journal().state == "dead"


def test_after_the_end_a_refusal_is_shown_and_silence_is_not(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    it_is_over(case, case.run())
    outcome = probed(case)
    assert outcome.good
    assert "evidence add" in " ".join(outcome.hints)
    case.sim.fail("probe", "down")
    assert not probed(case).good
    assert case.journal().state == "closed"


def test_what_was_rolled_back_is_not_proven_dead(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    assert case.run_until_killed("after_commit", "confirm:C1")
    rolled_back(case)
    with pytest.raises(RefusedError, match="rolled back"):
        probed(case)
    assert case.journal().state == "rolled-back"


# What a person writes


def token() -> str:
    """Shaped like a token of a provider, made here."""
    return "gl" + "pat-" + secrets.token_urlsafe(15)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A rotation that the command line knows, with a person who says too much."""
    case = Case(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEAKGUARD_STORE", case.place)
    monkeypatch.setenv("LEAKGUARD_ACTOR", "ada")
    case.start()
    return case


def test_a_reason_that_holds_a_secret_is_not_recorded(
    told: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    value = token()
    said = ["--until", "2999-01-01T00:00Z", "--reason", f"the till still has {value}"]
    assert main(["rotate", "defer", told.rotation, *said]) == exits.REFUSED
    shown = capsys.readouterr()
    assert not value_in(value, shown.out + shown.err)
    assert told.journal().revoke_by is None
    noted = told.incident().rotations[told.rotation]
    assert [one.phase for one in noted] == ["start"]


def test_a_way_back_for_such_a_reason_is_not_taken(told: Case) -> None:
    from leakguard.cli.desk import Desk
    from leakguard.cli.rotate_bench import Bench

    assert told.run_until_killed("after_commit", "confirm:C1")
    follow = Bench(Desk())._follow
    with open_store(told.place) as store:
        engine = told.engine(store)
        engine = replace(engine, world=replace(engine.world, follow=follow))
        with pytest.raises(RefusedError, match="holds a secret"):
            engine.roll_back(told.rotation, told.sim.slots, reason=f"back to {token()}")
    assert told.sim.calls("rollback") == 0


def test_what_a_script_says_too_much_is_left_out_of_the_record() -> None:
    from leakguard.cli.rotate_bench import LEFT_OUT, _spotless
    from leakguard.cli.spotless import Known

    noted = ev.RotationNoted("r", "S1", "x", "create", "done", f"made {token()}")
    [kept] = _spotless([noted], Known([], str))
    assert kept == replace(noted, detail=LEFT_OUT)


def value_in(value: str, text: str) -> bool:
    """Not `value in text` in an assertion: pytest would print both."""
    return value in text


# Beginning, and which script


def test_of_two_that_begin_at_once_one_is_held(tmp_path: Path) -> None:
    case = Case(tmp_path)
    begun = case.start()
    with open_store(case.place) as store, pytest.raises(Held, match="under way") as held:
        Journal(store).begin(
            case.id, "S1", "simulated", plan={}, policy={}, actor="li", alone=RUNNING
        )
    assert begun.id in held.value.message
    assert "--resume" in " ".join(held.value.hints)


def _scripts() -> list[manifest.Manifest]:
    folder = Path(bundled.folder("hooks")) / "rotate"
    return [manifest.read(str(one)) for one in sorted(folder.iterdir()) if one.is_dir()]


def test_the_guide_is_the_last_of_the_choices() -> None:
    added = ev.SecretAdded("S1", "database-password")
    with pytest.raises(UsageError) as asked:
        best(LeakedSecret("S1", added), _scripts())
    assert len(asked.value.hints) > 2
    assert asked.value.hints[-1].startswith("--script generic ")


def test_the_guide_promises_no_way_back_where_there_is_none(tmp_path: Path) -> None:
    guide = next(one for one in _scripts() if one.name == "generic")
    found = plan(Case(tmp_path).incident(), "S1", Guided(guide, lambda *_: ""), {}, secrets={})
    assert "disable_old" in {one.phase for one in found.irreversible}
    assert "create" not in {one.phase for one in found.irreversible}
