"""From an incident to facts: of the whole, of a secret, of a copy; and what is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard import event as ev
from leakguard.facts import ENVIRONMENTS
from leakguard.load.companions import companions
from leakguard.load.presets import preset
from leakguard.load.severity import policy
from leakguard.respond.classify import (
    VALUES,
    answers,
    cases,
    copies_of,
    copy_facts,
    dumps_of,
    facts_of,
    questions,
    secret_facts,
)
from leakguard.respond.companions import Result, evaluate
from leakguard.respond.compose import VOCABULARY
from leakguard.respond.severity import judge_all
from leakguard.respond.surroundings import environment
from respond.story import ENDED, Story, dead, judged, pushed, secret

SETS = companions()
POLICY = policy()


def results(story: Story) -> tuple[Result, ...]:
    return evaluate(SETS, dumps_of(story.incident), answers(story.incident))


def fact(story: Story, name: str, of: str = "S1") -> set[str]:
    return set(secret_facts(story.incident, of, results(story)).get(name, ()))


def copy(name: str = "X1", of: str = "S1", channel: str = "chat", **more: object) -> ev.Event:
    return ev.ExposureAdded(name, of, channel, f"place {name}", **more)  # type: ignore[arg-type]


# Every fact has a value of the vocabulary

STORIES = (
    Story(),
    Story(confirmed=False),
    Story(secret()),
    Story(secret(), pushed()),
    Story(secret("S1", "vault-token"), secret("S2", "kek"), pushed(), copy("X2", "S2")),
    Story(secret(), pushed(), judged(), *ENDED),
    Story(secret(), copy(channel="local-commit", audience="none")),
)


@pytest.mark.parametrize("story", STORIES, ids=range(len(STORIES)))
def test_every_fact_is_one_that_playbooks_and_policies_know(story: Story) -> None:
    incident, found = story.incident, results(story)
    several = [facts_of(incident, found, preset=preset("sev")), *cases(incident, found)]
    several += [secret_facts(incident, one, found, preset=preset("p")) for one in incident.secrets]
    several += [copy_facts(incident, one, found) for one in incident.copies]
    for facts in several:
        assert set(facts) <= set(VALUES)
        for name, values in facts.items():
            assert values
            assert not VALUES[name] or values <= set(VALUES[name]), name


def test_whatever_a_playbook_may_ask_can_be_answered() -> None:
    story = Story(secret(), pushed(), ev.Stated("pack", "ops-generic"))
    told = facts_of(story.incident, results(story), preset=preset("sev"))
    assert set(VOCABULARY) - set(told) == {"half", "companion-set"}
    assert set(VOCABULARY) <= set(VALUES)


def test_what_nobody_said_is_unknown() -> None:
    facts = facts_of(Story(secret(), copy()).incident)
    for name in ("validity", "evidence-of-use", "regulated", "customer-data", "privilege",
                 "intrusion", "audience"):  # fmt: skip
        assert facts[name] == {"unknown"}, name
    assert facts["known-audience"] == {"no"}
    assert facts["surface"] == {"known"}
    assert facts_of(Story(secret()).incident)["surface"] == {"unknown"}


def test_a_fact_of_one_secret_is_no_fact_of_another() -> None:
    story = Story(secret("S1"), secret("S2"), pushed(), copy("X2", "S2"))
    story.tell(ev.Stated("privilege", "read"), ev.Stated("privilege", "admin", "S2"))
    assert (fact(story, "privilege", "S1"), fact(story, "privilege", "S2")) == ({"read"}, {"admin"})
    assert facts_of(story.incident)["privilege"] == {"read", "admin"}
    assert fact(story, "channel", "S2") == {"chat"}


def test_what_was_said_of_one_secret_is_stronger_than_what_was_guessed() -> None:
    story = Story(secret(), ev.Stated("environment", "staging", "S1"))
    assert fact(story, "environment") == {"staging"}


def test_one_word_for_the_whole_incident_does_not_hide_a_place_that_is_known() -> None:
    story = Story(secret(), pushed(), copy("X2"), ev.Stated("audience", "few"))
    assert copy_facts(story.incident, "X1")["audience"] == {"public"}
    assert copy_facts(story.incident, "X2")["audience"] == {"few"}
    story.tell(ev.Stated("audience", "internal", "X1"))
    assert copy_facts(story.incident, "X1")["audience"] == {"internal"}


# Use, validity, death


def test_use_by_somebody_else_is_seen_wherever_it_was_recorded() -> None:
    review = ev.LogReviewed("S1", "trail", "", "", "unauthorised-access", tamper_evident=True)
    anomaly = ev.AnomalyFound("A1", "S1", "3 in the morning")
    attacker = ev.AnomalyDecided("A1", "attacker", disclose=True, why="x")
    for events in ((review,), (anomaly, attacker), (ev.Stated("evidence-of-use", "yes"),)):
        story = Story(secret(), pushed(), *events)
        assert fact(story, "evidence-of-use") == {"yes"}
    benign = ev.AnomalyDecided("A1", "benign", disclose=False, why="x")
    assert fact(Story(secret(), pushed(), anomaly, benign), "evidence-of-use") == {"unknown"}


def test_use_is_ruled_out_by_reviews_that_all_say_so() -> None:
    clean = ev.LogReviewed("S1", "trail", "", "", "no-unauthorised-access", tamper_evident=True)
    dark = ev.LogReviewed("S1", "app", "", "", "cannot-determine", tamper_evident=False)
    assert fact(Story(secret(), clean), "evidence-of-use") == {"no"}
    assert fact(Story(secret(), clean, dark), "evidence-of-use") == {"unknown"}
    said = ev.Stated("evidence-of-use", "yes")
    assert fact(Story(secret(), clean, said), "evidence-of-use") == {"yes"}


def test_dead_is_what_was_proven_last() -> None:
    story = Story(secret(), pushed(), ev.SecretMoved("S1", "revoked"))
    assert (fact(story, "proven"), fact(story, "rotated")) == ({"no"}, {"yes"})
    story.tell(dead())
    assert (fact(story, "proven"), fact(story, "validity")) == ({"yes"}, {"inactive"})
    story.tell(dead(holds=False))
    assert (fact(story, "proven"), fact(story, "validity")) == ({"no"}, {"active"})


def test_the_whole_is_rotated_and_proven_when_every_secret_is() -> None:
    story = Story(secret("S1"), secret("S2"), pushed(), *ENDED)
    facts = facts_of(story.incident)
    assert (facts["rotated"], facts["proven"]) == ({"no"}, {"no"})
    story.tell(ev.SecretMoved("S2", "revoked"), dead("S2"), ev.SecretMoved("S2", "dead"))
    facts = facts_of(story.incident)
    assert (facts["rotated"], facts["proven"]) == ({"yes"}, {"yes"})
    assert facts_of(Story().incident)["rotated"] == {"no"}


def test_a_suspicion_counts_as_confirmed_once_it_is_declared() -> None:
    story = Story(secret(), ev.Stated("confidence", "possible"), confirmed=False)
    assert fact(story, "confidence") == {"possible"}
    story.tell(ev.Advanced("declared", "the time for it is over"))
    assert fact(story, "confidence") == {"confirmed"}


# Places


@pytest.mark.parametrize(
    ("state", "active"),
    [
        ("removal-requested", "yes"),
        ("removed-claimed", "unknown"),
        ("unverifiable", "unknown"),
        ("persists", "yes"),
        ("confirmed-gone", "no"),
    ],
)
def test_a_claim_that_a_copy_is_gone_is_not_knowledge(state: str, active: str) -> None:
    story = Story(secret(), pushed())
    assert fact(story, "exposure-active") == {"yes"}
    story.tell(ev.ExposureClosed("X1", state))
    assert fact(story, "exposure-active") == {active}


def test_a_commit_that_stayed_here_was_read_by_nobody() -> None:
    story = Story(secret(), copy(channel="local-commit"))
    assert (fact(story, "audience"), fact(story, "history-pushed")) == ({"none"}, {"no"})
    for event in (
        copy(channel="local-commit", refs=("refs/remotes/origin/main",)),
        copy(channel="local-commit", refs=("origin/main",)),
    ):
        remote = Story(secret(), event)
        assert (fact(remote, "audience"), fact(remote, "history-pushed")) == ({"unknown"}, {"yes"})
    story.tell(ev.Stated("history-pushed", "yes"))
    assert (fact(story, "audience"), fact(story, "history-pushed")) == ({"unknown"}, {"yes"})


def test_what_lies_in_a_container_leaked_where_the_container_did() -> None:
    inside = ev.SecretAdded("S2", "database-password", reason="contained-in", within="S1")
    deeper = ev.SecretAdded("S3", "generic", reason="contained-in", within="S2")
    circle = ev.SecretAdded("S4", "generic", reason="contained-in", within="S4")
    story = Story(secret("S1", "vault-token"), pushed(), inside, deeper, circle)
    assert [one.id for one in copies_of(story.incident, "S3")] == ["X1"]
    assert fact(story, "audience", "S3") == {"public"}
    assert copies_of(story.incident, "S4") == []


def test_each_secret_in_each_place_is_a_case_of_its_own() -> None:
    story = Story(
        ev.SecretAdded("S1", "generic", environment="development"), pushed(),
        secret("S2"), copy("X2", "S2", audience="internal"),
    )  # fmt: skip
    told = {(*one["environment"], *one["audience"]) for one in cases(story.incident)}
    assert told == {("development", "public"), ("production", "internal")}
    assert judge_all(POLICY, cases(story.incident), preset("sev")).level == 1
    assert len(cases(Story().incident)) == 1


# Companions


def test_what_stands_in_one_file_commit_or_dump_was_found_together() -> None:
    def both(first: dict[str, object], second: dict[str, object], dump: str = "") -> str:
        halves = [
            ev.SecretAdded("S1", "generic", label="VSYNC_CONFIG", dump=dump),
            ev.SecretAdded("S2", "generic", label="VSYNC_PASSPHRASE", dump=dump),
        ]
        copies = [
            ev.ExposureAdded("X1", "S1", **{"channel": "chat", "where": "", **first}),  # type: ignore[arg-type]
            ev.ExposureAdded("X2", "S2", **{"channel": "chat", "where": "", **second}),  # type: ignore[arg-type]
        ]
        return results(Story(*halves, *copies))[0].state

    assert both({"where": "app.py:3"}, {"where": "app.py:14:2 on origin/main"}) == "unknown"
    assert both({"where": "app.py:3"}, {"where": "app.py:14:2"}) == "complete"
    assert both({"commit": "abc"}, {"commit": "abc"}) == "complete"
    assert both({"commit": "abc"}, {"commit": "def"}) == "unknown"
    assert both({}, {}) == "unknown"
    assert both({}, {}, dump="job 8123") == "complete"
    assert both({"where": "a"}, {"where": "a", "channel": "wiki"}) == "unknown"


def test_a_person_can_say_that_two_secrets_leaked_together_or_that_the_other_did_not() -> None:
    story = Story(
        ev.SecretAdded("S1", "generic", label="VSYNC_CONFIG"),
        ev.Stated("other-half", "no", "vsync"),
    )
    assert fact(story, "companion") == {"half"}
    assert "companion-set" not in secret_facts(story.incident, "S1", results(story))
    story.tell(ev.SecretAdded("S2", "generic", label="VSYNC_PASSPHRASE"))
    assert fact(story, "companion") == {"unknown"}
    assert fact(story, "companion-set") == {"vsync"}
    assert fact(story, "container") == {"yes"}
    apart = Story(*[entry.event for entry in story.entries[1:]])
    apart.tell(ev.Stated("other-half", "no", "vsync.together"))
    assert fact(apart, "companion") == {"half"}
    story.tell(ev.Stated("linked", "S1", "S2"))
    assert fact(story, "companion") == {"complete"}


def test_a_half_whose_sets_were_not_looked_at_is_unknown() -> None:
    story = Story(ev.SecretAdded("S1", "generic", half="access"), secret("S2"))
    assert secret_facts(story.incident, "S1")["companion"] == {"unknown"}
    assert secret_facts(story.incident, "S1")["half"] == {"access"}
    assert secret_facts(story.incident, "S2")["companion"] == {"absent"}


def test_a_script_is_known_by_the_class_it_rotates() -> None:
    story = Story(secret("S1", "database-password"), secret("S2", "dkim-key"))
    facts = facts_of(story.incident, rotatable={"database-password"})
    assert facts["rotation-script"] == {"yes", "no"}
    own = secret_facts(story.incident, "S1", rotatable={"database-password"})
    assert own["rotation-script"] == {"yes"}


def test_the_strategy_is_the_stated_one_or_what_the_case_asks_for() -> None:
    story = Story(secret(), copy(audience="few"), judged(2))
    assert "strategy" not in secret_facts(story.incident, "S1")
    assert secret_facts(story.incident, "S1", preset=preset("p"))["strategy"] == {"overlap"}
    story.tell(ev.Stated("strategy", "revoke-first"))
    assert secret_facts(story.incident, "S1")["strategy"] == {"revoke-first"}


# Names into environments


@pytest.mark.parametrize(
    ("path", "name", "hints", "opens"),
    [
        (".env.production", "TOKEN", (), "production"),
        ("deploy/prod/values.yml", "password", (), "production"),
        ("app.py", "PROD_DB_PASSWORD", (), "production"),
        ("app.py", "stripeLiveKey", (), "production"),
        ("tests/fixtures/prod.env", "X", (), "production"),
        ("app.py", "X", ("release/production",), "production"),
        ("config/staging.yml", "secret", (), "staging"),
        ("uat/app.ini", "secret", (), "staging"),
        ("config/pre-prod.yml", "secret", (), "staging"),
        ("config/nonprod.yml", "secret", (), "staging"),
        ("non_prod/app.yml", "secret", (), "staging"),
        (".env.development", "TOKEN", (), "development"),
        ("docker-compose.local.yml", "PASSWORD", (), "development"),
        ("app.py", "STRIPE_TEST_KEY", (), "development"),
        (".env.test", "TOKEN", (), "development"),
        ("tests/api/client.py", "TOKEN", (), "unknown"),
        ("app.py", "TOKEN", (), "unknown"),
        ("", "", (), "unknown"),
        ("products/reproduction.py", "LIVELY", (), "unknown"),
        ("staging/prod-copy.env", "TOKEN", (), "production"),
        ("dev/app.py", "TOKEN", ("staging-7",), "staging"),
    ],
)
def test_names_tell_what_a_credential_opens(
    path: str, name: str, hints: tuple[str, ...], opens: str
) -> None:
    assert environment(path, name, hints) == opens


@given(st.text(max_size=40), st.text(max_size=20), st.lists(st.text(max_size=10), max_size=3))
def test_any_name_tells_an_environment_and_production_wins(
    path: str, name: str, hints: list[str]
) -> None:
    assert environment(path, name, hints) in ENVIRONMENTS
    assert environment(path, name, [*hints, "production"]) == "production"


# Questions


def test_questions_are_at_most_five_and_the_worst_comes_first() -> None:
    story = Story(
        ev.SecretAdded("S1", "generic", label="VSYNC_CONFIG"),
        secret("S2", "vault-token"), secret("S3", "database-password"), copy(),
    )  # fmt: skip
    asked = questions(story.incident, results(story))
    assert [(one.fact, one.subject) for one in asked] == [
        ("other-half", "vsync"), ("other-half", "vault-token"), ("intrusion", ""),
        ("evidence-of-use", ""), ("audience", ""),
    ]  # fmt: skip


def test_what_is_known_is_not_asked() -> None:
    story = Story(secret(), pushed())
    asked = [one.fact for one in questions(story.incident, results(story))]
    assert asked == ["evidence-of-use", "customer-data", "privilege"]
    story.tell(
        ev.Stated("evidence-of-use", "no"), ev.Stated("customer-data", "no"),
        ev.Stated("privilege", "read"),
    )  # fmt: skip
    assert questions(story.incident, results(story)) == ()


def test_nothing_is_asked_about_what_never_left_the_machine() -> None:
    story = Story(secret("S1", "vault-token"), copy(channel="local-commit"))
    assert questions(story.incident, results(story)) == ()
    story.tell(ev.Stated("history-pushed", "yes"))
    assert questions(story.incident, results(story))


def test_the_cautious_answer_is_no_better_than_any_other() -> None:
    """Answering `unknown` everywhere gives a level that no other answer makes worse."""
    story = Story(ev.SecretAdded("S1", "generic", label="VSYNC_CONFIG"), copy())
    for question in questions(story.incident, results(story)):
        assert question.default in question.choices
        assert question.why
        cautious = _level(story, question.fact, question.subject, question.default)
        for choice in question.choices:
            if (question.fact, choice) == ("evidence-of-use", "yes"):
                continue  # nobody supposes that without a sign
            assert cautious <= _level(story, question.fact, question.subject, choice)


def _level(story: Story, name: str, subject: str, value: str) -> int:
    told = Story(*[entry.event for entry in story.entries[1:]])
    told.tell(ev.Stated(name, value, subject))
    found = results(told)
    return judge_all(POLICY, cases(told.incident, found), preset("sev"), found).level


def test_an_answer_is_a_stated_fact_that_the_question_goes_away_with() -> None:
    story = Story(secret("S1", "vault-token"), copy())
    for _ in range(20):
        asked = questions(story.incident, results(story))
        if not asked:
            break
        one = asked[0]
        answer = next(choice for choice in one.choices if choice not in ("unknown", "yes"))
        story.tell(ev.Stated(one.fact, answer, one.subject))
    assert questions(story.incident, results(story)) == ()


def test_a_question_says_how_to_answer_it_on_the_command_line() -> None:
    story = Story(ev.SecretAdded("S1", "generic", label="VSYNC_CONFIG"), copy())
    told = [one.argument for one in questions(story.incident, results(story))]
    assert told[0] == "--fact other-half:vsync="
    assert "--audience" in told
