"""Steps that the record settles: their proof is named, and a late fact takes it back."""

from __future__ import annotations

import pytest

from leakguard import event as ev
from leakguard.incident import StepState
from leakguard.leak import Leak, Sighting
from leakguard.respond.consequences import overturned, settled
from leakguard.respond.opening import Reported, occurrence
from leakguard.respond.timeline import sentence
from respond.story import ENDED, START, Story, dead, pushed, secret, step, steps

KEPT = ev.EvidenceAdded("E1", "page.png", "0" * 64, 1, of="X1")
LOCAL = ev.ExposureAdded("X1", "S1", "local-commit", "app.py:3 (commit 1234567)", "none")


def worked(*names: str) -> Story:
    """An incident with these steps, of S1, X1 and C1."""
    subject = {"capture": "X1", "hide": "X1", "switch": "C1"}
    story = Story(secret(), pushed(), ev.ConsumerAdded("C1", "S1", "billing"))
    return story.tell(steps(*(step(one, subject=subject.get(one, "S1")) for one in names)))


@pytest.mark.parametrize(
    ("name", "shown", "said"),
    [
        ("capture", KEPT, "E1 kept"),
        ("hide", ev.ExposureClosed("X1", "removed-claimed"), "X1 is removed-claimed"),
        ("switch", ev.Proved("switch", "C1", "health", holds=True, detail="generation 7"),
         "health: generation 7"),
        ("switch", ev.ConsumerExcepted("C1", "switched off", "li"), "excepted by li"),
        ("verify-new", ev.Proved("live-new", "S1", "login", holds=True, detail="in"),
         "the new value works: login"),
        ("inventory", ev.ConsumersCounted("S1", "unknown"), "nobody can list all consumers"),
    ],
)  # fmt: skip
def test_what_was_recorded_settles_its_step_and_is_named(
    name: str, shown: ev.Event, said: str
) -> None:
    story = worked(name)
    assert settled(story.incident) == []
    (done,) = settled(story.tell(shown).incident)
    assert done.note == said


def test_evidence_of_another_place_settles_nothing() -> None:
    story = worked("capture").tell(ev.EvidenceAdded("E1", "x", "0" * 64, 1, of="S1"))
    assert settled(story.incident) == []


def test_a_place_that_was_only_claimed_clean_and_is_not_opens_its_step_again() -> None:
    story = worked("hide").tell(ev.ExposureClosed("X1", "removed-claimed"), ev.StepDone("hide:X1"))
    before = story.incident
    story.tell(ev.Proved("gone", "X1", "probe", holds=False, detail="still there"))
    (again,) = overturned(before, story.incident)
    assert sentence(again) == "hide:X1 is open again: this holds no more: X1 is removed-claimed"
    assert story.tell(again).incident.tasks["hide:X1"].state is StepState.OPEN


def test_an_old_value_that_works_again_opens_its_proof_again() -> None:
    story = worked("prove-dead").tell(*ENDED, ev.StepDone("prove-dead:S1", evidence=("E1",)))
    before = story.incident
    story.tell(dead(holds=False))
    assert [one.step for one in overturned(before, story.incident)] == ["prove-dead:S1"]


def test_what_a_person_did_without_the_record_is_not_taken_back() -> None:
    story = worked("hide").tell(ev.StepDone("hide:X1", "by phone"))
    before = story.incident
    assert overturned(before, story.tell(ev.Noted("x")).incident) == []


def seen(*exposures: ev.ExposureAdded) -> Reported:
    leak = Leak("abc123", "r", "generic", (Sighting("app.py", 3),))
    return Reported(leak, "finding", ev.stamp(START), "sev", str, exposures=exposures)


def test_a_commit_that_was_pushed_since_keeps_its_number() -> None:
    """What stood here only does not stay beside the push, called no leak."""
    story = Story(secret(), LOCAL)
    at = "app.py:3 (commit 1234567) on origin/main"
    out = ev.ExposureAdded("", "S1", "public-repository", at)
    other = ev.ExposureAdded("", "S1", "ci-log", "job 7")
    story.tell(*occurrence(story.incident, "S1", seen(out, other)))
    told = {one.id: one.added.channel for one in story.incident.copies.values()}
    assert told == {"X1": "public-repository", "X2": "ci-log"}


def test_another_file_is_another_place() -> None:
    story = Story(secret(), LOCAL)
    out = ev.ExposureAdded("", "S1", "public-repository", "other.py:3 on origin/main")
    story.tell(*occurrence(story.incident, "S1", seen(out)))
    assert set(story.incident.copies) == {"X1", "X2"}
