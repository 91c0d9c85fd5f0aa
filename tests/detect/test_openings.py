"""What the tree of a pattern says of all its matches."""

from __future__ import annotations

import pytest

from leakguard.detect.openings import made_of, needed
from leakguard.detect.window import Shape

HEX = "0123456789ABCDEFabcdef"


@pytest.mark.parametrize(
    ("pattern", "characters", "least"),
    [
        (r"(?<![a-z])(?P<secret>[0-9a-f]{32})(?![a-z])", HEX, 32),
        (r"[0-9a-f]{8}-[0-9a-f]{8}", "-" + HEX, 17),
        (r"(?:[0-9A-F]{64}|[0-9a-f]{40})={0,2}", HEX[:10] + "=" + HEX[10:], 40),
        (r"(?=[a-f]{0,9}[0-9])(?i:[0-9a-f]{20})(?!z)", HEX, 20),
        (r"(?P<half>[0-9]{16})(?P=half)", "0123456789", 32),
        (r"[0-9a-f]{8}", "", 0),
        (r"[^\s]{20}", "", 0),
        (r".{20}", "", 0),
    ],
)
def test_a_value_is_made_of_its_characters(pattern: str, characters: str, least: int) -> None:
    assert made_of(pattern) == (characters, least)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"(?:key|token)[0-9]{3}", ("key", "token")),
        (r"(?i)X-Api-(?:Key)?[0-9]", ("x-api-",)),
        (r"a[0-9](?:secret_)+b", ("secret_",)),
        (r"(?:password|[0-9]{4})=", ()),
        (r"(?:password)?=", ()),
        (r"(?<=password)[0-9]", ()),
        (r"[0-9]ab", ()),
    ],
)
def test_a_pattern_needs_a_word(pattern: str, words: tuple[str, ...]) -> None:
    assert needed(pattern) == words


def test_values_are_found_at_both_edges_and_next_to_each_other() -> None:
    pattern = r"(?<![0-9a-f])(?P<secret>[0-9a-f]{16})(?![0-9a-f])"
    form = Shape(pattern, made_of(pattern))
    text = b"0" * 16 + b" " + b"1" * 16 + b" " + b"2" * 17 + b" " + b"3" * 15 + b"." + b"4" * 16
    found = [one.group() for one in form.within(text, (0, len(text), len(text)))]
    assert found == [b"0" * 16, b"1" * 16, b"4" * 16]
    assert [one.start() for one in form.within(text, (1, 17, len(text)))] == [17]
    assert not list(form.within(text, (1, 16, len(text))))
