"""What holds after every fault. The mutants show that each of these can fail."""

from __future__ import annotations

import os

from leakguard.rotate.policy import End, Outcome
from leakguard.secret import Secret
from rotate.drive import Watch
from rotate.simulator.case import Case


def nothing_is_claimed_or_broken(case: Case, *, overlap: bool = True) -> None:
    """In the middle: no live credential is called dead, and nobody is cut off."""
    alive = case.sim.alive(case.sim.old)
    assert not (alive and case.recorded_dead), "a live credential is recorded as dead"
    assert case.sim.active, "nothing opens the service any more"
    if overlap:
        assert case.sim.works(), "the consumer is cut off"
    assert case.problems() == []


def it_is_over(case: Case, outcome: Outcome) -> None:
    """At the end: one credential works, the leaked one is proven dead, nothing is left behind."""
    assert outcome.end is End.CLOSED, outcome
    assert not case.sim.alive(case.sim.old), "the leaked one still works"
    assert len(case.sim.active) == 1, f"{len(case.sim.active)} credentials are active"
    assert case.sim.works(), "the consumer does not work"
    assert case.sim.sessions == {}, "a session of the leaked one lives"
    assert case.recorded_dead, "the record does not say that it is dead"
    secret = case.incident().secrets["S1"]
    proofs = [proof for _, proof in secret.proofs if proof.kind == "dead"]
    assert proofs, "nothing proves that it is dead"
    assert proofs[-1].holds, "the last proof says that it lives"
    assert proofs[-1].rounds >= 2, "the proof rests on a single round"
    assert case.journal().slots == (), "sealed values were left behind"
    assert case.problems() == []


def finish(case: Case) -> Outcome:
    """A further run to the end, watched: no value in a file, an argv or an environment."""
    values = [case.sim.old, case.sim.admin]

    def note_the_new_one(point: str, step: str) -> None:
        if (point, step) in (("after_commit", "create"), ("before_intent", "prove-end")):
            new = case.new_value()
            if new is not None and new not in values:
                values.append(new)

    sealed = case.new_value()
    values += [sealed] if sealed is not None else []
    with Watch(os.getpid()) as watch:
        outcome = case.run(crash=note_the_new_one)
    assert no_value_shows(case, watch, values)
    return outcome


def no_value_shows(case: Case, watch: Watch, values: list[Secret]) -> bool:
    """Neither below the test's folder nor in what /proc tells of any process."""
    told = case.files_that_tell(*values)
    assert not told, f"values stand in {told}"
    shown = "\n".join(watch.seen)
    seen = sum(value.reveal().decode() in shown for value in values)
    assert not seen, f"{seen} values in an argv or environment"
    return True
