"""What a database's error means to a person, and the way out."""

from __future__ import annotations

import sqlite3
from typing import Any

from leakguard.keep.errors import Conflict, StoreError

_RESTORE = "put it back from a backup"
_SPACE = "free some space and try again; nothing of this change was kept"

_SQLITE: dict[int, tuple[str, tuple[str, ...]]] = {
    sqlite3.SQLITE_BUSY: ("is locked by another process", ("wait for it to end and try again",)),
    sqlite3.SQLITE_LOCKED: ("is locked by another process", ("wait for it to end and try again",)),
    sqlite3.SQLITE_READONLY: (
        "is read-only",
        ("copy it, with its folder `keys`, to a folder that you can write to",),
    ),
    sqlite3.SQLITE_FULL: ("has no room left: the disk is full", (_SPACE,)),
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written: the disk failed, is full, or files may not grow more",
        (_SPACE,),
    ),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged",
        (_RESTORE, "or save what can still be read: sqlite3 FILE .recover"),
    ),
    sqlite3.SQLITE_NOTADB: (
        "is not a leakguard store, or its beginning is damaged",
        ("name another file", _RESTORE),
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        ("its folder must be there and yours to write to",),
    ),
}

_POSTGRESQL: dict[str, tuple[str, tuple[str, ...]]] = {
    "25006": ("is read-only", ("connect to the primary server",)),
    "53100": ("has no room left: the server's disk is full", (_SPACE,)),
    "55P03": ("is locked by another process", ("wait for it to end and try again",)),
    "42501": ("does not let this role in", ("grant the role the rights on these tables",)),
    "42P01": ("lacks a table", (_RESTORE,)),
}


def explain(name: str, error: BaseException | None, *, sqlite: bool) -> StoreError:
    """The error to raise for what a driver said about the store called `name`."""
    told = _of_sqlite(error) if sqlite else _of_postgresql(error)
    if told is None:
        return Conflict(f"the store {name} was changed by somebody else meanwhile", "try again")
    what, hints = told
    return StoreError(f"the store {name} {what}", *hints, cause=_first_line(error))


def damaged(name: str) -> StoreError:
    """The error for what makes no sense in a store."""
    what, hints = _SQLITE[sqlite3.SQLITE_CORRUPT]
    return StoreError(f"the store {name} {what}", *hints)


def _of_sqlite(error: Any) -> tuple[str, tuple[str, ...]] | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None and "file is not a database" in str(error):
        code = sqlite3.SQLITE_NOTADB
    if "Could not decode" in str(error):
        code = sqlite3.SQLITE_CORRUPT
    if code is not None and code & 0xFF == sqlite3.SQLITE_CONSTRAINT:
        return None if "UNIQUE" in str(error) else ("refused a change", ())
    return _SQLITE.get((code or 0) & 0xFF, ("cannot be used", ()))


def _of_postgresql(error: Any) -> tuple[str, tuple[str, ...]] | None:
    state = getattr(error, "sqlstate", None) or ""
    if state in ("40001", "40P01", "23505"):
        return None
    if not state or state.startswith(("08", "57")):
        hint = "look whether the server runs; then see with `leakguard status` what was kept"
        return "cannot be reached", (hint,)
    if state.startswith("28"):
        return "does not let this role in", ("check the role and its password",)
    return _POSTGRESQL.get(state, ("cannot be used", ()))


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().partition("\n")[0].partition(" with text ")[0]  # it would quote a row
