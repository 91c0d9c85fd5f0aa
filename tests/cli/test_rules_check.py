"""`leakguard rules check`: each thing that can be wrong with a rule is said."""

from __future__ import annotations

import pytest

from leakguard.cli import rules_noise
from leakguard.cli.rules_check import check_rules
from leakguard.cli.rules_dress import bare, dresses
from leakguard.rule import Rule

ACME = Rule(
    id="acme-live-key",
    name="ACME live API key",
    why="it opens doors",
    provider="acme",
    secret_class="provider-api-key",
    severity="high",
    confidence="likely",
    pattern=r"(?<![\w-])(?P<secret>acme_live_[0-9A-Za-z]{32})(?![\w-])",
    public_prefix="acme_live_",
    examples=('key = "acme_live_{{alnum:32}}"',),
    negatives=("acme_live_your_key_here",),
)
WORDY = ACME._replace(
    id="acme-worded",
    pattern="",
    public_prefix="",
    value="hex:32",
    words=("acme corp",),
    examples=("acme_corp_token: {{hex:32}}",),
    negatives=("other_token: {{hex:32}}",),
)


def problems(*rules: Rule, company: tuple[Rule, ...] = ()) -> list[str]:
    found = check_rules([*rules, *company], list(rules), seed=0)
    return [f"{one.rule_id}: {one.what}" for one in found]


@pytest.mark.parametrize("rule", [ACME, WORDY], ids=lambda rule: rule.id)
def test_a_good_rule_has_none(rule: Rule) -> None:
    assert problems(rule) == []


@pytest.mark.parametrize(
    "change, said",
    [
        ({"examples": ("acme_live_{{alnum:31}}",)}, "example 1 is not found beside"),
        ({"negatives": ("acme_live_{{alnum:32}}",)}, "negative 1 is found"),
        ({"examples": ("acme_live_{{ales:32}}",)}, "example 1: unknown recipe"),
        (
            {"pattern": r'(?P<secret>acme_live_[0-9A-Za-z]{32})"\Z'},
            "at the start",
        ),
        (
            {
                "pattern": r"[\"' ](?P<secret>acme_live_[0-9A-Za-z]{32})(?![\w-])",
                "examples": ("'acme_live_{{alnum:32}}'",),
            },
            "",
        ),
        (
            {
                "pattern": r"(?<![\w=-])(?P<secret>acme_live_[0-9A-Za-z]{32})(?![\w-])",
                "examples": ('"acme_live_{{alnum:32}}"',),
            },
            "in an .env file",
        ),
        (
            {
                "pattern": r"(?<![\w-])(?P<secret>acme_live_[0-9A-Za-z]{32})(?![\w&-])",
            },
            "in a URL query",
        ),
        (
            {"pattern": r"(?P<secret>[0-9A-Za-z]{40})", "examples": ("{{alnum:40}}",)},
            "no two constant characters",
        ),
        (
            {
                "pattern": r"(?P<secret>acme_live_[a-z_]{0,900}[a-z_]{0,900}[a-z_]{0,900}Q)",
                "examples": ("acme_live_{{lower:30}}Q",),
            },
            "takes over 0.5 s",
        ),
    ],
)
def test_a_bad_one_is_told_what_is_wrong(change: dict[str, object], said: str) -> None:
    found = problems(ACME._replace(**change))
    if said:
        assert any(said in one for one in found), found
    else:
        assert not found


def test_an_anchor_that_ordinary_source_is_full_of_is_told_with_a_way_out() -> None:
    loud = WORDY._replace(
        words=("token",), examples=("token: {{hex:32}}",), negatives=("other: {{hex:32}}",)
    )
    (found,) = problems(loud)
    assert "'token' stands in" in found
    assert "make it two words" in found


def test_a_rule_that_finds_nothing_of_its_own_is_told() -> None:
    broad = ACME._replace(id="acme-any-key", pattern=ACME.pattern.replace("live", "[a-z]{4}"))
    assert any(
        "acme-any-key finds every example too" in one for one in problems(ACME, company=(broad,))
    )


@pytest.mark.parametrize(
    "broad",
    [
        {"supersedes": ("acme-live-key",)},
        {"provider": "generic"},
        {"secret_class": "webhook-secret"},
        {"pattern": r"(?<![\w-])(?P<secret>acme_live_[0-9]{32})(?![\w-])"},
    ],
)
def test_what_only_overlaps_is_no_subsumption(broad: dict[str, object]) -> None:
    other = ACME._replace(id="acme-any-key", pattern=ACME.pattern.replace("live", "[a-z]{4}"))
    other = other._replace(**broad)
    assert not any("finds every example" in one for one in problems(ACME, company=(other,)))


def test_words_tell_two_rules_apart() -> None:
    other = WORDY._replace(id="umbrella-worded", provider="umbrella", words=("umbrella corp",))
    assert not problems(WORDY, company=(other,))
    twin = WORDY._replace(id="acme-twin")
    assert any("acme-twin finds every example" in one for one in problems(WORDY, company=(twin,)))


def test_provers_beside_each_other_say_the_same_in_the_same_order() -> None:
    bad = [ACME._replace(id=f"acme-{n}", negatives=("acme_live_{{alnum:32}}",)) for n in range(60)]
    one, two = (check_rules(bad, bad, 0, jobs) for jobs in (1, 2))
    assert one == two
    assert [problem.rule_id for problem in one if problem.what == "negative 1 is found"] == [
        rule.id for rule in bad
    ]


def test_a_value_is_put_into_an_address_only_as_it_stands_there() -> None:
    assert "in a URL query" in dict(bare(b"abc-123"))
    assert "in a URL query" not in dict(bare(b"abc+123="))
    assert bare(b"two words") == []


def test_a_whole_file_wears_little() -> None:
    assert [name for name, _ in dresses("x", context=False, whole=True)] == ["alone", "with CRLF"]


def test_ordinary_source_is_the_same_each_time() -> None:
    assert rules_noise.source() == rules_noise.source()
    assert len(rules_noise.source()) == rules_noise.LINES
