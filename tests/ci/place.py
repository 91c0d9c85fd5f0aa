"""A remote on disk, somebody who pushes to it, and checkouts as services make them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from leakguard.recipe import expand

RULE = "digitalocean-pat"
ZERO = "0" * 40
TELLING = 9


def fake(seed: str) -> str:
    """A fake secret; the same one for the same seed."""
    return expand("dop_v1_{{hex:64}}", Random(seed))


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

    def found(self, *paths: str) -> Answer:
        """It blocks because of a secret in each of these files and in no other."""
        assert self.status == 1, self.said
        for path in paths:
            assert f"--> {path}:" in self.out, self.said
        assert self.out.count(f"error[{RULE}]") == len(paths), self.said
        return self

    def clean(self) -> Answer:
        """It looked and nothing blocks."""
        assert self.status == 0, self.said
        return self

    def unread(self, *words: str) -> Answer:
        """It could not look, and says how to go on."""
        assert self.status == 4, self.said
        for word in words:
            assert word in " ".join(self.said.split()), self.said
        return self


@dataclass(frozen=True)
class Repo:
    """A repository and the environment of everything that runs in it."""

    path: Path
    env: dict[str, str]

    def run(self, *words: str, **env: str) -> Answer:
        """Run a program here."""
        done = subprocess.run(
            words, cwd=self.path, env=self.env | env, capture_output=True, text=True,
            errors="replace", check=False, timeout=120, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout, done.stderr)

    def git(self, *words: str) -> str:
        """What git answers; it has to succeed."""
        done = self.run("git", *words)
        assert done.status == 0, (words, done)
        return done.out.rstrip("\n")

    def commit(self, name: str, text: str, message: str = "work") -> str:
        """Commit one file; the commit."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.git("add", "--", name)
        self.git("commit", "-q", "-m", message)
        return self.head()

    def leak(self, name: str, seed: str = "", comment: str = "") -> str:
        """Commit a file with a fake secret; the commit."""
        return self.commit(name, f'token = "{fake(seed or name)}"{comment}\n')

    def head(self) -> str:
        """The commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    def push(self, *words: str) -> None:
        """Push to the remote."""
        self.git("push", "-q", "origin", *words)

    def branch(self, name: str, start: str = "main") -> None:
        """Make a branch and stand on it."""
        self.git("switch", "-q", "-c", name, start)

    def ci(self, *words: str, **env: str) -> Answer:
        """Run `leakguard ci`; nothing it says may hold a telling part of a fake."""
        answer = self.run(sys.executable, "-P", "-m", "leakguard", "ci", *words, **env)
        assert "Traceback" not in answer.said, answer.said
        assert "a bug in leakguard" not in answer.said, answer.said
        return answer

    def gh(self, name: str, payload: dict[str, Any], *words: str, **env: str) -> Answer:
        """Run it as GitHub Actions would for an event."""
        return self.ci(*words, **github(self.path, name, payload), **env)


def github(folder: Path, name: str, payload: dict[str, Any]) -> dict[str, str]:
    """The environment of a job for an event, whose file it writes."""
    file = folder.parent / f"{folder.name}-event.json"
    file.write_text(json.dumps(payload))
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": name,
        "GITHUB_EVENT_PATH": str(file),
        "GITHUB_STEP_SUMMARY": str(folder.parent / f"{folder.name}-summary.md"),
    }


# What GitHub's event files look like, with the fields that stand beside ours.

REPOSITORY = {"id": 1, "name": "pay", "full_name": "acme/pay", "private": True, "fork": False,
              "default_branch": "main", "owner": {"login": "acme", "type": "Organization"}}  # fmt: skip


def push_event(
    before: str, after: str, ref: str = "refs/heads/main", **more: Any
) -> dict[str, Any]:
    """`push`."""
    return {
        "ref": ref, "before": before, "after": after, "created": before == ZERO,
        "deleted": after == ZERO, "forced": False, "base_ref": None, "compare": "",
        "commits": [], "head_commit": None if after == ZERO else {"id": after},
        "pusher": {"name": "dev"}, "repository": REPOSITORY, "sender": {"login": "dev"},
    } | more  # fmt: skip


def pull_event(base: str, head: str, *, fork: bool = False, target: str = "main") -> dict[str, Any]:
    """`pull_request`."""
    theirs = {"full_name": "stranger/pay", "fork": True} if fork else {"full_name": "acme/pay"}
    return {
        "action": "synchronize", "number": 3, "repository": REPOSITORY,
        "pull_request": {
            "number": 3, "state": "open", "merge_commit_sha": None,
            "head": {"label": "x:feature", "ref": "feature", "sha": head, "repo": theirs},
            "base": {"label": "acme:main", "ref": target, "sha": base,
                     "repo": {"full_name": "acme/pay"}},
        },
    }  # fmt: skip


def merge_group_event(base: str, head: str) -> dict[str, Any]:
    """`merge_group`."""
    return {
        "action": "checks_requested", "repository": REPOSITORY,
        "merge_group": {"head_sha": head, "head_ref": "refs/heads/gh-readonly-queue/main/pr-3",
                        "base_sha": base, "base_ref": "refs/heads/main"},
    }  # fmt: skip


@dataclass(frozen=True)
class World:
    """The remote, a developer, and checkouts."""

    folder: Path
    env: dict[str, str]
    server: Repo
    dev: Repo

    def checkout(self, commit: str, *, depth: int = 0, name: str = "checkout") -> Repo:
        """What `actions/checkout` leaves: detached, all branches or one commit deep."""
        path = self.folder / name
        path.mkdir()
        repo = Repo(path, self.env)
        repo.git("init", "-q")
        repo.git("remote", "add", "origin", f"file://{self.server.path}")
        if depth:
            repo.git("fetch", "-q", "--no-tags", f"--depth={depth}", "origin", commit)
        else:
            repo.git("fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*",
                     "+refs/tags/*:refs/tags/*", commit)  # fmt: skip
        repo.git("checkout", "-q", "--detach", commit)
        return repo


def environment(home: Path, cache: Path) -> dict[str, str]:
    """No configuration of anybody, and no service."""
    home.mkdir()
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Test\n\temail = test@example.org\n"
        "[init]\n\tdefaultBranch = main\n"
        '[protocol "file"]\n\tallow = always\n'
        "[advice]\n\tdetachedHead = false\n[core]\n\tfsync = none\n[gc]\n\tauto = 0\n"
    )
    return {
        "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LEAKGUARD_CACHE": str(cache),
        "LC_ALL": "C.UTF-8",
    }
