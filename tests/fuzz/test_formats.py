"""Fuzz targets: whatever the bytes, an explained error is the worst that happens.

Each runs a little with every test run, and on and on with
`HYPOTHESIS_PROFILE=endless pytest tests/fuzz -k NAME`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from datetime import date
from textwrap import indent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.errors import LeakguardError
from leakguard.load import config, suppressions
from leakguard.load.rules import read_file
from leakguard.policy import Policy
from leakguard.read import commits, staged
from leakguard.rule import Rule

yaml_words = st.sampled_from([
    "provider", "rules", "id", "name", "why", "class", "severity", "confidence", "pattern", "value",
    "words", "keys", "group", "entropy", "checksum", "paths", "companions", "alone", "supersedes",
    "verify", "revoke", "examples", "negatives", "extends", "file", "sha256", "disable", "enable",
    "override", "exclude", "block", "within", "salt", "rule", "acme", "high", "likely", "hex:32",
    "slack-bot-token", "'(?:a{1,9}){1,9}'", "'(a)\\1{2}'", "'x(?!.*y)'", "'(?(1)a|b)'", "/[a-z/",
    "'[[a-z]]'", "'a{2000}{2000}'", "'(?P<secret>a{9})|b{9}'", "'(?i)\\bacme|x'", "'\\N{DASH}'",
    r'"\0"', "~", "1e999", "-1", ".nan", "0x10", "\u00b2", "'" + "(" * 300 + "'", "", " ",
])  # fmt: skip
yaml_values: st.SearchStrategy[str] = st.recursive(
    yaml_words | st.text(max_size=12),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(yaml_words, inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=8,
)
yaml_texts = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=80).map(str.encode),
    st.lists(st.tuples(yaml_words, yaml_values), max_size=6).map(
        lambda pairs: "\n".join(f"{key}: {value}" for key, value in pairs).encode(
            "utf-8", "replace"
        )
    ),
)


def only_explained(read: Callable[[], object]) -> None:
    """A LeakguardError with a message, or nothing at all."""
    try:
        read()
    except LeakguardError as error:
        told = error
    else:
        return
    assert told.message
    assert told.place is None or told.place.path


# ------------------------------------------------------------------------------------------- YAML

RULE = {
    "id": "acme-key", "name": "x", "why": "y", "class": "generic", "severity": "high",
    "confidence": "likely", "pattern": "'acme_[a-z]{9}'", "examples": "[a]", "negatives": "[b]",
}  # fmt: skip


@given(yaml_texts)
def test_a_configuration(rules: list[Rule], raw: bytes) -> None:
    only_explained(lambda: config._apply("", config.FILE, raw, Policy(), rules))


@given(yaml_texts)
def test_a_rule_file(raw: bytes) -> None:
    only_explained(lambda: read_file("acme.yml", raw))


@given(st.lists(st.tuples(yaml_words, yaml_values), max_size=5))
def test_a_rule(changes: list[tuple[str, str]]) -> None:
    fields = RULE | dict(changes)
    if "value" in fields:
        fields.pop("pattern")
    text = "\n".join(f"{key}: {value}" for key, value in fields.items())
    raw = "provider: acme\nrules:\n  -\n" + indent(text, "    ")
    only_explained(lambda: read_file("acme.yml", raw.encode("utf-8", "replace")))


@given(st.text("(?:[a-z]){1,9}|\\b<!=P>.*+^$x-_ \n\"'", max_size=30))
def test_any_pattern_is_taken_or_refused(pattern: str) -> None:
    quoted = "'" + pattern.replace("'", "''").replace("\n", " ") + "'"
    text = "\n".join(f"{key}: {value}" for key, value in (RULE | {"pattern": quoted}).items())
    raw = "provider: acme\nrules:\n  -\n" + indent(text, "    ")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # `[[` may mean something else one day
        only_explained(lambda: read_file("acme.yml", raw.encode()))


# -------------------------------------------------------------------------------------- allowances

lines = st.lists(
    st.one_of(
        st.just("0123456789abcdef"), st.just("never"), st.dates().map(date.isoformat), st.just("*"),
        st.sampled_from(["%zz", "%", "#", "<<<<<<<", "a-rule", "reason", "2027-02-30"]), st.text(max_size=8),
    ),
    max_size=7,
).map(" ".join)  # fmt: skip


@given(
    st.one_of(
        st.binary(), st.lists(lines).map(lambda rows: "\n".join(rows).encode("utf-8", "replace"))
    )
)
def test_an_allowance_file(raw: bytes) -> None:
    only_explained(lambda: [suppressions.spell(one) for one in suppressions.parse(raw)])


# --------------------------------------------------------------------------------- what git answers

ids = st.sampled_from(["0" * 40, "a" * 40, "b" * 64])
modes = st.sampled_from(["100644", "100755", "120000", "160000", "000000"])
names = st.binary(min_size=1, max_size=20).filter(lambda raw: b"\0" not in raw)


@st.composite
def entries(draw: Callable[..., object], parents: int = 1) -> tuple[list[bytes], bytes, str, str]:
    """(the fields of one entry of `--raw -z`, its path, its mode, its new id)."""
    mode, blob_id, path = draw(modes), draw(ids), draw(names)
    kind = (
        draw(st.sampled_from(["A", "M", "T", "R100", "R050", "C075"]))
        if parents == 1
        else "M" * parents
    )
    head = " ".join(
        [
            *(draw(modes) for _ in range(parents)),
            mode,
            *(draw(ids) for _ in range(parents)),
            blob_id,
            kind,
        ]
    )
    fields = [b":" * parents + head.encode(), path]
    if kind[0] in "RC":
        fields.insert(1, draw(names))
    return fields, path, mode, blob_id


@given(st.lists(entries()))
def test_every_entry_that_git_lists_is_read(
    listed: list[tuple[list[bytes], bytes, str, str]],
) -> None:
    fields = [field for entry in listed for field in entry[0]]
    expected = [
        (os.fsdecode(path), mode, name)
        for _, path, mode, name in listed
        if mode not in ("160000", "000000")
    ]
    assert [(one.path, one.mode, one.blob_id) for one in staged.parse_raw(fields)] == expected


@given(st.data(), st.integers(1, 3))
def test_an_entry_of_a_merge_has_an_id_for_every_parent(data: st.DataObject, parents: int) -> None:
    fields, _, mode, _ = data.draw(entries(parents))
    change, used = staged.take(fields, 0)
    assert used == len(fields)
    if mode in ("160000", "000000"):
        assert change is None
    else:
        assert change is not None
        assert len(change.old_ids) == parents


class Said:
    """Stands where a git process stands: what it printed, already cut at the NULs."""

    def __init__(self, fields: list[bytes]) -> None:
        self._fields = fields

    def fields(self) -> Iterator[bytes]:
        yield from self._fields

    def expect(self, what: str) -> None:
        pass


@given(
    st.lists(st.tuples(st.sampled_from(["c", "d"]), st.lists(entries(), max_size=3)), max_size=4)
)
def test_no_file_name_passes_for_a_commit(
    history: list[tuple[str, list[tuple[list[bytes], bytes, str, str]]]],
) -> None:
    fields = []
    expected = []
    for letter, listed in history:
        fields.append(f"{letter * 40} 2027-05-21T00:00:00+00:00".encode())
        fields += [field for entry in listed for field in entry[0]]
        expected += [letter * 40 for _, _, mode, _ in listed if mode not in ("160000", "000000")]
    found = commits.parse_log(Said(fields), "")  # type: ignore[arg-type]
    assert [one.commit for one in found] == expected


@pytest.mark.parametrize("fields", [[b""], [b":"], [b":100644 100644"], [b":100644 100644 a b M"]])
def test_an_answer_cut_short_is_explained(fields: list[bytes]) -> None:
    only_explained(lambda: list(staged.parse_raw(fields)))


@given(st.lists(st.binary(max_size=30)))
def test_any_answer_at_all_is_explained(fields: list[bytes]) -> None:
    only_explained(lambda: list(staged.parse_raw(fields)))
    only_explained(lambda: list(commits.parse_log(Said(fields), "")))  # type: ignore[arg-type]
