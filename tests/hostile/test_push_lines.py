"""What git, or anybody, writes to the standard input of pre-push and pre-receive."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from collections.abc import Callable

import pytest

from hostile.scratch import PROGRAM, UNREAD, USAGE, ZERO, Repo, fake, holding


def line(repo: Repo, local: str = "HEAD", remote: str = ZERO, name: str = "main") -> str:
    """One line of pre-push."""
    return f"refs/heads/{name} {repo.git('rev-parse', local)} refs/heads/{name} {remote}"


def update(repo: Repo, new: str = "HEAD", old: str = ZERO, name: str = "main") -> str:
    """One line of pre-receive."""
    return f"{old} {repo.git('rev-parse', new)} refs/heads/{name}"


@pytest.fixture
def bare(repo: Repo, make_repo: Callable[..., Repo]) -> Repo:
    """A receiving repository that has the first commit as main, and all objects of `repo`."""
    server = make_repo("server.git", "--bare")
    server.git("fetch", "-q", str(repo.path), "HEAD:refs/heads/main")
    alternates = server.path / "objects/info/alternates"
    alternates.write_text(f"{repo.path}/.git/objects\n")
    return server


GARBAGE = [
    b"garbage\n", b"\n", b"\0\0\0\n", b"\xff\xfe\xfd\n", b"a b c d\n", b"a b c d e\n",
    b"refs/heads/x --all refs/heads/x --output=y\n", b"   \n", b"--upload-pack=x x --exec=y z\n",
    b"refs/heads/x HEAD refs/heads/x HEAD\n", b"x" * 100_000,
    b"refs/heads/x %s refs/heads/x %s\n" % (b"f" * 39, b"0" * 40),
    b"refs/heads/x %s refs/heads/x %s\n" % (b"g" * 40, b"0" * 40),
]  # fmt: skip


@pytest.mark.parametrize("hook", ["pre-push", "pre-receive"])
def test_garbage_is_an_error_and_no_pass(repo: Repo, bare: Repo, hook: str) -> None:
    place = repo if hook == "pre-push" else bare
    said = place.each([("hook", hook, "origin", "url")] * len(GARBAGE), GARBAGE)
    assert [answer.status for _, answer in said] == [USAGE] * len(GARBAGE)


def test_nothing_to_push_passes(repo: Repo, bare: Repo) -> None:
    """git runs the hook without a line when everything is up to date."""
    repo.push().is_silent()
    bare.receive().is_silent()


def test_a_terminal_instead_of_lines_is_no_pass(repo: Repo) -> None:
    """Somebody who runs the hook by hand must not take its silence for an answer."""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*PROGRAM, "hook", "pre-push", "origin", "url"], stdin=theirs, cwd=repo.path,
        env=repo.env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)
    assert done.returncode == USAGE
    assert "this command is run by git" in done.stderr


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_line_end_is_no_matter(repo: Repo, secret: str, end: str) -> None:
    repo.commit_file("f", holding(secret))
    said = repo.leakguard("hook", "pre-push", "origin", "u", stdin=(line(repo) + end).encode())
    assert said.status == 1 if end != "\r\n" else said.status in (1, USAGE)


def test_a_new_branch_is_looked_at(repo: Repo, bare: Repo, secret: str) -> None:
    repo.commit_file("f", holding(secret))
    repo.commit_file("f", "clean\n")
    repo.push(line(repo)).found("f:1:10")
    bare.receive(update(repo)).found("f:1:10")


def test_an_update_is_looked_at_from_where_the_other_side_is(
    repo: Repo, bare: Repo, secret: str
) -> None:
    repo.commit_file("old", holding(fake("old")))
    old = repo.head()
    repo.commit_file("f", holding(secret))
    repo.push(line(repo, remote=old)).found("f:1:10")
    bare.git("update-ref", "refs/heads/main", old)
    bare.receive(update(repo, old=old)).found("f:1:10")


def test_a_deletion_passes(repo: Repo, bare: Repo) -> None:
    repo.push(f"(delete) {ZERO} refs/heads/gone {repo.head()}").is_silent()
    repo.push(f"(delete) {ZERO} refs/heads/gone {'1' * 40}").is_silent()
    bare.receive(f"{repo.head()} {ZERO} refs/heads/gone").is_silent()


def test_a_deletion_beside_an_update_hides_nothing(repo: Repo, bare: Repo, secret: str) -> None:
    start = repo.head()
    repo.commit_file("f", holding(secret))
    gone = f"(delete) {ZERO} refs/heads/gone {start}"
    repo.push(gone, line(repo), gone).found("f:1:10")
    bare.receive(f"{start} {ZERO} refs/heads/gone", update(repo)).found("f:1:10")


def test_a_forced_push_is_looked_at(repo: Repo, bare: Repo, secret: str) -> None:
    start = repo.head()
    theirs = repo.commit_file("theirs", "theirs\n")
    repo.git("reset", "-q", "--hard", start)
    repo.commit_file("f", holding(secret))
    repo.push(line(repo, remote=theirs)).found("f:1:10")
    bare.receive(update(repo, old=theirs)).found("f:1:10")
    repo.push(line(repo, remote="1" * 40)).found("f:1:10")


def test_a_commit_of_the_other_side_that_we_lack_is_no_matter(repo: Repo, secret: str) -> None:
    repo.push(line(repo, remote="1" * 40)).is_silent()
    repo.commit_file("f", holding(secret))
    repo.push(line(repo, remote="1" * 40)).found("f:1:10")


def test_a_commit_that_is_not_here_is_unread(repo: Repo, bare: Repo) -> None:
    assert repo.push(f"refs/heads/x {'1' * 40} refs/heads/x {ZERO}").status == UNREAD
    assert bare.receive(f"{ZERO} {'1' * 40} refs/heads/x").status == UNREAD


@pytest.mark.parametrize("annotated", [False, True])
def test_a_tag_is_looked_at(repo: Repo, bare: Repo, secret: str, annotated: bool) -> None:
    repo.commit_file("f", holding(secret))
    repo.git("tag", "v1", *(("-a", "-m", "first") if annotated else ()))
    tag = repo.git("rev-parse", "v1")
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.push(f"refs/tags/v1 {tag} refs/tags/v1 {ZERO}").found("f:1:10")
    bare.receive(f"{ZERO} {tag} refs/tags/v1").found("f:1:10")


def test_the_message_of_a_tag_is_looked_at(repo: Repo, bare: Repo, secret: str) -> None:
    repo.git("tag", "v1", "-a", "-m", f"use {secret}")
    tag = repo.git("rev-parse", "v1")
    assert repo.push(f"refs/tags/v1 {tag} refs/tags/v1 {ZERO}").status == 1
    assert bare.receive(f"{ZERO} {tag} refs/tags/v1").status == 1


def test_a_tag_of_a_tag_is_looked_at(repo: Repo, secret: str) -> None:
    repo.commit_file("f", holding(secret))
    repo.git("tag", "one", "-a", "-m", "one")
    repo.git("tag", "two", "-a", "-m", "two", "one")
    tag = repo.git("rev-parse", "two")
    repo.push(f"refs/tags/two {tag} refs/tags/two {ZERO}").found("f:1:10")


@pytest.mark.parametrize("kind", ["blob", "tree"])
@pytest.mark.parametrize("annotated", [False, True])
def test_a_tag_on_a_file_or_folder_is_no_way_around(
    repo: Repo, bare: Repo, secret: str, kind: str, annotated: bool
) -> None:
    repo.write("sub/f", holding(secret))
    blob = repo.git("hash-object", "-w", "sub/f")
    tree = repo.git("mktree", stdin=f"100644 blob {blob}\tf\n".encode())
    repo.git(
        "tag", "t", *(("-a", "-m", "m") if annotated else ()), {"blob": blob, "tree": tree}[kind]
    )
    tag = repo.git("rev-parse", "t")
    assert repo.push(f"refs/tags/t {tag} refs/tags/t {ZERO}").status in (1, UNREAD)
    assert bare.receive(f"{ZERO} {tag} refs/tags/t").status in (1, UNREAD)


def test_many_references_are_looked_at_in_a_moment(repo: Repo, bare: Repo, secret: str) -> None:
    clean = repo.head()
    repo.commit_file("f", holding(secret))
    names = [f"r{number}" for number in range(2000)]
    lines = [f"refs/heads/{name} {clean} refs/heads/{name} {clean}" for name in names]
    began = time.monotonic()
    repo.push(*lines).is_silent()
    repo.push(*lines, line(repo), *lines).found("f:1:10")
    bare.receive(*(f"{clean} {clean} refs/heads/{name}" for name in names), update(repo)).found(
        "f:1:10"
    )
    assert time.monotonic() - began < 12


def test_more_references_than_a_command_line_holds_are_no_pass(repo: Repo, secret: str) -> None:
    repo.commit_file("f", holding(secret))
    head = repo.head()
    many = [f"refs/heads/r{number} {head} refs/heads/x {number:040x}" for number in range(60_000)]
    repo.push(*many).found("f:1:10")


def test_a_remote_of_another_name_does_not_count_as_having_it(repo: Repo, secret: str) -> None:
    repo.git("remote", "add", "origin", "x")
    repo.git("remote", "add", "backup", "y")
    repo.commit_file("f", holding(secret))
    repo.git("update-ref", "refs/remotes/backup/main", "HEAD")
    repo.push(line(repo)).found("f:1:10")
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repo.push(line(repo)).is_silent()
    text = (line(repo) + "\n").encode()
    repo.leakguard("hook", "pre-push", "https://example.org/x", "u", stdin=text).found("f:1:10")
    repo.leakguard("hook", "pre-push", stdin=text).found("f:1:10")
    repo.leakguard("hook", "pre-push", "*", "u", stdin=text).found("f:1:10")


def test_a_push_from_a_bare_repository_or_a_folder_is_looked_at(
    repo: Repo, bare: Repo, secret: str
) -> None:
    repo.commit_file("sub/f", holding(secret))
    text = (line(repo) + "\n").encode()
    repo.inside("sub").leakguard("hook", "pre-push", "origin", "u", stdin=text).found("sub/f:1:10")
    bare.leakguard("hook", "pre-push", "origin", "u", stdin=text).found("sub/f:1:10")
    git_folder = {"GIT_DIR": str(repo.path / ".git")}
    repo.leakguard("hook", "pre-push", "origin", "u", stdin=text, **git_folder).found("sub/f:1:10")


def test_what_is_received_in_quarantine_is_looked_at(
    repo: Repo, make_repo: Callable[..., Repo], secret: str
) -> None:
    server = make_repo("quarantine.git", "--bare")
    hook = server.path / "hooks/pre-receive"
    hook.write_text(f"#!/bin/sh\nexec {' '.join(PROGRAM)} hook pre-receive\n")
    hook.chmod(0o755)
    repo.git("push", "-q", str(server.path), "HEAD:refs/heads/main")
    repo.commit_file("f", holding(secret))
    with pytest.raises(AssertionError, match="Push refused: 1 secret"):
        repo.git("push", "-q", str(server.path), "HEAD:refs/heads/main")
    assert server.git("rev-parse", "main") == repo.git("rev-parse", "HEAD~1")


def test_a_secret_on_an_unchanged_line_does_not_stop_a_push(repo: Repo) -> None:
    filler = "".join(f"line {number}\n" for number in range(40))
    old = repo.commit_file("f", filler + holding(fake("old")))
    repo.commit_file("f", "first\n" + filler + holding(fake("old")))
    repo.push(line(repo, remote=old)).is_silent()


def test_many_commits_are_looked_at(repo: Repo, secret: str) -> None:
    text = "".join(
        f"commit refs/heads/main\ncommitter a <a@example.org> {1700000000 + number} +0000\n"
        f"data 2\nm\n{'from refs/heads/main^0' if not number else ''}\n"
        f"M 100644 inline f{number % 50}\ndata {len(body)}\n{body}\n"
        for number in range(2000)
        for body in [holding(secret) if number == 1000 else f"{number}\n"]
    )
    repo.git("fast-import", "--quiet", stdin=text.encode())
    repo.push(line(repo)).found("f0:1:10")
