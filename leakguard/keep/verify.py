"""Whether the store is what leakguard wrote: every hash, every signature, nothing gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from leakguard.errors import LeakguardError
from leakguard.history import Impossible, fold
from leakguard.keep import head, ledger
from leakguard.keep.chain import Checkpoint, Link
from leakguard.keep.database import Database
from leakguard.keep.errors import StoreError, Tampered
from leakguard.keep.head import Head
from leakguard.keep.keys import SIGNING
from leakguard.keep.ledger import Ledger, Tip
from leakguard.keep.summary import told
from leakguard.keep.tables import CHECKPOINT, EVENT, FINGERPRINT, INCIDENT, META

_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written. `accepted`: somebody went on after a loss,
    and the signed chain says who and why.

    `kind`: changed | missing | reordered | truncated | unsigned | forged | foreign-key | head |
    index | unguarded | damaged | unreadable | loss.
    """

    kind: str
    message: str
    position: int | None = None
    incident: str = ""
    accepted: bool = False


def problems(database: Database, book: Ledger) -> list[Problem]:
    """All that can be found wrong. Raises StoreError only when the database cannot be read."""
    kept = _head(book)  # before the snapshot, which then is never older than it
    with database.read() as connection:
        if database.sqlite and (damaged := _damaged(connection)):
            return [damaged]
        hashes: dict[int, tuple[str, str]] = {}
        found = [*_events(connection, book, hashes)]
        found += _signatures(connection, book, hashes)
        found += _end(connection, book, hashes, kept)
        found += _incidents(connection)
        found += _guards(connection, sqlite=database.sqlite)
    return found


def _head(book: Ledger) -> Head | Problem:
    try:
        kept = head.read(book.keys.folder, book.store)
    except StoreError as error:
        return Problem("head", error.message)
    if kept is None:
        return Problem("head", "the head of the chain beside the keys is missing")
    return kept


def _damaged(connection: Connection) -> Problem | None:
    said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
    return None if said == "ok" else Problem("damaged", f"the database file is damaged: {said}")


def _events(
    connection: Connection, book: Ledger, hashes: dict[int, tuple[str, str]]
) -> Iterator[Problem]:
    """Walk the chain once. `hashes` is filled with (hash, incident) for each position."""
    before, seqs = book.start, dict[str, int]()
    asked = select(EVENT).order_by(EVENT.c.position).execution_options(yield_per=_BATCH)
    with connection.execute(asked) as rows:
        for row in rows.mappings():
            link = Link(**row)
            hashes[link.position] = (link.hash, link.incident)
            yield from _link(link, before, seqs.get(link.incident, 0))
            before = Tip(link.position, link.hash)
            seqs[link.incident] = link.seq if isinstance(link.seq, int) else 0


def _link(link: Link, before: Tip, seq: int) -> Iterator[Problem]:
    at, name = link.position, link.incident
    for gone in range(before.position + 1, at):
        yield Problem("missing", f"event {gone} is gone", gone)
    if link.computed() != link.hash:
        yield Problem("changed", f"event {at} ({link.seq} of {name}) was changed", at, name)
    elif at == before.position + 1 and link.prev_hash != before.hash:
        what = f"event {at} ({link.seq} of {name}) does not follow the event before it"
        yield Problem("reordered", what, at, name)
    if link.seq != seq + 1:
        what = f"{name} goes from event {seq} to event {link.seq}"
        yield Problem("missing", what, at, name)


def _signatures(
    connection: Connection, book: Ledger, hashes: dict[int, tuple[str, str]]
) -> Iterator[Problem]:
    """Every checkpoint: by our key, genuine, and of the chain that is there."""
    try:
        book.keys.raw(SIGNING)
    except StoreError as error:
        yield Problem("foreign-key", error.message)
        return
    rows = connection.execute(select(CHECKPOINT).order_by(CHECKPOINT.c.id.desc())).mappings()
    accepted_to: int | None = None  # what was lost before a loss was accepted
    for row in rows:
        point = ledger.checkpoint(row)
        lost = accepted_to is not None and point.position > accepted_to
        yield from _signature(point, book, hashes, lost=lost)
        if point.note:
            yield Problem("loss", point.note, point.position, accepted=True)
            accepted_to = min(point.position, accepted_to or point.position)


def _signature(
    point: Checkpoint, book: Ledger, hashes: dict[int, tuple[str, str]], *, lost: bool
) -> Iterator[Problem]:
    at = point.position
    there, name = hashes.get(at, ("", "")) if at else (book.start.hash, "")
    if point.key_id != book.keys.ids.get(SIGNING):
        what = f"the checkpoint at event {at} was signed with another key ({point.key_id})"
        yield Problem("foreign-key", what, at, name)
    elif not book.genuine(point):
        yield Problem("forged", f"the signature at event {at} is not genuine", at, name)
    elif not there and not lost:
        yield Problem("truncated", f"event {at} was signed and is gone", at)
    elif there != point.hash and not lost:
        what = f"event {at} is not the one that was signed: it, or one before it, was rewritten"
        yield Problem("changed", what, at, name)


def _end(
    connection: Connection,
    book: Ledger,
    hashes: dict[int, tuple[str, str]],
    kept: Head | Problem,
) -> Iterator[Problem]:
    """The last event, the last checkpoint, the tip and the head have to be the same."""
    last = max(hashes, default=0)
    point = ledger.last_checkpoint(connection)
    signed = point.position if point else 0
    for at in sorted(position for position in hashes if position > signed):
        name = hashes[at][1]
        yield Problem("unsigned", f"event {at} of {name} was not signed by leakguard", at, name)
    tip = connection.execute(select(META.c.value).where(META.c.key == "chain")).scalar() or "{}"
    if json.loads(tip).get("position") != last:
        yield Problem("changed", f"the store says it ends elsewhere than at event {last}", last)
    if isinstance(kept, Problem):
        yield kept
        return
    yield from _against_head(book, kept.checkpoint, hashes, last)


def _against_head(
    book: Ledger, point: Checkpoint, hashes: dict[int, tuple[str, str]], last: int
) -> Iterator[Problem]:
    at = point.position
    try:
        if not book.genuine(point):
            yield Problem("forged", "the head beside the keys is not genuine", at)
            return
    except StoreError:
        return  # said already: there is no key to check with
    if at > last:
        what = f"the store had {at} events and has {last}: the newest are gone"
        yield Problem("truncated", what, last + 1)
    elif (hashes[at][0] if at else book.start.hash) != point.hash:
        what = f"event {at} is not the one that the head beside the keys was signed for"
        yield Problem("changed", what, at, hashes[at][1] if at else "")


def _incidents(connection: Connection) -> Iterator[Problem]:
    """The columns of the list and the index say what the events say."""
    for row in connection.execute(select(INCIDENT).order_by(INCIDENT.c.id)).mappings().all():
        name = row["id"]
        try:
            found = fold(ledger.entries(connection, name))
        except Tampered:
            continue  # said already, with its position
        except (Impossible, LeakguardError) as error:
            yield Problem("unreadable", f"{name} cannot be read: {error}", None, name)
            continue
        wrong = [key for key, value in told(found).items() if row[key] != value]
        if wrong:
            what = f"the list says something else of {name} than its events: {', '.join(wrong)}"
            yield Problem("index", what, None, name)
        index = select(FINGERPRINT.c.fingerprint, FINGERPRINT.c.secret)
        had = {
            tuple(one) for one in connection.execute(index.where(FINGERPRINT.c.incident == name))
        }
        now = {(one.added.fingerprint, key) for key, one in found.secrets.items()} - {("", "")}
        if not {one for one in now if one[0]} <= had:
            yield Problem("index", f"the index lacks fingerprints of {name}", None, name)


def _guards(connection: Connection, *, sqlite: bool) -> Iterator[Problem]:
    """The triggers that keep rows from being changed are still there."""
    if sqlite:
        asked = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"
        wanted = 5
    else:
        asked = (
            "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
            " AND tgrelid IN ('event'::regclass, 'checkpoint'::regclass)"
        )
        wanted = 4
    if (connection.exec_driver_sql(asked).scalar() or 0) < wanted:
        yield Problem("unguarded", "the triggers that keep events from being changed are gone")
