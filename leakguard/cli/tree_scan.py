"""The scan of files and folders, with readers beside the judge.

On the start-up path of every plain scan: it imports no click.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial

from leakguard.blob import Blob, Unread
from leakguard.cli.crew import MOST_TASKS, Item, Suspect, Tally, cores, share
from leakguard.cli.gate import Gate, exit_code, look_at_all
from leakguard.cli.progress import Progress
from leakguard.errors import UnreadError
from leakguard.finding import Outcome
from leakguard.load.pack import open_pack
from leakguard.read import repository, tree

BATCH = 64
"""Files that a reader takes at once."""


def run(paths: tuple[str, ...]) -> int:
    """`leakguard scan [PATH...]` without options; see `cli.scan` for those."""
    outcome = files(paths, repository.find_top(), jobs=cores())
    from leakguard.cli import console
    from leakguard.report.text import render

    console.show(render(outcome, console.style(sys.stdout)))
    return exit_code(outcome)


def files(paths: tuple[str, ...], top: str | None, *, ignored: bool = False, jobs: int) -> Outcome:
    """Scan files and folders, `-` for standard input; none: the repository at `top`, or the folder
    we are in.
    """
    gate = Gate(open_pack(top), top, "tree", "file")
    gate.whole_tree = not paths or [os.path.abspath(path) for path in paths] == [top]
    if paths == ("-",):
        if sys.stdin is None:
            raise UnreadError(
                "standard input is closed", "pipe something in: ... | leakguard scan -"
            )
        look_at_all(gate, tree.standard_input())
    else:
        tree_of(gate, paths or (top or ".",), top, ignored, jobs)
    outcome = gate.outcome()
    gate.remember(outcome)
    return outcome


def tree_of(gate: Gate, paths: tuple[str, ...], top: str | None, ignored: bool, jobs: int) -> None:
    """Scan files and folders; paths in reports are relative to the repository's top, if any."""
    names = [name for path in paths for name in tree.files(path, ignored=ignored)]
    batch = max(BATCH, -(-len(names) // MOST_TASKS))
    batches = [names[at : at + batch] for at in range(0, len(names), batch)]
    with Progress(len(names), "files") as progress:
        for item in share(batches, partial(_files, gate, top), jobs):
            if isinstance(item, Tally):
                gate.items += item.items
                gate.bytes += item.bytes
                progress.advance(item.items)
            elif isinstance(item, Unread):
                gate.unread(item)
            else:
                for found in tree.read(item.name, _shown(item.name, top)):
                    gate.look(found)


def _files(gate: Gate, top: str | None, names: list[str]) -> Iterator[Item]:
    """What is suspicious or unreadable among files."""
    items = size = 0
    for name in names:
        shown = _shown(name, top)
        if gate.excluded(shown):
            continue
        suspect = False
        missed: list[Unread] = []
        for item in tree.read(name, shown):
            if isinstance(item, Blob):
                items += not item.start
                size += len(item.data)
            suspect = suspect or gate.suspects(item, missed)
        if suspect:  # what else there is to say of it is found out when it is read again
            yield Suspect(name)
        else:
            yield from missed
    yield Tally(items, size)


def _shown(name: str, top: str | None) -> str:
    """A path as reports show it: from the repository's top, unless it lies outside."""
    if top is None:
        return name
    full = name if os.path.isabs(name) else os.path.join(os.getcwd(), name)
    inside = top.rstrip(os.sep) + os.sep
    if full.startswith(inside) and ".." not in name:
        return full[len(inside) :].removeprefix("./")
    relative = os.path.relpath(name, top)
    return name if relative.startswith(".." + os.sep) else relative
