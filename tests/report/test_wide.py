"""79 columns hold for everything but what must not be cut: paths, addresses, commands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leakguard.errors import ConfigError, Place
from leakguard.finding import Evidence, Exposure
from leakguard.report.problem import render as problem
from leakguard.report.style import PLAIN, width
from leakguard.report.text import render
from leakguard.rule import Revoke

from .builders import SLACK, finding, place, possible, staged

PROSE = st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)).map(
    " ".join
)


@given(PROSE, PROSE, PROSE, st.integers(0, 300), st.sampled_from(Exposure))
def test_prose_is_folded_and_only_a_path_is_longer(
    name: str, why: str, how: str, depth: int, exposure: Exposure
) -> None:
    path = "d/" * depth + "x.py"
    rule = SLACK._replace(name=name, why=why, revoke=Revoke("https://a.example/" + "b" * 80, how))
    found = finding(
        rule,
        place(path, commit="ab" * 20, author_date="2026-11-21"),
        place("y" + path),
        exposure=exposure,
        evidence=(Evidence("value", why),),
        alternatives=("other-rule",) * 20,
    )
    outcome = staged(found, possible(), unread=((path, why),))
    for line in render(outcome, PLAIN, explain=True).splitlines():
        assert width(line) <= 79 or path in line or "https://a.example/" in line


@given(PROSE, PROSE, PROSE, st.integers(0, 400), st.integers(0, 400))
def test_a_problem_is_folded_too(
    message: str, cause: str, hint: str, column: int, size: int
) -> None:
    spot = Place(".leakguard.yml", 12, column, "k" * size, 5)
    error = ConfigError(message, hint, f"one of: {hint}", place=spot, cause=cause)
    for line in problem(error, PLAIN).splitlines():
        assert width(line) <= 79
