"""The scan of a whole history, with readers beside the judge."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from leakguard.blob import Blob, Origin, Unread
from leakguard.cli.crew import Item, Suspect, Tally, share
from leakguard.cli.gate import Gate
from leakguard.cli.progress import Progress
from leakguard.finding import Exposure, Finding, Outcome
from leakguard.load.pack import open_pack
from leakguard.read import commits, facts, objects
from leakguard.read import history as past

if TYPE_CHECKING:
    from leakguard.detect.versions import Seen

STEP = 500
"""Objects after which a reader says how far it is."""


def _piece(gate: Gate, top: str, piece: past.Piece | past.Families) -> Iterator[Item]:
    """What is suspicious among the objects of one piece."""
    if isinstance(piece, past.Families):
        left: list[bytes] = []
        yield from _families(gate, piece, left)
        if left:
            yield from _objects(gate, top, past.Piece("blob", left))
    else:
        yield from _objects(gate, top, piece)


def _families(gate: Gate, families: past.Families, left: list[bytes]) -> Iterator[Item]:
    """What is suspicious among versions, each looked at for what it does not have from another."""
    done = size = 0
    missed: list[Unread] = []
    known: list[Seen | None] = []
    for version in families.read(left):
        del known[version.depth :]
        blob = Blob(Origin("commit", ""), version.data, blob_id=version.name)
        old = known[-1] if known else None
        suspect, seen = gate.version(blob, version.copies, old, missed)
        known.append(seen)
        if suspect:
            yield Suspect(version.name)
        done += 1
        size += len(version.data)
        if done == STEP:
            yield Tally(done, size)
            done = size = 0
    yield from missed
    yield Tally(done, size)


def _objects(gate: Gate, top: str, piece: past.Piece) -> Iterator[Item]:
    """What is suspicious among objects that git reads."""
    done = size = end = 0
    last = ""
    missed: list[Unread] = []
    for blob in past.read(piece, top):
        done += not blob.start
        if piece.kind == "blob":
            before, end = end if blob.start else 0, blob.start + len(blob.data)
            size += end - before  # the parts of a large one overlap
        if blob.blob_id != last and gate.suspects(blob, missed):
            last = blob.blob_id
            yield Suspect(last)
        if done >= STEP:
            yield Tally(done, size)
            done = size = 0
    yield from missed
    yield Tally(done, size)


def history(top: str, refs: tuple[str, ...], jobs: int, *, remember: bool = True) -> Outcome:
    """Scan every blob and message that `refs` reach; `remember` it as the last run here."""
    gate = Gate(open_pack(top), top, "history", "blob")
    if past.unborn(top, refs):
        return gate.outcome()
    walked = past.walk(top, refs)
    try:
        hits = _suspects(gate, top, jobs)
    except BaseException:
        walked.stop()
        raise
    for gap in past.gaps(walked, top, refs):
        gate.unread(gap)
    _place(gate, top, refs, hits)
    outcome = gate.outcome()
    left = facts.pushed(top, {place.commit for one in outcome.findings for place in one.locations})
    outcome = outcome._replace(findings=tuple(exposed(one, left) for one in outcome.findings))
    if remember:
        gate.remember(outcome)
    return outcome


def _suspects(gate: Gate, top: str, jobs: int) -> set[str]:
    """The names of all objects in which something was found."""
    store = past.store(top, 4 * jobs)
    gate.items, gate.commits = store.blobs, store.commits
    hits: set[str] = set()
    with Progress(sum(piece.count for piece in store.pieces), "objects") as progress:
        for item in share(store.pieces, partial(_piece, gate, top), jobs):
            if isinstance(item, Tally):
                gate.bytes += item.bytes
                progress.advance(item.items)
            elif isinstance(item, Unread):
                gate.unread(item)
            else:
                hits.add(item.name)
    return hits


def exposed(finding: Finding, left: set[str]) -> Finding:
    """The finding, pushed if one of its commits has left this machine."""
    if any(place.commit in left for place in finding.locations):
        return finding._replace(exposure=Exposure.PUSHED)
    return finding


def _place(gate: Gate, top: str, refs: tuple[str, ...], hits: set[str]) -> None:
    """Judge what hit once more, now knowing where it stood; what nothing reaches is let go."""
    origins = past.origins(hits, top, refs)
    ids = "".join(f"{name}\n" for name in origins).encode()
    if not ids:
        return
    for name, data in objects.whole_objects(ids, top):
        for origin in origins[name]:
            message = origin.kind == "message"
            text = commits.message(name, data).data if message else data
            gate.look(Blob(origin, text, blob_id=name))
