"""In which order to cut over: the row "first action" of the table of disagreements."""

from __future__ import annotations

import itertools

import pytest

from leakguard.facts import AUDIENCES, CHANNELS, Facts
from leakguard.load.presets import names, preset
from leakguard.respond.strategy import SIGNING, choose
from leakguard.rule import CLASSES


def case(**told: str) -> Facts:
    return {name.replace("_", "-"): frozenset(value.split("|")) for name, value in told.items()}


PUBLIC = case(environment="production", channel="public-repository", audience="public",
              validity="active")  # fmt: skip
SMALL = case(environment="production", channel="chat", audience="internal", history_pushed="no")


@pytest.mark.parametrize(
    ("facts", "can", "name"),
    [
        (PUBLIC, True, "quarantine-first"),
        (PUBLIC, False, "revoke-first"),
        (PUBLIC, None, "revoke-first"),
        (SMALL, True, "overlap"),
        (SMALL, None, "overlap"),
        ({**SMALL, **case(evidence_of_use="yes")}, None, "revoke-first"),
        ({**SMALL, **case(evidence_of_use="yes|no")}, True, "quarantine-first"),
        ({**SMALL, **case(intrusion="server")}, None, "revoke-first"),
        ({**SMALL, **case(audience="internal|unknown")}, None, "revoke-first"),
        ({**SMALL, **case(surface="unknown")}, None, "revoke-first"),
        ({}, None, "revoke-first"),
        (case(channel="local-commit", history_pushed="no", audience="none"), None, "overlap"),
        (case(channel="local-commit", history_pushed="yes"), None, "revoke-first"),
        ({**PUBLIC, **case(**{"class": "kek"})}, False, "quarantine-first"),
    ],
)
def test_the_order_follows_from_who_could_read_it_and_what_the_issuer_can(
    facts: Facts, can: bool | None, name: str
) -> None:
    chosen = choose(facts, preset("strictest"), 0, can_quarantine=can)
    assert chosen.name == name
    assert chosen.reasons
    assert (chosen.overlap is not None) == (name == "overlap")


@pytest.mark.parametrize("kind", sorted(SIGNING))
def test_the_old_key_of_a_signer_is_never_accepted_beside_the_new_one(kind: str) -> None:
    chosen = choose({**SMALL, **case(**{"class": kind})}, preset("sev"), 3)
    assert chosen.name == "revoke-first"
    assert chosen.overlap is None


def test_an_issuer_that_keeps_one_value_allows_no_overlap() -> None:
    assert choose(SMALL, preset("p"), 2, can_overlap=False).name == "revoke-first"


def test_the_overlap_is_capped_by_the_ladder() -> None:
    for ladder in names():
        spans = [choose(SMALL, preset(ladder), level).overlap for level in range(4)]
        told = [span.seconds for span in spans if span is not None]
        assert len(told) == 4
        assert told == sorted(told)


def test_both_values_are_never_valid_where_anybody_could_read_or_somebody_used_it() -> None:
    places = itertools.product(CHANNELS, AUDIENCES, ("yes", "no", "unknown"))
    kinds = itertools.cycle(CLASSES)
    for (channel, audience, used), kind in zip(places, kinds, strict=False):
        facts = case(channel=channel, audience=audience, evidence_of_use=used, **{"class": kind})
        chosen = choose(facts, preset("strictest"), 0)
        bad = used == "yes" or kind in SIGNING
        bad |= audience in ("public", "unknown") and channel != "local-commit"
        assert (chosen.name == "overlap") <= (not bad), facts
