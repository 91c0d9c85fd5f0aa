"""What keeps a message from leaving, and when the next one is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from leakguard import event as ev
from leakguard.load.templates import shipped, template
from leakguard.respond.comms import Template, next_version, stands
from leakguard.respond.comms_order import may_send, next_update
from tests.comms.builders import BEGIN, STRICTEST, Story, resolved, subject_of, told


def reasons(story: Story, name: str, subject: str = "") -> str:
    return " | ".join(gap.what for gap in may_send(story.incident, template(name), None, subject))


OUTSIDE = [one for one in shipped() if one.leaves and one.audience != "reporter"]


@pytest.mark.parametrize("kind", OUTSIDE, ids=lambda one: one.id)
def test_people_inside_hear_first(kind: Template) -> None:
    story = told().rotate()
    gaps = may_send(story.incident, kind, None, subject_of(kind))
    (gap,) = (one for one in gaps if "people inside come first" in one.what)
    assert gap.guard == "G-04"
    assert gap.command == "leakguard notice LG-2026-0001 declaration --send"
    story.send("declaration")
    assert "people inside" not in reasons(story, kind.id, subject_of(kind))


def test_a_declaration_waits_for_nothing() -> None:
    assert reasons(Story(), "declaration") == ""


def test_a_reporter_is_answered_at_once() -> None:
    assert reasons(Story(), "report-acknowledgement") == ""


def test_leadership_hears_before_customers_at_a_serious_level() -> None:
    story = told().send("declaration")
    assert "executive brief" in reasons(story, "customer-disclosure")
    assert reasons(story.send("executive-brief", "executive"), "customer-disclosure") == ""


def test_at_a_low_level_there_is_no_brief_to_wait_for() -> None:
    story = Story(level=2).leak().send("declaration")
    assert reasons(story, "customer-disclosure") == ""
    assert "for worse levels" in reasons(story, "executive-brief")


def test_a_drill_stays_inside() -> None:
    story = Story(drill=True).leak().send("declaration")
    assert "a drill does not leave" in reasons(story, "vendor-notice", "S1")
    assert reasons(story, "tactical-report") == ""


def test_a_suspicion_stays_inside() -> None:
    story = Story()
    opened = ev.Opened("maybe a key", "report", ev.stamp(BEGIN), confirmed=False)
    story.entries[0] = replace(story.entries[0], event=opened)
    assert "a suspicion so far" in reasons(story, "status-page")
    assert "suspicion" not in reasons(story, "report-acknowledgement")


def test_a_merged_incident_speaks_through_the_other() -> None:
    story = told().add(ev.MergedInto("LG-2026-0007", "the same key"))
    assert "goes on in LG-2026-0007" in reasons(story, "status")


def test_a_removal_is_asked_for_after_the_rotation() -> None:
    story = told().send("declaration")
    assert "S1 still works" in reasons(story, "purge-request", "X1")
    story.add(ev.SecretMoved("S1", "quarantined"))
    assert "S1 still works" in reasons(story, "purge-request", "X1"), "denied is not revoked"
    story.add(ev.SecretMoved("S1", "revoked"))
    assert reasons(story, "purge-request", "X1") == ""
    assert "S2 still works" in reasons(story, "purge-request", "X2")


def test_a_place_with_two_secrets_waits_for_both() -> None:
    story = told().send("declaration").rotate("S1")
    where = story.incident.copies["X1"].added.where
    story.add(ev.ExposureAdded("X3", "S2", "ci-log", where))
    assert "S2 still works" in reasons(story, "purge-request", "X1")


def test_a_rotation_notice_needs_the_proof_or_a_date() -> None:
    story = told()
    assert "nothing proves that S1 is dead" in reasons(story, "rotation-notice", "S1")
    story.add(ev.SecretMoved("S1", "revoked"))
    assert "nothing proves that S1 is dead" in reasons(story, "rotation-notice", "S1")
    dated = told().add(ev.Stated("valid-until", "2026-11-21 18:00 UTC", "S1"))
    assert reasons(dated, "rotation-notice", "S1") == ""
    assert reasons(told().rotate("S1"), "rotation-notice", "S1") == ""


def test_a_resolution_needs_the_proofs_the_review_and_the_verdict() -> None:
    assert reasons(resolved(), "resolution") == ""
    story = told().send("declaration").rotate("S1").reach("contained")
    said = reasons(story, "resolution")
    assert "nothing proves that S2 is dead" in said
    assert "after the log review" in said
    assert "no verdict yet" in said
    overtaken = resolved().add(ev.Proved("dead", "S1", "login", False, "accepted again"))
    assert "nothing proves that S1 is dead" in reasons(overtaken, "resolution")


def test_a_tenant_hears_after_its_own_rotation() -> None:
    story = told().send("declaration")
    assert "neither finished nor failed" in reasons(story, "tenant-notice", "acme-gmbh")
    assert reasons(story.rotate("S1"), "tenant-notice", "acme-gmbh") == ""


# the gate


def waiting(story: Story, kind: Template) -> str:
    message = list(story.incident.messages.values())[-1]
    return " | ".join(gap.what for gap in may_send(story.incident, kind, message, subject_of(kind)))


def ready() -> Story:
    return (
        told().rotate().settle().review().send("declaration").send("executive-brief", "executive")
    )


def test_customers_hear_only_what_legal_agreed_to() -> None:
    kind, story = template("customer-disclosure"), ready()
    message = story.draft(kind)
    assert "nobody agreed" in waiting(story, kind)
    assert "legal did not agree" in waiting(story, kind)
    story.add(ev.MessageApproved(message.id, "responder-b", "communications"))
    assert waiting(story, kind) == f"legal did not agree to {message.id}"
    story.add(ev.MessageApproved(message.id, "counsel", "legal"))
    assert waiting(story, kind) == ""


def test_the_author_does_not_agree_with_himself_at_a_serious_level() -> None:
    kind, story = template("vendor-notice"), ready()
    message = story.draft(kind, "S1", actor="Responder-B")
    story.add(ev.MessageApproved(message.id, "responder-b", "commander"))
    assert "somebody else has to agree" in waiting(story, kind)
    story.add(ev.MessageApproved(message.id, "responder-a", "commander"))
    assert waiting(story, kind) == ""


def test_at_a_low_level_one_person_suffices() -> None:
    kind, story = template("vendor-notice"), Story(level=2).leak().people().state()
    story.send("declaration")
    message = story.draft(kind, "S1")
    story.add(ev.MessageApproved(message.id, "responder-a", "commander"))
    assert waiting(story, kind) == ""


def test_words_that_were_changed_after_the_agreement_do_not_leave() -> None:
    kind, story = template("tactical-report"), told().send("declaration")
    message = story.draft(kind)
    forged = replace(message, draft=replace(message.draft, text=message.draft.text + "!"))
    (gap,) = may_send(story.incident, kind, forged)
    assert gap.guard == "G-20"


def test_an_older_version_does_not_leave_after_a_newer_one() -> None:
    kind, story = template("executive-brief"), told().send("declaration")
    first = story.draft(kind)
    story.state(outage="2 h")
    second = next_version(first.draft, story.words(kind), "M9")
    assert second is not None
    story.add(second)
    (gap,) = may_send(story.incident, kind, first)
    assert gap.what == "M9 says it anew; send that"


def test_what_may_have_left_is_settled_before_anything_else() -> None:
    kind, story = template("tactical-report"), told().send("declaration")
    message = story.draft(kind)
    story.add(ev.MessageFailed(message.id, "ops", "no answer", unknown=True))
    assert "nobody knows whether" in waiting(story, kind)


def test_a_new_version_is_no_way_around_an_unknown_one() -> None:
    kind, story = template("executive-brief"), told().send("declaration")
    first = story.draft(kind)
    story.add(ev.MessageFailed(first.id, "ops", "no answer", unknown=True)).state(outage="2 h")
    second = next_version(first.draft, story.words(kind), "M9")
    assert second is not None
    story.add(second)
    (gap,) = may_send(story.incident, kind, story.incident.messages["M9"])
    assert gap.what == f"nobody knows whether {first.id} was sent"
    story.add(ev.MessageFailed(first.id, "ops", "not there"))
    assert may_send(story.incident, kind, story.incident.messages["M9"]) == []


def test_a_message_that_waits_for_one_of_two_channels_still_stands() -> None:
    kind, story = template("status"), told()
    message = story.draft(kind)
    story.add(
        ev.MessageFailed(message.id, "ops", "refused"), ev.MessageSent(message.id, "mail", "x")
    )
    assert stands(story.incident.messages[message.id], story.words(kind))
    story.add(ev.MessageSent(message.id, "ops", "x"))
    assert not stands(story.incident.messages[message.id], story.words(kind))


# when the next one is due


def test_the_first_update_counts_from_the_declaration() -> None:
    story = told()
    promised = next_update(story.incident, STRICTEST, story.now)
    assert promised is not None
    declared = story.incident.opened_at
    assert promised.at == declared + timedelta(minutes=30)
    assert promised.overdue is (story.now > promised.at)


def test_sending_restarts_the_timer() -> None:
    story = told().send("status")
    promised = next_update(story.incident, STRICTEST, story.now)
    assert promised is not None
    assert promised == (story.now + timedelta(minutes=30), False)
    late = next_update(story.incident, STRICTEST, story.now + timedelta(minutes=31))
    assert late is not None
    assert late.overdue


def test_what_outsiders_heard_does_not_count_as_an_update_inside() -> None:
    story = told().send("declaration")
    before = next_update(story.incident, STRICTEST, story.now)
    story.send("vendor-notice", "vendor")
    assert next_update(story.incident, STRICTEST, story.now) == before


def test_the_level_decides_how_often() -> None:
    spans = []
    for level in range(4):
        story = Story(level=level).leak().send("declaration")
        promised = next_update(story.incident, STRICTEST, story.now)
        assert promised is not None
        spans.append(promised.at - story.now)
    assert spans == [
        timedelta(minutes=30),
        timedelta(hours=1),
        timedelta(hours=24),
        timedelta(hours=48),
    ]


def test_a_status_page_is_updated_every_20_minutes_for_two_hours_and_then_as_the_ladder_says() -> (
    None
):
    story = told()
    assert next_update(story.incident, STRICTEST, story.now, "status-page") is None
    story.send("status-page", "status-page")
    promised = next_update(story.incident, STRICTEST, story.now, "status-page")
    assert promised is not None
    assert promised.at == story.now + timedelta(minutes=20)
    story.now = BEGIN + timedelta(hours=3)
    story.send("status-page", "status-page")
    promised = next_update(story.incident, STRICTEST, story.now, "status-page")
    assert promised is not None
    assert promised.at == story.now + timedelta(minutes=30)


def test_nothing_is_promised_in_a_drill_or_after_the_end() -> None:
    drill = Story(drill=True).leak()
    assert next_update(drill.incident, STRICTEST, drill.now) is None
    over = resolved().reach("closed")
    assert next_update(over.incident, STRICTEST, over.now) is None
    quiet = told().add(ev.SeverityJudged(3, "low", "low", "none", ()))
    assert next_update(quiet.incident, STRICTEST, quiet.now) is None


def test_the_message_itself_promises_a_time_from_now() -> None:
    story = told()
    text = story.words(template("status")).text
    assert f"Next update: {story.now + timedelta(minutes=30):%Y-%m-%d %H:%M} UTC" in text
    assert "none planned, it is resolved" in resolved().words(template("status")).text
