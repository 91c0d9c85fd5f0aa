"""What a pattern's tree says of all its matches, and windows that are not looked at twice."""

from __future__ import annotations

import pytest

from leakguard.blob import Blob, Origin
from leakguard.cli.rules_check import scanner
from leakguard.detect.openings import hints
from leakguard.detect.window import Exact

from .builders import acme


@pytest.mark.parametrize(
    ("pattern", "begins"),
    [
        (r"acme_[a-z]{8}", ("acme_",)),
        (r"\b(?:acme|apex)=", ("acme", "apex")),
        (r"(?i)ACME=\w+", ("acme=",)),
        (r"[ab]cme", ("acme", "bcme")),
        (r"[a-z]{4}acme", ()),
        (r"a[0-9]{8}", ()),
    ],
)
def test_how_every_match_begins(pattern: str, begins: tuple[str, ...]) -> None:
    assert hints(pattern).begins == begins


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"data:[^#]{1,90}kind:[ ]{1,2}Secret\b", "Secret"),
        (r"data:(?:kind: Secret)?", "data:"),
        (r"(?:acme|apex)_(?P<secret>x[0-9]yzw)", "yzw"),
        (r"(?i)data:[^#]{1,90}Secret", ""),
        (r"(?i:secret)x", "x"),
    ],
)
def test_what_every_match_contains_as_it_is_spelt(pattern: str, text: str) -> None:
    assert hints(pattern).contains == text


@pytest.mark.parametrize(
    ("pattern", "behind"),
    [("acme", 2), (r"(?<![a-z])acme", 2), (r"(?<!from the )acme", 9), (r"x(?:y(?<=wxy))", 3)],
)
def test_how_far_back_a_match_looks(pattern: str, behind: int) -> None:
    assert hints(pattern).behind == behind


@pytest.mark.parametrize(
    ("pattern", "barren", "found"),
    [
        (
            r"(?<!not the )acme=([a-z]{8}[0-9])",
            "{gap}not the {key}{gap}",
            "{gap}but the {key}{gap}",
        ),
        (r"acme=([a-z]{8}[0-9])(?=.{0,9}!)", "{gap}{key} .........!", "{gap}{key} ........!"),
        (r"^acme=([a-z]{8}[0-9])", "{gap}{key}{gap}", "{key}{gap}"),
        (r"acme=([a-z]{8}[0-9])$", "{gap}{key}{gap}", "{gap}{key}"),
    ],
)
def test_a_window_is_looked_at_again_where_its_surroundings_differ(
    pattern: str, barren: str, found: str
) -> None:
    look = scanner([acme(pattern=pattern, public_prefix="")]).look
    for text, times in ((barren, 0), (found, 1), (barren * 2, 0), (found, 1)):
        data = text.format(gap=" " * 300, key="acme=qzjwkvxp7").encode()
        assert len(look(Blob(Origin("tree", "a.py"), data))) == times


def test_other_versions_of_a_file_are_not_looked_at_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bytes] = []
    within = Exact.within
    monkeypatch.setattr(Exact, "within", lambda *args: tried.append(args[1]) or within(*args))
    look = scanner([acme(pattern=r"acme=([a-z]{8}[0-9])(?=!)", public_prefix="")]).look
    for version in range(3):
        text = f"{version}{' ' * 300}acme=qzjwkvxp7{' ' * 300}{version}"
        assert not look(Blob(Origin("tree", "a.py"), text.encode()))
    assert len(tried) == 1
