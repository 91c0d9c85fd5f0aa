"""Who holds a rotation: a hold ends with its time, or with the process that took it."""

from __future__ import annotations

import os
import platform
import secrets
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from leakguard.event import instant, stamp
from leakguard.keep.errors import Conflict, Held
from leakguard.keep.tables import ROTATION


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works on a rotation, since and until when, as which process of which machine."""

    owner: str
    since: datetime
    until: datetime
    host: str
    pid: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a rotation's steps. A stale one is refused with Conflict."""

    rotation: str
    owner: str
    token: str


_FREE = dict.fromkeys(
    ("lease_owner", "lease_since", "lease_until", "lease_host", "lease_pid", "lease_token")
)


def take(connection: Connection, row: Row[Any], owner: str, seconds: float, now: datetime) -> Lease:
    """Hold the rotation of this locked row. Raises Held."""
    found = holder(row)
    if found is not None and found.until > now and not _gone(row):
        raise _held(row.id, found)
    lease = Lease(row.id, owner, secrets.token_hex(16))
    values = {
        "lease_owner": owner,
        "lease_since": stamp(now),
        "lease_until": stamp(now + timedelta(seconds=seconds)),
        "lease_host": f"{platform.node()} {_machine()}",
        "lease_pid": os.getpid(),
        "lease_token": lease.token,
    }
    connection.execute(update(ROTATION).where(ROTATION.c.id == row.id).values(values))
    return lease


def extend(connection: Connection, lease: Lease, seconds: float, now: datetime) -> None:
    """Hold it longer. Raises Conflict when somebody took it over."""
    until = stamp(now + timedelta(seconds=seconds))
    mine = (ROTATION.c.id == lease.rotation) & (ROTATION.c.lease_token == lease.token)
    done = connection.execute(update(ROTATION).where(mine).values(lease_until=until))
    if done.rowcount != 1:
        raise _lost(lease)


def release(connection: Connection, lease: Lease) -> None:
    """Let others in, unless they are in already."""
    mine = (ROTATION.c.id == lease.rotation) & (ROTATION.c.lease_token == lease.token)
    connection.execute(update(ROTATION).where(mine).values(_FREE))


def check(row: Row[Any], lease: Lease | None, now: datetime) -> None:
    """Whether this process may write now. Raises Conflict for a lost lease, Held for none."""
    if lease is not None:
        if row.lease_token != lease.token:
            raise _lost(lease)
        return
    found = holder(row)
    if found is not None and found.until > now and not _ours(row) and not _gone(row):
        raise _held(row.id, found)


def holder(row: Row[Any]) -> Holder | None:
    """Who took the rotation of this row last and has not let go."""
    if row.lease_token is None:
        return None
    return Holder(
        row.lease_owner,
        instant(row.lease_since),
        instant(row.lease_until),
        row.lease_host.partition(" ")[0],
        row.lease_pid,
    )


def locked(connection: Connection, rotation: str) -> Row[Any] | None:
    """The row of a rotation, held until the transaction ends."""
    return connection.execute(
        select(ROTATION).where(ROTATION.c.id == rotation).with_for_update()
    ).first()


def _machine() -> str:
    """The boot of this machine, and the space in which its process numbers count."""
    if not sys.platform.startswith("linux"):
        return "-"
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    return f"{boot}/{os.readlink('/proc/self/ns/pid')}"


def _ours(row: Row[Any]) -> bool:
    return bool(row.lease_pid == os.getpid() and _same_machine(row))


def _same_machine(row: Row[Any]) -> bool:
    return bool(row.lease_host == f"{platform.node()} {_machine()}")


def _gone(row: Row[Any]) -> bool:
    """Whether the holder's process surely is no more; on another machine nobody can say."""
    if sys.platform == "win32" or not _same_machine(row):
        return False
    try:
        os.kill(row.lease_pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _zombie(row.lease_pid)


def _zombie(pid: int) -> bool:
    """Killed, and not yet seen off by its parent."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(") ")[2].startswith("Z")
    except OSError:
        return False


def _held(rotation: str, found: Holder) -> Held:
    who = f"{found.owner} (process {found.pid} on {found.host})"
    return Held(
        f"{rotation} is being worked on by {who} since {stamp(found.since)}",
        f"wait until they are done; without a sign of life it is free at {stamp(found.until)}",
    )


def _lost(lease: Lease) -> Conflict:
    return Conflict(
        f"somebody took over {lease.rotation} from {lease.owner}",
        f"see where it is: leakguard rotate observe {lease.rotation}",
    )
