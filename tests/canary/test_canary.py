"""No fake secret comes out of leakguard, whatever it is asked to do."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
from hostile.scratch import PROGRAM, ZERO, Repo, environment

from canary.leaks import Fake, Watch, of_all_rules
from leakguard.report import FORMATS

CHOSEN = (
    "aws-access-key-id", "github-pat", "gitlab-pat", "slack-bot-token", "stripe-live-secret-key",
    "npm-token", "pypi-token", "google-api-key", "digitalocean-pat", "openai-project-key",
    "generic-password", "generic-secret", "generic-password-config", "generic-password-environment",
    "generic-database-password", "generic-url-parameter", "generic-login-call", "twilio-api-key",
)  # fmt: skip
"""One fake of each of these stands in the repository; more are added by class below."""

CLASSES = (
    "database-password", "tls-key", "ssh-user-key", "session-signing-key", "registry-token",
    "cloud-service-account-key", "vault-token", "webhook-secret", "totp-seed", "smtp-credential",
    "personal-password", "oauth-client-secret", "refresh-token",
)  # fmt: skip
"""And one of each of these classes."""


ENCODED = ("digitalocean-pat", "github-pat", "slack-bot-token")
"""The fakes of these rules stand in other forms too."""


@pytest.fixture(scope="session")
def everything() -> list[Fake]:
    """A fake of each example of each rule."""
    return [fake for fake in of_all_rules("canary") if fake.values]


@pytest.fixture(scope="session")
def fakes(everything: list[Fake]) -> list[Fake]:
    """About thirty of them, of many kinds."""
    from leakguard.load.rules import read_bundled

    classes = {rule.id: rule.secret_class for rule in read_bundled()}
    by_rule: dict[str, Fake] = {}
    by_class: dict[str, Fake] = {}
    for one in everything:
        by_rule.setdefault(one.rule_id, one)
        by_class.setdefault(classes[one.rule_id], one)
    return [by_rule[name] for name in CHOSEN if name in by_rule] + [
        by_class[name] for name in CLASSES if name in by_class
    ]


def dressed(fakes: list[Fake]) -> dict[str, str]:
    """(path, text) of files that hold the fakes as they stand, and some of them encoded."""
    files = {}
    for number, one in enumerate(fakes):
        folder, name = os.path.split(one.path)
        files[os.path.join(folder, f"n{number}", name)] = f"{one.text}\n"
    for one in fakes:
        if one.rule_id not in ENCODED:
            continue
        raw = one.text.encode()
        files[f"encoded/{one.rule_id}.b64"] = base64.b64encode(
            b"settings of the app\n" + raw
        ).decode()
        files[f"encoded/{one.rule_id}.hex"] = (b"settings of the app\n" + raw).hex()
        files[f"encoded/{one.rule_id}.url"] = "q=" + quote(one.text, safe="")
        files[f"encoded/{one.rule_id}.json"] = json.dumps({"log": f"line\n{one.text}\n"})
    files["all.txt"] = "\n".join(one.text for one in fakes)
    files["one line.txt"] = " ".join(one.text.replace("\n", " ") for one in fakes)
    return files


GIT = """#!/bin/sh
{{
    printf '%s\\n' "$@"; env
    tr '\\0' '\\n' </proc/$PPID/cmdline; tr '\\0' '\\n' </proc/$PPID/environ
    tr '\\0' '\\n' </proc/$$/cmdline
}} >>{log} 2>&1
exec {git} "$@"
"""


@dataclass
class Driven:
    """Everything that was said and written, by what was asked."""

    folder: Path
    repo: Repo
    said: dict[str, str] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)

    def run(self, *words: str, stdin: str = "", name: str = "", **env: str) -> int:
        """Run the program and keep what it says."""
        done = subprocess.run(
            [*PROGRAM, *words], cwd=self.repo.path, env=self.repo.env | env, input=stdin.encode(),
            capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        key = name or " ".join(words)
        self.said[key] = (done.stdout + done.stderr).decode("utf-8", "replace")
        self.status[key] = done.returncode
        assert done.returncode != 70, self.said[key]
        return done.returncode

    def all(self, asked: list[tuple[str, ...]], status: int, stdin: str = "") -> None:
        """Run what does not depend on each other; all must end like that."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            got = list(pool.map(lambda words: self.run(*words, stdin=stdin), asked))
        assert got == [status] * len(asked)

    def written(self) -> dict[str, str]:
        """Every file that leakguard may have written."""
        places = [self.folder / "home", self.folder / "cache", self.folder / "out",
                  self.repo.path / ".git/leakguard", self.repo.path / ".git/hooks",
                  self.repo.path / ".leakguard/allow"]  # fmt: skip
        files = [file for place in places for file in [place, *place.rglob("*")] if file.is_file()]
        return {str(file): file.read_bytes().decode("latin-1") for file in files}


@pytest.fixture(scope="session")
def driven(tmp_path_factory: pytest.TempPathFactory, fakes: list[Fake]) -> Driven:
    """Every command, over a repository full of fakes."""
    folder = tmp_path_factory.mktemp("canary")
    for name in ("repo", "out", "bin", "cache"):
        (folder / name).mkdir(mode=0o700)
    git = folder / "bin/git"
    git.write_text(GIT.format(log=folder / "children", git=shutil.which("git")))
    git.chmod(0o755)
    env = environment(folder / "home", folder / "cache")
    plain = Repo(folder / "repo", env)
    plain.git("init", "-q")
    plain.commit_file("README", "hello\n")
    tracing = {"GIT_TRACE": str(folder / "out/trace"), "PATH": f"{folder}/bin:{env['PATH']}"}
    drive = Driven(folder, Repo(folder / "repo", env | tracing))
    for path, text in dressed(fakes).items():
        plain.stage(path, text)
    everything_staged(drive)
    plain.commit("all of them\n\n" + "\n".join(one.text for one in fakes))
    everything_committed(drive, plain, fakes)
    mistakes(drive, plain, fakes)
    return drive


def everything_staged(drive: Driven) -> None:
    """The looks before a commit, allowances, rules, install."""
    assert drive.run("hook", "pre-commit") == 1
    shapes = tuple(FORMATS)
    drive.all(
        [
            *(("scan", "--staged", "--format", shape, "--explain") for shape in shapes),
            *(
                ("scan", "--format", shape, "--output", f"{drive.folder}/out/{shape}")
                for shape in shapes
            ),
            ("scan", "--explain", "--color", "always", "--ignored"),
        ],
        1,
    )
    found = json.loads(drive.said["scan --staged --format json --explain"])["findings"]
    assert len(found) > 20
    for one in found[:3]:
        assert drive.run("allow", one["fingerprint"], "--reason", "a sample", name=one["id"]) == 0
    drive.run("scan", "--staged", "--explain", name="scan with allowances")
    for rule in sorted({one["rule_id"] for one in found})[:2]:
        drive.run("rules", "show", rule)
    drive.run("rules", "list")
    drive.run("install", "--hook", "pre-commit", "--hook", "pre-push", "--hook", "commit-msg")


def everything_committed(drive: Driven, plain: Repo, fakes: list[Fake]) -> None:
    """The looks at commits, messages, pushes and standard input."""
    head = plain.head()
    drive.all(
        [
            ("scan", "--history", "--explain"),
            ("scan", "--history", "--all", "--format", "json"),
            ("scan", "--range", "HEAD~1..HEAD", "--explain"),
            ("scan", "--since", "1 week ago", "--format", "sarif"),
        ],
        1,
    )
    line = f"refs/heads/main {head} refs/heads/main {ZERO}\n"
    assert drive.run("hook", "pre-push", "origin", "url", stdin=line) == 1
    plain.git("update-ref", "-d", "refs/heads/main")
    assert drive.run("hook", "pre-receive", stdin=f"{ZERO} {head} refs/heads/main\n") == 1
    plain.git("update-ref", "refs/heads/main", head)
    text = "\n".join(one.text for one in fakes)
    message = plain.write("message", text)
    assert drive.run("hook", "commit-msg", str(message)) == 1
    drive.all([("scan", "-", "--explain"), ("scan", "-", "--format", "sarif")], 1, stdin=text)
    assert drive.run("scan", "-", name="scan in Latin-1", stdin=text, PYTHONIOENCODING="ascii") == 1
    assert drive.run("logs", "-", "--explain", stdin=text) == 1
    assert drive.run("ci", "--base", "HEAD~1", "--html", f"{drive.folder}/out/ci.html") == 1
    assert drive.run("exec", "--", "cat", "message") in (0, 1)


def mistakes(drive: Driven, plain: Repo, fakes: list[Fake]) -> None:
    """Errors, which like to quote."""
    tokens = [one for one in fakes if one.rule_id == "npm-token"]
    for one in tokens:
        for number, text in enumerate(broken(one.text)):
            plain.write(".leakguard.yml", text)
            assert (
                drive.run("hook", "pre-commit", name=f"{one.rule_id} in a configuration {number}")
                == 3
            )
        (plain.path / ".leakguard.yml").unlink()
        kept = (plain.path / ".leakguard/allow").read_text()
        for number, text in enumerate((f"{one.text}\n", f"{'0' * 16} r someday * {one.text}\n")):
            plain.write(".leakguard/allow", kept + text)
            assert drive.run("scan", name=f"{one.rule_id} in an allowance {number}") == 3
        plain.write(".leakguard/allow", kept)
        rule = plain.write("rule.yml", RULE.format(one.text, one.text, one.text))
        drive.run("rules", "check", str(rule), name=f"{one.rule_id} in a rule")
        value = one.values[0]
        for words in (("allow", value), ("allow", value, "--reason", "x"),
                      ("allow", "abcdef", "--reason", "x", "--until", value)):  # fmt: skip
            drive.run(*words, name=f"{one.rule_id}: {words.index(value)} of {words[0]}")


RULE = """provider: acme
title: ACME
rules:
  - id: acme-key
    name: '{}'
    why: it opens everything
    class: provider-api-key
    severity: high
    confidence: likely
    pattern: 'acme_[a-z]{{9}}'
    examples: ['{}']
    negatives: ['{}']
"""


def broken(text: str) -> list[str]:
    """Configurations that are wrong in the very line that holds a secret, or beside it."""
    line = text.splitlines()[0].replace("'", "")
    return [
        f"nonsense: '{line}'\n",
        f"salt: a\nsalt: '{line}'\n",
        f"block: {{severity: '{line}'}}\n",
        f"'{line}': 1\n",
        f"rules: {{disable: ['{line}']}}\n",
        f"paths: '{line}\n",
        f"extends: {{file: '{line}', sha256: 'x'}}\n",
        f"salt: '{line}' x: 1\n",
    ]


@pytest.fixture(scope="session")
def watch(fakes: list[Fake]) -> Watch:
    """Looks for all of them."""
    return Watch(fakes)


def test_the_watch_sees_a_leak_in_every_form(fakes: list[Fake], watch: Watch) -> None:
    dress: list[Callable[[str], str]] = [
        lambda value: f"x {value} y", lambda value: value[::-1], lambda value: value[-12:],
        lambda value: base64.b64encode(f"a={value}".encode()).decode(),
        lambda value: base64.b64encode(f"ab={value};".encode()).decode(),
        lambda value: value.encode().hex(), lambda value: repr(value),
        lambda value: "".join(f"%{ord(letter):02X}" for letter in value),
    ]  # fmt: skip
    for one in fakes:
        if one.rule_id in ("github-pat", "digitalocean-pat", "npm-token"):
            for put_on in dress:
                assert one.rule_id in watch.leaks(put_on(one.values[0])), one.rule_id
    assert not watch.leaks("nothing of that kind stands here, only words and 0123456789abcdef")


def test_nothing_that_is_said_holds_a_secret(driven: Driven, watch: Watch) -> None:
    leaks = {asked: found for asked, text in driven.said.items() if (found := watch.leaks(text))}
    assert not leaks


def test_nothing_that_is_written_holds_a_secret(driven: Driven, watch: Watch) -> None:
    written = driven.written()
    assert any("last.json" in name for name in written)
    assert any(name.endswith(".pack") for name in written)
    assert any(name.endswith("out/sarif") for name in written)
    leaks = {name: found for name, text in written.items() if (found := watch.leaks(text))}
    assert not leaks


def test_no_child_is_given_a_secret(driven: Driven, watch: Watch) -> None:
    told = (driven.folder / "children").read_text(errors="replace")
    assert "diff" in told
    assert "LEAKGUARD_CACHE" in told
    assert not watch.leaks(told)
    assert not (driven.folder / "out/trace").exists()


def test_no_rule_shows_what_it_finds(
    everything: list[Fake], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """All examples of all rules, each in a file of its own, in every format."""
    env = environment(tmp_path / "home", tmp_path_factory.mktemp("cache"))
    folder = tmp_path / "folder"
    for number, one in enumerate(everything):
        file = folder / f"n{number}" / one.path
        file.parent.mkdir(parents=True)
        file.write_text(f"{one.text}\n")
    repo = Repo(folder, env, seconds=120)
    everywhere = Watch(everything)
    for words in (
        ("scan", "--explain"),
        ("scan", "--format", "json"),
        ("scan", "--format", "sarif"),
    ):
        said = repo._run((*PROGRAM, *words), b"", {})
        assert said.returncode == 1
        assert not everywhere.leaks(said.stdout.decode() + said.stderr.decode())
