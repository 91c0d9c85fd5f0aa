"""Scripts that die, lie, fall silent or answer too late; servers that are down; full disks."""

from __future__ import annotations

import os
import resource
import signal
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from leakguard.keep.errors import Held, StoreError
from leakguard.rotate.policy import End
from rotate.faults.promises import finish, it_is_over, nothing_is_claimed_or_broken
from rotate.simulator.case import Case, fork, today

CHANGES = ("create", "distribute", "disable_old", "kill_derived", "destroy_old")
PHASES = (*CHANGES, "verify_new", "confirm", "probe")

SOME = [("issuer", "create", "lost"), ("client", "disable_old", "killed")]
MORE = [
    (origin, phase, kind)
    for origin in ("client", "issuer")
    for phase in CHANGES
    for kind in ("lost", "killed", "garbage")
    if (origin, phase, kind) not in SOME
]


def answer_lost(folder: Path, origin: str, phase: str, kind: str) -> None:
    case = Case(folder, origin=origin)
    case.start()
    case.sim.fail(phase, kind)
    case.run(crash=None)
    nothing_is_claimed_or_broken(case)
    it_is_over(case, finish(case))


@pytest.mark.parametrize("origin, phase, kind", SOME)
def test_an_answer_that_never_came_is_found_out_by_looking(
    tmp_path: Path, origin: str, phase: str, kind: str
) -> None:
    answer_lost(tmp_path, origin, phase, kind)


@pytest.mark.faults
@pytest.mark.parametrize("origin, phase, kind", MORE)
def test_every_answer_may_be_lost(tmp_path: Path, origin: str, phase: str, kind: str) -> None:
    answer_lost(tmp_path, origin, phase, kind)


def test_a_lost_answer_of_an_issuer_leaves_no_orphan_behind(tmp_path: Path) -> None:
    case = Case(tmp_path, origin="issuer", quota=2)
    case.start()
    case.sim.fail("create", "lost")
    it_is_over(case, case.run())
    assert case.sim.active == ["k3"]  # k2 was made and lost


@pytest.mark.faults
@pytest.mark.parametrize("origin", ["client", "issuer"])
@pytest.mark.parametrize("phase", CHANGES)
def test_a_script_that_answers_too_late_is_ended(tmp_path: Path, origin: str, phase: str) -> None:
    case = Case(tmp_path, origin=origin, timeout=1.0)
    case.start()
    case.sim.fail(phase, "slow")
    case.run()
    nothing_is_claimed_or_broken(case)
    it_is_over(case, finish(case))


@pytest.mark.parametrize("phase", ["create", "probe"])
def test_a_server_that_is_down_proves_nothing(tmp_path: Path, phase: str) -> None:
    server_down(tmp_path, "client", phase)


@pytest.mark.faults
@pytest.mark.parametrize("origin", ["client", "issuer"])
@pytest.mark.parametrize("phase", PHASES)
def test_the_server_may_be_down_at_any_phase(tmp_path: Path, origin: str, phase: str) -> None:
    server_down(tmp_path, origin, phase)


def server_down(folder: Path, origin: str, phase: str) -> None:
    case = Case(folder, origin=origin)
    case.start()
    case.sim.fail(phase, "down", times=1000)
    case.sim.fail("observe", "down", times=1000)
    outcome = case.run()
    assert outcome.end in (End.UNKNOWN, End.WAITING, End.FAILED), outcome
    assert not case.recorded_dead
    nothing_is_claimed_or_broken(case)
    case.sim.mend()
    it_is_over(case, finish(case))


def test_a_change_is_not_repeated_while_nobody_knows_what_it_did(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    case.sim.fail("disable_old", "lost")
    case.sim.fail("observe", "down", times=1000)
    assert case.run().end is End.UNKNOWN
    assert case.run().end is End.UNKNOWN
    assert case.sim.calls("disable_old") == 1


def test_a_revocation_that_silently_does_nothing_is_found_out(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    case.sim.fail("disable_old", "noop")
    outcome = case.run()
    assert outcome.end is End.FAILED
    assert "NOT dead" in outcome.message
    nothing_is_claimed_or_broken(case)
    assert case.incident().secrets["S1"].state == "cutover"  # the claim was taken back
    it_is_over(case, finish(case))


def test_a_deletion_that_silently_does_nothing_leaves_it_disabled_not_alive(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path)
    case.start()
    case.sim.fail("destroy_old", "noop")
    it_is_over(case, case.run())  # disabled counts: it is refused, and its sessions are gone


def test_sessions_that_outlive_the_credential_keep_it_from_being_dead(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    case.sim.fail("kill_derived", "noop")
    assert case.run().end is End.FAILED
    assert not case.recorded_dead
    it_is_over(case, finish(case))


def test_a_consumer_that_never_confirms_keeps_the_old_one_alive_until_the_deadline(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path)
    deadline = today() + timedelta(minutes=15)
    case.start(revoke_by=deadline)
    with case.sim.changing() as state:
        state["consumers"]["app"]["stuck"] = True
    outcome = case.run()
    assert outcome.end is End.WAITING
    assert outcome.unconfirmed == ("C1",)
    assert case.sim.alive(case.sim.old)
    assert case.sim.works()

    late = case.run(now=lambda: deadline + timedelta(seconds=1))
    assert late.end is End.DEAD
    assert late.unconfirmed == ("C1",)
    assert not case.sim.alive(case.sim.old)
    assert case.recorded_dead
    assert case.journal().slots == ("new",)  # still needed: the consumer has to get it

    with case.sim.changing() as state:
        state["consumers"]["app"] |= {
            "stuck": False,
            "running": state["consumers"]["app"]["stored"],
        }
    it_is_over(case, case.run(now=lambda: deadline + timedelta(minutes=2)))


def test_a_second_operator_is_told_who_is_at_it(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    told: list[str] = []

    def meanwhile(point: str, step: str) -> None:
        if (point, step) == ("after_intent", "disable_old"):
            with pytest.raises(Held) as refused:
                case.run(actor="bob")
            told.append(refused.value.message)

    it_is_over(case, case.run(crash=meanwhile))
    assert len(told) == 1
    assert "ada" in told[0]


def disk_full(case: Case, point: str, step: str) -> None:
    """A run in another process, to which every disk is full from that point on."""
    child = fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 7, "the store did not complain"
        return

    def full(at: str, key: str) -> None:
        if (at, key) == (point, step):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    try:
        case.run(crash=full)
    except StoreError:
        os._exit(7)
    finally:
        os._exit(1)


@pytest.mark.parametrize("origin", ["client", "issuer"])
def test_a_full_disk_stops_before_the_effect_or_is_made_up_for_afterwards(
    tmp_path: Path, origin: str
) -> None:
    case = Case(tmp_path, origin=origin)
    case.start()
    disk_full(case, "before_intent", "create")
    assert case.sim.calls("create") == 0
    disk_full(case, "after_effect", "create")
    nothing_is_claimed_or_broken(case)
    it_is_over(case, finish(case))


@pytest.mark.faults
@pytest.mark.parametrize("point", ["before_intent", "after_effect"])
@pytest.mark.parametrize("step", ["distribute:C1", "disable_old", "prove", "destroy_old"])
def test_the_disk_may_be_full_at_any_step(tmp_path: Path, point: str, step: str) -> None:
    case = Case(tmp_path)
    case.start()
    disk_full(case, point, step)
    nothing_is_claimed_or_broken(case)
    it_is_over(case, finish(case))


class Jumping:
    """A clock that is set to another time after some looks at it."""

    def __init__(self, by: timedelta, after: int) -> None:
        self.by, self.left = by, after

    def __call__(self) -> datetime:
        self.left -= 1
        return today() + (self.by if self.left < 0 else timedelta())


@pytest.mark.parametrize("by", [timedelta(days=-2), timedelta(days=2)], ids=["back", "forward"])
def test_a_clock_that_jumps_changes_nothing_without_a_deadline(
    tmp_path: Path, by: timedelta
) -> None:
    case = Case(tmp_path)
    case.start()
    it_is_over(case, case.run(now=Jumping(by, 12)))


def test_a_clock_that_jumps_back_gives_nobody_a_longer_deadline(tmp_path: Path) -> None:
    case = Case(tmp_path)
    deadline = today() + timedelta(hours=1)
    case.start(revoke_by=deadline)
    with case.sim.changing() as state:
        state["consumers"]["app"]["stuck"] = True
    assert case.run(now=lambda: deadline + timedelta(minutes=1)).end is End.DEAD
    assert not case.sim.alive(case.sim.old)


def test_a_discovered_user_of_the_leaked_one_is_added(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.start()
    with case.sim.changing() as state:
        state["used_by"] = [{"name": "nightly job", "where": "203.0.113.9"}]
    assert case.run().end is End.CLOSED
    found = case.incident().consumers["C2"]
    assert (found.added.name, found.added.found_by) == ("nightly job", "discovered-use")
