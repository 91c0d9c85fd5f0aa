"""What must hold when an incident is opened again, merged, or known already."""

from __future__ import annotations

from leakguard import event as ev
from leakguard.incident import Incident, SecretState, Status
from leakguard.respond import guards
from leakguard.respond.consequences import settled
from leakguard.respond.merge import carried
from respond.story import WAY, Story, judged, pushed, secret, step, steps


def closed() -> Story:
    story = Story(secret(), pushed(), judged())
    for status, events in WAY:
        story.tell(*events, ev.Advanced(status))
    return story


def test_what_was_proven_before_it_was_opened_again_proves_nothing_now() -> None:
    story = closed().tell(ev.Reopened("the old key was used again"))
    now = story.incident
    assert now.status is Status.DECLARED
    assert now.secrets["S1"].state is SecretState.REVOKED
    story.tell(ev.Advanced("contained"))
    missing = {gap.guard for gap in guards.gaps(story.incident, Status.ERADICATED)}
    assert "G-02" in missing
    assert not now.mitigations
    assert now.post_mortem is None


def test_a_merge_loses_nothing() -> None:
    gone = Story(
        secret(), pushed(), judged(),
        ev.ConsumerAdded("C1", "S1", "billing"),
        ev.Proved("switch", "C1", "health", holds=True, detail="generation 2"),
        ev.Stated("evidence-of-use", "yes", "S1"),
        ev.EvidenceAdded("E1", "log", "0" * 64, 1),
        ev.AnomalyFound("A1", "S1", "an export at night"),
        ev.LogReviewed("S1", "trail", "", "", "cannot-determine", tamper_evident=False),
        ev.SecretMoved("S1", "revoked"),
    )  # fmt: skip
    kept = Story(secret(kind="webhook-secret"), pushed(), judged())
    kept.tell(ev.Absorbed("LG-2026-0002"), *carried(gone.incident, kept.incident))
    told: Incident = kept.incident
    assert told.secrets["S2"].state is SecretState.REVOKED
    assert told.secrets["S2"].reviews
    assert told.consumers["C1"].added.secret == "S2"
    assert told.consumers["C1"].settled
    assert told.fact("evidence-of-use", "S2") == "yes"
    assert told.copies["X2"].added.secret == "S2"
    assert set(told.evidence) == {"E1"}
    assert set(told.anomalies) == {"A1"}


def test_a_message_that_may_have_gone_one_way_is_not_sent_until_that_is_settled() -> None:
    draft = ev.MessageDrafted("M1", "declaration", 1, "internal", "s", "t", "0" * 64)
    story = Story(secret(), draft, ev.MessageSent("M1", "ops"))
    story.tell(ev.MessageFailed("M1", "mail", "sending began", unknown=True))
    assert story.incident.messages["M1"].lost == {"mail"}
    assert story.incident.messages["M1"].state == "unknown"
    story.tell(ev.MessageSent("M1", "mail"))
    assert story.incident.messages["M1"].state == "sent"


def test_steps_that_a_command_records_settle_themselves() -> None:
    story = Story(
        secret(), pushed(), judged(),
        steps(step("declare"), step("inventory", per="secret", subject="S1"),
              step("preserve", depends_on=("declare",))),
    )  # fmt: skip
    assert settled(story.incident) == []
    story.tell(ev.ConsumersCounted("S1", "yes"), ev.EvidenceAdded("E1", "log", "0" * 64, 1))
    assert [one.step for one in settled(story.incident)] == ["inventory:S1"]
    story.tell(ev.RoleTaken("commander", "mara"), ev.RoleTaken("fixer", "li"))
    assert {one.step for one in settled(story.incident)} == {"declare", "inventory:S1"}
