"""Scratch repositories, far away from the configuration of whoever runs the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from leakguard.recipe import expand

RULE = "digitalocean-pat"
"""The rule that the planted fakes belong to."""

TELLING = 8
"""So many characters of a secret in a row must not be shown."""


@dataclass(frozen=True)
class Result:
    """What a program answered, both streams together."""

    status: int
    output: str


@dataclass(frozen=True)
class Planted:
    """A fake secret in a file, and the place where it must be reported."""

    value: str
    place: str

    def is_told(self, output: str) -> None:
        """The words that someone needs are there, and the secret is not."""
        assert f"error[{RULE}]" in output, output
        assert self.place in output, output
        self.is_not_shown(output)

    def is_not_shown(self, output: str) -> None:
        """Neither it nor a telling part of it."""
        body = self.value.partition("_v1_")[2]
        for at in range(len(body) - TELLING + 1):
            assert body[at : at + TELLING] not in output, "part of the secret is shown"


@dataclass(frozen=True)
class Repo:
    """A repository and the environment that its commands run in."""

    path: Path
    env: dict[str, str]

    def run(self, *words: str, ok: bool | None = True, stdin: str = "", **env: str) -> Result:
        """Run a program here; `ok` is whether it has to succeed, None if either will do."""
        done = subprocess.run(
            words, cwd=self.path, env=self.env | env, input=stdin, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=300,
        )  # fmt: skip
        if ok is not None:
            assert (done.returncode == 0) is ok, f"{words}: {done.returncode}\n{done.stdout}"
        return Result(done.returncode, done.stdout)

    def git(self, *words: str, ok: bool | None = True, **env: str) -> Result:
        """Run git here."""
        return self.run("git", *words, ok=ok, **env)

    def ask(self, *words: str) -> str:
        """What git answers, without the line end."""
        return self.git(*words).output.rstrip("\n")

    def leakguard(self, *words: str, ok: bool | None = True) -> Result:
        """Run the leakguard that is being tested."""
        return self.run(sys.executable, "-P", "-m", "leakguard", *words, ok=ok)

    def head(self) -> str:
        """The last commit, or "" before the first."""
        found = self.git("rev-parse", "-q", "--verify", "HEAD", ok=None)
        return found.output.strip() if not found.status else ""

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def plant(self, name: str, secret: str, after: int = 0) -> Planted:
        """Write a file whose line `after + 1` holds the secret."""
        lines = [f"line {number}" for number in range(1, after + 1)]
        self.write(name, "\n".join([*lines, f'token = "{secret}"', "end", ""]))
        return Planted(secret, f"{name}:{after + 1}:10")

    def commit_file(self, name: str, text: str, message: str = "clean") -> str:
        """Commit one clean file; the new commit."""
        self.write(name, text)
        self.git("add", "--", name)
        self.git("commit", "-q", "-m", message)
        return self.head()

    def commit_unseen(self, message: str = "unseen") -> str:
        """Commit what is staged as someone without hooks would; the new commit."""
        self.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", message)
        return self.head()

    def is_blocked(self, planted: Planted, *words: str, **env: str) -> Result:
        """`git` with these words is stopped, says why, and leaves the last commit alone."""
        before = self.head()
        result = self.git(*words, ok=False, **env)
        planted.is_told(result.output)
        assert self.head() == before
        return result


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests, so that the pack is made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def env(tmp_path: Path, cache: Path) -> dict[str, str]:
    """The environment: no configuration of git, of leakguard or of pre-commit from outside."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "LEAKGUARD", "PRE_COMMIT", "XDG_")) and name != "SKIP"
    }
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Test\n\temail = test@example.org\n"
        "[init]\n\tdefaultBranch = main\n"
        '[protocol "file"]\n\tallow = always\n'
        "[advice]\n\tdetachedHead = false\n"
    )
    bin_folder = os.path.dirname(sys.executable)
    return kept | {
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_EDITOR": "true",
        "LEAKGUARD_CACHE": str(cache),
        "PATH": f"{bin_folder}{os.pathsep}{kept.get('PATH', os.defpath)}",
    }


@pytest.fixture
def secret(request: pytest.FixtureRequest) -> str:
    """A fake, another one for each test and the same one each time."""
    return fake(request.node.nodeid)


def fake(seed: str) -> str:
    """A fake secret of the rule that we plant."""
    return expand("dop_v1_{{hex:64}}", Random(seed))


@pytest.fixture
def make_repo(tmp_path: Path, env: dict[str, str]) -> Callable[..., Repo]:
    """Makes a repository by name; further words go to `git init`."""

    def make(name: str, *words: str) -> Repo:
        path = tmp_path / name
        path.mkdir()
        repo = Repo(path, env)
        repo.git("init", "-q", *words)
        return repo

    return make


@pytest.fixture
def repo(make_repo: Callable[..., Repo]) -> Repo:
    """A repository with the hooks for commit, message and push, and nothing in it."""
    made = make_repo("repo")
    made.leakguard("install", "--hook", "pre-commit", "--hook", "pre-push", "--hook", "commit-msg")
    return made


@pytest.fixture
def started(repo: Repo) -> Repo:
    """The same with one clean commit."""
    repo.commit_file("README", "hello\n", "start")
    return repo
