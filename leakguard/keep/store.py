"""The incidents of an installation, kept as events that can be added but not changed.

An event's time never goes backwards within its incident: when the clock was set
back, the event gets the last one's time and a microsecond, and the row keeps
what the clock said (`event.clock`).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType

from sqlalchemy import Connection, func, select

from leakguard.errors import UsageError
from leakguard.event import Entry, Event, stamp
from leakguard.incident import Incident
from leakguard.keep import ledger, named, opening
from leakguard.keep.database import Writing
from leakguard.keep.errors import Tampered
from leakguard.keep.ledger import Ledger, Tip
from leakguard.keep.place import place
from leakguard.keep.summary import Summarise, Summary, SummaryFields, summary
from leakguard.keep.tables import EVENT, FINGERPRINT, INCIDENT
from leakguard.keep.verify import Problem, problems

__all__ = ["Store", "Summary", "SummaryFields", "open_store"]

Decide = Callable[[Incident], Sequence[Event]]
When = datetime | Callable[[], datetime]
FREE_TRIES = 3  # after so many lost races the decision is made while nobody else can write


class Store:
    """One store, open. Use it as a context manager, or close it."""

    def __init__(self, found: opening.Opened, summarise: Summarise | None = None) -> None:
        self.database = found.database
        self.keys = found.keys
        self.backup = found.backup
        self.ledger = Ledger(found.store, found.place, found.keys, summarise)

    @property
    def name(self) -> str:
        """The store as it may be shown; a password in its address is not."""
        return self.database.name

    def create(self, events: Sequence[Event], *, actor: str, at: When) -> Incident:
        """A new incident, under the year's next number. The first event is `Opened`."""
        with self.database.write() as writing:
            self.ledger.lock(writing)
            now = _now(at)
            return self.ledger.add(
                writing, _next(writing.connection, now), None, events, actor, now
            )

    def change(self, incident: str, decide: Decide, *, actor: str, at: When) -> Incident:
        """The incident after the events that `decide` answers to it. No event, no write.

        When somebody else changed it meanwhile, it is loaded again and `decide` is asked
        again; in the end while nobody else can write, so it must not use the store.
        """
        for _ in range(FREE_TRIES):
            before = self.load(incident)
            events = decide(before)
            if not events:
                return before
            with self.database.write() as writing:
                self.ledger.lock(writing)
                if _seq(writing, incident) == before.seq:
                    return self.ledger.add(writing, incident, before, events, actor, _now(at))
            time.sleep(random.uniform(0, 0.01))
        with self.database.write() as writing:
            return self.append(writing, incident, decide, actor=actor, at=at)

    def append(
        self, writing: Writing, incident: str, events: Sequence[Event] | Decide, *, actor: str,
        at: When,
    ) -> Incident:  # fmt: skip
        """As `change`, inside a transaction of the journal's."""
        self.ledger.lock(writing)
        before = ledger.load(writing.connection, incident)
        if before is None:
            raise named.unknown(writing.connection, incident)
        given = events(before) if callable(events) else events
        if not given:
            return before
        return self.ledger.add(writing, incident, before, given, actor, _now(at))

    def load(self, incident: str) -> Incident:
        """An incident by its full id. Raises UsageError for an unknown one, Tampered."""
        with self.database.read() as connection:
            found = ledger.load(connection, incident)
            if found is None:
                raise named.unknown(connection, incident)
        return found

    def entries(self, incident: str) -> list[Entry]:
        """Its events with their time and actor, oldest first."""
        with self.database.read() as connection:
            found = ledger.entries(connection, incident)
            if not found:
                raise named.unknown(connection, incident)
        return found

    def resolve(self, text: str) -> str:
        """The full id behind `LG-2026-0001`, `2026-1` or `1`. Raises UsageError, with candidates,
        when there is none or more than one.
        """
        with self.database.read() as connection:
            return named.resolve(connection, text)

    def listing(self, *, open_only: bool = False, limit: int | None = None) -> list[Summary]:
        """The incidents in a line each, newest first. No event is read for it."""
        found = select(INCIDENT).order_by(INCIDENT.c.year.desc(), INCIDENT.c.number.desc())
        if open_only:
            found = found.where(INCIDENT.c.over.is_(False))
        with self.database.read() as connection:
            rows = connection.execute(found.limit(limit)).all()
        try:
            return [summary(row) for row in rows]
        except (TypeError, ValueError):
            raise Tampered("the list of incidents was changed", ledger.LOOK) from None

    def known(self, fingerprint: str) -> list[tuple[str, str]]:
        """The (incident, secret) pairs in which a keyed fingerprint was seen, oldest first."""
        found = (
            select(FINGERPRINT.c.incident, FINGERPRINT.c.secret)
            .join(INCIDENT, INCIDENT.c.id == FINGERPRINT.c.incident)
            .where(FINGERPRINT.c.fingerprint == fingerprint)
            .order_by(INCIDENT.c.year, INCIDENT.c.number, FINGERPRINT.c.secret)
        )
        with self.database.read() as connection:
            return [(row.incident, row.secret) for row in connection.execute(found)]

    def keyed(self, finding_fingerprint: str) -> str:
        """What a finding's fingerprint is called here: HMAC-SHA256 with the installation's pepper.

        So a stolen store does not help anybody to guess a weak secret.
        """
        return self.keys.fingerprint(finding_fingerprint)

    def verify(self) -> list[Problem]:
        """Everything that shows that the store is not what leakguard wrote; empty when it is."""
        return problems(self.database, self.ledger)

    def tip(self) -> Tip:
        """Where the chain ends now: a position and a hash to write down somewhere else."""
        with self.database.read() as connection:
            return ledger.last_event(connection) or self.ledger.start

    def holds(self, position: int, digest: str) -> bool:
        """Whether the event at a position is the one of this hash."""
        asked = select(EVENT.c.hash).where(EVENT.c.position == position)
        with self.database.read() as connection:
            return bool(connection.execute(asked).scalar() == digest)

    def accept_loss(self, reason: str, *, actor: str, at: When) -> None:
        """Go on from what is left after a restore from a backup; the signed chain tells of it."""
        if not reason.strip():
            raise UsageError("a reason is needed to go on after a loss", "give --reason TEXT")
        with self.database.write() as writing:
            self.ledger.accept(writing, f"{actor}: {reason}", stamp(_now(at)))

    def close(self) -> None:
        """Give the database back."""
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_store(
    where: str | None = None,
    *,
    create: bool = True,
    inside_repository: bool = False,
    summarise: Summarise | None = None,
    patience: float = 15.0,
) -> Store:
    """The store at a path or a postgresql:// address; None: LEAKGUARD_STORE or the data folder.

    `summarise` gives the columns that the events alone do not (the next deadline), `patience`
    is how many seconds to wait for another process. Raises NoStore when there is none and
    `create` is False, StoreError when it cannot be used, UsageError inside a git work tree.
    """
    at = place(where, os.environ)
    found = opening.opened(
        at, create=create, inside_repository=inside_repository, patience=patience
    )
    return Store(found, summarise)


def _now(at: When) -> datetime:
    return at() if callable(at) else at


def _next(connection: Connection, now: datetime) -> str:
    year = named.year(now)
    highest = select(func.max(INCIDENT.c.number)).where(INCIDENT.c.year == year)
    return named.full(year, (connection.execute(highest).scalar() or 0) + 1)


def _seq(writing: Writing, incident: str) -> int | None:
    """The number of the incident's last event."""
    found = select(INCIDENT.c.seq).where(INCIDENT.c.id == incident)
    return writing.connection.execute(found).scalar()
