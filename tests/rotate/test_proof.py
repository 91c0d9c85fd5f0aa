"""Only one thing proves a credential dead, and many look like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.rotate.kit import ANSWERS_TO_A_LOGIN
from leakguard.rotate.proof import Round, Verdict, judge, round_of

GOOD = Round("accepted", "refused", "auth", "none")

NO_PROOF = {
    "the old one is still let in": (Round("accepted", "accepted"), Verdict.ALIVE),
    "its session lives": (Round("accepted", "refused", "auth", "alive"), Verdict.ALIVE),
    "nobody answers": (Round("unreachable", "unreachable"), Verdict.UNKNOWN),
    "only the old one's way is down": (Round("accepted", "unreachable"), Verdict.UNKNOWN),
    "both are refused: is the server sane?": (Round("refused", "refused", "auth"), Verdict.UNKNOWN),
    "refused, but not as a credential": (Round("accepted", "refused", ""), Verdict.UNKNOWN),
    "nobody could knock": (Round("accepted", "unknown"), Verdict.UNKNOWN),
}


def test_several_paired_rounds_in_a_row_prove_it() -> None:
    assert judge([GOOD] * 3, 3) is Verdict.DEAD


def test_a_single_refusal_is_not_yet_a_proof() -> None:
    assert judge([GOOD], 3) is Verdict.NOT_YET
    assert judge([GOOD, GOOD], 3) is Verdict.NOT_YET


@pytest.mark.parametrize("why", NO_PROOF)
def test_it_is_no_proof_when(why: str) -> None:
    last, verdict = NO_PROOF[why]
    assert judge([GOOD, GOOD, GOOD, last], 3) is verdict


@pytest.mark.parametrize("why", NO_PROOF)
def test_a_round_that_proves_nothing_begins_the_count_anew(why: str) -> None:
    spoilt, _ = NO_PROOF[why]
    assert judge([GOOD, GOOD, spoilt, GOOD], 3) is Verdict.NOT_YET
    assert judge([spoilt, GOOD, GOOD, GOOD], 3) is Verdict.DEAD


def test_no_rounds_prove_nothing() -> None:
    assert judge([], 0) is Verdict.NOT_YET


def test_the_issuers_records_count_and_are_marked() -> None:
    said = round_of({"new": "accepted", "old": "refused", "method": "metadata", "derived": "none"})
    assert said.proves
    assert said.by_metadata


def test_a_probe_without_words_is_unknown() -> None:
    assert not round_of({}).proves


answers = st.sampled_from(ANSWERS_TO_A_LOGIN)
rounds = st.builds(
    Round,
    answers,
    answers,
    st.sampled_from(["", "auth", "network"]),
    st.sampled_from(["none", "alive", "unknown"]),
    st.sampled_from(["login", "metadata"]),
)


@given(st.lists(rounds, max_size=12), st.integers(1, 4))
def test_dead_is_never_said_while_the_last_rounds_leave_a_doubt(
    seen: list[Round], needed: int
) -> None:
    if judge(seen, needed) is Verdict.DEAD:
        for one in seen[-needed:]:
            assert one.new == "accepted"
            assert one.old == "refused"
            assert one.derived != "alive"
