"""Which version the tables have, and bringing an older one up to date, with alembic."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

from leakguard.keep import private
from leakguard.keep.errors import StoreError
from leakguard.keep.tables import METADATA

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

NEWEST = "0002"  # what this program writes; said here too because alembic is slow to import
FRESH = ""
VERSIONS = "leakguard_version"
APPLICATION = 0x4C4B4744  # "LKGD", in the header of our SQLite files
_LOCK = 0x4C4B4744  # of PostgreSQL, while the tables are made or changed


def version(connection: Connection, name: str) -> str:
    """The version of the tables; FRESH where there are none yet.

    Raises StoreError for somebody else's database and for a version newer than this program.
    """
    tables = set(inspect(connection).get_table_names())
    if VERSIONS not in tables:
        if _foreign(connection, tables):
            raise StoreError(
                f"{name} is no leakguard store, but something else's database",
                "name another file, or an empty database",
            )
        return FRESH
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSIONS}").scalar()  # noqa: S608
    if found != NEWEST and found not in {one.revision for one in scripts().walk_revisions()}:
        raise StoreError(
            f"the store {name} was written by a newer leakguard (its version is {found})",
            "run: pip install --upgrade leakguard",
        )
    return str(found)


def scripts() -> ScriptDirectory:
    """The migrations that came with this program."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(os.path.join(os.path.dirname(__file__), "migrations"))


def upgrade(connection: Connection, to: str = "head") -> None:
    """Make or change the tables, inside the transaction of this connection."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION}")
    directory = scripts()
    context = MigrationContext.configure(
        connection,
        opts={
            "version_table": VERSIONS,
            "transactional_ddl": True,
            "script": directory,
            "fn": lambda heads, _context: directory._upgrade_revs(to, heads),  # noqa: SLF001
        },
    )
    with Operations.context(context):
        context.run_migrations()


def lock(connection: Connection) -> None:
    """Let only one process make or change the tables; SQLite's write transaction does so anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def backup(path: str, found: str) -> str:
    """Copy a SQLite store before it is changed. The path of the copy."""
    copy, number = f"{path}.before-{NEWEST}-was-{found}", 1
    while not private.create(copy):
        number += 1
        copy = f"{path}.before-{NEWEST}-was-{found}.{number}"
    source, target = sqlite3.connect(path), sqlite3.connect(copy)
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()
    return copy


def _foreign(connection: Connection, tables: set[str]) -> bool:
    if connection.dialect.name == "sqlite":
        return bool(tables) or connection.exec_driver_sql("PRAGMA application_id").scalar() != 0
    return bool(tables & set(METADATA.tables))
