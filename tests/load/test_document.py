"""YAML read strictly: a mistake is an error with its place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leakguard.errors import ConfigError
from leakguard.load.document import MAX_BYTES, MAX_DEPTH, Document, suggest


def problem(raw: str | bytes, read: Callable[[Document], object] = str) -> ConfigError:
    """What is wrong with a file."""
    with pytest.raises(ConfigError) as caught:
        read(Document("acme.yml", raw.encode() if isinstance(raw, str) else raw))
    return caught.value


@pytest.mark.parametrize(("raw", "line", "message"), [
    (b"a: 1\nb: [", 3, "not valid YAML"),
    (b"a: 1\nb: \t- c\n", 2, "not valid YAML"),
    (b"a: 'open\n", 2, "not valid YAML"),
    (b"a: 1\n--- \nb: 2\n", 2, "not valid YAML"),
    (b"a: \x07\n", 1, "not valid YAML"),
    (b"a: 1\nb: \xff\n", 2, "not UTF-8 text"),
    (b"a: &x [1]\nb: *x\n", 2, "aliases are not accepted"),
    (b"\n" + b"[" * (MAX_DEPTH + 1), 2, f"nested more than {MAX_DEPTH} deep"),
    (b"a:" + b" " * MAX_BYTES, 0, "larger than 1048576 bytes"),
])  # fmt: skip
def test_what_is_not_plain_yaml_is_refused(raw: bytes, line: int, message: str) -> None:
    error = problem(raw)
    assert message in error.message
    assert error.place is not None
    assert (error.place.path, error.place.line) == ("acme.yml", line)


@pytest.mark.parametrize("opening", [b"[", b"{a: ", b"- ", b"? "])
def test_deep_nesting_is_an_error_and_no_crash(opening: bytes) -> None:
    assert "nested more than" in problem(opening * 100_000).message


def test_what_is_allowed_to_be_deep_is_read() -> None:
    assert Document("acme.yml", b"[" * MAX_DEPTH + b"]" * MAX_DEPTH).root is not None


def test_an_empty_file_has_no_root() -> None:
    assert Document("acme.yml", b"# only a comment\n").root is None


def keys(doc: Document) -> object:
    return doc.mapping(doc.root, ("severity", "paths"), "the file")


def test_an_unknown_key_is_told_with_what_was_meant() -> None:
    error = problem("paths: []\nseverty: high\n", keys)
    assert error.message == "unknown key 'severty' in the file"
    assert error.hints == ("did you mean 'severity'?", "one of: severity, paths")
    assert error.place is not None
    assert (error.place.line, error.place.column, error.place.text) == (2, 1, "severty: high")


@pytest.mark.parametrize(("raw", "message"), [
    ("paths: []\npaths: []", "'paths' stands twice in the file"),
    ("- a", "the file must be a mapping of keys to values"),
    ("[a]: b", "a key of the file must be text"),
])  # fmt: skip
def test_a_mapping_is_read_strictly(raw: str, message: str) -> None:
    assert problem(raw, keys).message == message


def test_other_types_are_told() -> None:
    assert (
        problem("a: b", lambda doc: doc.items(doc.root, "paths")).message == "paths must be a list"
    )
    assert problem("[a]", lambda doc: doc.text_of(doc.root, "salt")).message == "salt must be text"
    assert problem("a", lambda doc: doc.number(doc.root, int, "within")).message == (
        "within must be a number, not 'a'"
    )
    error = problem("hihg", lambda doc: doc.choice(doc.root, ["low", "high"], "severity"))
    assert error.message == "unknown severity 'hihg'"
    assert error.hints[0] == "did you mean 'high'?"


def test_words_that_yaml_takes_for_something_else_are_what_they_spell() -> None:
    doc = Document("acme.yml", b"[yes, 12, 1.0, null, 2027-05-21, on]")
    assert doc.texts(doc.root, "words") == ("yes", "12", "1.0", "null", "2027-05-21", "on")


def test_any_value_can_be_kept_as_plain_data() -> None:
    doc = Document("acme.yml", b"{url: x, active: [200, 204], more: {a: {b: c}}}")
    assert doc.plain(doc.root) == {
        "url": "x", "active": ["200", "204"], "more": {"a": {"b": "c"}},
    }  # fmt: skip


def test_suggestions() -> None:
    assert suggest("zzz", ["low", "high"]) == ("one of: low, high",)
    assert suggest("lwo", ["low", "high"])[0] == "did you mean 'low'?"
