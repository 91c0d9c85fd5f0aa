"""Tables are made and changed by migrations, an older store after a copy, a newer one never."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from keep.builders import NOON, Somewhere, declared, noted, opening
from leakguard.keep import schema
from leakguard.keep.errors import StoreError
from leakguard.keep.journal import Journal
from leakguard.keep.store import Store
from leakguard.keep.tables import METADATA

OLDEST = "0001"


@pytest.fixture
def older(spot: Somewhere) -> Somewhere:
    return aged(spot)


def aged(spot: Somewhere) -> Somewhere:
    """A store as the first version left it, with an incident in it."""
    with spot.open() as store:
        store.create(opening("from before", store.keyed("leak")), actor="ada", at=NOON)
    spot.sql(
        "DROP TABLE sealed", "DROP TABLE rotation_step", "DROP TABLE rotation",
        f"UPDATE {schema.VERSIONS} SET version_num = '{OLDEST}'",
    )  # fmt: skip
    return spot


def test_the_migrations_make_the_tables_that_the_program_uses(store: Store) -> None:
    with store.database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSIONS, "compare_type": True}
        )
        assert compare_metadata(context, METADATA) == []


def test_both_databases_have_the_same_columns(sqlite: Somewhere, postgres: Somewhere) -> None:
    def columns(spot: Somewhere) -> dict[str, list[str]]:
        with spot.open() as store, store.database.read() as connection:
            found = inspect(connection)
            return {
                name: [one["name"] for one in found.get_columns(name)] for name in METADATA.tables
            }

    assert columns(sqlite) == columns(postgres)


def test_the_newest_version_is_the_one_of_the_last_migration() -> None:
    assert schema.scripts().get_current_head() == schema.NEWEST
    assert schema.scripts().get_base() == OLDEST


def test_an_older_store_is_brought_up_to_date_with_all_it_has(older: Somewhere) -> None:
    with older.open(create=False) as store:
        assert store.listing()[0].title == "from before"
        assert store.known(store.keyed("leak")) == [("LG-2026-0001", "S1")]
        assert store.verify() == []
        noted(store, "LG-2026-0001", "goes on")
        Journal(store).begin("LG-2026-0001", "S1", "x", plan={}, policy={}, actor="ada")
    with older.open() as again:
        assert again.backup == ""


def test_an_older_file_is_copied_before_it_is_changed(sqlite: Somewhere) -> None:
    with aged(sqlite).open() as store:
        copy = Path(store.backup)
    assert copy.name == "incidents.db.before-0002-was-0001"
    assert copy.stat().st_mode & 0o777 == 0o600
    connection = sqlite3.connect(copy)
    try:
        assert connection.execute(f"SELECT * FROM {schema.VERSIONS}").fetchall() == [(OLDEST,)]
        assert connection.execute("SELECT count(*) FROM event").fetchall() == [(2,)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


def test_a_migration_that_fails_changes_nothing(older: Somewhere) -> None:
    older.sql("CREATE TABLE rotation_step (in_the_way integer)")
    with pytest.raises(StoreError):
        older.open()
    assert older.sql(f"SELECT * FROM {schema.VERSIONS}") == [(OLDEST,)]
    older.sql("DROP TABLE rotation_step")
    with older.open() as store:
        assert store.verify() == []


def test_a_store_of_a_newer_version_is_not_touched(spot: Somewhere) -> None:
    with spot.open() as store:
        declared(store)
    spot.sql(f"UPDATE {schema.VERSIONS} SET version_num = '9999'")
    with pytest.raises(StoreError, match="written by a newer leakguard") as caught:
        spot.open()
    assert caught.value.hints == ("run: pip install --upgrade leakguard",)
    assert spot.sql(f"SELECT * FROM {schema.VERSIONS}") == [("9999",)]


def test_a_file_of_ours_says_so_in_its_header(sqlite: Somewhere) -> None:
    with sqlite.open() as store:
        declared(store)
        with store.database.read() as connection:
            pragma = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
            }
    assert pragma == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
    }
    assert Path(sqlite.where).read_bytes()[68:72] == b"LKGD"


def test_every_migration_is_part_of_what_is_installed() -> None:
    folder = Path(schema.scripts().dir)
    assert folder.parent.name == "keep"
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {".py", ".pyc"}
