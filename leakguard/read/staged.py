"""What `git commit` is about to write: the index that git names, against the last commit.

One `git diff` lists the changed entries, one `git cat-file` gives their
contents. Whole contents are scanned, so a half that was there before still
completes a pair; which lines are new is asked only about files that have a hit.

On the start-up path of every commit.
"""

from __future__ import annotations

import os

from leakguard.blob import Blob, Origin
from leakguard.errors import UnreadError
from leakguard.read import git, objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SUBMODULE = "160000"


class Change:
    """One entry that differs: `path` now holds `blob_id`; `old_ids` are what it held before."""

    __slots__ = ("blob_id", "mode", "old_ids", "old_path", "path", "status")

    def __init__(
        self,
        path: str,
        blob_id: str,
        mode: str,
        status: str,
        old_ids: tuple[str, ...],
        old_path: str,
    ) -> None:
        self.path = path
        self.blob_id = blob_id
        self.mode = mode
        self.status = status
        self.old_ids = old_ids
        self.old_path = old_path


def changes(top: str | None) -> list[Change]:
    """The staged changes that bring content: added, modified, renamed, another type.

    A file that is only moved is listed too (`status` R100); a deletion and a
    submodule's pointer are not. In a merge, what the other side already had is
    left out: it was committed there. Raises UnreadError when git cannot tell.
    """
    listed = _listed(top, "--cached")
    for head in _merged(top):
        theirs = {change.path: change for change in _listed(top, "--cached", head)}
        listed = [
            _with_parent(change, theirs[change.path]) for change in listed if change.path in theirs
        ]
    return listed


_UNREAD = "commit not scanned: git could not read the index"


def _listed(top: str | None, *against: str) -> list[Change]:
    try:
        fields = git.records(
            "diff", *against, "--raw", "-z", "--no-abbrev", "--find-renames", "--no-ext-diff",
            "--no-textconv", "--no-color", "--no-relative", "--ignore-submodules=none",
            "--diff-filter=AMRT", "--",
            folder=top, what=_UNREAD,
        )  # fmt: skip
    except UnreadError:
        # Without a repository that git trusts, diff only says that it does not know --cached.
        git.output("rev-parse", "--git-dir", folder=top, what=_UNREAD)
        raise
    return list(parse_raw(fields))


def parse_raw(fields: list[bytes]) -> Iterator[Change]:
    """The entries of `--raw -z` output, deletions and submodules left out."""
    at = 0
    while at < len(fields):
        change, at = take(fields, at)
        if change is not None:
            yield change


def take(fields: list[bytes], at: int) -> tuple[Change | None, int]:
    """(the entry that begins at field `at`, where the next one begins).

    Reads git's raw format, with one colon a parent: `:modes ids status`, a path,
    and for a rename a second path. The entry is None for what brings no content.
    Raises UnreadError for an answer that is cut short or of another form.
    """
    try:
        return _take(fields, at)
    except IndexError:
        raise git.failure("git's list of changes is cut short", "") from None


def _take(fields: list[bytes], at: int) -> tuple[Change | None, int]:
    head = fields[at]
    parents = len(head) - len(head.lstrip(b":"))
    parts = head.decode("ascii", "replace").lstrip(":").split(" ")
    mode, ids, status = parts[parents], parts[parents + 1 : -1], parts[-1]
    old_path = path = os.fsdecode(fields[at + 1])
    at += 2
    if parents == 1 and status[0] in "RC":
        path = os.fsdecode(fields[at])
        at += 1
    if mode in (SUBMODULE, "000000"):
        return None, at
    return Change(path, ids[parents], mode, status, tuple(ids[:parents]), old_path), at


def _merged(top: str | None) -> list[str]:
    """The commits that are being merged into ours; several in an octopus merge."""
    folder = os.environ.get("GIT_DIR") or os.path.join(top or ".", ".git")
    if os.path.isfile(folder):  # a worktree or submodule: `.git` names the real folder
        with open(folder, encoding="utf-8", errors="surrogateescape") as file:
            folder = os.path.join(
                os.path.dirname(folder), file.read().removeprefix("gitdir:").strip()
            )
    try:
        with open(os.path.join(folder, "MERGE_HEAD"), encoding="ascii", errors="replace") as file:
            return [name for name in file.read().split() if name.isalnum()]
    except FileNotFoundError:
        return []


def _with_parent(ours: Change, theirs: Change) -> Change:
    return Change(
        ours.path,
        ours.blob_id,
        ours.mode,
        ours.status,
        ours.old_ids + theirs.old_ids,
        ours.old_path,
    )


def blobs(staged: list[Change], top: str | None) -> Iterator[tuple[Change, Blob]]:
    """The contents of the changes, in their order; a symbolic link's is its text.

    A content that stands at several paths comes once for each.
    Raises UnreadError when an object is missing.
    """
    at_path: dict[str, list[Change]] = {}
    for change in staged:
        at_path.setdefault(change.blob_id, []).append(change)
    if not at_path:
        return
    ids = "".join(f"{blob_id}\n" for blob_id in at_path).encode()
    for blob_id, data in objects.whole_objects(ids, top):
        for change in at_path[blob_id]:
            yield change, Blob(Origin("staged", change.path), data, blob_id=blob_id)
