"""Opening a store: its place, its files, its tables, its keys; and making it the first time."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from leakguard.event import stamp
from leakguard.keep import head, private, schema, trouble
from leakguard.keep import keys as keyring
from leakguard.keep.chain import canonical, genesis
from leakguard.keep.database import Database, Writing
from leakguard.keep.errors import NoStore, StoreError
from leakguard.keep.keys import Keys
from leakguard.keep.ledger import Ledger, Tip
from leakguard.keep.place import Place, outside_repository
from leakguard.keep.tables import META

WAL = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Opened:
    """A store that is there and up to date. `backup` is the copy that a migration made."""

    database: Database
    keys: Keys
    store: str
    place: str
    backup: str = ""


def opened(place: Place, *, create: bool, inside_repository: bool, patience: float) -> Opened:
    """Open what is there, or make it. Raises StoreError with the way out."""
    if not inside_repository:
        for path in filter(None, (place.path, os.path.join(place.keys, "signing.key"))):
            outside_repository(path)
    if place.path:
        _files(place.path, create=create)
    database = Database(place, patience=patience)
    try:
        copy = _current(database, place, create=create)
        return _known(database, place, copy)
    except BaseException:
        database.close()
        raise


def _files(path: str, *, create: bool) -> None:
    folder = os.path.dirname(path)
    if not os.path.lexists(path) and not create:
        raise NoStore(f"there is no store at {path}", "declare an incident, which makes one")
    private.folder(folder)
    for ending in ("", *WAL):
        if os.path.lexists(path + ending):
            private.file(path + ending)


def _current(database: Database, place: Place, *, create: bool) -> str:
    """Bring the tables up to date. The path of the copy made before, if any was."""
    if place.path and not os.path.lexists(place.path):
        return _made(database, place)
    with database.read() as connection:
        found = schema.version(connection, database.name)
    if found == schema.NEWEST:
        return ""
    if found == schema.FRESH and not create:
        raise NoStore(f"the store {database.name} is empty", "declare an incident, which fills it")
    return _made(database, place)


def _made(database: Database, place: Place) -> str:
    """Make or change the tables while no other process does."""
    private.folder(place.keys)
    with private.alone(os.path.join(place.keys, "making.lock")):
        if database.sqlite:
            _file(database, place)
        with database.write() as writing:
            schema.lock(writing.connection)
            found = schema.version(writing.connection, database.name)
            if found == schema.NEWEST:
                return ""
            if found != schema.FRESH:
                copy = schema.backup(place.path, found) if database.sqlite else ""
                schema.upgrade(writing.connection)
                return copy
            shown = _shown(writing.connection, place)
            _lost(database.name, shown, place)
            keys = keyring.make(place.keys)
            schema.upgrade(writing.connection)
            _first(writing, keys, shown)
    return ""


def _file(database: Database, place: Place) -> None:
    """An empty file that is ours alone, before SQLite makes one that is not."""
    if not os.path.lexists(place.path):
        _lost(database.name, place.path, place)
        private.create(place.path)
    with database.alone() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")


def _lost(name: str, shown: str, place: Place) -> None:
    """Do not quietly begin anew where a store was."""
    kept = head.of_place(place.keys, shown)
    if kept is not None and kept.checkpoint.position:
        raise StoreError(
            f"the store {name} is gone or empty; it had {kept.checkpoint.position} events",
            "put it back from a backup",
            f"to begin anew, move this file away: {place.keys}/head-{kept.store}.json",
        )


def _first(writing: Writing, keys: Keys, shown: str) -> None:
    """What a new store begins with: its id, the names of its keys, and the signed start."""
    from datetime import UTC, datetime

    store, now = secrets.token_hex(8), stamp(datetime.now(UTC))
    start = Tip(0, genesis(store))
    rows = {
        "store": store,
        "created_at": now,
        "keys": canonical(keys.ids),
        "chain": canonical({"position": start.position, "hash": start.hash}),
    }
    writing.connection.execute(
        insert(META), [{"key": key, "value": value} for key, value in rows.items()]
    )
    ledger = Ledger(store, shown, keys)
    writing.held.enter_context(head.held(keys.folder, store))
    ledger.sign(writing, start, now)
    # in force before the commit: a crash in between leaves a head that speaks of no event
    head.publish(keys.folder, store)
    writing.afterwards.clear()


def _known(database: Database, place: Place, copy: str) -> Opened:
    with database.read() as connection:
        meta, shown = _meta(connection, database.name), _shown(connection, place)
    try:
        keys = keyring.load(place.keys, dict(json.loads(meta["keys"])))
    except ValueError:
        raise trouble.damaged(database.name) from None
    return Opened(database, keys, meta["store"], shown, copy)


def _meta(connection: Connection, name: str) -> dict[str, str]:
    found = {row.key: row.value for row in connection.execute(select(META))}
    if not {"store", "keys", "chain"} <= set(found):
        raise trouble.damaged(name)
    return found


def _shown(connection: Connection, place: Place) -> str:
    """How the head names the place: without user, password and options."""
    if place.path:
        return place.path
    url = connection.engine.url
    inside = connection.exec_driver_sql("SELECT current_database(), current_schema()").first()
    return "/".join((f"{url.host or ''}:{url.port or 5432}", *map(str, inside or ())))
