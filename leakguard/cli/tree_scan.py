"""The scan of files and folders, with readers beside the judge.

On the start-up path of every plain scan: it imports no click, and most of what a reader
needs while git lists the files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain

from leakguard.blob import Blob, Unread
from leakguard.errors import UnreadError
from leakguard.load.pack import open_pack
from leakguard.read import repository, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from leakguard.cli.crew import Item
    from leakguard.cli.gate import Gate
    from leakguard.finding import Outcome

BATCH = 64
"""Files that a reader takes at once."""


def run(paths: tuple[str, ...]) -> int:
    """`leakguard scan [PATH...]` without options; see `cli.scan` for those."""
    outcome = files(paths, repository.find_top())
    from leakguard.cli import console, gate
    from leakguard.report.text import render

    console.show(render(outcome, console.style(sys.stdout)))
    return gate.exit_code(outcome)


def files(
    paths: tuple[str, ...], top: str | None, *, ignored: bool = False, jobs: int | None = None
) -> Outcome:
    """Scan files and folders, `-` for standard input; none: the repository at `top`, or the folder
    we are in.
    """
    pack = open_pack(top)
    first, *others = paths or (top or ".",)
    piped = paths == ("-",)
    begun = iter(()) if piped else tree.files(first, ignored=ignored)
    from leakguard.cli.gate import Gate, look_at_all

    gate = Gate(pack, top, "tree", "file")
    gate.whole_tree = not paths or [os.path.abspath(path) for path in paths] == [top]
    if not piped:
        rest = (tree.files(path, ignored=ignored) for path in others)
        look(gate, chain([begun], rest), top, jobs)
    elif sys.stdin is None:
        raise UnreadError("standard input is closed", "pipe something in: ... | leakguard scan -")
    else:
        look_at_all(gate, tree.standard_input())
    outcome = gate.outcome()
    gate.remember(outcome)
    return outcome


def look(
    gate: Gate, listed: Iterable[Iterable[str]], top: str | None, jobs: int | None = None
) -> None:
    """Scan the files that `tree.files` listed, `jobs` readers beside each other (None: one a core);
    paths in reports are relative to the repository's top, if any.
    """
    from leakguard.cli.crew import MOST_TASKS, Suspect, Tally, cores, share
    from leakguard.cli.progress import Progress
    from leakguard.detect import judge  # noqa: F401 (so that not each reader has to)

    names = [name for some in listed for name in some]
    shown = _namer(top)
    batch = max(BATCH, -(-len(names) // MOST_TASKS))
    batches = [names[at : at + batch] for at in range(0, len(names), batch)]
    with Progress(len(names), "files") as progress:
        for item in share(batches, partial(_files, gate, shown), jobs or cores()):
            if isinstance(item, Tally):
                gate.items += item.items
                gate.bytes += item.bytes
                progress.advance(item.items)
            elif isinstance(item, Suspect):
                for found in tree.read(item.name, shown(item.name)):
                    gate.look(found)
            elif isinstance(item, Unread):
                gate.unread(item)


def _files(gate: Gate, shown: Callable[[str], str], names: list[str]) -> Iterator[Item]:
    """What is suspicious or unreadable among files."""
    from leakguard.cli.crew import Suspect, Tally

    items = size = 0
    for path in names:
        name = shown(path)
        if gate.excluded(name):
            continue
        suspect = False
        missed: list[Unread] = []
        for item in tree.read(path, name):
            if isinstance(item, Blob):
                items += not item.start
                size += len(item.data)
            suspect = suspect or gate.suspects(item, missed)
        if suspect:  # what else there is to say of it is found out when it is read again
            yield Suspect(path)
        else:
            yield from missed
    yield Tally(items, size)


def _namer(top: str | None) -> Callable[[str], str]:
    """How reports call a path: from the repository's top, unless it lies outside."""
    if top is None:
        return lambda path: path
    here = os.path.join(os.getcwd(), "")
    inside = os.path.join(top, "")

    def shown(path: str) -> str:
        full = path if os.path.isabs(path) else here + path
        if full.startswith(inside) and ".." not in path:
            return full[len(inside) :].removeprefix("./")
        relative = os.path.relpath(path, top)
        return path if relative.startswith(os.path.join("..", "")) else relative

    return shown
