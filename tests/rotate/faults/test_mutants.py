"""Engines with one mistake each: every promise is broken by one of them, so each can fail.

A mutant is a patch of one decision. The same faults that the real engine survives are
given to it, and the promises have to notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from leakguard.keep.journal import Journal
from leakguard.rotate import change, knock, look
from leakguard.rotate.answer import Reply
from leakguard.rotate.order import Step
from leakguard.rotate.policy import Outcome
from leakguard.rotate.proof import Round
from leakguard.rotate.reconcile import Fate
from leakguard.rotate.redact import Redactor
from leakguard.rotate.walk import Walk
from leakguard.secret import Secret
from rotate.faults.promises import finish, it_is_over, nothing_is_claimed_or_broken
from rotate.simulator.case import Case

Patch = pytest.MonkeyPatch


def any_failure_counts_as_dead(patch: Patch) -> None:
    patch.setattr(Round, "proves", property(lambda one: one.old != "accepted"))


def a_yes_of_the_issuer_counts_as_proof(patch: Patch) -> None:
    def believed(walk: Walk, step: Step) -> Outcome | None:
        walk.intend(step)
        dead = walk.record.dead([Round("accepted", "refused", "auth")] * 2, final=True)
        walk.finish(step, "done", {}, dead)
        return None

    patch.setattr(knock, "prove", believed)


def nobody_is_waited_for(patch: Patch) -> None:
    patch.setattr(Walk, "_gate", lambda *_: None)


def what_was_intended_counts_as_done(patch: Patch) -> None:
    def happened(walk: Walk, step: Step) -> tuple[Fate, Outcome | None]:
        walk.intend(step)
        walk.finish(step, "done", {}, walk.success(step, Reply(ok=True)))
        return Fate.HAPPENED, None

    patch.setattr(change, "_reconciled", happened)


def a_new_value_is_not_sealed_before_it_is_applied(patch: Patch) -> None:
    real = Walk.finish

    def unsealed(walk: Walk, step: Step, *args: object, **more: object) -> None:
        more["secrets"] = {}
        real(walk, step, *args, **more)  # type: ignore[arg-type]

    patch.setattr(Walk, "finish", unsealed)


def sealed_values_stay(patch: Patch) -> None:
    patch.setattr(Journal, "shred", lambda *_: True)


def sessions_are_forgotten(patch: Patch) -> None:
    real = look.Reply

    def blind(reply: real) -> Round:
        said = dict(reply.more.get("probe", {"new": "unknown", "old": "unknown"}))
        return replace(knock.round_of(said), derived="none")

    patch.setattr(knock, "_round", blind)


def nothing_is_starred_out(patch: Patch) -> None:
    patch.setattr(Redactor, "value_free", lambda _, text: text)
    patch.setattr(Redactor, "clean", lambda _, text: text)


# Faults


def the_server_goes_down(case: Case) -> None:
    def down(point: str, step: str) -> None:
        if (point, step) == ("after_commit", "kill_derived"):
            with case.sim.changing() as state:  # disabling came to nothing, then it went down
                state["credentials"]["k1"]["state"] = "active"
            case.sim.fail("probe", "down", times=1000)

    case.run(crash=down)


def disabling_does_nothing(case: Case) -> None:
    case.sim.fail("disable_old", "noop")
    case.run()


def a_consumer_hangs(case: Case) -> None:
    with case.sim.changing() as state:
        state["consumers"]["app"]["stuck"] = True
    case.run()


def it_is_killed_after_creating(case: Case) -> None:
    assert case.run_until_killed("after_effect", "create")


def killing_sessions_does_nothing(case: Case) -> None:
    case.sim.fail("kill_derived", "noop")
    case.run()


def nothing(_: Case) -> None:
    pass


MUTANTS: list[tuple[Callable[[Patch], None], str, bool, Callable[[Case], None]]] = [
    (any_failure_counts_as_dead, "client", False, the_server_goes_down),
    (a_yes_of_the_issuer_counts_as_proof, "client", False, disabling_does_nothing),
    (nobody_is_waited_for, "client", True, a_consumer_hangs),
    (what_was_intended_counts_as_done, "issuer", True, it_is_killed_after_creating),
    (a_new_value_is_not_sealed_before_it_is_applied, "client", True, it_is_killed_after_creating),
    (sealed_values_stay, "client", True, nothing),
    (sessions_are_forgotten, "client", True, killing_sessions_does_nothing),
]


def the_promises_hold(case: Case, fault: Callable[[Case], None]) -> None:
    case.start()
    fault(case)
    nothing_is_claimed_or_broken(case)
    case.sim.mend()
    with case.sim.changing() as state:
        consumer = state["consumers"]["app"]
        consumer |= {"stuck": False, "running": consumer.get("stored", consumer["running"])}
    outcome = finish(case)
    it_is_over(case, outcome if outcome.good else finish(case))  # a person runs it once more


SOME = [MUTANTS[0], MUTANTS[2], MUTANTS[3]]


def noticed(mutant: Callable[[Patch], None], case: Case, fault: Callable[[Case], None]) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        mutant(patch)
        try:
            the_promises_hold(case, fault)
        except Exception:  # noqa: BLE001 - a promise that broke, or an engine that fell over
            return True
    return False


@pytest.mark.parametrize("mutant, origin, destroys, fault", SOME)
def test_a_mistake_in_the_engine_is_noticed(
    tmp_path: Path,
    mutant: Callable[[Patch], None],
    origin: str,
    destroys: bool,
    fault: Callable[[Case], None],
) -> None:
    assert noticed(mutant, Case(tmp_path, origin=origin, destroys=destroys), fault)


@pytest.mark.faults
@pytest.mark.parametrize(
    "mutant, origin, destroys, fault", [one for one in MUTANTS if one not in SOME]
)
def test_every_mistake_in_the_engine_is_noticed(
    tmp_path: Path,
    mutant: Callable[[Patch], None],
    origin: str,
    destroys: bool,
    fault: Callable[[Case], None],
) -> None:
    assert noticed(mutant, Case(tmp_path, origin=origin, destroys=destroys), fault)


FAULTS = list(dict.fromkeys(one[1:] for one in MUTANTS))


@pytest.mark.faults
@pytest.mark.parametrize("origin, destroys, fault", FAULTS)
def test_the_real_engine_survives_the_same(
    tmp_path: Path, origin: str, destroys: bool, fault: Callable[[Case], None]
) -> None:
    the_promises_hold(Case(tmp_path, origin=origin, destroys=destroys), fault)


@pytest.mark.faults
def test_a_value_that_a_script_blurts_out_would_be_found_in_the_files(tmp_path: Path) -> None:
    case = Case(tmp_path)
    program = Path(case.sim.script.folder) / "rotate.py"
    loud = "\n    print(request['secrets'], file=sys.stderr)\n    with open("
    program.write_text(program.read_text().replace("\n    with open(", loud, 1))
    case.start()
    assert case.run().good
    told: list[Secret] = [case.sim.old, case.sim.admin]
    assert case.files_that_tell(*told) == []
    with pytest.MonkeyPatch.context() as patch:
        nothing_is_starred_out(patch)
        other = Case(tmp_path / "other")
        (Path(other.sim.script.folder) / "rotate.py").write_text(program.read_text())
        other.start()
        other.run()
    assert other.files_that_tell(other.sim.old, other.sim.admin) != []
