"""A corpus of sentences people really write, and what the linter says of each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leakguard import event as ev
from leakguard.load.templates import shipped
from leakguard.respond.comms import Template
from leakguard.respond.wording_lint import Lint, lint
from leakguard.rule import Rule
from tests.comms.builders import Story, resolved, subject_of, told
from tests.comms.detectors import detect

ERR_ALWAYS = [
    "We take security seriously.",
    "Acme takes the security of your data very seriously.",
    "We take your privacy and trust extremely seriously.",
    "Security is our top priority.",
    "Out of an abundance of caution we reset your password.",
    "This was a minor incident.",
    "On Tuesday a small security incident happened.",
    "It was an isolated incident.",
    "There is no cause for concern.",
    "There is no need to worry.",
    "Rest assured that we are working on it.",
    "A small number of customers is concerned.",
    "This concerns a limited number of accounts.",
    "A tiny fraction of users saw it.",
]
WARN_ALWAYS = [
    "The key was merely visible for an hour.",
    "It was only a few minutes.",
    "The log was visible for just 10 minutes.",
    "Abuse is unlikely.",
    "The risk is theoretical.",
    "The potential breach was reported on Monday.",
    "A sophisticated attacker is behind it.",
]
CLAIMS = [
    "No data was accessed.",
    "No customer data was accessed.",
    "No records of our shop were affected.",
    "Customer data was not compromised.",
    "Your data wasn't stolen.",
    "We found no evidence of misuse.",
    "There is no indication that anyone used it.",
    "Nobody accessed the database.",
    "No one has ever used the key.",
    "There was no unauthorised access.",
    "There has been no misuse.",
    "Your data is safe.",
    "All systems are secure.",
    "Your information remains protected.",
    "The key was never abused.",
    "No unauthorized activity took place.",
]
DEATH = [
    "The key no longer works.",
    "The old password is no longer valid.",
    "The token is dead.",
    "The leaked credential cannot be used.",
    "The risk has been eliminated.",
]
OVER = [
    "The incident is resolved.",
    "The issue has been resolved.",
    "It is fully contained.",
    "Everything is 100% secured.",
    "The incident was closed.",
]
FINE = [
    "We cannot determine whether anybody accessed data.",
    "We do not know yet whether no data was accessed.",
    "A password of the orders database could be read in the log of a build for 2 days.",
    "We revoked 2 of 2 credentials at 14:41 UTC.",
    "The read-only replica was not restarted.",
    "The just-in-time access stays on.",
    "Customers can go on sending mail.",
    "Commander: responder-a",
    "Fixer: responder-b",
    "The review of 1,200 rows is going on.",
    "The job printed its environment because masking was off.",
    "Next update: 2026-11-21 15:05 UTC",
]
BLAME = [
    "responder-b pasted the key into the chat.",
    "The leak was caused by responder-b.",
    "It happened because @responder-b forgot to mask it.",
    "RESPONDER-B committed the file.",
    "## Root cause\n\nA key of responder-b was in the file.",
    "dev-42 pushed the file.",
]
HUMAN = [
    "The cause was human error.",
    "It was a developer mistake.",
    "An engineer was careless.",
    "Somebody forgot to remove the key.",
    "The reason was employee negligence.",
]
HUMAN_WITH_SYSTEM = [
    "A human error reached the log, since masking was off and no check looked at it.",
    "Somebody forgot to remove the key; the pre-commit hook was not installed.",
]
VAGUE = [
    "Some credentials leaked.",
    "Several services use it.",
    "The key lay in a number of places.",
    "Various customers were told.",
]


def severities(found: tuple[Lint, ...]) -> set[str]:
    return {one.severity for one in found}


@pytest.mark.parametrize("text", ERR_ALWAYS)
def test_words_that_calm_or_minimise_stop_a_message(text: str) -> None:
    assert "err" in severities(lint(text, resolved().incident))


@pytest.mark.parametrize("text", WARN_ALWAYS)
def test_words_that_may_minimise_ask_for_a_second_look(text: str) -> None:
    assert severities(lint(text, resolved().incident)) == {"warn"}


@pytest.mark.parametrize("text", CLAIMS)
@pytest.mark.parametrize("verdict", ["", "cannot-determine", "unauthorised-access"])
def test_absence_is_claimed_only_with_a_verdict_that_allows_it(text: str, verdict: str) -> None:
    story = told().rotate().settle()
    story = story.review(verdict) if verdict else story
    assert "it claims that nothing happened" in {one.what for one in lint(text, story.incident)}


@pytest.mark.parametrize("text", CLAIMS)
def test_with_the_verdict_the_same_words_may_stand(text: str) -> None:
    assert lint(text, resolved().incident) == ()


@pytest.mark.parametrize("text", DEATH)
def test_a_secret_is_called_dead_only_when_that_is_proven(text: str) -> None:
    before = told().add(ev.SecretMoved("S1", "revoked"), ev.SecretMoved("S2", "revoked"))
    assert "it claims that the secret is dead" in {one.what for one in lint(text, before.incident)}
    assert lint(text, resolved().incident) == ()


@pytest.mark.parametrize("text", OVER)
def test_an_end_is_claimed_only_at_the_end(text: str) -> None:
    before = told().rotate().reach("contained")
    assert "it claims an end" in {one.what for one in lint(text, before.incident)}
    assert lint(text, resolved().incident) == ()


@pytest.mark.parametrize("text", FINE)
def test_plain_sentences_pass_at_any_time(text: str) -> None:
    assert lint(text, told().incident) == ()


@pytest.mark.parametrize("text", BLAME)
def test_no_person_of_the_incident_is_named_as_its_cause(text: str) -> None:
    story = told().add(ev.Noted("looked at the log"), actor="dev-42@example.com")
    (found,) = (one for one in lint(text, story.incident) if "person as the cause" in one.what)
    assert found.severity == "err"
    assert "check" in found.instead


@pytest.mark.parametrize("text", HUMAN)
def test_human_error_needs_what_let_it_through(text: str) -> None:
    (found,) = lint(text, resolved().incident)
    assert found.what == "a person's error without what let it through"


@pytest.mark.parametrize("text", HUMAN_WITH_SYSTEM)
def test_with_a_system_factor_it_may_stand(text: str) -> None:
    assert lint(text, resolved().incident) == ()


@pytest.mark.parametrize("text", VAGUE)
def test_known_numbers_are_said(text: str) -> None:
    (found,) = lint(text, resolved().incident)
    assert found.what == "a number is known and not said"
    assert any(char.isdigit() for char in found.instead)


def test_a_number_nobody_knows_is_not_asked_for() -> None:
    assert lint("Some credentials leaked.", Story().incident) == ()


def test_how_many_people_are_affected_is_said_when_it_is_known() -> None:
    incident = resolved().incident
    (found,) = lint("The customers whose orders are affected get a letter.", incident)
    assert found.instead == "0 to 400"
    assert lint("0 to 400 customers may be affected.", incident) == ()


def test_errors_come_before_warnings() -> None:
    found = lint("It was only a minor incident.", resolved().incident)
    assert [one.severity for one in found] == sorted(one.severity for one in found)


KINDS = shipped()


def stories() -> dict[str, Story]:
    return {
        "nothing done": told().add(ev.Stated("valid-until", "2026-11-21 18:00 UTC", "S1")),
        "rotated": told().rotate(),
        "cannot determine": told().rotate().settle().review("cannot-determine").reach("recovered"),
        "used by somebody": told()
        .rotate()
        .settle()
        .review("unauthorised-access")
        .reach("recovered"),
        "resolved": resolved(),
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.id)
def test_our_own_words_pass_in_every_state(kind: Template) -> None:
    for name, story in stories().items():
        facts = story.facts(kind, subject_of(kind))
        if all(facts[ask.fact] for ask in kind.requires):
            draft = story.words(kind, subject_of(kind))
            assert lint(f"{draft.subject}\n{draft.text}", story.incident) == (), name


def test_a_secret_in_a_draft_is_found_and_not_repeated(
    rules: list[Rule], fake: Callable[..., str]
) -> None:
    rule = next(one for one in rules if one.id == "slack-bot-token")
    value = fake(rule.examples[0], rule)
    found = lint(f"The bot used this: {value}", resolved().incident, detect)
    assert "slack-bot-token" in {one.excerpt for one in found if one.what == "a secret"}
    assert value not in repr(found)


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.id)
def test_no_message_of_a_full_incident_holds_a_secret(kind: Template) -> None:
    for story in stories().values():
        facts = story.facts(kind, subject_of(kind))
        if all(facts[ask.fact] for ask in kind.requires):
            assert detect(story.words(kind, subject_of(kind)).text) == []
