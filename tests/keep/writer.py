"""What other processes do to a store in these tests. Each function is a process's whole life."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

import psycopg  # noqa: F401
import sqlalchemy.dialects.postgresql.psycopg  # noqa: F401
from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: F401

from keep.builders import declared
from leakguard import event as ev
from leakguard.keep import head
from leakguard.keep.errors import StoreError
from leakguard.keep.journal import Journal
from leakguard.keep.store import open_store
from leakguard.secret import Secret

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["keep.writer"])  # a round then costs a fork, not the imports


@contextmanager
def process(
    work: Callable[..., None], *arguments: Any
) -> Iterator[tuple[ForkServerProcess, Connection]]:
    """A real process that runs `work(connection, *arguments)`; killed when the block ends."""
    ours, theirs = CONTEXT.Pipe()
    told = {name: value for name, value in os.environ.items() if name.startswith("LEAKGUARD_")}
    started = CONTEXT.Process(target=_life, args=(told, work, theirs, *arguments), daemon=True)
    started.start()
    theirs.close()
    try:
        yield started, ours
    finally:
        started.kill()
        started.join()
        started.close()
        ours.close()


def _life(told: dict[str, str], work: Callable[..., None], *arguments: Any) -> None:
    """The server of forks still has the environment of the first test."""
    os.environ.update(told)
    work(*arguments)


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def create_many(pipe: Connection, where: str, count: int) -> None:
    """Open the store at the same time as another process, and create incidents."""
    pipe.recv()
    with open_store(where) as store:
        pipe.send([declared(store, at=now()).id for _ in range(count)])


def change_many(pipe: Connection, where: str, incident: str, name: str, count: int) -> None:
    """Add numbered notes to one incident."""
    with open_store(where) as store:
        pipe.send("ready")
        pipe.recv()
        for number in range(count):
            note = ev.Noted(f"{name} {number}")
            store.change(incident, lambda _, one=note: [one], actor=name, at=now)
        pipe.send("done")


def change_for_ever(pipe: Connection, where: str, incident: str, first: int) -> None:
    """Add numbered notes, and say each number once it is committed."""
    with open_store(where) as store:
        number = first
        while True:
            note = ev.Noted(str(number))
            store.change(incident, lambda _, one=note: [one], actor="writer", at=now)
            pipe.send(number)
            number += 1


def die_at(pipe: Connection, where: str, incident: str, moment: str) -> None:
    """Add a note and be killed between the preparation of the head and its being in force."""
    setattr(head, moment, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with open_store(where) as store:
        store.change(incident, lambda _: [ev.Noted(moment)], actor="writer", at=now)


def rotate_for_ever(pipe: Connection, where: str, rotation: str, first: int) -> None:
    """Intents and outcomes with a sealed value and an event each; say what is committed."""
    with open_store(where) as store:
        journal = Journal(store)
        with journal.lease(rotation, "writer", 60) as lease:
            number = first
            while True:
                key = f"step {number}"
                journal.intent(rotation, key, 1, key, lease=lease)
                pipe.send(("intent", number))
                journal.finish(
                    rotation, key, "done", {"number": number},
                    {f"slot {number}": Secret(f"value {number}".encode())}, [ev.Noted(key)],
                    actor="writer", lease=lease,
                )  # fmt: skip
                pipe.send(("done", number))
                number += 1


def hold(pipe: Connection, where: str, rotation: str) -> None:
    """Take a lease and keep it until killed."""
    with open_store(where) as store, Journal(store).lease(rotation, "bob", 3600):
        pipe.send("held")
        pipe.recv()


def lock(pipe: Connection, where: str) -> None:
    """Begin a write and never end it."""
    with open_store(where) as store, store.database.write() as writing:
        store.ledger.lock(writing)
        pipe.send("locked")
        pipe.recv()


def fill(pipe: Connection, where: str, incident: str, limit: int) -> None:
    """Add big notes until it fails; a limit above 0 is on the size of every file."""
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with open_store(where) as store:
        for number in range(10_000):
            note = ev.Noted(f"{number} {'x' * 20_000}")
            try:
                store.change(incident, lambda _, one=note: [one], actor="writer", at=now)
            except StoreError as error:
                pipe.send((number, error.message, error.hints))
                return
