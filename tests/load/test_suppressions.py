"""The allowance file: what is written is read again, and every wrong line is told."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.errors import ConfigError
from leakguard.load.suppressions import FILE, HEADER, MAX_BYTES, parse, read, spell, write
from leakguard.policy import Allowance

NAME = "0123456789abcdef"


def problem(text: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode() if isinstance(text, str) else text)
    assert caught.value.place is not None
    assert caught.value.place.path == FILE
    return caught.value


paths = st.one_of(
    st.sampled_from(
        ["", "*", "#", "a b", "%", "a%20b", "-", "~/x", "caf\u00e9", "a\nb", "\u2028", " "]
    ),
    st.binary(min_size=1, max_size=30).filter(lambda raw: b"\0" not in raw).map(os.fsdecode),
)
reasons = st.text(min_size=1).filter(lambda text: text.split() and text.isprintable())
allowances = st.builds(
    Allowance,
    st.integers(0, (1 << 64) - 1).map(lambda number: f"{number:016x}"),
    st.from_regex(r"[a-z][a-z0-9]{0,9}(-[a-z0-9]{1,9}){0,3}", fullmatch=True),
    st.none() | st.dates(),
    paths,
    reasons,
)


@given(st.lists(allowances, unique=True))
def test_what_is_written_is_read_again(entries: list[Allowance]) -> None:
    text = HEADER + "".join(spell(entry) + "\n" for entry in entries)
    again = parse(text.encode("utf-8", "surrogateescape"))
    assert [spell(one) for one in again] == [spell(one) for one in entries]
    for one, other in zip(again, entries, strict=True):
        assert (one.fingerprint, one.rule_id, one.until) == (
            other.fingerprint,
            other.rule_id,
            other.until,
        )
        assert one.path == other.path
        assert one.reason == " ".join(other.reason.split())


@given(paths)
def test_any_path_is_one_word_on_one_line_of_ascii(path: str) -> None:
    (line,) = spell(Allowance(NAME, "acme", None, path, "sample")).splitlines()
    assert line.isascii()
    assert len(line.split()) == 5


def test_the_file_is_sorted_without_doubles_and_begins_with_what_it_is(tmp_path: Path) -> None:
    entries = [
        Allowance("f" * 16, "acme-b", None, "", "last"),
        Allowance(NAME, "acme-a", date(2027, 5, 21), "docs/a b.md", "the\n docs   sample"),
        Allowance("f" * 16, "acme-b", None, "", "last"),
    ]
    write(str(tmp_path), entries)
    assert (tmp_path / FILE).read_text() == (
        HEADER
        + f"{NAME} acme-a 2027-05-21 docs/a%20b.md the docs sample\n"
        + "ffffffffffffffff acme-b never * last\n"
    )
    assert os.listdir(tmp_path / ".leakguard") == ["allow"]
    assert read(str(tmp_path)) == [
        Allowance(NAME, "acme-a", date(2027, 5, 21), "docs/a b.md", "the docs sample"),
        Allowance("f" * 16, "acme-b", None, "", "last"),
    ]


def test_a_path_that_is_no_utf8_survives(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9/\xff key.txt")
    write(str(tmp_path), [Allowance(NAME, "acme", None, odd, "a sample")])
    assert read(str(tmp_path))[0].path == odd


def test_a_file_named_star_is_not_everywhere() -> None:
    line = spell(Allowance(NAME, "acme", None, "*", "a sample"))
    assert parse(line.encode())[0].path == "*"
    assert not parse(line.encode())[0].covers(NAME, "other")
    assert parse(f"{NAME} acme never * a sample".encode())[0].covers(NAME, "other")


def test_no_file_means_nothing_is_allowed(tmp_path: Path) -> None:
    assert read(None) == []
    assert read(str(tmp_path)) == []


def test_comments_and_empty_lines_are_passed_over() -> None:
    text = f"# a comment\n\n   \n{NAME} acme never * a sample\r\n"
    assert parse(text.encode()) == [Allowance(NAME, "acme", None, "", "a sample")]


@pytest.mark.parametrize(("line", "message", "hint"), [
    (f"{NAME} acme never *", "an allowance needs a fingerprint, a rule, a last day, a path and a reason",
     'leakguard allow ID --reason "why it is safe" writes the line'),
    ("word", "an allowance needs a fingerprint", "leakguard allow"),
    ("0123 acme never * sample", "'0123' is not a fingerprint (16 hex digits)", ""),
    ("0123456789ABCDEF acme never * sample", "is not a fingerprint", ""),
    (f"{NAME} acme tomorrow * sample", "'tomorrow' is not a day (2027-05-21) or 'never'", ""),
    (f"{NAME} acme 2027-02-30 * sample", "'2027-02-30' is not a day", ""),
    ("<<<<<<< HEAD", "an allowance needs", "this is a merge conflict: keep the lines of both sides"),
    ("||||||| merged common ancestors", "an allowance needs", "this is a merge conflict"),
    ("=======", "an allowance needs", "this is a merge conflict"),
    (">>>>>>> a branch with a long name", "is not a fingerprint", "this is a merge conflict"),
])  # fmt: skip
def test_a_wrong_line_is_told_at_its_place(line: str, message: str, hint: str) -> None:
    error = problem(f"# first\n{line}\n")
    assert message in error.message
    assert not hint or any(hint in one for one in error.hints)
    assert (error.place.line, error.place.text) == (2, line)  # type: ignore[union-attr]


def test_a_huge_file_is_refused() -> None:
    assert "larger than" in problem(b"#" * (MAX_BYTES + 1)).message


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir(parents=True)
    with pytest.raises(ConfigError, match="is not a file"):
        read(str(tmp_path))
