"""What a range of commits brings: for a push, a pull request, a range on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator

from leakguard.blob import Blob, Origin
from leakguard.errors import UnreadError
from leakguard.read import git, objects
from leakguard.read.staged import Change, take


class CommitChange:
    """A change and the commit that brought it."""

    __slots__ = ("author_date", "change", "commit")

    def __init__(self, commit: str, author_date: str, change: Change) -> None:
        self.commit = commit
        self.author_date = author_date
        self.change = change


def revisions(*arguments: str, top: str | None) -> list[str]:
    """The commits that `git rev-list` gives for `arguments`, oldest first.

    Raises UnreadError when a name does not exist or history is cut off.
    """
    said = git.text("rev-list", "--reverse", "--topo-order", *arguments, folder=top)
    return said.split()


def new(wanted: list[str], ids: list[str], *known: str, top: str | None) -> list[str]:
    """The commits of `wanted` that neither the commits `ids` nor the references `known` reach.

    Names go through stdin: a mirror has more than a command line holds. Raises UnreadError.
    """
    lines = [*wanted, *(f"^{name}" for name in ids)]
    _, raw = _asked(
        lines, "rev-list", "--reverse", "--topo-order", "--stdin", "--not", *known, top=top
    )
    return raw.decode("ascii", "replace").split()


def here(names: list[str], top: str | None) -> list[str]:
    """Those of `names` that are objects here; what only the other side has cannot be left out."""
    if not names:
        return []
    _, raw = _asked(names, "cat-file", "--batch-check=%(objectname)", top=top)
    return [line for line in raw.decode("ascii", "replace").splitlines() if " " not in line]


def _asked(lines: list[str], *words: str, top: str | None) -> tuple[int, bytes]:
    stdin = git.hidden_input("".join(f"{line}\n" for line in dict.fromkeys(lines)).encode())
    try:
        return git.run(*words, folder=top, stdin=stdin)
    finally:
        os.close(stdin)


def cut_off(commits: list[str], top: str | None) -> bool:
    """Whether one of `commits` is the border of a shallow clone: its parents are not here."""
    try:
        with open(
            os.path.join(top or ".", git.text("rev-parse", "--git-path", "shallow", folder=top)),
            encoding="ascii",
        ) as file:
            border = set(file.read().split())
    except FileNotFoundError:
        return False
    return not border.isdisjoint(commits)


def changes(commits: list[str], top: str | None) -> Iterator[CommitChange]:
    """What each commit brings, compared with its parents; a merge only what is in none of them.

    The first commit of a history brings everything.
    """
    if not commits:
        return
    stdin = git.hidden_input("".join(f"{commit}\n" for commit in commits).encode())
    try:
        process = git.Process(("diff-tree", "--stdin", *RAW), top, stdin)
    finally:
        os.close(stdin)
    yield from parse_log(process, "the commits could not be read")


RAW = (
    "-r", "-c", "--root", "--raw", "-z", "--no-abbrev", "--find-renames", "--no-ext-diff",
    "--no-textconv", "--no-color", "--always", "--ignore-submodules=none", "--diff-filter=AMRT",
    "--format=%H %aI",
)  # fmt: skip
"""One entry a change; of a merge only what differs from every parent."""


def parse_log(process: git.Process, what: str) -> Iterator[CommitChange]:
    """The changes in the output of a `diff-tree` or `log` that was given `RAW`.

    Read by position, so no file name can pass for a header. Raises UnreadError.
    """
    commit = date = ""
    fields: list[bytes] = []
    for field in process.fields():
        if fields:
            fields.append(field)
        elif (head := field.lstrip(b"\n")).startswith(b":"):
            fields.append(head)
        elif head:
            commit, _, date = head.decode("ascii", "replace").partition(" ")
        if len(fields) == _needed(fields):
            change, _ = take(fields, 0)
            fields = []
            if change is not None:
                yield CommitChange(commit, date.strip(), change)
    process.expect(what)


def _needed(fields: list[bytes]) -> int:
    """How many fields the entry that has begun takes."""
    if not fields:
        return -1
    renamed = not fields[0].startswith(b"::") and fields[0].rsplit(b" ", 1)[-1][:1] in b"RC"
    return 3 if renamed else 2


def blobs(found: list[CommitChange], top: str | None) -> Iterator[tuple[CommitChange, Blob]]:
    """Each content once, with the first commit that brought it. Raises UnreadError."""
    first: dict[str, CommitChange] = {}
    for entry in found:
        first.setdefault(entry.change.blob_id, entry)
    if not first:
        return
    for blob_id, data in objects.whole_objects(
        "".join(f"{name}\n" for name in first).encode(), top
    ):
        entry = first[blob_id]
        origin = Origin(
            "commit", entry.change.path, commit=entry.commit, author_date=entry.author_date
        )
        yield entry, Blob(origin, data, blob_id=blob_id)


EVERYTHING = (range(1, 1 << 62),)


def added_lines(change: Change, top: str | None) -> tuple[range, ...]:
    """The lines of the new content that none of the old ones had, as rising ranges.

    Lines as they stand, whatever attributes say about text or binary. All of
    them when there was no old content, or when it is not here to compare with.
    """
    if change.blob_id in change.old_ids:
        return ()
    old_ids = [old for old in change.old_ids if old.strip("0")]
    if not old_ids:
        return EVERYTHING
    try:
        kept = _hunks(old_ids[0], change.blob_id, top)
        for old in old_ids[1:]:
            kept = _common(kept, _hunks(old, change.blob_id, top))
    except UnreadError:
        return EVERYTHING
    return tuple(kept)


def _common(one: list[range], other: list[range]) -> list[range]:
    """Where both cover a line."""
    pairs = ((left, right) for left in one for right in other)
    found = (range(max(a.start, b.start), min(a.stop, b.stop)) for a, b in pairs)
    return [lines for lines in found if lines]


def _hunks(old: str, new: str, top: str | None) -> list[range]:
    raw = git.output(
        "diff", "-U0", "--text", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames",
        "--inter-hunk-context=0", "--diff-algorithm=histogram", old, new, "--",
        folder=top,
    )  # fmt: skip
    found = []
    for line in raw.split(b"\n"):
        if line.startswith(b"@@ -"):
            start, _, count = line.split(b" ", 3)[2].lstrip(b"+").partition(b",")
            found.append(range(int(start), int(start) + int(count or b"1")))
    return found


def messages(commits: list[str], top: str | None) -> Iterator[Blob]:
    """The messages of the commits. Raises UnreadError."""
    if not commits:
        return
    ids = "".join(f"{name}\n" for name in commits).encode()
    for name, data in objects.whole_objects(ids, top):
        yield message(name, data)


def message(name: str, data: bytes) -> Blob:
    """The message in a commit object."""
    text = data.partition(b"\n\n")[2]
    return Blob(Origin("message", "commit message", commit=name), text, blob_id=name)


class Named:
    """What names on a push stand for: commits, and what is tagged without being one."""

    __slots__ = ("blobs", "commits", "tags")

    def __init__(self) -> None:
        self.commits: list[str] = []
        self.tags: list[str] = []
        self.blobs: list[tuple[str, str]] = []


def peel(names: list[str], top: str | None) -> Named:
    """The commits behind `names`, the tag objects on the way, and blobs named directly or by a
    tagged tree as (object, path).

    Raises UnreadError.
    """
    found = Named()
    seen: set[str] = set()
    todo = list(dict.fromkeys(names))
    while todo:
        seen.update(todo)
        stdin = git.hidden_input("".join(f"{name}\n" for name in todo).encode())
        try:
            _, raw = git.run(
                "cat-file",
                "--batch-check=%(objectname) %(objecttype)",
                folder=top,
                stdin=stdin,
                what="the pushed objects could not be read",
            )
        finally:
            os.close(stdin)
        tags = []
        for line in raw.decode().splitlines():
            name, _, kind = line.partition(" ")
            if kind == "commit":
                found.commits.append(name)
            elif kind == "tag":
                tags.append(name)
            elif kind == "blob":
                found.blobs.append((name, "(tagged file)"))
            elif kind == "tree":
                found.blobs += _files(name, top)
            else:
                raise git.failure(f"object {name[:40]} is missing", "missing")
        found.tags += tags
        todo = [target for target in _targets(tags, top) if target not in seen]
    return found


def named_blobs(found: list[tuple[str, str]], top: str | None) -> Iterator[Blob]:
    """The contents of (object, path) pairs. Raises UnreadError."""
    paths = dict(found)
    if paths:
        for name, data in objects.whole_objects("".join(f"{one}\n" for one in paths).encode(), top):
            yield Blob(Origin("commit", paths[name]), data, blob_id=name)


def _targets(tags: list[str], top: str | None) -> Iterator[str]:
    """What annotated tags point at."""
    if tags:
        for _, data in objects.whole_objects("".join(f"{name}\n" for name in tags).encode(), top):
            yield data.partition(b"\n")[0].removeprefix(b"object ").decode("ascii", "replace")


def _files(tree: str, top: str | None) -> Iterator[tuple[str, str]]:
    for record in git.records("ls-tree", "-r", "-z", tree, folder=top):
        head, _, path = record.partition(b"\t")
        _, kind, name = head.decode("ascii", "replace").split(" ")
        if kind == "blob":
            yield name, os.fsdecode(path)
