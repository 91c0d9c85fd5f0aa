"""A connection to SQLite or PostgreSQL, its transactions, and its errors in plain words."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from leakguard.errors import UsageError
from leakguard.keep import trouble
from leakguard.keep.errors import StoreError
from leakguard.keep.place import Place

_PRAGMAS = (
    "foreign_keys=ON",
    "synchronous=FULL",  # NORMAL may lose the last commit when the power fails
    "secure_delete=ON",
    "recursive_triggers=ON",
    "trusted_schema=OFF",
    "cell_size_check=ON",
    "temp_store=MEMORY",  # nothing of an incident in a temporary file
)
_SETTINGS = ("synchronous_commit=on", "timezone='UTC'", "client_encoding='UTF8'")


@dataclass(slots=True)
class Writing:
    """A write transaction: what runs after its commit, what is held until then, and the tip
    of the chain once it is locked.
    """

    connection: Connection
    held: ExitStack
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    tip: Any = None


class Database:
    """One of the two databases. `name` may be shown: it holds no password."""

    def __init__(self, place: Place, *, patience: float) -> None:
        self.path = place.path
        self.sqlite = bool(place.path)
        url = URL.create("sqlite", database=place.path) if self.sqlite else _url(place.url)
        self.name = place.path or url.render_as_string(hide_password=True)
        self.engine = _sqlite(url, patience) if self.sqlite else _postgresql(url, patience)
        self._busy = threading.local()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """See the store as it is at one instant."""
        options: dict[str, Any] = {} if self.sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._translated(), self.engine.connect() as plain:
            connection = plain.execution_options(**options)
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Writing]:
        """Change the store: everything or nothing. Waits for its turn."""
        if getattr(self._busy, "writing", False):
            raise RuntimeError("a write inside a write would wait for itself")
        self._busy.writing = True
        try:
            with self._translated(), ExitStack() as held:
                with self.engine.connect() as plain:
                    connection = plain.execution_options(writes=True)
                    writing = Writing(connection, held)
                    with connection.begin():
                        yield writing
                for done in writing.afterwards:
                    done()
        finally:
            self._busy.writing = False

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """A connection outside of any transaction, for what cannot be inside one."""
        with self._translated(), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        """Give the connections back; SQLite then empties its write-ahead log."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors without SQL, parameters, address or password in them."""
        try:
            yield
        except DBAPIError as error:
            raise trouble.explain(self.name, error.orig, sqlite=self.sqlite) from None
        except sqlite3.Error as error:
            raise trouble.explain(self.name, error, sqlite=True) from None
        except UnicodeDecodeError:  # in the words of SQLite about a damaged schema
            raise trouble.damaged(self.name) from None
        except SQLAlchemyError as error:
            what = type(error).__name__
            raise StoreError(f"the store {self.name} cannot be used", cause=what) from None


def _url(text: str) -> URL:
    try:
        url = make_url(text).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise UsageError(
            "the address of the store is wrong", "it reads postgresql://USER@HOST/DATABASE"
        ) from None
    local = (
        not url.host or url.host.startswith("/") or url.host in ("localhost", "127.0.0.1", "::1")
    )
    if not local and "sslmode" not in url.query and not os.environ.get("PGSSLMODE"):
        url = url.update_query_dict({"sslmode": "require"})  # libpq would fall back to plain text
    return url


def _sqlite(url: URL, patience: float) -> Engine:
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": patience, "check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _connected(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # the driver would begin transactions of its own, too late
        for pragma in _PRAGMAS:
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("isolation_level") != "AUTOCOMMIT":
            # a deferred transaction that writes later fails at once when it lost the race
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes") else "BEGIN")

    return engine


def _postgresql(url: URL, patience: float) -> Engine:
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise StoreError(
            "a store in PostgreSQL needs psycopg", "run: pip install 'leakguard[postgresql]'"
        ) from None
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={"connect_timeout": max(2, round(patience)), "application_name": "leakguard"},
    )

    @event.listens_for(engine, "connect")
    def _connected(raw: Any, _record: object) -> None:
        for setting in (*_SETTINGS, f"lock_timeout={round(patience * 1000)}"):
            raw.execute(f"SET SESSION {setting}")
        raw.commit()

    return engine
