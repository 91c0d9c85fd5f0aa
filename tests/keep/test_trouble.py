"""A store that cannot be used says what is wrong and what to do, and loses nothing over it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import free_port, postgresql

from keep import writer
from keep.builders import Somewhere, declared, noted, notes
from leakguard import exits
from leakguard.errors import LeakguardError, UsageError
from leakguard.keep.errors import Conflict, Held, NoStore, StoreError, Tampered
from leakguard.keep.store import open_store

INCIDENT = "LG-2026-0001"


@pytest.fixture
def filled(sqlite: Somewhere) -> Somewhere:
    """A store in a file, with enough in it to be damaged."""
    with sqlite.open() as store:
        for _ in range(30):
            declared(store)
    return sqlite


@pytest.fixture
def small_disk(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of its own, of less than a megabyte, as the data folder."""
    disk = data.with_name("disk")
    disk.mkdir()
    options = f"size=600k,mode=700,uid={os.geteuid()}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    monkeypatch.setenv("LEAKGUARD_DATA", str(disk))
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_every_trouble_with_the_store_has_an_exit_code() -> None:
    assert issubclass(StoreError, LeakguardError)
    assert {one.exit_code for one in (StoreError, NoStore, Conflict, Tampered)} == {exits.UNREAD}
    assert Held.exit_code == exits.REFUSED


def test_no_store_yet_is_told_apart_and_none_is_made_by_looking(spot: Somewhere) -> None:
    with pytest.raises(NoStore) as caught:
        spot.open(create=False)
    assert caught.value.hints
    assert not spot.folder.exists()


@pytest.mark.parametrize("size", [0, 10, 100, 4096, 5000, 40_000])
def test_a_file_that_was_cut_short_is_never_taken_for_a_store_or_a_new_one(
    filled: Somewhere, size: int
) -> None:
    path = Path(filled.where)
    path.write_bytes(path.read_bytes()[:size])
    assert _use(filled).hints
    assert path.stat().st_size <= max(size, 4096)


@pytest.mark.parametrize("begin", [0, 100, 4096, 8192])
def test_a_page_of_garbage_is_called_damage(filled: Somewhere, begin: int) -> None:
    path = Path(filled.where)
    whole = path.read_bytes()
    path.write_bytes(whole[:begin] + b"\xa5" * 4096 + whole[begin + 4096 :])
    error = _use(filled)
    assert "damaged" in error.message or "gone or empty" in error.message
    assert any("backup" in hint for hint in error.hints)


def test_a_store_that_was_deleted_is_not_quietly_begun_anew(filled: Somewhere) -> None:
    Path(filled.where).unlink()
    with pytest.raises(StoreError, match="is gone or empty; it had 60 events") as caught:
        filled.open()
    assert str(filled.head) in caught.value.hints[-1]
    assert not Path(filled.where).exists()
    filled.head.rename(filled.head.with_suffix(".old"))
    with filled.open() as store:
        assert store.listing() == []


def test_somebody_elses_database_is_left_alone(sqlite: Somewhere) -> None:
    path = Path(sqlite.where)
    path.parent.mkdir(mode=0o700)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE event (mine)")
    connection.close()
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="no leakguard store, but something else's database"):
        sqlite.open()
    assert path.read_bytes() == before


def test_somebody_elses_tables_in_postgresql_are_left_alone(postgres: Somewhere) -> None:
    postgres.sql("CREATE TABLE event (mine integer)")
    with pytest.raises(StoreError, match="no leakguard store, but something else's database"):
        postgres.open()


def test_a_file_that_is_no_database_is_left_alone(sqlite: Somewhere) -> None:
    path = Path(sqlite.where)
    path.parent.mkdir(mode=0o700)
    path.write_text("dear diary " * 500)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="is not a leakguard store"):
        sqlite.open()
    assert path.read_text().startswith("dear diary")


def test_a_full_disk_loses_nothing_that_was_committed(small_disk: Path) -> None:
    with open_store() as store:
        incident = declared(store).id
    with writer.process(writer.fill, None, incident, 0) as (_, pipe):
        written, message, hints = pipe.recv()
    assert "no room left" in message or "cannot be used" in message or "is full" in message
    assert any("free some space" in hint for hint in hints)
    with open_store() as store:  # reading needs no space
        assert [int(text.split()[0]) for text in notes(store, incident)] == list(range(written))
        assert store.verify() == []
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    with open_store() as store:
        noted(store, incident, "room again")
        assert store.verify() == []


def test_a_limit_on_file_sizes_loses_nothing_that_was_committed(sqlite: Somewhere) -> None:
    with sqlite.open() as store:
        incident = declared(store).id
    with writer.process(writer.fill, sqlite.where, incident, 400_000) as (_, pipe):
        written, message, hints = pipe.recv()
    assert written > 3
    assert "files may not grow more" in message
    assert any("free some space" in hint for hint in hints)
    with sqlite.open() as store:
        assert [int(text.split()[0]) for text in notes(store, incident)] == list(range(written))
        assert store.verify() == []


def test_a_disk_that_became_read_only_says_so(small_disk: Path) -> None:
    with open_store() as store:
        declared(store)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    error = _use(Somewhere(str(small_disk / "incidents.db"), small_disk))
    assert "read-only" in error.message or "cannot be opened" in error.message
    assert error.hints
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    with open_store() as store:
        assert store.verify() == []
        assert len(store.entries(INCIDENT)) == 2


def test_a_read_only_postgresql_says_so(postgres: Somewhere) -> None:
    with postgres.open() as store:
        declared(store)
    read_only = Somewhere(
        f"{postgres.where}%20-cdefault_transaction_read_only%3Don", postgres.folder
    )
    with read_only.open() as store:
        assert len(store.listing()) == 1
        with pytest.raises(StoreError, match="is read-only"):
            noted(store, INCIDENT, "x")


def test_a_server_that_does_not_answer_is_named_without_its_password(
    data: Path, fake_password: str
) -> None:
    where = f"postgresql://ada:{fake_password}@127.0.0.1:{free_port()}/incidents"
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        open_store(where, patience=2)
    assert fake_password not in _all_of(caught.value)
    assert "ada:***@127.0.0.1" in caught.value.message


def test_a_wrong_password_is_not_repeated(server: postgresql.Server, fake_password: str) -> None:
    where = f"postgresql://{server.admin}:{fake_password}@127.0.0.1:{server.port}/postgres"
    with pytest.raises(StoreError) as caught:
        open_store(where, patience=2)
    assert "password authentication failed" in caught.value.cause
    assert fake_password not in _all_of(caught.value)


@pytest.mark.parametrize("where", ["mysql://host/db", "postgresql://h:port/d"])
def test_an_address_that_is_none_says_how_it_reads(where: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(where)
    assert "postgresql://USER@HOST/DATABASE" in caught.value.hints[0]


def test_a_role_without_rights_says_so(postgres: Somewhere, server: postgresql.Server) -> None:
    with postgres.open() as store:
        declared(store)
    name = "guest_" + os.urandom(4).hex()
    password = os.urandom(16).hex()
    server.role(name, password)
    query = postgres.where.partition("?")[2]
    schema = query.partition("search_path%3D")[2]
    server.do("GRANT USAGE ON SCHEMA {} TO {}", schema, name)
    where = f"postgresql://{name}:{password}@127.0.0.1:{server.port}/postgres?{query}"
    with pytest.raises(StoreError, match="does not let this role in") as caught:
        open_store(where)
    assert password not in _all_of(caught.value)


def test_a_server_that_restarts_meanwhile_is_found_again(
    server: postgresql.Server, postgres: Somewhere
) -> None:
    with postgres.open() as store:
        incident = declared(store).id
        server.stop()
        with pytest.raises(StoreError, match="cannot be reached"):
            noted(store, incident, "down")
        server.again()
        noted(store, incident, "up")
        assert notes(store, incident) == ["up"]
        assert store.verify() == []


@pytest.fixture
def fake_password() -> str:
    return os.urandom(12).hex()


def _use(spot: Somewhere) -> StoreError:
    """The error of the first use that fails, or of `verify` when it finds the file damaged."""
    try:
        with spot.open() as store:
            if problems := store.verify():
                return StoreError(problems[0].message, "from a backup")
            noted(store, INCIDENT, "x")
    except StoreError as error:
        return error
    raise AssertionError("nothing was noticed")


def _all_of(error: BaseException) -> str:
    """Everything that a careless traceback would show."""
    import traceback

    return "".join(
        traceback.TracebackException.from_exception(error, capture_locals=False).format()
    )
