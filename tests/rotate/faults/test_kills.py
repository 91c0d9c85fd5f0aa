"""kill -9 at every instruction that matters, then a further run."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotate.faults.promises import finish, it_is_over, nothing_is_claimed_or_broken
from rotate.simulator.case import Case

POINTS = ("before_intent", "after_intent", "after_effect", "after_commit")
STEPS = ("create", "verify_new", "distribute:C1", "confirm:C1", "capture",
         "disable_old", "kill_derived", "prove", "destroy_old", "prove-end")  # fmt: skip
ALL = [
    *(
        (origin, point, step)
        for origin in ("client", "issuer")
        for step in STEPS
        for point in POINTS
    ),
    *(("client", point, "generate") for point in POINTS),
    *((origin, "after_commit", "close") for origin in ("client", "issuer")),
]
SAMPLE = [
    ("client", "after_intent", "generate"),
    ("client", "after_effect", "create"),
    ("issuer", "after_effect", "create"),
    ("client", "after_effect", "disable_old"),
    ("issuer", "after_commit", "close"),
]
SEVERAL = pytest.mark.parametrize("origin, point, step", SAMPLE)


def killed_and_resumed(folder: Path, origin: str, point: str, step: str) -> None:
    case = Case(folder, origin=origin)
    case.start()
    assert case.run_until_killed(point, step), "the point was not reached"
    nothing_is_claimed_or_broken(case)
    it_is_over(case, finish(case))


@SEVERAL
def test_a_killed_rotation_goes_on_where_it_was(
    tmp_path: Path, origin: str, point: str, step: str
) -> None:
    killed_and_resumed(tmp_path, origin, point, step)


@pytest.mark.faults
@pytest.mark.parametrize("origin, point, step", [one for one in ALL if one not in SAMPLE])
def test_wherever_it_is_killed(tmp_path: Path, origin: str, point: str, step: str) -> None:
    killed_and_resumed(tmp_path, origin, point, step)


CONTAINED = ("disable_old", "kill_derived", "create", "distribute:C1", "prove", "destroy_old")


@pytest.mark.faults
@pytest.mark.parametrize("origin", ["client", "issuer"])
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("step", CONTAINED)
def test_wherever_it_is_killed_when_the_leaked_one_ends_first(
    tmp_path: Path, origin: str, point: str, step: str
) -> None:
    case = Case(tmp_path, origin=origin)
    case.start(strategy="contain")
    assert case.run_until_killed(point, step), "the point was not reached"
    alive = case.sim.alive(case.sim.old)
    assert not (alive and case.recorded_dead)
    it_is_over(case, finish(case))


@pytest.mark.faults
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("step", ["generate", "create", "kill_derived", "verify_new", "prove"])
def test_wherever_it_is_killed_when_creating_is_ending(
    tmp_path: Path, point: str, step: str
) -> None:
    case = Case(tmp_path, overlap="none", destroys=False)
    case.start()
    assert case.run_until_killed(point, step), "the point was not reached"
    it_is_over(case, finish(case))


@pytest.mark.faults
def test_it_may_be_killed_again_and_again(tmp_path: Path) -> None:
    case = Case(tmp_path, origin="issuer")
    case.start()
    for step in ("create", "distribute:C1", "disable_old", "destroy_old"):
        for point in ("after_intent", "after_effect"):
            assert case.run_until_killed(point, step), f"{point} {step} was not reached"
            nothing_is_claimed_or_broken(case)
    it_is_over(case, finish(case))
