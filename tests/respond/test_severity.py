"""How bad a leak is: the two ladders, the matrix, and what a policy of one's own may do."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard import event as ev
from leakguard.errors import ConfigError
from leakguard.facts import CHANNELS, Facts
from leakguard.incident import Severity
from leakguard.load.companions import companions
from leakguard.load.presets import names, preset
from leakguard.load.severity import policy
from leakguard.respond.classify import VALUES, cases
from leakguard.respond.companions import Dump, Item, evaluate
from leakguard.respond.severity import (
    URGENCIES,
    SeverityPolicy,
    explain,
    judge,
    judge_all,
    rejudge,
)
from respond.story import Story, pushed, secret

POLICY = policy()
PRESETS = {name: preset(name) for name in names()}
LADDERS = ("sev", "p", "strictest")


def case(**told: str) -> Facts:
    """Facts by name, with _ for -; several values are joined with |."""
    return {name.replace("_", "-"): frozenset(value.split("|")) for name, value in told.items()}


def level(facts: Facts, ladder: str = "strictest", kept: SeverityPolicy = POLICY) -> int:
    return judge(kept, facts, PRESETS[ladder]).level


def rules(facts: Facts, ladder: str = "strictest") -> list[str]:
    return [rule for rule, _, _ in judge(POLICY, facts, PRESETS[ladder]).rules]


PUBLIC = case(
    environment="production", channel="public-repository", audience="public", evidence_of_use="no"
)

# requirement, facts, the level under sev, p and strictest
ROWS = (
    # P-06 and R-01..R-04: the ladders
    ("P-06 public", case(environment="production", audience="public"), (0, 0, 0)),
    ("P-06 internal chat", case(environment="production", audience="internal", channel="chat"),
     (1, 1, 1)),
    ("P-06 more than five viewers",
     case(environment="production", audience="internal", channel="private-repository"), (1, 1, 1)),
    ("1F two to five viewers",
     case(environment="production", audience="few", channel="private-repository"), (2, 1, 1)),
    ("P-06 staging", case(environment="staging", audience="internal", channel="wiki"), (2, 2, 2)),
    ("P-06 development", case(environment="development", audience="few", channel="chat"),
     (2, 2, 2)),
    ("P-06 low confidence", case(environment="production", audience="public",
                                 confidence="possible"), (3, 3, 3)),
    ("R-01 database password in a public repository",
     {**PUBLIC, **case(**{"class": "database-password"})}, (0, 0, 0)),
    ("R-02 API key in build logs",
     case(environment="production", audience="internal", channel="ci-log"), (1, 1, 1)),
    ("R-03 staging password in a wiki",
     case(environment="staging", audience="internal", channel="wiki"), (2, 2, 2)),
    ("R-04 rotated key in an old commit", {**PUBLIC, **case(expired="yes", proven="yes")},
     (3, 3, 3)),
    ("R-04 but nobody proved it", {**PUBLIC, **case(expired="yes", proven="no")}, (0, 0, 0)),
    ("R-04 limited scope, nobody outside",
     case(environment="staging", audience="few", privilege="read"), (2, 2, 2)),
    # the matrix
    ("R-29 a secret in an internal log",
     case(environment="development", audience="internal", channel="ci-log"), (2, 2, 2)),
    ("R-29 public repository, no evidence", {**PUBLIC, **case(environment="development")},
     (1, 1, 1)),
    ("R-29 public repository, evidence",
     {**PUBLIC, **case(environment="development", evidence_of_use="yes")}, (0, 0, 0)),
    ("R-29 vault node compromised",
     case(environment="development", audience="few", intrusion="vault"), (0, 0, 0)),
    ("R-29 KMS key compromised",
     case(environment="production", audience="few", **{"class": "kek"}), (0, 0, 0)),
    ("R-29 audit-log gap",
     case(environment="development", audience="few", **{"audit-gap": "yes"}), (1, 1, 1)),
    ("R-29 failed logins",
     case(environment="development", audience="none", **{"failed-auth": "yes"}), (2, 2, 2)),
    ("R-16 root on a server",
     case(environment="development", audience="few", intrusion="server"), (0, 0, 0)),
    ("R-10 data of customers",
     case(environment="production", channel="chat", audience="few", customer_data="yes"),
     (1, 1, 1)),
    ("R-10 regulated data",
     case(environment="production", channel="chat", audience="few", regulated="yes"), (1, 1, 1)),
    # P-03, P-05: what is no leak
    ("P-03 committed, never pushed",
     case(environment="production", channel="local-commit", audience="none", history_pushed="no"),
     (3, 3, 3)),
    ("P-03 local, but the branch was pushed",
     case(environment="production", channel="local-commit", audience="unknown",
          history_pushed="yes"), (0, 0, 0)),
    ("P-03 surface unknown",
     case(environment="production", channel="private-repository", audience="few",
          surface="unknown"), (0, 0, 0)),
    ("P-03 channel unknown",
     case(environment="production", channel="unknown", audience="internal"), (0, 0, 0)),
    ("P-03 stack trace to end users",
     case(environment="production", channel="stack-trace", audience="public"), (0, 0, 0)),
    ("P-03 log that the support reads",
     case(environment="production", channel="support-log", audience="internal"), (1, 1, 1)),
    # P-04, V-32, Y-06
    ("P-04 nothing is known", {}, (0, 0, 0)),
    ("V-32 at a vendor",
     case(environment="production", channel="vendor", audience="internal"), (0, 0, 0)),
    ("Y-06 admin token",
     case(environment="production", channel="chat", audience="few", privilege="admin"), (1, 1, 0)),
)  # fmt: skip


@pytest.mark.parametrize(("facts", "levels"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_a_requirement_has_its_level_under_each_ladder(
    facts: Facts, levels: tuple[int, int, int]
) -> None:
    assert tuple(level(facts, ladder) for ladder in LADDERS) == levels


def test_every_requirement_of_the_ladders_and_the_matrix_is_cited_by_a_rule() -> None:
    cited = {one for rule in (*POLICY.rules, *POLICY.readings, *POLICY.assumptions)
             for one in rule.source}  # fmt: skip
    assert {"P-01", "P-03", "P-04", "P-05", "P-06", "R-01", "R-02", "R-03", "R-04", "R-29"} <= cited
    assert all(rule.source for rule in POLICY.rules)


# Every combination of the ladders and the matrix, against the rows told another way

AXES: dict[str, tuple[str, ...]] = {
    "environment": ("production", "staging", "unknown"),
    "audience": ("none", "few", "internal", "partner", "public", "unknown"),
    "channel": ("public-repository", "ci-log", "chat"),
    "evidence-of-use": ("no", "yes", "unknown"),
    "confidence": ("possible", "confirmed"),
    "expired": ("yes", "no"),
    "proven": ("yes", "no"),
    "class": ("kek", "provider-api-key"),
    "signal": ("none", "vault", "audit-gap", "failed-auth"),
}


def combinations() -> Iterator[dict[str, str]]:
    for values in itertools.product(*AXES.values()):
        yield dict(zip(AXES, values, strict=True))


def facts_of(one: dict[str, str]) -> Facts:
    told = {name: value for name, value in one.items() if name != "signal"}
    signal = one["signal"]
    told["intrusion"] = "vault" if signal == "vault" else "none"
    told |= {signal: "yes"} if signal in ("audit-gap", "failed-auth") else {}
    return {name: frozenset({value}) for name, value in told.items()}


def expected(one: dict[str, str], ladder: str) -> int:
    """The rows of the two ladders and of the matrix, read aloud."""
    used = one["evidence-of-use"] == "yes"
    production = one["environment"] != "staging"
    public = one["audience"] in ("public", "unknown") or one["channel"] == "public-repository"
    inside = one["signal"] == "vault"
    alone = one["audience"] == "none" and not public and not used
    doubtful = one["confidence"] == "possible" and not used and not inside and not alone
    expired = one["expired"] == one["proven"] == "yes" and not used
    worst = [3]
    if not alone and not doubtful:
        if one["class"] == "kek" and (public or one["audience"] != "none"):
            worst.append(0 if production else 1)
        if not expired:
            worst.append(_table(one["audience"], ladder, public, production))
            if one["channel"] == "public-repository":
                worst.append(1)
            if one["channel"] == "ci-log" and one["audience"] in ("few", "internal"):
                worst.append(2)
    if used:
        on_record = one["channel"] == "public-repository" or production
        worst.append(0 if on_record else 1)
    worst.append({"vault": 0, "audit-gap": 1, "failed-auth": 2}.get(one["signal"], 3))
    return min(worst)


def _table(audience: str, ladder: str, public: bool, production: bool) -> int:
    if not production:
        return 2
    if public:
        return 0
    if audience == "few":
        return 2 if ladder == "sev" else 1
    return 3 if audience == "none" else 1


@pytest.mark.parametrize("ladder", LADDERS)
def test_every_combination_of_ladder_and_matrix_has_the_worst_of_its_rows(ladder: str) -> None:
    wrong = []
    for one in combinations():
        judged = judge(POLICY, facts_of(one), PRESETS[ladder])
        if judged.level != expected(one, ladder):
            wrong.append((one, judged.level, expected(one, ladder)))
        assert judged.level == min(found for _, found, _ in judged.rules)
    assert wrong == []


# What raises needs a part of the case, what lowers all of it

SOME_FACTS = st.fixed_dictionaries(
    {
        name: st.frozensets(st.sampled_from(values), min_size=1, max_size=3)
        for name, values in VALUES.items()
        if values and name not in ("level", "status", "strategy")
    }
)


@given(SOME_FACTS, SOME_FACTS, st.sampled_from(LADDERS))
def test_more_that_is_known_never_makes_a_case_milder(
    facts: Facts, more: Facts, ladder: str
) -> None:
    both = {name: facts[name] | more[name] for name in facts}
    assert level(both, ladder) <= level(facts, ladder)


@given(st.lists(SOME_FACTS, min_size=1, max_size=4), st.sampled_from(LADDERS))
def test_several_places_count_as_the_worst_of_them_in_any_order(
    several: list[Facts], ladder: str
) -> None:
    judged = judge_all(POLICY, several, PRESETS[ladder])
    assert judged.level == min(level(one, ladder) for one in several)
    other = judge_all(POLICY, reversed(several), PRESETS[ladder])
    assert (other.level, other.rotation, other.notification) == (
        judged.level, judged.rotation, judged.notification,
    )  # fmt: skip
    assert {rule for rule, _, _ in other.rules} == {rule for rule, _, _ in judged.rules}


@given(SOME_FACTS, st.sampled_from(LADDERS))
def test_every_judgement_says_why_and_is_written_and_read_again(facts: Facts, ladder: str) -> None:
    judged = judge(POLICY, facts, PRESETS[ladder])
    assert judged.rules
    assert all(why for _, _, why in judged.rules)
    assert judged.label == PRESETS[ladder].label(judged.level)
    assert judged.rotation in URGENCIES
    assert judged.notification in URGENCIES
    assert ev.read(*ev.write(judged)) == judged


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_channel_is_a_leak_but_for_a_commit_that_stayed_here(channel: str) -> None:
    facts = case(environment="production", channel=channel, audience="unknown", history_pushed="no")
    assert level(facts) == (3 if channel == "local-commit" else 0)


def test_a_public_test_key_and_a_private_production_key_do_not_add_up() -> None:
    both = [
        case(environment="development", channel="public-repository", audience="public"),
        case(environment="production", channel="chat", audience="internal"),
    ]
    assert judge_all(POLICY, both, PRESETS["sev"]).level == 1


def test_the_case_that_nobody_wrote_a_rule_for_is_the_worst() -> None:
    judged = judge(SeverityPolicy(()), case(environment="staging"), PRESETS["p"])
    assert (judged.level, judged.rules[0][0]) == (0, "no-rule")


# Urgencies stand apart from the level


def test_what_was_never_pushed_is_rotated_some_day_and_nobody_is_told() -> None:
    facts = case(channel="local-commit", audience="none", history_pushed="no")
    judged = judge(POLICY, facts, PRESETS["strictest"])
    assert (judged.level, judged.rotation, judged.notification) == (3, "low", "none")


def test_a_floor_takes_the_silence_away() -> None:
    facts = case(channel="local-commit", audience="none", history_pushed="no", failed_auth="yes")
    judged = judge(POLICY, facts, PRESETS["strictest"])
    assert (judged.level, judged.rotation, judged.notification) == (2, "normal", "normal")


def test_limited_rights_speak_but_lower_nothing() -> None:
    facts = {**PUBLIC, **case(privilege="read")}
    assert (level(facts), rules(facts)[-1]) == (0, "limited")


def test_another_place_takes_the_silence_away() -> None:
    local = case(channel="local-commit", audience="none", history_pushed="no")
    chat = case(environment="production", channel="chat", audience="few")
    judged = judge_all(POLICY, [local, chat], PRESETS["strictest"])
    assert (judged.level, judged.rotation, judged.notification) == (1, "high", "high")


def test_a_suspicion_is_investigated_before_anything_is_rotated() -> None:
    facts = {**PUBLIC, **case(confidence="possible")}
    judged = judge(POLICY, facts, PRESETS["sev"])
    assert (judged.level, judged.rotation, judged.notification) == (3, "none", "low")
    assert judged.rules[0][2].endswith("if it is real, it is SEV-1")


@pytest.mark.parametrize(
    "sign",
    [{"validity": "active"}, {"evidence_of_use": "yes"}, {"confidence": "possible|likely"}],
    ids=["it works", "it was used", "one of the findings is likely"],
)
def test_a_suspicion_ends_with_the_first_sign_that_it_is_real(sign: dict[str, str]) -> None:
    assert level({**PUBLIC, **case(confidence="possible"), **case(**sign)}) == 0


def test_evidence_of_use_asks_to_tell_at_once_even_in_development() -> None:
    facts = {**PUBLIC, **case(environment="development", evidence_of_use="yes")}
    assert judge(POLICY, facts, PRESETS["p"]).notification == "immediate"


def test_data_of_customers_asks_to_tell_soon_where_the_level_alone_would_not() -> None:
    facts = case(environment="production", channel="chat", audience="few")
    reaching = {**facts, **case(customer_data="yes")}
    assert judge(POLICY, facts, PRESETS["sev"]).notification == "normal"
    assert judge(POLICY, reaching, PRESETS["sev"]).notification == "high"


def test_a_reason_says_what_was_only_assumed() -> None:
    ((_, _, why),) = judge(POLICY, {}, PRESETS["p"]).rules
    assert "an unknown environment counts as production" in why
    assert "an unknown audience counts as public" in why
    known = case(environment="production", channel="chat", audience="public")
    assert "unknown" not in judge(POLICY, known, PRESETS["p"]).rules[0][2]


# Companions


def halves(*labels: str) -> tuple[Item, ...]:
    return tuple(
        Item(f"S{number}", "generic", label=label) for number, label in enumerate(labels, 1)
    )


def test_both_halves_are_the_worst_and_the_reason_is_among_the_rules() -> None:
    facts = case(environment="production", channel="chat", audience="few")
    results = evaluate(companions(), [Dump("D1", halves("VSYNC_CONFIG", "VSYNC_PASSPHRASE"))])
    judged = judge(POLICY, facts, PRESETS["sev"], results)
    assert (judged.level, judged.rotation) == (0, "immediate")
    assert "companion-vsync" in {rule for rule, _, _ in judged.rules}


def test_companions_of_what_never_left_the_machine_raise_nothing() -> None:
    facts = case(channel="local-commit", audience="none", history_pushed="no")
    results = evaluate(companions(), [Dump("D1", halves("VSYNC_CONFIG", "VSYNC_PASSPHRASE"))])
    judged = judge(POLICY, facts, PRESETS["sev"], results)
    assert (judged.level, judged.notification) == (3, "none")


# Judging again


def kept(judged: ev.SeverityJudged, lowered: ev.SeverityLowered | None = None) -> Severity:
    at = lowered.level if lowered else judged.level
    return Severity(
        at, judged.label, judged.rotation, judged.notification, judged.rules, lowered
    )  # fmt: skip


def test_the_first_judgement_is_recorded() -> None:
    judged = judge(POLICY, {}, PRESETS["p"])
    assert rejudge(None, judged) is judged


def test_the_same_again_is_not_recorded() -> None:
    judged = judge(POLICY, PUBLIC, PRESETS["p"])
    assert rejudge(kept(judged), judged) is None


@given(SOME_FACTS, SOME_FACTS, st.sampled_from(LADDERS))
def test_a_new_judgement_is_nowhere_milder_than_what_stands(
    before: Facts, now: Facts, ladder: str
) -> None:
    first, second = (judge(POLICY, facts, PRESETS[ladder]) for facts in (before, now))
    again = rejudge(kept(first), second)
    stands = kept(again) if again else kept(first)
    assert stands.level == min(first.level, second.level)
    for kind in ("rotation", "notification"):
        ranks = [URGENCIES.index(getattr(one, kind)) for one in (first, second, stands)]
        assert ranks[2] == max(ranks)
    assert rejudge(stands, second) is None
    assert {rule for rule, _, _ in first.rules} <= {rule for rule, _, _ in stands.rules}


def test_what_people_lowered_stays_low_until_a_rule_speaks_that_they_did_not_know() -> None:
    judged = judge(POLICY, PUBLIC, PRESETS["sev"])
    low = kept(judged, ev.SeverityLowered(2, "a sandbox account", "li"))
    assert rejudge(low, judged, PRESETS["sev"]) is None
    used = judge(POLICY, {**PUBLIC, **case(evidence_of_use="yes")}, PRESETS["sev"])
    again = rejudge(low, used, PRESETS["sev"])
    assert again is not None
    assert (again.level, again.label) == (0, "SEV-1")
    gap = judge(POLICY, {**PUBLIC, **case(audit_gap="yes")}, PRESETS["sev"])
    again = rejudge(low, gap, PRESETS["sev"])
    assert again is not None
    assert (again.level, again.label) == (1, "SEV-2")


def test_explain_lists_every_rule_that_spoke_and_fits_a_terminal() -> None:
    story = Story(secret(), pushed())
    assert explain(story.incident) == [
        "LG-2026-0001 was not judged yet; until then it counts as level 0, the worst"
    ]
    story.tell(judge_all(POLICY, cases(story.incident), PRESETS["sev"]))
    lines = explain(story.incident)
    assert lines[0] == "LG-2026-0001 is SEV-1 (level 0 of 0 to 3, 0 is worst)"
    assert story.incident.severity is not None
    for rule, _, why in story.incident.severity.rules:
        assert any(line.endswith(f"  {rule}") for line in lines)
        assert why.split()[0] in " ".join(lines)
    story.tell(ev.SeverityLowered(2, "a sandbox account " * 6, "li"))
    lines = explain(story.incident, PRESETS["p"])
    assert lines[0].startswith("LG-2026-0001 is P2 ")
    assert any(line.startswith("lowered by li: a sandbox account") for line in lines)
    assert all(len(line) <= 79 and line.isascii() for line in lines)


# Policies of one's own


def own(text: str) -> SeverityPolicy:
    return policy([("severity.yml", text.encode())])


def test_the_readings_that_are_off_can_be_switched_on() -> None:
    facts = case(environment="production", channel="support-log", audience="internal")
    assert level(facts) == 1
    assert level(facts, kept=own("enable: [support-log-is-no-leak]")) == 3
    log = case(environment="production", channel="ci-log", audience="few", cleared="yes")
    narrow = own("enable: [narrow-internal-log]")
    assert (level(log), level(log, kept=narrow)) == (1, 2)
    wide = {**log, **case(audience="few|internal")}
    assert level(wide, kept=narrow) == 1


def test_what_was_never_pushed_can_be_taken_as_serious_as_the_rest() -> None:
    facts = case(environment="production", channel="local-commit", history_pushed="no")
    assert level(facts, kept=own("disable: [never-pushed]")) == 0


def test_a_rule_of_ones_own_raises_and_a_rule_of_ours_can_be_replaced() -> None:
    chat = case(environment="staging", audience="few", provider="acme")
    text = """
    rules:
      - id: acme-is-precious
        when: {provider: [acme]}
        level: {default: 1, sev: 0}
        why: it holds our money
    """
    assert [level(chat, ladder, own(text)) for ladder in LADDERS] == [0, 1, 1]
    milder = "rules: [{id: not-production, when: {environment: [staging]}, level: 3, why: x}]"
    assert level(case(environment="staging", audience="few"), kept=own(milder)) == 3


def test_the_first_match_decides_if_one_wants_that_but_floors_hold() -> None:
    text = """
    combiner: first_match
    rules:
      - {id: all-is-well, when: {}, level: 3, why: we never worry}
    """
    chat = case(environment="production", channel="chat", audience="internal")
    assert level(chat, kept=own(text)) == 3
    assert level(PUBLIC, kept=own(text)) == 1
    assert level({**PUBLIC, **case(evidence_of_use="yes")}, kept=own(text)) == 0
    assert level(chat, kept=own("combiner: first_match")) == 1


def test_a_floor_can_be_made_worse_and_wider() -> None:
    text = """
    rules:
      - {id: logs-missing, floor: yes, when: {audit-gap: ["yes", unknown]}, level: 0, why: x}
    """
    facts = case(environment="staging", audience="few", audit_gap="unknown")
    assert (level(facts), level(facts, kept=own(text))) == (2, 0)


HOSTILE = {
    "rules: [{id: used, when: {evidence-of-use: ['yes']}, level: 3, floor: yes, why: x}]":
        "the floor 'used' can only be made worse",
    "rules: [{id: used, when: {evidence-of-use: ['yes']}, level: 1, why: x}]":
        "the floor 'used' can only be made worse",
    "rules: [{id: used, when: {evidence-of-use: ['yes'], drill: ['yes']}, level: 0, floor: yes, "
    "why: x}]": "the floor 'used' can only be made worse",
    "rules: [{id: used, when: {evidence-of-use: [unknown]}, level: 0, floor: yes, why: x}]":
        "the floor 'used' can only be made worse",
    "rules: [{id: used, when: {evidence-of-use: ['yes']}, level: {default: 1, sev: 3}, floor: yes,"
    " why: x}]": "the floor 'used' can only be made worse",
    "rules: [{id: used, when: {}, level: 0, floor: yes, on: no, why: x}]":
        "the floor 'used' can only be made worse",
    "disable: [vault-intrusion]": "the floor 'vault-intrusion' cannot be disabled",
    "disable: [environment-unknown]": "there is no rule or reading 'environment-unknown'",
    "assumptions: []": "unknown key 'assumptions'",
    "readings: [{id: calm, only: {}, sets: {leaked: 'no'}, why: x, source: [P-05]}]":
        "unknown key 'readings'",
    "notification: [none, none, none, none]": "unknown notification 'none'",
    "notification: [low, low, low]": "notification needs 4 urgencies",
    "rotation: [low, normal, high, immediate]": "rotation needs 4 urgencies",
    "rules: [{id: a, when: {environment: [prod]}, level: 1, why: x}]": "unknown environment 'prod'",
    "rules: [{id: a, when: {enviroment: [production]}, level: 1, why: x}]":
        "unknown key 'enviroment' in a condition",
    "rules: [{id: a, when: {environment: []}, level: 1, why: x}]": "no value of 'environment'",
    "rules: [{id: a, when: {}, level: 4, why: x}]": "unknown level '4'",
    "rules: [{id: a, when: {}, level: {sev: 1}, why: x}]": "level needs a default",
    "rules: [{id: a, when: {}, why: x}]": "'level' is missing here",
    "rules: [{id: a, when: {}, level: 1, why: ''}]": "why must be one printable line",
    'rules: [{id: a, when: {}, level: 1, why: "\\e[31m"}]': "why must be one printable line",
    "rules: [{id: A b, when: {}, level: 1, why: x}]": "'A b' is not an id",
    "rules: [{id: a, when: {}, level: 1, why: x}, {id: a, when: {}, level: 1, why: x}]":
        "two rules have the id 'a'",
    "rules: [{id: never-pushed, when: {}, level: 1, why: x}]": "'never-pushed' is a reading",
    "rules: [{id: a, id: b, when: {}, level: 1, why: x}]": "'id' stands twice",
    "rules: {id: a}": "rules must be a list",
    "combiner: min": "unknown combiner 'min'",
    "enable: [never-pusht]": "there is no rule or reading 'never-pusht'",
    "rules: [&a {id: a, when: {}, level: 1, why: x}, *a]": "aliases are not accepted",
    "rules: !!python/object/apply:os.system ['true']": "a severity rule must be a mapping",
    "": "the severity policy is empty",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_policy_that_hides_or_misspells_is_refused_at_its_place(text: str) -> None:
    with pytest.raises(ConfigError, match=HOSTILE[text].replace("[", r"\[")) as caught:
        own(text)
    assert caught.value.place is not None
    assert caught.value.place.path == "severity.yml"


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(raw: bytes) -> None:
    with contextlib.suppress(ConfigError):
        assert policy([("severity.yml", raw)]).rules
