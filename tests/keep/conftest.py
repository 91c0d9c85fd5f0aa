"""Fixtures: a private data folder, and a place for a store in SQLite and in a real PostgreSQL."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from servers import place as server_place
from servers import postgresql

from keep.builders import Somewhere
from leakguard.keep.store import Store

MEMORY = "/dev/shm"
VARIABLES = ("LEAKGUARD_STORE", "LEAKGUARD_KEY_DIR", "LEAKGUARD_SEAL_KEY_FILE", "PGSSLMODE")


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's data folder, which is not there yet.

    In memory where that can be: no test pulls the plug, and a store waits for the disk often.
    """
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        monkeypatch.setenv("LEAKGUARD_DATA", str(Path(folder, "data")))
        yield Path(folder, "data")


@pytest.fixture(scope="session")
def server() -> Iterator[postgresql.Server]:
    """A PostgreSQL server for all tests."""
    if reason := postgresql.available():
        pytest.skip(f"PostgreSQL cannot run here: {reason}")
    with server_place() as folder, postgresql.start(folder) as started:
        yield started


@pytest.fixture
def postgres(server: postgresql.Server, data: Path) -> Somewhere:
    """A place for a store in an empty PostgreSQL schema."""
    name = f"store_{secrets.token_hex(6)}"
    server.do("CREATE SCHEMA {}", name)
    login = f"{server.admin}:{server.admin_password}@127.0.0.1:{server.port}"
    return Somewhere(f"postgresql://{login}/postgres?options=-csearch_path%3D{name}", data)


@pytest.fixture
def sqlite(data: Path) -> Somewhere:
    """A place for a store in a SQLite file."""
    return Somewhere(str(data / "incidents.db"), data)


@pytest.fixture(params=["sqlite", "postgresql"])
def spot(request: pytest.FixtureRequest) -> Somewhere:
    """A place for a store in each of the two."""
    name = "sqlite" if request.param == "sqlite" else "postgres"
    found: Somewhere = request.getfixturevalue(name)
    return found


@pytest.fixture
def store(spot: Somewhere) -> Iterator[Store]:
    """An empty store in each of the two."""
    with spot.open() as opened:
        yield opened
