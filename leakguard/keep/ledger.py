"""Adding events: their number, time, hash and signature, the list's columns, and the head."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from leakguard import event as ev
from leakguard.errors import UsageError
from leakguard.event import Entry, Event, instant, stamp
from leakguard.history import Impossible, apply, fold
from leakguard.incident import Incident
from leakguard.keep import head
from leakguard.keep.chain import Checkpoint, Link, canonical, genesis
from leakguard.keep.database import Writing
from leakguard.keep.errors import Tampered
from leakguard.keep.head import Head
from leakguard.keep.keys import SIGNING, Keys
from leakguard.keep.summary import Summarise, columns
from leakguard.keep.tables import CHECKPOINT, EVENT, FINGERPRINT, INCIDENT, META

TICK = timedelta(microseconds=1)
SKEW = timedelta(seconds=1)  # from here on a time that had to be put forward is remembered
LOOK = "run: leakguard audit verify"


@dataclass(frozen=True, slots=True)
class Tip:
    """Where the chain ends."""

    position: int
    hash: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """The chain of one store, with the keys that sign it."""

    store: str
    place: str
    keys: Keys
    summarise: Summarise | None = None

    def lock(self, writing: Writing) -> Tip:
        """Where the chain ends, held until the transaction does. Raises Tampered."""
        if writing.tip is None:
            kept = select(META.c.value).where(META.c.key == "chain").with_for_update()
            found = json.loads(writing.connection.execute(kept).scalar_one())
            writing.held.enter_context(head.held(self.keys.folder, self.store))
            writing.tip = Tip(found["position"], found["hash"])
            self._check(writing.connection, writing.tip)
        tip: Tip = writing.tip
        return tip

    def add(
        self,
        writing: Writing,
        name: str,
        before: Incident | None,
        events: Sequence[Event],
        actor: str,
        now: datetime,
    ) -> Incident:
        """The incident `name` after these events. Its row has to be locked or new."""
        tip = self.lock(writing)
        links, after = _links(tip, name, before, events, _actor(actor), _utc(now))
        connection = writing.connection
        self._summarised(connection, after, new=before is None)
        connection.execute(insert(EVENT), [asdict(link) for link in links])
        if any(isinstance(event, ev.SecretAdded) for event in events):
            _index(connection, after)
        self.sign(writing, Tip(links[-1].position, links[-1].hash), links[-1].at)
        return after

    def sign(self, writing: Writing, tip: Tip, at: str, note: str = "") -> None:
        """Let the chain end here: in the database, signed, and beside the keys."""
        point = Checkpoint(tip.position, tip.hash, at, self.keys.ids.get(SIGNING, ""), note)
        point = replace(point, signature=self.keys.sign(point.message(self.store)))
        connection = writing.connection
        connection.execute(insert(CHECKPOINT), asdict(point))
        kept = canonical({"position": tip.position, "hash": tip.hash})
        connection.execute(update(META).where(META.c.key == "chain").values(value=kept))
        head.prepare(self.keys.folder, Head(self.store, self.place, point))
        if not writing.afterwards:
            writing.afterwards.append(lambda: head.publish(self.keys.folder, self.store))
        writing.tip = tip

    @property
    def start(self) -> Tip:
        """Where the chain ends before its first event."""
        return Tip(0, genesis(self.store))

    def accept(self, writing: Writing, note: str, at: str) -> None:
        """Let the chain go on from the last event that is left, saying so for ever."""
        kept = head.read(self.keys.folder, self.store)
        lost = f"{kept.checkpoint.position} {kept.checkpoint.hash}" if kept else "unknown"
        writing.held.enter_context(head.held(self.keys.folder, self.store))
        tip = last_event(writing.connection) or self.start
        self.sign(writing, tip, at, f"{note} (the head was: {lost})")

    def genuine(self, point: Checkpoint) -> bool:
        """Whether our key signed this, for this store. Raises StoreError without the key."""
        try:
            return self.keys.signed(point.message(self.store), point.signature)
        except (TypeError, ValueError):  # SQLite takes bytes in any column
            return False

    def _check(self, connection: Connection, tip: Tip) -> None:
        """Nothing may be signed that follows something nobody signed, or a gap."""
        kept = head.read(self.keys.folder, self.store)
        if kept is None or kept.checkpoint.position > tip.position:
            raise Tampered(
                "the newest events of the store are gone, or it was put back from a backup",
                LOOK,
                "to go on from what is left: leakguard audit accept-loss --reason TEXT",
            )
        point = last_checkpoint(connection)
        if point is None or not self.genuine(point):
            raise Tampered("the end of the store's chain is not signed by its key", LOOK)
        if tip != Tip(point.position, point.hash) or tip != (last_event(connection) or self.start):
            raise Tampered("the end of the store's chain is not what was signed", LOOK)

    def _summarised(self, connection: Connection, incident: Incident, *, new: bool) -> None:
        made = columns(incident, self.summarise)
        if new:
            year, number = incident.id.split("-")[1:]
            named = {"id": incident.id, "year": int(year), "number": int(number)}
            connection.execute(insert(INCIDENT), {**named, **made})
        else:
            connection.execute(update(INCIDENT).where(INCIDENT.c.id == incident.id).values(made))


def entries(connection: Connection, name: str) -> list[Entry]:
    """The entries of an incident. Raises Tampered when one is not what was written."""
    found = connection.execute(select(EVENT).where(EVENT.c.incident == name).order_by(EVENT.c.seq))
    return [entry(Link(**row)) for row in found.mappings()]


def load(connection: Connection, name: str) -> Incident | None:
    """An incident, or None when there is none of this id."""
    found = entries(connection, name)
    if not found:
        return None
    try:
        return fold(found)
    except Impossible as error:
        raise Tampered(f"the events of {name} make no sense", LOOK, cause=str(error)) from None


def entry(link: Link) -> Entry:
    """The entry in a row. Raises Tampered when its hash says otherwise."""
    if link.computed() != link.hash:
        raise Tampered(f"event {link.seq} of {link.incident} is not what was written", LOOK)
    event = ev.read(link.kind, json.loads(link.body))
    return Entry(link.seq, link.incident, instant(link.at), link.actor, event)


def last_event(connection: Connection) -> Tip | None:
    """Where the events end, or None when there are none."""
    last = select(EVENT.c.position, EVENT.c.hash).order_by(EVENT.c.position.desc()).limit(1)
    row = connection.execute(last).first()
    return Tip(row.position, row.hash) if row is not None else None


def last_checkpoint(connection: Connection) -> Checkpoint | None:
    """What was signed last."""
    row = connection.execute(select(CHECKPOINT).order_by(CHECKPOINT.c.id.desc()).limit(1)).first()
    return checkpoint(row._mapping) if row is not None else None  # noqa: SLF001


def checkpoint(row: Any) -> Checkpoint:
    """The checkpoint in a row."""
    return Checkpoint(**{key: value for key, value in row.items() if key != "id"})


def _links(
    tip: Tip,
    name: str,
    before: Incident | None,
    events: Iterable[Event],
    actor: str,
    now: datetime,
) -> tuple[list[Link], Incident]:
    links: list[Link] = []
    after = before
    for event in events:
        at, clock = _when(after, now)
        kind, fields = ev.write(event)
        seq = after.seq + 1 if after else 1
        link = Link(
            tip.position + 1, name, seq, stamp(at), clock, actor, kind, canonical(fields), tip.hash
        )
        link = replace(link, hash=link.computed())
        tip = Tip(link.position, link.hash)
        links.append(link)
        after = apply(after, entry(link))
    if after is None or not links:
        raise Impossible("an incident without events")
    return links, after


def _when(incident: Incident | None, now: datetime) -> tuple[datetime, str]:
    """The time of an incident's next event, which is always later than the last one's, and
    what the clock really said when it had jumped back.
    """
    last = incident.changed_at if incident else None
    if last is None or now > last:
        return now, ""
    at = last + TICK
    return at, stamp(now) if at - now > SKEW else ""


def _index(connection: Connection, incident: Incident) -> None:
    """Remember which fingerprints the incident's secrets have, also those they had before."""
    had = select(FINGERPRINT.c.fingerprint, FINGERPRINT.c.secret)
    had = had.where(FINGERPRINT.c.incident == incident.id)
    known = {tuple(row) for row in connection.execute(had)}
    found = {(one.added.fingerprint, one.id) for one in incident.secrets.values()} - known
    rows = [
        {"fingerprint": fingerprint, "incident": incident.id, "secret": secret}
        for fingerprint, secret in sorted(found)
        if fingerprint
    ]
    if rows:
        connection.execute(insert(FINGERPRINT), rows)


def _actor(actor: str) -> str:
    if not actor.strip() or "\0" in actor or not _encodes(actor):
        raise UsageError("it has to be known who does this", "set LEAKGUARD_ACTOR to a name")
    return actor


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _utc(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise ValueError("a time needs its zone")
    return now.astimezone(UTC)
