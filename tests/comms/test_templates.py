"""Messages say what the record holds, and refuse to be written when it does not hold enough."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from leakguard import event as ev
from leakguard.errors import UsageError
from leakguard.event import stamp
from leakguard.load.templates import shipped, template
from leakguard.respond.comms import Template, missing, next_version, render, stands
from leakguard.respond.comms_facts import subjects
from tests.comms.builders import BEGIN, PROFILE, STRICTEST, Story, resolved, subject_of, told

ALL = shipped()


def by_id(one: object) -> str:
    return one.id if isinstance(one, Template) else str(one)


def test_every_message_of_the_list_ships() -> None:
    assert {one.number: one.id for one in ALL} == {
        "T1": "declaration",
        "T2": "status",
        "T3": "rotation-notice",
        "T4": "executive-brief",
        "T5": "tactical-report",
        "T11": "customer-disclosure",
        "T12": "tenant-notice",
        "T13": "vendor-notice",
        "T14": "purge-request",
        "T15": "status-page",
        "T16": "resolution",
        "T17": "owner-note",
        "T18": "report-acknowledgement",
    }


@pytest.mark.parametrize("kind", ALL, ids=by_id)
def test_a_full_incident_renders_in_every_template(kind: Template) -> None:
    draft = resolved().words(kind, subject_of(kind))
    assert draft.subject
    assert len(draft.text) > 100
    for trace in ("{{", "{%", "None", "()", "[]", "Undefined", "dict", "&#"):
        assert trace not in draft.text + draft.subject


NEEDED = [(kind, ask.fact) for kind in ALL for ask in kind.requires]


@pytest.mark.parametrize("kind, fact", NEEDED, ids=by_id)
def test_without_a_required_fact_the_message_is_refused_and_the_command_told(
    kind: Template, fact: str
) -> None:
    facts = resolved().facts(kind, subject_of(kind))
    assert facts[fact], "the full incident knows every fact"
    facts[fact] = "" if isinstance(facts[fact], str) else ()
    (gap,) = missing(kind, facts)
    with pytest.raises(UsageError) as refused:
        render(kind, facts)
    assert gap.what in refused.value.message
    assert refused.value.hints == (gap.command,)
    assert gap.command.startswith(("leakguard ", "write "))
    assert "{" not in gap.command


def test_an_empty_incident_lists_all_that_lacks_at_once() -> None:
    kind = template("declaration")
    gaps = missing(kind, Story().facts(kind))
    assert [gap.what for gap in gaps] == [
        "which kind of secret leaked",
        "what the secret opens",
        "where it could be read",
        "whether it can still be read",
        "who is in command",
        "who fixes it",
        "what to do next",
    ]
    assert "leakguard assign LG-2026-0001 --role commander --to NAME" in {
        gap.command for gap in gaps
    }


def test_a_message_about_one_secret_asks_which() -> None:
    kind = template("rotation-notice")
    assert subjects(kind, told().incident) == ("S1", "S2")
    with pytest.raises(UsageError, match="about one secret: which") as asked:
        told().facts(kind)
    assert asked.value.hints == ("one of: S1, S2",)
    with pytest.raises(UsageError, match="'S9' is no secret"):
        told().facts(kind, "S9")


def test_the_code_name_stays_the_same_and_tells_nothing() -> None:
    facts = told().facts(template("declaration"))
    assert facts["code_name"] == resolved().facts(template("declaration"))["code_name"]
    assert re.fullmatch("[a-z]+ [a-z]+", facts["code_name"])
    given = told().state(**{"code-name": "quiet harbour"})
    assert given.facts(template("declaration"))["code_name"] == "quiet harbour"


# T2: the status follows the record


def status_of(story: Story) -> str:
    return story.words(template("status")).text


def test_the_status_is_one_of_three_and_needs_more_than_a_label() -> None:
    assert "Status: **INVESTIGATING**" in status_of(told())
    claimed = told().reach("contained")
    assert "Status: **INVESTIGATING**" in status_of(claimed), "nothing is revoked"
    contained = told().rotate().reach("contained")
    assert "Status: **CONTAINED**" in status_of(contained)
    assert "Status: **RESOLVED**" in status_of(resolved())
    overtaken = resolved().add(ev.Proved("dead", "S1", "login", False, "it was accepted again"))
    assert "Status: **CONTAINED**" in status_of(overtaken)


def test_boxes_are_ticked_by_the_record_alone() -> None:
    story = told()
    assert "- [ ] credential revoked at source (0 of 2 secrets)" in status_of(story)
    story.add(ev.SecretMoved("S1", "revoked"))
    assert "- [~] credential revoked at source (1 of 2 secrets)" in status_of(story)
    story.add(ev.SecretMoved("S2", "quarantined"))
    assert "(1 of 2 secrets, 1 denied reversibly)" in status_of(story)
    story.add(ev.ExposureClosed("X1", "removed-claimed"))
    text = status_of(story)
    assert "- [ ] exposure removed (0 of 2 copies confirmed gone, 1 said to be removed)" in text
    story.add(ev.Proved("switch", "C1", "usage", True, "seen"))
    assert "- [~] new credential deployed (1 of 2 consumers proven on the new value" in status_of(
        story
    )
    assert "- [ ] services verified healthy (0 of 2 health checks)" in status_of(story)
    story.add(ev.Stated("services-healthy", "yes"))
    assert "- [x] services verified healthy (stated by a responder)" in status_of(story)


def test_a_step_with_an_unknown_outcome_keeps_its_box_open() -> None:
    story = told().add(ev.StepDone("rotate:S1", outcome="unknown")).rotate()
    assert "- [~] credential revoked at source (2 of 2 secrets; rotate:S1 unknown)" in status_of(
        story
    )


def test_a_secret_without_consumers_is_deployed_only_when_somebody_said_so() -> None:
    story = (
        Story()
        .people()
        .add(ev.SecretAdded("S1", "oauth-token"), ev.ExposureAdded("X1", "S1", "chat", "#ops"))
    )
    assert "- [ ] new credential deployed (the list of consumers may be incomplete)" in status_of(
        story
    )
    story.add(ev.ConsumersCounted("S1", "yes"))
    assert "- [x] new credential deployed (no consumers)" in status_of(story)


def test_the_blast_radius_has_four_values_bound_to_the_reviews() -> None:
    assert "PENDING." in status_of(told().rotate())
    assert "COMPLETE - no unauthorised access." in status_of(told().rotate().review())
    assert "COMPLETE - unauthorised access." in status_of(
        told().rotate().review("unauthorised-access")
    )
    assert "COMPLETE - cannot determine." in status_of(told().rotate().review("cannot-determine"))


def test_absence_is_not_claimed_from_a_log_that_its_writer_can_edit() -> None:
    assert "cannot determine" in status_of(told().rotate().review(trusted=False))


def test_absence_is_not_claimed_when_the_logs_begin_after_the_exposure() -> None:
    story = told().rotate()
    for name in ("S1", "S2"):
        story.add(
            ev.LogReviewed(
                name, "log", stamp(BEGIN), stamp(story.now), "no-unauthorised-access", True
            )
        )
    assert "COMPLETE - cannot determine." in status_of(story)


def test_absence_is_not_claimed_while_the_old_value_still_works() -> None:
    assert "COMPLETE - cannot determine." in status_of(told().review())


def test_one_unread_log_or_undecided_anomaly_keeps_it_pending() -> None:
    story = told().rotate().review().add(ev.AnomalyFound("A1", "S1", "a full export at night"))
    assert "PENDING." in status_of(story)
    assert "[~] audit log review (logs of 2 of 2 secrets read; 1 anomaly undecided)" in status_of(
        story
    )
    story.add(ev.AnomalyDecided("A1", "benign", False, "a backup"))
    assert "no unauthorised access." in status_of(story)
    story.add(ev.AnomalyDecided("A1", "attacker", True, "an unknown address"))
    assert "COMPLETE - unauthorised access." in status_of(story)


# T3


def test_a_rotation_notice_says_how_the_window_stands() -> None:
    kind = template("rotation-notice")
    open_ = told().state().add(ev.Stated("valid-until", "2026-11-21 16:00 UTC", "S1"))
    assert "Old value still valid until 2026-11-21 16:00 UTC." in open_.words(kind, "S1").text
    assert "is being rotated" in open_.words(kind, "S1").subject
    open_.add(ev.SecretMoved("S1", "revoked"))
    text = open_.words(kind, "S1").text
    assert "until a proof it counts as valid" in text
    assert "The window closed" not in text
    closed = open_.rotate("S1").words(kind, "S1")
    assert "The window closed at" in closed.text
    assert "was rotated" in closed.subject


def test_a_rotation_names_its_generation_when_nobody_numbered_it() -> None:
    story = Story().leak().people().rotate()
    text = story.words(template("rotation-notice"), "S1").text
    assert "Generation: the leaked one -> that of LG-2026-0001-S1-r1" in text


# T11 and T16: wording bound to the verdict (G-15)


@pytest.mark.parametrize("name", ["customer-disclosure", "resolution"])
def test_the_verdict_decides_what_is_said_about_access(name: str) -> None:
    kind = template(name)
    said = {}
    for verdict in ("no-unauthorised-access", "unauthorised-access", "cannot-determine"):
        story = told().rotate().settle().review(verdict).reach("recovered")
        said[verdict] = story.words(kind).text
    assert "they show no unauthorised access" in said["no-unauthorised-access"]
    assert "show unauthorised access" in said["unauthorised-access"]
    assert "We cannot determine" in said["cannot-determine"]
    for verdict in ("unauthorised-access", "cannot-determine"):
        assert "no unauthorised access" not in said[verdict]


def test_what_is_not_known_is_told_to_customers() -> None:
    story = told().rotate().add(ev.ExposureClosed("X1", "removed-claimed"))
    text = story.words(template("customer-disclosure")).text
    assert "whether anybody used the credential" in text
    assert "whether 1 copy said to be removed are really gone" in text


def test_customers_are_told_what_was_done_in_numbers() -> None:
    story = told().rotate("S1")
    text = story.words(template("customer-disclosure")).text
    assert "revoked 1 of 2 exposed credentials at the issuer" in text
    assert "moved 0 of 2 known services" in text


# T12


def test_a_tenant_hears_what_happened_to_its_own_credentials() -> None:
    kind = template("tenant-notice")
    done = told().rotate("S1").words(kind, "acme-gmbh")
    assert "We have replaced them." in done.text
    assert "action needed" not in done.subject
    story = told().add(
        ev.RotationNoted("r1", "S1", "postgresql", "create", "failed", "no permission"),
        ev.SecretMoved("S1", "staged", rotation="r1"),
    )
    failed = story.words(kind, "acme-gmbh")
    assert "could not finish replacing them" in failed.text
    assert "database password is not revoked, the leaked value still works" in failed.text
    assert "action needed" in failed.subject


def test_a_tenant_is_not_told_before_its_rotation_finished_or_failed() -> None:
    with pytest.raises(UsageError, match="finished or failed"):
        told().words(template("tenant-notice"), "acme-gmbh")


# T13, T14, T17, T18


def test_a_vendor_is_asked_to_revoke_until_that_is_done() -> None:
    kind = template("vendor-notice")
    assert "1. revoke the key" in told().words(kind, "S1").text
    assert "1. confirm that the key is revoked" in told().rotate().words(kind, "S1").text


def test_a_removal_is_not_asked_for_while_the_secret_works() -> None:
    with pytest.raises(UsageError, match="was revoked") as refused:
        told().words(template("purge-request"), "X1")
    assert refused.value.hints == ("leakguard rotate LG-2026-0001",)


def test_an_owner_gets_places_without_the_queries_of_addresses() -> None:
    text = told().words(template("owner-note"), "S1").text
    assert "`https://ci.example.com/job/8123`" in text
    assert "token" not in text


def test_a_reporter_gets_no_confirmation() -> None:
    text = told().words(template("report-acknowledgement")).text
    assert "neither confirm nor deny" in text
    for word in ("password", "valid", "rotated", "ORDERS"):
        assert word not in text


# drills, escaping, versions


@pytest.mark.parametrize("kind", ALL, ids=by_id)
def test_a_drill_says_so_first_in_every_message(kind: Template) -> None:
    story = Story(drill=True).leak().people().state().rotate().settle().review()
    draft = story.reach("recovered").words(kind, subject_of(kind))
    assert draft.subject.startswith("[DRILL] ")
    assert draft.text.startswith("**DRILL. This is an exercise")


def test_foreign_text_stays_text() -> None:
    evil = "x\n# Fake heading\n[click](https://evil.invalid) <img src=x> @everyone `code` *b* | #1"
    story = told().state(**{"what-happened": evil, "data-exposed": "- a list"})
    text = story.words(template("customer-disclosure")).text
    assert "\n# Fake" not in text
    assert r"\[click\](https:\//evil" in text
    assert "<img" not in text.replace("\\<img", "")
    assert "\\@everyone" in text
    assert "\\- a list" in text


def test_a_name_is_shown_as_it_is() -> None:
    story = (
        Story()
        .people()
        .add(
            ev.SecretAdded("S1", "generic", label="we`ird\u202e_NAME"),
            ev.ExposureAdded("X1", "S1", "chat", "a/b`c"),
        )
    )
    text = story.words(template("owner-note"), "S1").text
    assert "`` we`ird?_NAME ``" in text
    assert "\u202e" not in text


def test_a_later_fact_makes_a_version_that_says_what_changed() -> None:
    kind, story = template("customer-disclosure"), told().rotate()
    first = next_version(None, story.words(kind), "M1")
    assert first is not None
    assert (first.version, first.changes) == (1, "")
    assert "TLP:CLEAR | LG-2026-0001 | version 1" in first.text
    story.add(ev.Stated("data-exposed", "names, addresses and phone numbers"))
    second = next_version(first, story.words(kind), "M2")
    assert second is not None
    assert second.version == 2
    assert "## Changed since version 1" in second.text
    assert "- now: names, addresses and phone numbers" in second.text
    assert "- before: names and addresses of orders of the last 30 days" in second.text
    story.add(ev.Stated("data-exposed", "names only"))
    third = next_version(second, story.words(kind), "M3")
    assert third is not None
    assert third.text.count("## Changed since") == 1
    assert "- before: names, addresses and phone numbers" in third.text


def test_what_waits_for_an_agreement_stands_while_only_the_hour_moves() -> None:
    kind, story = template("customer-disclosure"), told()
    message = story.draft(kind)
    story.now += timedelta(days=1)
    later = story.words(kind)
    assert later.subject != message.draft.subject
    assert stands(message, later)
    story.add(ev.Stated("data-exposed", "names only"))
    assert not stands(message, story.words(kind))
    page = template("status-page")
    shown = story.draft(page)
    story.now += timedelta(minutes=7)
    assert stands(shown, story.words(page))
    story.add(ev.MessageSent(shown.id, "page", "200"))
    assert not stands(story.incident.messages[shown.id], story.words(page)), "a new update"


def test_a_time_of_the_record_does_not_move() -> None:
    kind, story = template("executive-brief"), told()
    message = story.draft(kind)
    story.add(ev.Stated("decisions-needed", "whether to tell customers, by 2026-11-22 09:00 UTC"))
    assert not stands(message, story.words(kind))


def test_nothing_new_makes_no_version() -> None:
    kind, story = template("executive-brief"), told()
    first = next_version(None, story.words(kind), "M1")
    assert next_version(first, story.words(kind), "M2") is None


def test_the_profile_is_where_addresses_come_from() -> None:
    text = told().words(template("vendor-notice"), "S1").text
    assert PROFILE.security_address in text
    assert STRICTEST.name == "strictest"
