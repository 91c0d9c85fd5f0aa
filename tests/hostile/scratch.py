"""Scratch repositories, and what must hold whatever a run meets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from leakguard.recipe import expand

RULE = "digitalocean-pat"
"""The rule that the planted fakes belong to."""

CLEAN, FOUND, USAGE, CONFIG, UNREAD, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""The exit codes that a run may have; 70, a bug, is none of them."""

TELLING = 9
"""So many characters of a fake in a row must not be shown."""

SECONDS = 30
"""No run may take longer: it hangs."""

PROGRAM = (sys.executable, "-P", "-m", "leakguard")

ZERO = "0" * 40

_made: list[str] = []


def forget_fakes() -> None:
    """Begin anew; each test looks for its own fakes only."""
    _made.clear()


def fake(seed: str) -> str:
    """A fake secret of the planted rule; no run of this test may show it from now on."""
    value = expand("dop_v1_{{hex:64}}", Random(seed))
    _made.append(value)
    return value


def holding(secret: str, *, after: int = 0) -> str:
    """A text whose line `after + 1` holds the secret, at column 10."""
    lines = [f"line {number}" for number in range(1, after + 1)]
    return "\n".join([*lines, f'token = "{secret}"', "end", ""])


def is_plain(text: str) -> bool:
    """Whether a text cannot drive a terminal: printable characters and line ends, nothing else."""
    return all(line.isprintable() for line in text.split("\n"))


def shows(text: str, fakes: Iterable[str]) -> bool:
    """Whether a telling part of a fake stands in the text."""
    for value in fakes:
        body = value.partition("_v1_")[2]
        if any(body[at : at + TELLING] in text for at in range(len(body) - TELLING + 1)):
            return True
    return False


@dataclass(frozen=True)
class Answer:
    """What a run answered."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Both streams."""
        return self.out + self.err

    def is_sane(self) -> Answer:
        """It ended in one of the ways that are promised, in plain words, and showed no fake."""
        assert self.status in (CLEAN, FOUND, USAGE, CONFIG, UNREAD, INTERRUPTED), self
        assert "Traceback" not in self.said, self
        assert "a bug in leakguard" not in self.said, self
        assert is_plain(self.said), self
        assert not shows(self.said, _made), "part of a secret is shown"
        return self

    def is_clean(self) -> None:
        """It looked and found nothing."""
        assert self.status == CLEAN, self

    def is_silent(self) -> None:
        """It looked, found nothing, and said nothing: a hook on a clean commit."""
        assert (self.status, self.said) == (CLEAN, ""), self

    def found(self, *places: str) -> None:
        """It found a secret at each of the places, at nowhere else, and blocks."""
        assert self.status == FOUND, self
        for place in places:
            assert f"--> {place}\n" in self.out or f"--> {place} " in self.out, (place, self)
        assert self.out.count(f"error[{RULE}]") == len(places), self

    def unread(self, *words: str) -> None:
        """It says that something could not be read, in one of our sentences."""
        assert self.status == UNREAD, self
        assert self.said.strip(), "it says nothing"
        for word in words:
            assert word in self.said, self

    def failed(self, status: int, *words: str) -> None:
        """It stopped with one error that says these words."""
        assert self.status == status, self
        assert self.err.count("error: ") == 1, self
        for word in words:
            assert word in self.err, self


@dataclass(frozen=True)
class Repo:
    """A folder, usually a repository, and the environment that its commands run in."""

    path: Path
    env: dict[str, str]
    at: str = "."
    seconds: float = SECONDS

    def _run(
        self, words: tuple[str, ...], stdin: bytes | str, env: dict[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            words,
            cwd=self.path / self.at,
            env=self.env | env,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            check=False,
            timeout=self.seconds,
        )

    def git(self, *words: str, stdin: bytes | str = b"", **env: str) -> str:
        """Run git, which must succeed; what it printed, without the line end."""
        done = self._run(("git", *words), stdin, env)
        assert done.returncode == 0, f"{words}: {done.stderr!r}"
        return os.fsdecode(done.stdout).rstrip("\n")

    def leakguard(self, *words: str, stdin: bytes | str = b"", **env: str) -> Answer:
        """Run the program."""
        done = self._run((*PROGRAM, *words), stdin, env)
        return Answer(
            done.returncode,
            done.stdout.decode("utf-8", "surrogateescape"),
            done.stderr.decode("utf-8", "surrogateescape"),
        ).is_sane()

    def each(
        self, asked: Iterable[tuple[str, ...]], stdin: Iterable[bytes | str] | None = None
    ) -> list[tuple[tuple[str, ...], Answer]]:
        """(what was asked, the answer) for runs that do not depend on each other."""
        words = list(asked)
        texts = [b""] * len(words) if stdin is None else list(stdin)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            said = pool.map(lambda pair: self.leakguard(*pair[0], stdin=pair[1]), zip(words, texts))
            return list(zip(words, said, strict=True))

    def gate(self, **env: str) -> Answer:
        """The pre-commit hook, as git would run it."""
        return self.leakguard("hook", "pre-commit", **env)

    def push(self, *lines: str, **env: str) -> Answer:
        """The pre-push hook to a remote that has nothing, given git's lines."""
        text = "".join(f"{line}\n" for line in lines)
        return self.leakguard("hook", "pre-push", "origin", "url", stdin=text.encode(), **env)

    def push_head(self, **env: str) -> Answer:
        """The pre-push hook for a branch that the other side does not have."""
        return self.push(f"refs/heads/main {self.head()} refs/heads/main {ZERO}", **env)

    def receive(self, *lines: str, **env: str) -> Answer:
        """The pre-receive hook, given git's lines."""
        text = "".join(f"{line}\n" for line in lines)
        return self.leakguard("hook", "pre-receive", stdin=text.encode(), **env)

    def head(self) -> str:
        """The last commit."""
        return self.git("rev-parse", "HEAD")

    def write(self, name: str | bytes, content: str | bytes) -> Path:
        """Write a file."""
        file = self.path / os.fsdecode(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def stage(self, name: str | bytes, content: str | bytes) -> Path:
        """Write a file and stage it."""
        file = self.write(name, content)
        self.git("add", "-f", "--", os.fsdecode(name), GIT_LITERAL_PATHSPECS="1")
        return file

    def commit(self, message: str = "a commit") -> str:
        """Commit what is staged, past any hook; the new commit."""
        self.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def commit_file(self, name: str | bytes, content: str | bytes) -> str:
        """Write, stage and commit one file; the new commit."""
        self.stage(name, content)
        return self.commit()

    def loose(self, name: str) -> Path:
        """The file of a loose object; writable, so that it can be damaged."""
        file = self.path / ".git/objects" / name[:2] / name[2:]
        file.chmod(0o644)
        return file

    def inside(self, folder: str) -> Repo:
        """The same repository, seen from a folder in it."""
        return replace(self, at=folder)

    def hurried(self, seconds: float) -> Repo:
        """The same, but nobody waits longer than that for an answer."""
        return replace(self, seconds=seconds)


def environment(home: Path, cache: Path) -> dict[str, str]:
    """No configuration from outside: not of git, not of leakguard."""
    home.mkdir(exist_ok=True)
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Test\n\temail = test@example.org\n"
        "[init]\n\tdefaultBranch = main\n"
        '[protocol "file"]\n\tallow = always\n'
        "[gc]\n\tauto = 0\n"
        "[core]\n\tfsync = none\n"
    )
    path = os.environ.get("PATH", os.defpath)
    return {
        "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{path}",
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LEAKGUARD_CACHE": str(cache),
        "LC_ALL": "C.UTF-8",
    }
