"""Rules of whole files: the file's name calls for them, not its contents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from leakguard.blob import FEW_LINES, SMALL, Blob, Origin
from leakguard.cli.hook import suspicious
from leakguard.cli.rules_check import scanner as scanner_for
from leakguard.detect.scanner import Scanner
from leakguard.detect.whole import ending, endings, is_whole
from leakguard.errors import ConfigError
from leakguard.load.pack import Pack, open_pack
from leakguard.load.rules import read_file
from leakguard.rule import Rule

Fake = Callable[..., str]

RULE = r"""
provider: acme
rules:
  - id: acme-key-file
    name: ACME key file
    why: whoever holds it opens the vault
    class: kek
    severity: critical
    confidence: likely
    pattern: '\A\s{0,4}(?P<secret>[0-9a-f]{32})\s{0,4}\Z'
    paths: ['**/config/acme.key', '**/acme/*.key']
    examples: ['{{hex:32}}']
    negatives: ['# {{hex:32}}']
"""


def read(text: str = RULE) -> list[Rule]:
    return read_file("acme.yml", text.encode())


def found(text: str, path: str, *, start: int = 0) -> list[str]:
    """The ids of what is found in a file of that name."""
    seen = scanner_for(read()).look(Blob(Origin("tree", path), text.encode(), start=start))
    return [one.rule.id for one in seen]


@pytest.mark.parametrize("path", ["config/acme.key", "api/config/acme.key", "x/acme/live.key"])
@pytest.mark.parametrize("around", ["{}", "{}\n", "\n{}\r\n"])
def test_the_name_of_a_file_calls_for_its_rule(path: str, around: str, fake: Fake) -> None:
    assert found(around.format(fake("{{hex:32}}")), path) == ["acme-key-file"]


@pytest.mark.parametrize(
    "path", ["VERSION", "config/acme.key.pub", "acme.key", "notacme/live.keys"]
)
def test_another_name_does_not(path: str, fake: Fake) -> None:
    assert found(fake("{{hex:32}}"), path) == []


@pytest.mark.parametrize("around", ["# {}", "{} and more", "{}{}", "key: {}\n"])
def test_the_value_is_all_that_the_file_holds(around: str, fake: Fake) -> None:
    value = fake("{{hex:32}}")
    assert found(around.format(value, value), "config/acme.key") == []


def test_a_piece_of_a_large_file_is_no_whole_file(fake: Fake) -> None:
    assert found(fake("{{hex:32}}"), "config/acme.key", start=9000) == []


def test_where_names_are_not_known_yet_every_small_file_is_tried(fake: Fake) -> None:
    # A history is read object by object; what hits is judged again with its name.
    assert found(fake("{{hex:32}}"), "") == ["acme-key-file"]


def test_utf_16_is_read_like_everything_else(fake: Fake) -> None:
    value = fake("{{hex:32}}")
    blob = Blob(Origin("tree", "config/acme.key"), value.encode("utf-16"))
    (one,) = scanner_for(read()).look(blob)
    assert one.secret.reveal() == value.encode()


# --------------------------------------------------------------------------------- what is cheap


@pytest.mark.parametrize(("glob", "end"), [
    ("**/config/master.key", "/master.key"),
    ("master.key", "/master.key"),
    ("config/credentials/*.key", ".key"),
    ("*_password.txt", "_password.txt"),
    ("secrets/[ab]*.txt", ".txt"),
    ("secrets/*", ""),
    ("secrets/", "/"),
])  # fmt: skip
def test_what_a_path_must_end_with(glob: str, end: str) -> None:
    assert ending(glob) == end


def test_a_small_file_has_few_bytes_and_few_lines() -> None:
    origin = Origin("tree", "x")
    assert Blob(origin, b"a" * SMALL).small
    assert not Blob(origin, b"a" * (SMALL + 1)).small
    assert Blob(origin, b"a\n" * FEW_LINES).small
    assert not Blob(origin, b"a\n" * (FEW_LINES + 1)).small


@pytest.fixture
def pack() -> Pack:
    return open_pack(None)


def test_the_hook_looks_again_at_a_file_of_that_name_only(pack: Pack, fake: Fake) -> None:
    key = fake("{{hex:32}}").encode()
    assert suspicious(pack, Blob(Origin("staged", "config/master.key"), key))
    assert not suspicious(pack, Blob(Origin("staged", "VERSION"), key))
    assert not suspicious(pack, Blob(Origin("staged", "config/master.key"), key * 100))


def test_the_pack_knows_the_names_without_its_rules(pack: Pack, rules: list[Rule]) -> None:
    assert pack.called(Blob(Origin("staged", "a/config/master.key"), b"x"))
    assert pack._loaded is None
    assert set(pack._endings) == set(endings(rule for rule in rules if is_whole(rule)))


def test_a_warm_pack_still_knows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("LEAKGUARD_CACHE", str(tmp_path))
    first, again = open_pack(None), open_pack(None)
    assert list(tmp_path.glob("*.pack"))
    assert first._endings == again._endings


def test_no_bundled_rule_makes_ordinary_files_interesting(pack: Pack) -> None:
    for path in ("README.md", "src/main.py", "VERSION", "docs/notes.txt", ".gitignore", "LICENSE"):
        assert not pack.called(Blob(Origin("staged", path), b"x"))


# ------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(("before", "after", "message"), [
    ("    paths: ['**/config/acme.key', '**/acme/*.key']\n", "", "needs paths"),
    ("'**/acme/*.key'", "'**/acme/*'", "each with a constant end"),
    (r"\s{0,4}\Z'", r"'", r"end it with \Z"),
    (r"[0-9a-f]{32}", r"[0-9a-f]{32,2000}", "at most 1024 bytes"),
])  # fmt: skip
def test_a_rule_of_whole_files_that_would_cost_is_refused(
    before: str, after: str, message: str
) -> None:
    assert before in RULE
    with pytest.raises(ConfigError) as caught:
        read(RULE.replace(before, after))
    assert message in caught.value.message


def test_the_bundled_ones_find_their_files(scanner: Scanner, fake: Fake) -> None:
    for path, recipe, rule in (
        ("config/credentials/production.key", "{{hex:32}}", "rails-key-file"),
        ("ansible/.vault_pass", "{{alnum:24}}", "ansible-vault-password-file"),
        ("var/lib/.erlang.cookie", "{{upper:20}}", "erlang-cookie-file"),
        ("secrets/master.key", "{{hex:256}}", "jenkins-key-file"),
    ):
        blob = Blob(Origin("tree", path), fake(recipe).encode())
        assert rule in [one.rule.id for one in scanner.look(blob)], path
