"""Events, times and stores for these tests."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from leakguard import event as ev
from leakguard.event import Event
from leakguard.incident import Incident
from leakguard.keep.chain import Link
from leakguard.keep.store import Store, open_store

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


def opening(title: str = "a key in a log", fingerprint: str = "") -> list[Event]:
    """What an incident with one secret begins with."""
    return [
        ev.Opened(title=title, source="report", detected_at=ev.stamp(NOON)),
        ev.SecretAdded(secret="S1", secret_class="generic", fingerprint=fingerprint),
    ]


def declared(store: Store, title: str = "a key in a log", *, at: datetime = NOON) -> Incident:
    """An incident in the store."""
    return store.create(opening(title), actor="ada", at=at)


def noted(store: Store, incident: str, text: str, *, at: datetime | None = None) -> Incident:
    """The incident with a note more."""
    return store.change(
        incident, lambda _: [ev.Noted(text)], actor="ada", at=at or NOON + timedelta(hours=1)
    )


def notes(store: Store, incident: str) -> list[str]:
    """The texts of all notes, oldest first."""
    found = (entry.event for entry in store.entries(incident))
    return [one.text for one in found if isinstance(one, ev.Noted)]


@dataclass(frozen=True)
class Somewhere:
    """Where a store is or will be, in one of the two databases."""

    where: str = field(repr=False)  # it may hold a password
    folder: Path

    @property
    def sqlite(self) -> bool:
        return "://" not in self.where

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def head(self) -> Path:
        """The one head file of the one store."""
        (found,) = self.keys.glob("head-*.json")
        return found

    def open(self, **options: Any) -> Store:
        return open_store(self.where, **options)

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Go around leakguard: run statements, and give the last one's rows."""
        if self.sqlite:
            connection: Any = sqlite3.connect(self.where, isolation_level=None)
        else:
            connection = psycopg.connect(self.where, autocommit=True)
        try:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    @contextmanager
    def unguarded(self) -> Iterator[None]:
        """Without the triggers, as for somebody who may do everything in the database; they are
        back afterwards, so that only what was changed can tell.
        """
        tables = ("event", "checkpoint")
        if self.sqlite:
            kept = self.sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            self.sql(*(f"DROP TRIGGER {name}" for name, _ in kept))
            yield
            self.sql(*(sql for _, sql in kept))
        else:
            self.sql(*(f"ALTER TABLE {table} DISABLE TRIGGER ALL" for table in tables))
            yield
            self.sql(*(f"ALTER TABLE {table} ENABLE TRIGGER ALL" for table in tables))

    def links(self) -> list[Link]:
        """The rows of the chain, in order."""
        names = ", ".join(one.name for one in fields(Link))
        return [Link(*row) for row in self.sql(f"SELECT {names} FROM event ORDER BY position")]

    def rewrite(self, links: list[Link]) -> None:
        """Put these rows in place of what there is, and let the rest of the database agree."""
        last = links[-1]
        self.sql(
            "DELETE FROM event",
            *(f"INSERT INTO event ({', '.join(_TEXT)}) VALUES ({_row(one)})" for one in links),
            f"""UPDATE meta SET value = '{{"hash":"{last.hash}","position":{last.position}}}'
                WHERE key = 'chain'""",
        )


_TEXT = [one.name for one in fields(Link)]


def _row(link: Link) -> str:
    return ", ".join(
        str(value) if isinstance(value, int) else _quoted(value) for value in astuple(link)
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def chained(links: list[Link], start: str) -> list[Link]:
    """The same events with fresh positions and hashes, as somebody would compute them."""
    made: list[Link] = []
    for link in links:
        before = made[-1].hash if made else start
        one = replace(link, position=len(made) + 1, prev_hash=before)
        made.append(replace(one, hash=one.computed()))
    return made
