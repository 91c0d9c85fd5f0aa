"""Postfix's smtpd processes: which hold a session that began before a moment, and their end."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from leakguard.rotate.host import Host

HOLDER = re.compile(r'\("smtpd",pid=(\d+)')
PATIENCE = 10.0  # seconds for processes to end


@dataclass(frozen=True, slots=True)
class Smtpd:
    """One process, and since when it runs, by the server's clock."""

    pid: int
    since: int


def sessions(host: Host, config: str, moment: int) -> list[int]:
    """The smtpd processes with a connection that may have been opened before a moment."""
    holders = _holders(host)
    return [pid for pid in _older(host, config, moment) if pid in holders]


def end(host: Host, config: str, moment: int) -> int:
    """End the smtpd processes of before a moment; Postfix starts new ones when it needs them.

    Idle ones too: one that takes a connection later would look like an old session.
    How many held a connection.
    """
    held = sessions(host, config, moment)
    for pid in _older(host, config, moment):
        host.run(["kill", "-s", "TERM", str(pid)])  # one that just ended makes kill fail
    limit = time.monotonic() + PATIENCE
    while _older(host, config, moment) and time.monotonic() < limit:
        time.sleep(0.2)
    return len(held)


def clock(host: Host) -> int:
    """The server's time in seconds."""
    return int(host.must(["date", "+%s"], what="reading the server's clock"))


def _older(host: Host, config: str, moment: int) -> list[int]:
    return [one.pid for one in _smtpds(host, config) if one.since <= moment]


def _smtpds(host: Host, config: str) -> list[Smtpd]:
    master = _master(host, config)
    now = clock(host)
    out = host.must(["ps", "-eo", "pid=,ppid=,etimes=,comm="], what="listing processes").decode()
    rows = (line.split(None, 3) for line in out.splitlines())
    return [
        Smtpd(int(pid), now - int(age))
        for pid, parent, age, name in rows
        if name.strip() == "smtpd" and int(parent) == master
    ]


def _master(host: Host, config: str) -> int:
    words = ["postconf", "-c", config, "-h", "queue_directory"]
    queue = host.must(words, what="asking Postfix for its queue").decode().strip()
    return int(host.read(f"{queue}/pid/master.pid"))


def _holders(host: Host) -> set[int]:
    out = host.must(["ss", "-Htnp", "state", "established"], what="listing connections")
    return {int(pid) for pid in HOLDER.findall(out.decode())}
