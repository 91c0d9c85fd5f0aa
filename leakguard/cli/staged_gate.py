"""The second look of the pre-commit hook, once the prefilter has pointed somewhere."""

from __future__ import annotations

import os

from leakguard.blob import Blob, Unread
from leakguard.cli.gate import Gate, look_at_all, show_hook
from leakguard.detect.plain import plain
from leakguard.errors import UnreadError
from leakguard.finding import Candidate
from leakguard.load.pack import Pack
from leakguard.read import commits, objects, staged, tree


def judge(
    pack: Pack,
    top: str,
    changes: list[staged.Change],
    hot: list[tuple[staged.Change, Blob]],
    named: list[str],
    count: int,
    size: int,
) -> int:
    """Judge suspicious staged contents and scan the named files; the hook's exit status.

    `count` and `size` say how much the first look saw.
    """
    gate = Gate(pack, top, "staged", "staged file")
    gate.items, gate.bytes = count, size
    for change, blob in hot + _out_of_hiding(gate, changes, top):
        added = Added(gate, change, top)
        gate.look(blob, added)
    for path in named:
        for file in _files(gate, path, top):
            look_at_all(gate, tree.read(file, os.path.relpath(file, top)))
    outcome = gate.outcome()
    gate.remember(outcome)
    return show_hook(outcome)


def _files(gate: Gate, path: str, top: str) -> list[str]:
    """What a name given to the hook stands for: of a link its text, of a folder its files."""
    if os.path.islink(path):
        return [path]
    if os.path.lexists(os.path.join(path, ".git")) and not os.path.samefile(path, top):
        return []  # a submodule is named for its pointer; it has hooks of its own
    try:
        return list(tree.files(path))
    except UnreadError as problem:
        gate.unread(Unread(path, problem.message))
        return []


def _out_of_hiding(
    gate: Gate, changes: list[staged.Change], top: str
) -> list[tuple[staged.Change, Blob]]:
    """Files moved unchanged from a path that is not looked at to one that is."""
    moved = [
        change
        for change in changes
        if change.blob_id in change.old_ids
        and change.old_path != change.path
        and gate.excluded(change.old_path)
    ]
    return list(staged.blobs(moved, top))


class Added:
    """Whether a candidate stands in what a change adds; git is asked at the first one."""

    def __init__(self, gate: Gate, change: staged.Change, top: str | None) -> None:
        self._change = change
        self._top = top
        self._everything = gate.excluded(change.old_path)
        self._lines: tuple[range, ...] | None = None

    def __call__(self, candidate: Candidate) -> bool:
        """Asked by the gate of every candidate in the change."""
        if self._everything or candidate.origin.inside:
            return True
        if self._lines is None:
            self._lines = _added(self._change, self._top)
        first, last = candidate.location.start_line, candidate.location.end_line
        return any(lines.start <= last and first < lines.stop for lines in self._lines)


def _added(change: staged.Change, top: str | None) -> tuple[range, ...]:
    """The lines that a change adds, counted as we count them.

    git counts the bytes of line ends, and UTF-16 has these bytes in letters too.
    """
    olds = [old for old in change.old_ids if old.strip("0")]
    ids = [change.blob_id, *olds]
    _, _, head, _ = next(iter(objects.Objects(f"{change.blob_id}\n".encode(), top)))
    if not olds or plain(head)[1] == 1:
        return commits.added_lines(change, top)
    try:
        contents = dict(objects.whole_objects("".join(f"{name}\n" for name in ids).encode(), top))
    except UnreadError:
        return commits.EVERYTHING
    known = {line for old in olds for line in plain(contents[old])[0].split(b"\n")}
    lines = plain(contents[change.blob_id])[0].split(b"\n")
    return tuple(range(at, at + 1) for at, line in enumerate(lines, 1) if line not in known)
