"""Sessions that a key opened: found by its fingerprint in sshd's log, ended with all they run."""

from __future__ import annotations

import re
import time

from leakguard.rotate.host import Host
from leakguard.rotate.kit import Fail

ACCEPTED = re.compile(
    r"Accepted publickey for \S+ from (?P<ip>\S+) port (?P<port>\d+) ssh2: \S+ "
    r"(?P<key>SHA256:[A-Za-z0-9+/]+)"
)
HOLDER = re.compile(r'"sshd[\w-]*",pid=(\d+)')
PATIENCE = 5.0  # seconds between asking a session to end and killing it


def open_sessions(host: Host, log: str, key_id: str) -> set[int]:
    """The sshd processes that serve connections which this key opened."""
    theirs = {peer for peer, key in _last_logins(host, log).items() if key == key_id}
    return {pid for peer, pids in _connections(host).items() if peer in theirs for pid in pids}


def end(host: Host, log: str, key_id: str) -> int:
    """End them with everything they started. How many processes that were."""
    victims = _with_children(host, open_sessions(host, log, key_id))
    _kill(host, "TERM", victims)
    limit = time.monotonic() + PATIENCE
    while (left := victims & _alive(host)) and time.monotonic() < limit:
        time.sleep(0.1)
    _kill(host, "KILL", left)
    return len(victims)


def _last_logins(host: Host, log: str) -> dict[tuple[str, str], str]:
    """Which key each client address last came in with: a later login takes an address over."""
    lines = _log(host, log).decode("utf-8", "replace")
    return {(hit["ip"], hit["port"]): hit["key"] for hit in ACCEPTED.finditer(lines)}


def _log(host: Host, log: str) -> bytes:
    if log == "journal":
        words = ["journalctl", "--no-pager", "-o", "cat", "-u", "ssh", "-u", "sshd"]
        return host.must(words, what="reading sshd's journal")
    found = host.run(["grep", "-aF", "Accepted publickey", "--", log])
    if found.code > 1:
        raise Fail("not_found", f"sshd's log {log} cannot be read on the host")
    return found.out


def _connections(host: Host) -> dict[tuple[str, str], set[int]]:
    out = host.must(["ss", "-Htnp", "state", "established"], what="listing connections")
    found: dict[tuple[str, str], set[int]] = {}
    for line in out.decode().splitlines():
        pids = {int(pid) for pid in HOLDER.findall(line)}
        if pids:
            ip, _, port = line.split()[3].rpartition(":")
            found.setdefault((ip.strip("[]").removeprefix("::ffff:"), port), set()).update(pids)
    return found


def _with_children(host: Host, pids: set[int]) -> set[int]:
    family = set(pids)
    pairs = _processes(host)
    while more := {pid for pid, parent in pairs if parent in family} - family:
        family |= more
    return family


def _alive(host: Host) -> set[int]:
    return {pid for pid, _ in _processes(host)}


def _processes(host: Host) -> list[tuple[int, int]]:
    out = host.must(["ps", "-eo", "pid=,ppid=,stat="], what="listing processes").decode()
    rows = (line.split() for line in out.splitlines())
    return [(int(pid), int(parent)) for pid, parent, state in rows if state[0] != "Z"]


def _kill(host: Host, name: str, pids: set[int]) -> None:
    if pids:  # one that ended meanwhile makes kill fail; what is left is looked at again
        host.run(["sh", "-c", 'kill -s "$@" || true', "sh", name, *map(str, sorted(pids))])
