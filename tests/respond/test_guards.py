"""What is refused, one test for each guard of the catalogue that belongs to the core."""

from __future__ import annotations

import pytest

from leakguard import event as ev
from leakguard.facts import Facts
from leakguard.incident import Incident, Status
from leakguard.playbook import Phase, Risk
from leakguard.respond import actions, guards
from leakguard.respond.guards import Gap
from respond.story import ENDED, WAY, Story, dead, judged, message, pushed, secret, step, steps


def ids(gaps: list[Gap]) -> set[str]:
    return {gap.guard for gap in gaps}


def missing(incident: Incident, status: str) -> set[str]:
    return ids(guards.gaps(incident, Status(status)))


@pytest.mark.parametrize("status", [name for name, _ in WAY])
def test_a_refusal_lists_every_missing_thing_with_the_command_that_supplies_it(status: str) -> None:
    story = Story(secret(), pushed(), judged())
    for name, events in WAY:
        gaps = guards.gaps(story.incident, Status(name))
        if name == status:
            assert gaps
            assert all(gap.what and gap.command for gap in gaps)
            return
        story.tell(*events, ev.Advanced(name))


def test_each_status_is_reached_once_nothing_is_missing() -> None:
    story = Story(secret(), pushed(), judged())
    for name, events in WAY:
        story.tell(*events)
        assert guards.gaps(story.incident, Status(name)) == []
        story.tell(ev.Advanced(name))


def test_no_status_is_skipped() -> None:
    story = Story(secret(), pushed(), judged())
    assert missing(story.incident, "closed") == {"G-01"}


def test_g01_a_copy_is_not_called_gone_while_the_secret_works() -> None:
    story = Story(secret(), pushed(), steps(step("hide", proves="gone")))
    assert ids(actions.close_copy(story.incident, "X1", "confirmed-gone")) == {"G-01"}
    assert actions.close_copy(story.incident, "X1", "removal-requested") == []
    done = ev.StepDone("hide")
    assert ids(actions.finish(story.incident, "hide", done, {})) == {"G-01"}
    story.tell(ev.SecretMoved("S1", "revoked"))
    assert actions.close_copy(story.incident, "X1", "confirmed-gone") == []
    assert actions.finish(story.incident, "hide", done, {}) == []


def test_g01_steps_are_worked_in_their_order() -> None:
    story = Story(secret(), steps(step("rotate"), step("redact", depends_on=("rotate",))))
    done = ev.StepDone("redact")
    assert ids(actions.finish(story.incident, "redact", done, {})) == {"G-01"}
    story.tell(ev.StepDone("rotate"))
    assert actions.finish(story.incident, "redact", done, {}) == []


def test_g01_a_working_credential_is_no_false_positive() -> None:
    story = Story(secret(), judged(2), ev.Stated("validity", "active"))
    assert ids(actions.false_positive(story.incident, "", "ada")) == {"G-01"}


def test_g01_what_any_of_the_secrets_says_of_itself_counts() -> None:
    stated = Story(secret(), judged(2), ev.Stated("validity", "active", "S1"))
    assert ids(actions.false_positive(stated.incident, "", "ada")) == {"G-01"}
    probed = Story(secret(), judged(2), dead(holds=False))
    assert ids(actions.false_positive(probed.incident, "", "ada")) == {"G-01"}
    probed.tell(dead())
    assert actions.false_positive(probed.incident, "", "ada") == []


def test_g01_evidence_does_not_make_a_copy_gone_while_the_secret_works() -> None:
    story = Story(secret(), pushed(), judged())
    gone = ev.Proved("gone", "X1", "probe", holds=True, detail="404")
    assert ids(actions.prove(story.incident, gone, "", "ada")) == {"G-01"}
    story.tell(ev.SecretMoved("S1", "revoked"))
    assert actions.prove(story.incident, gone, "", "ada") == []


def test_g02_revoked_is_not_dead() -> None:
    story = Story(secret(), pushed(), ev.SecretMoved("S1", "revoked"))
    assert ids(actions.move(story.incident, ev.SecretMoved("S1", "dead"))) == {"G-02"}
    story.tell(dead())
    assert actions.move(story.incident, ev.SecretMoved("S1", "dead")) == []


def test_g02_a_new_value_at_the_consumers_does_not_end_the_old_one() -> None:
    story = Story(secret(), pushed(), ev.SecretMoved("S1", "issued"))
    story.tell(ev.SecretMoved("S1", "distributed"), ev.SecretMoved("S1", "cutover"))
    assert "G-01" in missing(story.incident, "contained")
    assert ids(actions.move(story.incident, ev.SecretMoved("S1", "dead"))) == {"G-02"}


def test_g02_a_refusal_before_the_revocation_proves_nothing() -> None:
    story = Story(secret(), pushed(), judged())
    assert ids(actions.prove(story.incident, dead(), "li", "ada")) == {"G-02"}


def test_g02_at_a_serious_level_a_mere_word_takes_two_people() -> None:
    story = Story(secret(), pushed(), judged(1), ev.SecretMoved("S1", "revoked"))
    word = dead(method="attestation")
    assert ids(actions.prove(story.incident, word, "", "ada")) == {"G-02"}
    assert ids(actions.prove(story.incident, word, "ada", "ada")) == {"G-02"}
    assert actions.prove(story.incident, word, "li", "ada") == []


def test_g03_a_forgotten_consumer_keeps_it_open() -> None:
    story = Story(secret(), pushed(), judged())
    for name, events in WAY[:2]:
        story.tell(*events, ev.Advanced(name))
    story.tell(ev.ConsumersCounted("S1", "yes"), ev.ConsumerAdded("C1", "S1", "billing"))
    assert missing(story.incident, "recovered") == {"G-03"}
    story.tell(ev.Proved("switch", "C1", "health", holds=True, detail="generation 2"))
    assert missing(story.incident, "recovered") == set()


def test_g03_at_a_serious_level_an_exception_takes_two_people() -> None:
    story = Story(secret(), judged(1), ev.ConsumerAdded("C1", "S1", "billing"))
    assert ids(actions.except_consumer(story.incident, "C1", "ada", "ada")) == {"G-03"}
    assert actions.except_consumer(story.incident, "C1", "li", "ada") == []
    story.tell(judged(2))
    assert actions.except_consumer(story.incident, "C1", "ada", "ada") == []


def test_g04_people_inside_are_told_before_it_counts_as_contained() -> None:
    story = Story(secret(), pushed(), judged(), *message("draft"))
    assert "G-04" in missing(story.incident, "contained")


def test_what_never_left_the_machine_needs_no_announcement() -> None:
    local = ev.ExposureAdded("X1", "S1", "local-commit", "app.py:14", "none")
    story = Story(secret(), local, judged(3, "none"), *ENDED)
    assert missing(story.incident, "contained") == set()


def test_g06_nothing_is_closed_without_post_mortem_and_mitigation() -> None:
    story = Story(secret(), pushed(), judged())
    for name, events in WAY[:-1]:
        story.tell(*events, ev.Advanced(name))
    assert [gap.guard for gap in guards.gaps(story.incident, Status.CLOSED)] == ["G-06", "G-06"]


def test_g07_a_copy_of_unknown_fate_keeps_it_open() -> None:
    story = Story(secret(), pushed(), judged(), *WAY[0][1], ev.Advanced("contained"), *WAY[1][1])
    story.tell(ev.ExposureAdded("X2", "S1", "private-repository", "a fork"))
    assert "G-07" in missing(story.incident, "eradicated")


def test_g09_a_log_that_can_be_edited_shows_no_absence() -> None:
    alone = ev.LogReviewed(
        "S1", "audit.csv", "", "", "no-unauthorised-access", tamper_evident=False
    )
    assert ids(actions.review(alone)) == {"G-09"}
    checked = ev.LogReviewed(
        "S1", "audit.csv", "", "", "no-unauthorised-access", tamper_evident=False,
        cross_checked="bucket log",
    )  # fmt: skip
    honest = ev.LogReviewed("S1", "audit.csv", "", "", "cannot-determine", tamper_evident=False)
    assert actions.review(checked) == actions.review(honest) == []


@pytest.mark.parametrize("state", ["revoked", "dead"])
@pytest.mark.parametrize("back", ["identified", "issued", "distributed", "cutover"])
def test_g12_a_leaked_value_is_never_put_back_in_use(state: str, back: str) -> None:
    story = Story(secret(), pushed(), *(ENDED if state == "dead" else ENDED[:1]))
    assert ids(actions.move(story.incident, ev.SecretMoved("S1", back))) == {"G-12"}


def test_g14_a_step_waits_for_the_fact_it_needs() -> None:
    story = Story(secret(), steps(step("rekey", needs={"sealed": ("no",)})))
    done = ev.StepDone("rekey")
    sealed: Facts = {"sealed": frozenset({"yes"})}
    opened: Facts = {"sealed": frozenset({"no"})}
    assert ids(actions.finish(story.incident, "rekey", done, sealed)) == {"G-14"}
    assert actions.finish(story.incident, "rekey", done, opened) == []


def test_g15_the_verdict_on_the_logs_is_required() -> None:
    story = Story(secret(), pushed(), judged())
    for name, events in WAY[:3]:
        story.tell(*events, ev.Advanced(name))
    assert missing(story.incident, "reviewing") == {"G-15"}
    story.tell(*WAY[3][1], ev.AnomalyFound("A1", "S1", "an export at night"))
    assert missing(story.incident, "reviewing") == {"G-15"}


def test_g16_an_unknown_outcome_is_no_success() -> None:
    story = Story(secret(), pushed(), judged(), *WAY[0][1], steps(step("purge", mandatory=False)))
    assert missing(story.incident, "contained") == set()
    story.tell(ev.StepDone("purge", outcome="unknown"))
    assert missing(story.incident, "contained") == {"G-16"}


def test_g19_what_cannot_be_taken_back_is_not_done_alone_at_a_serious_level() -> None:
    story = Story(secret(), judged(1), steps(step("erase", risk=Risk.IRREVERSIBLE)))
    done = ev.StepDone("erase")
    assert ids(actions.finish(story.incident, "erase", done, {}, second=False)) == {"G-19"}
    assert actions.finish(story.incident, "erase", done, {}, second=True) == []
    story.tell(judged(2))
    assert actions.finish(story.incident, "erase", done, {}, second=False) == []


def test_g28_nothing_is_destroyed_before_evidence_was_kept() -> None:
    story = Story(secret(), steps(step("purge", destructive=True)))
    done = ev.StepDone("purge")
    assert ids(actions.finish(story.incident, "purge", done, {})) == {"G-28"}
    story.tell(ev.EvidenceAdded("E1", "log", "0" * 64, 1))
    assert actions.finish(story.incident, "purge", done, {}) == []


def test_g30_at_the_worst_level_the_coordinator_does_not_fix() -> None:
    story = Story(secret(), judged(0), ev.RoleTaken("commander", "mara")).tell(
        ev.Noted("here"), actor="li"
    )
    assert ids(actions.take_role(story.incident, ev.RoleTaken("fixer", "mara"))) == {"G-30"}
    assert actions.take_role(story.incident, ev.RoleTaken("fixer", "li")) == []


def test_g32_a_serious_level_is_not_lowered_alone() -> None:
    story = Story(secret(), judged(1))
    assert ids(actions.lower(story.incident, 2, "", "ada")) == {"G-32"}
    assert actions.lower(story.incident, 2, "li", "ada") == []
    assert actions.lower(Story(judged(2)).incident, 3, "", "ada") == []


def test_g33_a_temporary_block_has_to_be_undone() -> None:
    block = step("deny-all", undo_step="undo-deny-all", mandatory=False)
    undo = step("undo-deny-all", Phase.RECOVER)
    story = Story(secret(), pushed(), judged(), steps(block, undo))
    for name, events in WAY[:2]:
        story.tell(*events, ev.Advanced(name))
    story.tell(*WAY[2][1])
    assert missing(story.incident, "recovered") == set()
    story.tell(ev.StepDone("deny-all"))
    assert missing(story.incident, "recovered") == {"G-33"}
    story.tell(ev.StepDone("undo-deny-all"))
    assert missing(story.incident, "recovered") == set()


def test_g33_a_block_of_one_secret_is_not_that_of_another() -> None:
    block = step("deny", undo_step="undo-deny", mandatory=False, subject="S1")
    undo = [step("undo-deny", Phase.RECOVER, subject=name) for name in ("S1", "S2")]
    near = step("undo-deny-all", Phase.RECOVER, subject="S1")
    story = Story(secret(), secret("S2"), steps(block, *undo, near), ev.StepDone("deny:S1"))
    found = [gap for gap in guards._recovered(story.incident) if gap.guard == "G-33"]
    assert [gap.command.split()[-1] for gap in found] == ["undo-deny:S1"]


def test_g38_what_a_step_waits_for_is_listed_before_it_whatever_its_phase() -> None:
    story = Story(secret(), steps(
        step("stop", depends_on=("look",)), step("ask", Phase.INVESTIGATE, mandatory=False),
        step("look", Phase.INVESTIGATE, depends_on=("ask",)), step("tell", Phase.LEARN),
    ))  # fmt: skip
    found = [gap.command.split()[-1] for gap in guards._open_steps(story.incident, Phase.CONTAIN)]
    assert found == ["ask", "look", "stop"]


def test_g36_somebody_is_in_command() -> None:
    story = Story(secret(), pushed(), judged(), ev.SecretMoved("S1", "revoked"))
    assert "G-36" in missing(story.incident, "contained")


def test_g38_a_mandatory_step_is_not_skipped_alone() -> None:
    story = Story(secret(), steps(step("rotate"), step("tidy", mandatory=False)))
    alone = ev.StepSkipped("rotate", "no time")
    agreed = ev.StepSkipped("rotate", "no time", "li")
    assert ids(actions.skip(story.incident, "rotate", alone, "ada")) == {"G-38"}
    assert actions.skip(story.incident, "rotate", agreed, "ada") == []
    assert ids(actions.skip(story.incident, "rotate", agreed, "li")) == {"G-38"}
    assert actions.skip(story.incident, "tidy", ev.StepSkipped("tidy", "no"), "ada") == []


def test_g38_what_waits_for_somebody_is_not_closed() -> None:
    story = Story(secret(), pushed(), judged())
    for name, events in WAY:
        story.tell(*events)
        if name != "closed":
            story.tell(ev.Advanced(name))
    story.tell(ev.HoldSet(on=True, reason="the vendor answers"))
    assert missing(story.incident, "closed") == {"G-38"}
    story.tell(ev.HoldSet(on=False, reason=""))
    assert missing(story.incident, "closed") == set()


def test_a_broken_chain_keeps_it_open() -> None:
    story = Story(secret(), pushed(), judged())
    for name, events in WAY:
        story.tell(*events)
        if name != "closed":
            story.tell(ev.Advanced(name))
    assert guards.gaps(story.incident, Status.CLOSED, chain_intact=False)
