"""`.leakguard.yml`, `.leakguard/rules` and `.leakguard/allow` as a stranger would write them."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from hostile.scratch import CONFIG, FOUND, ZERO, Repo, fake, holding

BROKEN = {
    "not YAML": (b"paths: [\n", 2),
    "tabs": (b"paths:\n\texclude: []\n", 2),
    "an unknown key": (b"paths: {}\nnonsense: 1\n", 2),
    "a key twice": (b"salt: a\nsalt: b\n", 2),
    "a wrong type inside": (b"paths:\n  exclude: word\n", 2),
    "a list of lists": (b"paths:\n  exclude: [[a]]\n", 2),
    "an alias": (b"a: &a [x]\nb: *a\n", 2),
    "a tag": (b"salt: !!python/object/apply:os.system [x]\n", 1),
    "no such rule": (b"rules:\n  disable: [no-such-rule]\n", 2),
    "no such severity": (b"block: {severity: terrible}\n", 1),
    "not UTF-8": (b"salt: a\nx: \xff\n", 2),
    "a control character": (b"salt: a\nx: \x00\x1b\n", 0),
    "extends nowhere": (b"extends: {file: nowhere.yml, sha256: %s}\n" % (b"0" * 64), 1),
    "companions that are none": (b"companions:\n  - {rules: [a, b]}\n", 2),
    "a number of lines that is none": (
        b"companions:\n  - {rules: [digitalocean-pat], within: near}\n", 2
    ),
    "a number that is too long": (
        b"companions:\n  - {rules: [digitalocean-pat], within: %s}\n" % (b"9" * 5000), 2
    ),
    "great depth": (b"paths: " + b"[" * 20_000, 1),
    "great size": (b"# comment\n" * 200_000, 0),
}  # fmt: skip
"""Files that are wrong, and the line to blame (0 for the file)."""

RULE = """provider: acme
title: ACME
rules:
  - id: acme-key
    name: ACME key
    why: it opens everything
    class: provider-api-key
    severity: high
    confidence: likely
    pattern: '{pattern}'
    examples: ['x']
    negatives: ['y']
"""


@pytest.mark.parametrize("text,line", BROKEN.values(), ids=BROKEN)
def test_a_wrong_configuration_is_an_error_with_its_place(
    repo: Repo, text: bytes, line: int
) -> None:
    repo.write(".leakguard.yml", text)
    repo.stage("f", "clean\n")
    said = repo.gate()
    said.failed(CONFIG, f"--> .leakguard.yml:{line}" if line else ".leakguard.yml")
    assert said.err.startswith("error: commit not scanned")


def test_a_wrong_configuration_stops_every_command(repo: Repo, secret: str) -> None:
    repo.commit_file("f", holding(secret))
    repo.write(".leakguard.yml", "paths: {}\nnonsense: 1\n")
    repo.stage("g", "clean\n")
    head = repo.head()
    place = "--> .leakguard.yml:2:1"
    repo.write("message", "clean\n")
    for words, said in repo.each([
        ("hook", "pre-commit"),
        ("hook", "commit-msg", "message"),
        ("scan",),
        ("scan", "--staged"),
        ("scan", "--range", "HEAD~1..HEAD", "--exit-zero"),
        ("scan", "--history", "--format", "json"),
        ("scan", "-"),
        ("rules", "list"),
    ]):  # fmt: skip
        said.failed(CONFIG, place)
        assert not said.out, words
    repo.push(f"refs/heads/main {head} refs/heads/main {ZERO}").failed(CONFIG, place)


@pytest.mark.parametrize("text", [
    "provider: acme\n", "rules: []\n", "provider: acme\nrules: [x]\n", "provider: acme\nrules: [{}]\n",
    RULE.format(pattern="(") , RULE.format(pattern="a*"), RULE.format(pattern="[0-9]{1,99999999}"),
    RULE.format(pattern="(?P<x>a"), RULE.format(pattern="(a|a)+"), RULE.format(pattern="("*500 + ")"*500),
    RULE.format(pattern="(?:a{1,9}){1,9}{1,9}"), RULE.format(pattern="\\1"), "",
    RULE.format(pattern="acme_[a-z]{9}").replace("acme-key", "digitalocean-pat"),
    RULE.format(pattern="acme_[a-z]{9}").replace("acme-key", "Bad Id"),
    RULE.format(pattern="acme_[a-z]{9}").replace("likely", "confirmed"),
])  # fmt: skip
def test_a_wrong_rule_is_an_error_with_its_place(repo: Repo, text: str) -> None:
    repo.write(".leakguard/rules/acme.yml", text)
    repo.stage("f", "clean\n")
    repo.gate().failed(CONFIG)


def test_an_exclusion_of_any_form_is_no_bug(repo: Repo, secret: str) -> None:
    """Odd ones match what git would ignore for them, which is nothing here."""
    patterns = [
        "[",
        "/",
        "//",
        "a**b",
        "\\\\",
        "[!",
        "#",
        "!",
        "!!",
        "x" * 5000,
        "(?:",
        "*/" * 60,
        "",
        "\\",
    ]
    listed = ", ".join(f"'{pattern}'" for pattern in patterns)
    repo.write(".leakguard.yml", f"{FEW_RULES}paths:\n  exclude: [{listed}]\n")
    repo.stage("f", holding(secret))
    assert repo.gate().status in (FOUND, CONFIG)


FEW_RULES = "rules: {enable: [digitalocean-pat]}\n"
"""So that the pack of an odd configuration is made quickly."""

SLOW = [
    r"acme_a{1,400}a{1,400}a{1,400}a{1,400}b",
    r"acme_[a-z]{1,300}[a-y]{1,300}[a-x]{1,300}[a-w]{1,300}Z",
    r"(?s)acme_.{1,4000}x.{1,4000}y.{1,4000}Z",
    r"acme_(?:a{1,30}){1,30}b",
    r"acme_(?:a?){1,60}a{60}",
    r"acme_(?:(?:a|aa){1,40})b",
]
WORST = SLOW[0]


def slow_rule(repo: Repo, text: str) -> None:
    """Write a rule of the repository's own, beside few others."""
    repo.write(".leakguard/rules/acme.yml", text)
    repo.write(".leakguard.yml", "rules: {enable: [digitalocean-pat, acme-key]}\n")


@pytest.mark.parametrize("pattern", SLOW)
def test_a_pattern_that_takes_for_ever_is_stopped_in_seconds(repo: Repo, pattern: str) -> None:
    """Refused when it is read, or stopped when it runs, or quick after all; it never hangs."""
    slow_rule(repo, RULE.format(pattern=pattern))
    repo.stage("f", "acme_" + "a" * 3000 + "x" * 20 + "y" * 2000 + "\n")
    began = time.monotonic()
    said = repo.gate()
    assert time.monotonic() - began < 10
    assert said.status in (0, CONFIG)
    if said.status:
        assert "acme-key" in said.err


@pytest.mark.parametrize("look", ["scan", "--history"])
def test_a_pattern_that_takes_for_ever_is_stopped_in_every_look(repo: Repo, look: str) -> None:
    slow_rule(repo, RULE.format(pattern=WORST))
    repo.stage("f", "acme_" + "a" * 3000 + "\n")
    if look == "--history":
        repo.commit()
    words = () if look == "scan" else (look,)
    repo.leakguard("scan", *words).failed(CONFIG, "acme-key", "takes too long")


def test_a_pattern_that_is_slow_a_thousand_times_is_stopped_too(repo: Repo) -> None:
    """Each place takes less than the limit, all of them together for ever."""
    slow_rule(repo, RULE.format(pattern=WORST))
    repo.stage("f", ("acme_" + "a" * 160 + "\n" + "-" * 4000 + "\n") * 2000)
    began = time.monotonic()
    repo.gate().failed(CONFIG, "acme-key", "takes too long")
    assert time.monotonic() - began < 30


def test_a_value_shape_that_takes_for_ever_is_stopped(repo: Repo) -> None:
    text = RULE.format(pattern="x").replace(
        "pattern: 'x'", "value: '/a{1,400}a{1,400}a{1,400}a{1,400}b/'\n    words: [acme]"
    )
    slow_rule(repo, text)
    repo.stage("f", f"acme_key = {'a' * 3000}\n")
    repo.hurried(6).gate().failed(CONFIG, "acme-key")


def test_checking_a_pattern_that_takes_for_ever_ends(repo: Repo) -> None:
    text = RULE.format(pattern=WORST).replace("'x'", "'acme_" + "a" * 900 + "'")
    rules = repo.write("acme.yml", text)
    said = repo.hurried(8).leakguard("rules", "check", str(rules))
    assert said.status == CONFIG
    assert "acme-key" in said.said


# Links out of the repository


@pytest.fixture
def foreign(tmp_path: Path, secret: str) -> Path:
    """A file that is none of the repository's business; its every line is telling."""
    path = tmp_path / "foreign"
    path.write_text(f"{secret}\nprivate words: of somebody else\n")
    return path


@pytest.mark.parametrize("name", [".leakguard.yml", ".leakguard/rules/a.yml", ".leakguard/allow"])
@pytest.mark.parametrize("steps", [1, 2])
def test_a_link_out_of_the_repository_is_not_read(
    repo: Repo, foreign: Path, name: str, steps: int
) -> None:
    link = repo.path / name
    link.parent.mkdir(parents=True, exist_ok=True)
    if steps == 2:
        (repo.path / "between").symlink_to(foreign)
        link.symlink_to(repo.path / "between")
    else:
        link.symlink_to(os.path.relpath(foreign, link.parent))
    repo.stage("f", holding(fake("f")))
    said = repo.gate()
    said.failed(CONFIG, "leads out of the repository")
    assert "private" not in said.err


@pytest.mark.parametrize("name", [".leakguard", ".leakguard/rules"])
def test_a_folder_that_is_a_link_out_is_not_read(repo: Repo, foreign: Path, name: str) -> None:
    folder = foreign.parent / "elsewhere/rules"
    folder.mkdir(parents=True)
    for file in (folder / "a.yml", folder / "rules.yml", folder / "allow", folder.parent / "allow"):
        file.write_text(foreign.read_text())
    link = repo.path / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(folder if name.endswith("rules") else folder.parent)
    repo.stage("f", holding(fake("f")))
    said = repo.gate()
    said.failed(CONFIG, "leads out of the repository")
    assert "private" not in said.err


def test_an_allowance_is_not_written_through_a_link_out(
    repo: Repo, foreign: Path, secret: str
) -> None:
    outside = foreign.parent / "outside"
    outside.mkdir()
    repo.stage("f", holding(secret))
    repo.gate().found("f:1:10")
    [finding] = json.loads(repo.leakguard("scan", "--staged", "--format", "json").out)["findings"]
    (repo.path / ".leakguard").symlink_to(outside)
    said = repo.leakguard("allow", finding["fingerprint"], "--reason", "a sample")
    assert said.status != 0
    assert not list(outside.iterdir())


@pytest.mark.parametrize("path", ["../foreign", "/etc/hostname", "/dev/stdin", "/dev/zero",
                                  "/proc/self/environ", "pipe", ".", "~/.gitconfig"])  # fmt: skip
def test_what_a_configuration_extends_is_not_shown(repo: Repo, foreign: Path, path: str) -> None:
    """A pinned file may be outside; a wrong pin tells nothing of what it is, and nothing hangs."""
    os.mkfifo(repo.path / "pipe")
    repo.write(".leakguard.yml", f"extends: {{file: '{path}', sha256: '{'0' * 64}'}}\n")
    repo.stage("f", "clean\n")
    said = repo.hurried(5).gate()
    said.failed(CONFIG)
    assert "private" not in said.err


def test_what_a_configuration_extends_is_pinned(repo: Repo, secret: str, tmp_path: Path) -> None:
    """Once read it is kept with the pack, so a change of it changes nothing."""
    text = f"{FEW_RULES}paths: {{exclude: ['f']}}\n".encode()
    (tmp_path / "shared.yml").write_bytes(text)
    digest = hashlib.sha256(text).hexdigest()
    repo.write(".leakguard.yml", f"extends: {{file: ../shared.yml, sha256: {digest}}}\n")
    repo.stage("f", holding(secret))
    repo.gate().is_silent()
    (tmp_path / "shared.yml").write_bytes(FEW_RULES.encode())
    repo.gate().is_silent()
    repo.leakguard("scan", LEAKGUARD_CACHE=str(tmp_path / "new")).failed(
        CONFIG, "not the file that was pinned"
    )


def test_a_configuration_that_extends_itself_ends(repo: Repo) -> None:
    repo.write(".leakguard.yml", f"extends: {{file: .leakguard.yml, sha256: '{'0' * 64}'}}\n")
    repo.stage("f", "clean\n")
    repo.gate().failed(CONFIG)


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link", "loop"])
def test_a_configuration_that_is_no_file_is_an_error(repo: Repo, kind: str) -> None:
    path = repo.path / ".leakguard.yml"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere" if kind == "dangling link" else ".leakguard.yml")
    repo.stage("f", "clean\n")
    repo.gate().failed(CONFIG, ".leakguard.yml")


# Allowances


@pytest.mark.parametrize("line", [
    "nonsense", "0123456789abcdef", "0123456789abcdef r never *", "xyz r never * reason",
    "0123456789abcdef r someday * reason", "<<<<<<< ours", "0123456789abcdef r 2020-13-01 * reason",
    "\x1b[2J r never * reason", "\xff\xfe", "0123456789ABCDEF r never * reason",
])  # fmt: skip
def test_a_wrong_allowance_is_an_error_with_its_place(repo: Repo, secret: str, line: str) -> None:
    repo.write(".leakguard/allow", "# comment\n" + line + "\n")
    repo.stage("f", holding(secret))
    repo.gate().failed(CONFIG, "--> .leakguard/allow:2:1")


def test_a_damaged_memory_of_findings_is_no_bug(repo: Repo) -> None:
    for text in ("", "[]", "{}", '{"findings": [{}]}', '{"findings": 1}', "\xff", "[" * 5000,
                 '{"findings": [{"fingerprint": 1}]}',
                 '{"findings": [{"fingerprint": "abcdef0123456789", "rule_id": "r"}]}'):  # fmt: skip
        repo.write(".git/leakguard/last.json", text)
        repo.leakguard("allow", "abcdef", "--reason", "a sample").failed(2)
