"""What is about to leave, or to arrive: the commits that the other side does not have."""

from __future__ import annotations

import os
import sys

from leakguard import exits
from leakguard.blob import Unread
from leakguard.cli.gate import Gate, show_hook
from leakguard.cli.staged_gate import Added
from leakguard.errors import UnreadError, UsageError
from leakguard.finding import Exposure, Outcome
from leakguard.load.pack import open_pack
from leakguard.read import commits, git, repository

MAX_LINES = 100_000


def pre_push(arguments: list[str]) -> int:
    """`pre-push REMOTE URL` with git's lines on stdin, or the pre-commit framework's variables."""
    remote = arguments[0] if arguments else os.environ.get("PRE_COMMIT_REMOTE_NAME", "")
    top = repository.find_top()
    known = [f"--remotes={remote}"] if remote and remote in _remotes(top) else []
    pairs = _pushed()
    wanted = [local for local, _ in pairs if not repository.is_null(local)]
    theirs = [theirs for _, theirs in pairs if theirs and not repository.is_null(theirs)]
    return _gate("push", top, wanted, known, commits.here(theirs, top))


def pre_receive() -> int:
    """`pre-receive` with git's lines on stdin; runs in the receiving repository."""
    wanted = [new for _, new, _ in _lines(3) if not repository.is_null(new)]
    return _gate("pre-receive", None, wanted, ["--all"], [])


def _pushed() -> list[tuple[str, str]]:
    """(local commit, commit of the other side) of every reference that is pushed."""
    lines = _lines(4)
    if lines or "PRE_COMMIT" not in os.environ:
        return [(local, theirs) for _, local, _, theirs in lines]
    # The framework reads git's lines itself and hands on the first in variables;
    # for a first push only the name of the branch.
    get = os.environ.get
    local = get("PRE_COMMIT_TO_REF") or get("PRE_COMMIT_LOCAL_BRANCH") or "HEAD"
    return [(local, get("PRE_COMMIT_FROM_REF", ""))]


def _lines(fields: int) -> list[list[str]]:
    """git's lines on stdin, split. Raises UsageError when they are not what git sends."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("stdin must hold git's lines", "this command is run by git")
    found = [os.fsdecode(line).split(" ") for line in sys.stdin.buffer.read().splitlines()]
    if len(found) > MAX_LINES:
        raise UsageError(f"more than {MAX_LINES} references at once", "push in smaller parts")
    for line in found:
        names = line[1::2] if fields == 4 else line[:2]
        if len(line) != fields or not all(map(repository.is_name, names)):
            raise UsageError(
                f"stdin must hold git's lines of {fields} fields", "this command is run by git"
            )
    return found


def _remotes(top: str | None) -> list[str]:
    return git.text("remote", folder=top).splitlines()


def _gate(mode: str, top: str | None, wanted: list[str], known: list[str], ids: list[str]) -> int:
    """Scan what `wanted` bring that neither the references `known` nor the objects `ids` have."""
    if not wanted:
        return exits.CLEAN
    named = commits.peel(_resolved(wanted, top), top)
    revisions = commits.new(named.commits, ids, *known, top=top) if named.commits else []
    return show_hook(scan_commits(mode, top, revisions, named))


def _resolved(names: list[str], top: str | None) -> list[str]:
    """Object names for whatever names a commit. Raises UnreadError for what names none."""
    return [
        name if repository.is_name(name)
        else git.text("rev-parse", "--verify", "--end-of-options", name, folder=top)
        for name in names
    ]  # fmt: skip


def scan_commits(
    mode: str, top: str | None, revisions: list[str], named: commits.Named | None = None
) -> Outcome:
    """Scan what `revisions` add, their messages, and what else is `named`."""
    pack = open_pack(top)
    gate = Gate(pack, top, mode, "changed file")
    gate.commits = len(revisions)
    if mode == "range" and commits.cut_off(revisions, top):  # a push sends only what is here
        gate.unread(
            Unread(
                "history", "the clone is shallow: older commits are not here; git fetch --unshallow"
            )
        )
    found = list(commits.changes(revisions, top))
    for entry, blob in commits.blobs(found, top):
        gate.items += 1
        gate.bytes += len(blob.data)
        gate.look(blob, Added(gate, entry.change, top))
    for blob in commits.messages(revisions + (named.tags if named else []), top):
        gate.look(blob)
    for blob in commits.named_blobs(named.blobs if named else [], top):
        gate.look(blob)
    if revisions and not found and _brings_content(revisions, top):
        raise UnreadError("the commits bring content, but none of it was read")
    outcome = gate.outcome(exposure=Exposure.COMMITTED)
    if mode != "pre-receive":
        gate.remember(outcome)
    return outcome


def _brings_content(revisions: list[str], top: str | None) -> bool:
    """Whether any commit's tree differs from its parents' by more than deletions and pointers.

    The counterpart of a scan that saw nothing: asked in git's own words, not ours.
    """
    return any(
        git.text("diff-tree", "--root", "-r", "--name-only", "--diff-filter=AM",
                 "--ignore-submodules=all", "--no-commit-id", name, folder=top)
        for name in revisions[:50]
    )  # fmt: skip
