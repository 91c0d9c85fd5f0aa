"""An incident is what its events add up to, and nothing gets past the guards without proof."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard import event as ev
from leakguard.errors import ConfigError
from leakguard.event import Entry
from leakguard.history import Impossible, fold
from leakguard.incident import PROVEN, STOPPED, SecretState, Status
from leakguard.respond import actions, guards
from leakguard.respond.timeline import sentence
from respond.story import START, WAY, Story, dead, judged, pushed, secret, step, steps

FILLED = {"str": "text", "bool": True, "int": 1, "tuple[str, ...]": ("a", "b")}


def example(kind: type) -> ev.Event:
    """One event of a kind, every field of it filled."""
    special = {
        "rules": (("rule", 0, "why"),),
        "steps": ({"id": "rotate", "title": "rotate", "why": "", "phase": "contain"},),
        "outcome": "succeeded",
        "state": "revoked",
        "status": "contained",
    }
    given = {one.name: special.get(one.name, FILLED.get(str(one.type))) for one in fields(kind)}
    return kind(**given)


@pytest.mark.parametrize("kind", get_args(ev.Event), ids=lambda kind: kind.__name__)
def test_every_event_survives_being_written_and_read(kind: type) -> None:
    event = example(kind)
    name, body = ev.write(event)
    assert ev.read(name, json.loads(json.dumps(body))) == event


@pytest.mark.parametrize("kind", get_args(ev.Event), ids=lambda kind: kind.__name__)
def test_every_event_is_a_sentence_of_the_timeline(kind: type) -> None:
    told = sentence(example(kind))
    assert told
    assert "\n" not in told


def test_an_event_of_a_newer_version_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(ConfigError, match="unknown"):
        ev.read("Teleported", {})
    with pytest.raises(ConfigError, match="unknown fields"):
        ev.read("Noted", {"text": "x", "colour": "red"})
    with pytest.raises(ConfigError, match="lacks"):
        ev.read("Noted", {})


def test_replaying_the_events_gives_the_same_incident() -> None:
    story = Story(secret(), pushed(), judged())
    for status, events in WAY:
        story.tell(*events, ev.Advanced(status))
    assert fold(story.entries) == story.incident
    assert story.incident.status is Status.CLOSED


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([], "without events"),
        ([Entry(1, "LG-1", START, "ada", ev.Noted("x"))], "begins with Noted"),
        (
            [Entry(1, "LG-1", START, "a", ev.Opened("t", "manual", "")),
             Entry(3, "LG-1", START, "a", ev.Noted("x"))],
            "no event 2",
        ),
        (
            [Entry(1, "LG-1", START, "a", ev.Opened("t", "manual", "")),
             Entry(2, "LG-1", START, "a", ev.SecretMoved("S9", "dead"))],
            "unknown 'S9'",
        ),
    ],
)  # fmt: skip
def test_events_that_cannot_follow_each_other_are_never_guessed_away(
    entries: list[Entry], problem: str
) -> None:
    with pytest.raises(Impossible, match=problem):
        fold(entries)


def test_what_was_done_stays_done_when_the_checklist_changes() -> None:
    story = Story(secret(), steps(step("rotate"), step("hide")))
    story.tell(ev.StepDone("rotate"), steps(step("hide"), step("audit")))
    assert set(story.incident.tasks) == {"hide", "audit", "rotate"}
    assert story.incident.tasks["rotate"].settled
    story.tell(steps(step("audit")))
    assert set(story.incident.tasks) == {"audit", "rotate"}


EVENTS = st.sampled_from(
    [
        *(event for _, events in WAY for event in events),
        ev.SecretMoved("S1", "quarantined"),
        ev.SecretMoved("S2", "revoked"),
        ev.SecretMoved("S2", "dead"),
        dead("S2"),
        dead(holds=False),
        dead("S2", holds=False),
        ev.Reopened("seen again"),
        ev.ConsumerAdded("C1", "S1", "billing"),
        ev.Proved("switch", "C1", "health", holds=True, detail="generation 2"),
        ev.AnomalyFound("A1", "S1", "an export at night"),
        ev.AnomalyDecided("A1", "benign", disclose=False, why="our backup"),
        ev.ConsumersCounted("S2", "unknown", "old"),
        ev.LogReviewed("S2", "log", "", "", "cannot-determine", tamper_evident=False),
    ]
)


@given(st.integers(0, len(WAY)), st.lists(st.one_of(EVENTS, st.none()), max_size=60))
def test_no_path_leads_to_closed_without_the_proofs(
    far: int, wishes: list[ev.Event | None]
) -> None:
    """None is a person who tries to go on; everything else happens if it can.

    Half of the way is often gone already, so that the end is reached too.
    """
    story = Story(secret(), pushed(), judged())
    for status, events in WAY[:far]:
        story.tell(*events, ev.Advanced(status))
    story.tell(secret("S2"))
    for wish in wishes:
        now = story.incident
        if isinstance(wish, ev.SecretMoved) and actions.move(now, wish):
            continue
        if isinstance(wish, ev.Reopened) and not actions.reopenable(now):
            continue
        if wish is not None:
            with suppress(Impossible):  # of something that is not there yet
                story.tell(wish)
            continue
        following = guards.next_status(now)
        if following is None or guards.gaps(now, following):
            continue
        story.tell(ev.Advanced(following.value))
        holds(story, following)
    assert fold(story.entries) == story.incident


def holds(story: Story, status: Status) -> None:
    """What a status stands for, looked up in the events and not in the guards."""
    order = list(Status)
    secrets = story.incident.secrets.values()
    if order.index(status) >= order.index(Status.CONTAINED):
        assert all(one.state in STOPPED for one in secrets)
    if order.index(status) >= order.index(Status.ERADICATED):
        for one in secrets:
            assert one.state in PROVEN
            proofs = [(at, proof.holds) for at, proof in one.proofs if proof.kind == "dead"]
            assert proofs[-1][1]
            assert proofs[-1][0] >= one.moved[SecretState.REVOKED]
    if order.index(status) >= order.index(Status.RECOVERED):
        assert all(one.settled for one in story.incident.consumers.values())
    if status is Status.CLOSED:
        assert all(one.reviews for one in secrets)
        assert all(decided for _, decided in story.incident.anomalies.values())
        assert story.incident.post_mortem is not None
        assert story.incident.mitigations


def test_a_proof_that_was_overtaken_counts_no_more() -> None:
    story = Story(secret(), pushed(), ev.SecretMoved("S1", "revoked"), dead())
    assert guards.dead(story.incident, "S1")
    story.tell(dead(holds=False))
    assert not guards.dead(story.incident, "S1")


def test_a_proof_from_before_the_revocation_is_none() -> None:
    story = Story(secret(), pushed()).tell(dead(), at=START)
    story.tell(ev.SecretMoved("S1", "revoked"), at=START + timedelta(hours=1))
    assert not guards.dead(story.incident, "S1")
