"""What a finding says, and when it blocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.finding import (
    Finding,
    Location,
    Outcome,
    Scanned,
    Suppression,
    SuppressionKind,
    preview,
)
from leakguard.rule import CLASSES, GUESSABLE, SEVERITIES, TIERS, Rule
from leakguard.secret import MASK, Secret

ACME = Rule("acme-key", "ACME key", "it opens doors", "acme", "provider-api-key", "high", "likely",
            public_prefix="acme_")  # fmt: skip
PLACE = Location("a.py", 1, 1, 1, 9)


def finding(severity: str = "high", confidence: str = "likely") -> Finding:
    return Finding("0123456789abcdef", ACME, severity, confidence, MASK, (PLACE,))


def test_a_finding_cannot_hold_a_secret() -> None:
    assert not [name for name, kind in Finding.__annotations__.items() if "Secret" in str(kind)]


@given(st.binary(min_size=1, max_size=80))
def test_a_preview_never_contains_the_secret(raw: bytes) -> None:
    shown = preview(ACME, Secret(b"acme_" + raw))
    assert shown == "acme_" + MASK
    if not raw.startswith(b"acme_"):
        assert preview(ACME, Secret(raw)) == MASK


def test_both_thresholds_must_be_reached() -> None:
    for severity in SEVERITIES:
        for confidence in TIERS:
            found = finding(severity, confidence)
            expected = severity in SEVERITIES[2:] and confidence in TIERS[1:]
            assert found.blocks("medium", "likely") == expected


def test_an_allowed_finding_never_blocks() -> None:
    allowed = finding()._replace(suppression=Suppression(SuppressionKind.EXTERNAL, "a sample"))
    assert not allowed.blocks("info", "possible")
    outcome = Outcome("tree", (allowed, finding(), finding("high", "possible")), Scanned())
    assert outcome.blocking == (finding(),)
    assert outcome.warnings == (finding("high", "possible"),)
    assert outcome.allowed == (allowed,)


def test_six_digits_are_what_people_type() -> None:
    assert finding().short_id == "012345"
    assert finding().rule_id == "acme-key"


def test_a_chosen_value_is_guessable_unless_a_prefix_says_it_was_made() -> None:
    assert set(CLASSES) > GUESSABLE
    for name in CLASSES:
        rule = ACME._replace(secret_class=name, public_prefix="")
        assert rule.guessable == (name in GUESSABLE)
        assert not rule._replace(public_prefix="acme_").guessable


def test_findings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        finding().severity = "low"  # type: ignore[misc]
