"""Whatever a repository makes git run, leakguard does not: each trap would leave a mark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostile.scratch import ZERO, Repo, fake, holding

CONFIGURED = {
    "diff.external": "{trap}",
    "diff.trap.command": "{trap}",
    "diff.trap.textconv": "{trap}",
    "diff.trap.cachetextconv": "true",
    "filter.trap.clean": "{trap}",
    "filter.trap.smudge": "{trap}",
    "filter.trap.required": "true",
    "filter.process.process": "{trap}",
    "filter.process.required": "true",
    "merge.trap.driver": "{trap}",
    "core.fsmonitor": "{trap}",
    "core.fsmonitorHookVersion": "2",
    "core.hooksPath": "{hooks}",
    "core.pager": "{trap}",
    "core.editor": "{trap}",
    "core.askPass": "{trap}",
    "core.sshCommand": "{trap}",
    "core.gitProxy": "{trap}",
    "core.alternateRefsCommand": "{trap}",
    "credential.helper": "{trap}",
    "gpg.program": "{trap}",
    "gpg.ssh.program": "{trap}",
    "log.showSignature": "true",
    "interactive.diffFilter": "{trap}",
    "interactive.singleKey": "true",
    "sequence.editor": "{trap}",
    "uploadpack.packObjectsHook": "{trap}",
    "remote.origin.url": "ext::{trap}",
    "remote.origin.uploadpack": "{trap}",
    "remote.origin.promisor": "true",
    "remote.origin.partialclonefilter": "blob:none",
    "protocol.allow": "always",
    "protocol.ext.allow": "always",
    "submodule.recurse": "true",
    "diff.submodule": "log",
    "status.submoduleSummary": "true",
    "trailer.trap.command": "{trap}",
    "trailer.trap.cmd": "{trap}",
    "tar.trap.command": "{trap}",
    "maintenance.auto": "true",
    "gc.auto": "1",
}
"""What a repository's configuration can make some git command run."""

SHADOWED = (
    "diff", "diff-tree", "diff-index", "log", "cat-file", "rev-list", "rev-parse", "ls-files",
    "for-each-ref", "config", "remote", "check-ignore",
)  # fmt: skip
"""Commands that an alias pretends to be."""

PAGED = ("diff", "log", "show", "branch", "tag", "config", "ls-files", "rev-list")

VARIABLES = (
    "GIT_EXTERNAL_DIFF", "GIT_PAGER", "PAGER", "GIT_EDITOR", "EDITOR", "VISUAL", "GIT_ASKPASS",
    "SSH_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_PROXY_COMMAND", "GIT_SEQUENCE_EDITOR",
    "LESSOPEN", "GIT_TEXTCONV",
)  # fmt: skip
"""Variables that name a program."""

NOTED = ("GIT_TRACE", "GIT_TRACE_SETUP", "GIT_TRACE_PACKET", "GIT_TRACE_PERFORMANCE",
         "GIT_TRACE2", "GIT_TRACE2_EVENT", "GIT_TRACE2_PERF", "GIT_TRACE_CURL")  # fmt: skip
"""Variables that name a file which git writes to; what it writes quotes paths and contents."""

ATTRIBUTES = "* diff=trap filter=trap merge=trap\n*.process diff=trap filter=process\n*.odd ident\n"


class Trap:
    """A program that leaves a mark, and everything that could call it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.mark = folder / "mark"
        self.program = folder / "trap"
        self.program.write_text(f'#!/bin/sh\necho "$0 $@" >>{self.mark}\ncat\n')
        self.program.chmod(0o755)
        self.hooks = folder / "hooks"
        self.hooks.mkdir()
        for name in ("post-index-change", "reference-transaction", "fsmonitor-watchman",
                     "pre-commit", "post-checkout", "pre-auto-gc"):  # fmt: skip
            (self.hooks / name).symlink_to(self.program)

    def environment(self) -> dict[str, str]:
        """Every variable set."""
        return {name: str(self.program) for name in VARIABLES} | {
            name: str(self.mark) for name in NOTED
        }

    def configuration(self, *, with_promises: bool) -> str:
        """Every setting, as the text of a configuration file."""
        settings = {
            key: value.format(trap=self.program, hooks=self.hooks)
            for key, value in CONFIGURED.items()
            if with_promises or ("romis" not in key and "partial" not in key)
        }
        settings |= {f"alias.{name}": f"!{self.program}" for name in SHADOWED}
        settings |= {f"pager.{name}": str(self.program) for name in PAGED}
        text = ""
        for key, value in settings.items():
            section, _, name = key.rpartition(".")
            head, _, tail = section.partition(".")
            quoted = f' "{tail}"' if tail else ""
            text += f'[{head}{quoted}]\n\t{name} = "{value}"\n'
        return text

    def was_stepped_on(self) -> bool:
        """Whether anything ran or was noted."""
        return self.mark.exists()


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    """A trap without a mark."""
    return Trap(tmp_path / "trap")


@pytest.fixture
def trapped(repo: Repo, trap: Trap, secret: str) -> Iterator[Repo]:
    """A repository full of traps, with a commit and a staged file that hold secrets."""
    for name in ("old.txt", "b.process", "c.odd"):
        repo.write(name, "clean\n" * 9)
    repo.git("add", ".")
    repo.commit()
    repo.commit_file("f", holding(fake("committed")))
    repo.stage("f", holding(fake("committed")) + "more\n")
    repo.stage("g", holding(secret, after=2))
    repo.git("mv", "old.txt", "moved.txt")
    repo.stage("moved.txt", "clean\n" * 9 + "more\n")
    repo.write("untracked", "clean\n")
    (repo.path / ".gitattributes").write_text(ATTRIBUTES)
    (repo.path / ".git/info/attributes").write_text(ATTRIBUTES)
    hidden = repo.path / ".git/more"
    hidden.write_text(trap.configuration(with_promises=False))
    with (repo.path / ".git/config").open("a") as file:
        file.write("[include]\n\tpath = more\n")
        file.write(trap.configuration(with_promises=False))
    for hook in trap.hooks.iterdir():
        (repo.path / ".git/hooks" / hook.name).symlink_to(trap.program)
    yield repo


def every_look(repo: Repo, env: dict[str, str]) -> None:
    """Everything that reads a repository; each must have really looked."""
    head = repo.head()
    line = f"refs/heads/main {head} refs/heads/main {ZERO}"
    repo.gate(**env).found("g:3:10")
    repo.leakguard("scan", "--staged", **env).found("g:3:10")
    repo.leakguard("scan", "--range", "HEAD~1..HEAD", **env).found("f:1:10")
    repo.leakguard("scan", "--since", "1 week ago", **env).found("f:1:10")
    repo.leakguard("scan", "--history", "--all", **env).found("f:1:10")
    repo.leakguard("scan", **env).found("f:1:10", "g:3:10")
    repo.push(line, **env).found("f:1:10")
    receiver = repo.path.parent / "received.git"
    if not receiver.exists():
        os.rename(repo.path / ".git", receiver)
        (repo.path / ".git").symlink_to(receiver)
    bare = Repo(receiver, repo.env)
    known = bare.git("rev-parse", f"{head}~1")
    branch = receiver / "refs/heads/main"
    branch.write_text(f"{known}\n")  # git update-ref would run a hook
    bare.receive(f"{known} {head} refs/heads/main", **env).found("f:1:10")
    branch.write_text(f"{head}\n")


def test_the_trap_works(trapped: Repo, trap: Trap) -> None:
    trapped._run(("git", "diff", "--cached"), b"", {})
    assert "trap" in trap.mark.read_text()


def test_configured_programs_do_not_run(trapped: Repo, trap: Trap) -> None:
    every_look(trapped, {})
    assert not trap.was_stepped_on(), trap.mark.read_text()


def test_programs_in_the_configuration_of_the_user_do_not_run(
    repo: Repo, trap: Trap, secret: str
) -> None:
    repo.commit_file("f", holding(fake("committed")))
    repo.stage("g", holding(secret, after=2))
    (repo.path / ".git/info/attributes").write_text(ATTRIBUTES)
    with (repo.path.parent / "home/.gitconfig").open("a") as file:
        file.write(trap.configuration(with_promises=False))
    repo.gate().found("g:3:10")
    repo.leakguard("scan", "--range", "HEAD~1..HEAD").found("f:1:10")
    repo.leakguard("scan", "--history").found("f:1:10")
    assert not trap.was_stepped_on(), trap.mark.read_text()


def test_programs_in_the_environment_do_not_run(repo: Repo, trap: Trap, secret: str) -> None:
    repo.commit_file("f", holding(fake("committed")))
    repo.stage("g", holding(secret, after=2))
    every_look(repo, trap.environment())
    assert not trap.was_stepped_on(), trap.mark.read_text()


def test_settings_in_variables_do_not_run(repo: Repo, trap: Trap, secret: str) -> None:
    repo.stage("g", holding(secret, after=2))
    repo.write(".git/info/attributes", ATTRIBUTES)
    keys = ["diff.external", "core.fsmonitor", "core.pager", "diff.trap.textconv"]
    env = {"GIT_CONFIG_COUNT": str(len(keys))}
    for number, key in enumerate(keys):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": str(trap.program)}
    repo.gate(**env).found("g:3:10")
    repo.gate(
        GIT_CONFIG_PARAMETERS=f"'diff.external'='{trap.program}' 'core.fsmonitor'='{trap.program}'"
    ).found("g:3:10")
    assert not trap.was_stepped_on(), trap.mark.read_text()


def test_a_promised_object_is_not_fetched_by_a_program(trapped: Repo, trap: Trap) -> None:
    with (trapped.path / ".git/config").open("a") as file:
        file.write(trap.configuration(with_promises=True))
        file.write("[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = origin\n")
    for name in (":moved.txt", "HEAD:f"):
        trapped.loose(trapped.git("-c", "core.fsmonitor=", "rev-parse", name)).unlink()
    trapped.gate().unread("missing")
    trapped.leakguard("scan", "--range", "HEAD~1..HEAD").unread("missing")
    trapped.leakguard("scan", "--history", "--all").unread("partial")
    trapped.push_head().unread("missing")
    assert not trap.was_stepped_on(), trap.mark.read_text()


def test_a_submodule_full_of_traps_runs_nothing(
    repo: Repo, trap: Trap, secret: str, tmp_path: Path
) -> None:
    part = Repo(tmp_path / "part", repo.env)
    part.path.mkdir()
    part.git("init", "-q")
    part.commit_file("f", "clean\n")
    repo.git("submodule", "--quiet", "add", str(part.path), "part")
    repo.commit()
    with (repo.path / ".git/modules/part/config").open("a") as file:
        file.write(trap.configuration(with_promises=False))
    (repo.path / "part/f").write_text("changed\n")
    (repo.path / "part/new").write_text("new\n")
    (repo.path / ".git/modules/part/info").mkdir(exist_ok=True)
    (repo.path / ".git/modules/part/info/attributes").write_text(ATTRIBUTES)
    repo.stage("g", holding(secret, after=2))
    repo.gate().found("g:3:10")
    repo.leakguard("scan").found("g:3:10")
    repo.leakguard("scan", "--range", "HEAD~1..HEAD").is_clean()
    assert not trap.was_stepped_on(), trap.mark.read_text()
