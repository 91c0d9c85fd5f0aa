"""The machine whose files a rotation changes: this one, or one reached with the ssh client.

A key that opens a door stays in memory: it goes through a pipe into an ssh-agent that
lives as long as the block. For rotation scripts, as leakguard.rotate.kit is.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leakguard.rotate.kit import Fail, Request

NAME = "leakguard-target"  # what the pinned key of the host is filed under

# A copy keeps mode and owner, and a rename leaves no moment with half a file.
WRITE = """set -eu; umask 077
f=$(readlink -f -- "$1"); t=$(mktemp "$f.XXXXXX"); trap 'rm -f "$t"' EXIT
if [ -e "$f" ]; then cp -p -- "$f" "$t"; else chmod "$2" "$t"; fi
cat > "$t"; sync -- "$t" 2>/dev/null || sync; mv -f -- "$t" "$f"; trap - EXIT"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command on the host left behind."""

    code: int
    out: bytes
    err: str


@dataclass(frozen=True, slots=True)
class Host:
    """Runs commands and moves files. `door` is the ssh client's argv, () for this machine."""

    door: tuple[str, ...] = ()

    def run(self, argv: list[str], stdin: bytes = b"") -> Ran:
        """Run a command there, whatever it answers. Raises Fail when the host is out of reach."""
        line = [*self.door, shlex.join(argv)] if self.door else argv
        try:
            done = subprocess.run(line, input=stdin, capture_output=True, check=False)
        except FileNotFoundError:
            raise Fail("missing", f"the program {argv[0]} is not on this machine") from None
        err = done.stderr.decode("utf-8", "replace")
        if self.door and done.returncode == 255:
            raise refusal(err)
        return Ran(done.returncode, done.stdout, err)

    def must(self, argv: list[str], stdin: bytes = b"", *, what: str) -> bytes:
        """Run a command that has to succeed. `what` is the failure in words."""
        ran = self.run(argv, stdin)
        if ran.code == 127:
            raise Fail("missing", f"{what}: the host has no {argv[0]}")
        if ran.code:
            raise Fail(_class(ran.err), f"{what}: {argv[0]} ended with {ran.code}")
        return ran.out

    def command(self, line: str, *, what: str) -> None:
        """Run a command that a target names as one line."""
        self.must(shlex.split(line), what=what)

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return self.run(["test", "-e", path]).code == 0

    def writable(self, path: str) -> bool:
        """Whether a file can be put there: its folder takes new names."""
        script = 'd=$(dirname -- "$(readlink -f -- "$1")"); test -w "$d" && test -x "$d"'
        return self.run(["sh", "-c", script, "sh", path]).code == 0

    def read(self, path: str) -> bytes:
        """A file's bytes. Raises Fail(not_found) or Fail(permission)."""
        ran = self.run(["cat", "--", path])
        if ran.code == 0:
            return ran.out
        if not self.exists(path):
            raise Fail("not_found", f"there is no file {path} on the host")
        raise Fail(_class(ran.err), f"reading {path}: cat ended with {ran.code}")

    def write(self, path: str, content: bytes, mode: str = "0600") -> None:
        """Put a file there at once. A file that exists keeps its owner and mode."""
        self.must(["sh", "-c", WRITE, "sh", path, mode], content, what=f"writing {path}")

    def remove(self, path: str) -> None:
        """Take a file away; one that is gone is fine."""
        self.must(["rm", "-f", "--", path], what=f"removing {path}")


@contextmanager
def reach(ask: Request) -> Iterator[Host]:
    """The host that the target names with `transport`."""
    if ask.target.get("transport", "local") == "local":
        yield Host()
        return
    with agent(ask.secret("responder")) as socket, _connection(socket, door(ask.target)) as words:
        yield Host((*words, "--"))


def door(target: dict[str, Any]) -> dict[str, Any]:
    """Where the responder's ssh goes, from the parameters that begin with `ssh_`."""
    return {
        "host": target.get("ssh_host") or target.get("host", ""),
        "port": target.get("ssh_port") or target.get("port", 22),
        "user": target.get("ssh_user") or "root",
        "host_key": target.get("ssh_host_key") or target.get("host_key", ""),
    }


def client(
    socket: str, to: dict[str, Any], *options: str, control: str = "none"
) -> tuple[str, ...]:
    """The ssh client's argv: no configuration, one agent, one pinned host key."""
    known = Path("known_hosts")
    known.write_text(f"{NAME} {to['host_key']}\n", encoding="ascii")
    settings = (
        "BatchMode=yes", f"IdentityAgent={socket}", "IdentityFile=none",
        "PreferredAuthentications=publickey", "StrictHostKeyChecking=yes",
        f"HostKeyAlias={NAME}", f"UserKnownHostsFile={known.resolve()}",
        "GlobalKnownHostsFile=none", "UpdateHostKeys=no", f"ControlPath={control}",
        "ClearAllForwardings=yes", "ForwardAgent=no", "ConnectTimeout=10",
    )  # fmt: skip
    words = [word for setting in settings for word in ("-o", setting)]
    login = ["-p", str(to["port"]), "-l", to["user"]]
    return ("ssh", "-F", "none", "-T", *words, *login, *options, to["host"])


@contextmanager
def agent(key: str) -> Iterator[str]:
    """The socket of an agent that holds one private key, in memory only."""
    path = os.path.abspath(f"agent-{os.urandom(4).hex()}")
    server = subprocess.Popen(
        ["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(path)
        _load(path, key)
        yield path
    finally:
        server.kill()
        server.wait()


def refusal(err: str) -> Fail:
    """Why the ssh client did not get in, from what it wrote."""
    if re.search(r"Permission denied \(", err):
        return Fail("auth", "the host refused the key")
    if re.search(r"Host key verification failed|key is known by|REVOKED HOST KEY", err):
        return Fail("conflict", "the host shows another key than the pinned one")
    return Fail("network", "the host does not answer ssh", retryable=True)


@contextmanager
def _connection(socket: str, to: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """One connection that every command of the block shares."""
    path, log = os.path.abspath(f"door-{os.urandom(4).hex()}"), Path("door.log")
    with log.open("wb") as sink:
        master = subprocess.Popen(client(socket, to, "-M", "-N", control=path), stderr=sink)
    try:
        while not os.path.exists(path):
            if master.poll() is not None:
                raise refusal(log.read_text("utf-8", "replace"))
            time.sleep(0.01)
        yield client(socket, to, control=path)
    finally:
        master.terminate()
        master.wait()


def _load(path: str, key: str) -> None:
    done = subprocess.run(
        ["ssh-add", "-q", "-t", "600", "-"], input=f"{key.strip()}\n".encode(), check=False,
        capture_output=True, start_new_session=True,
        env={**os.environ, "SSH_AUTH_SOCK": path, "SSH_ASKPASS_REQUIRE": "never"},
    )  # fmt: skip
    if done.returncode:
        raise Fail("unsupported", "the private key cannot be read (has it a passphrase?)")


def _wait(path: str) -> None:
    end = time.monotonic() + 10
    while not os.path.exists(path):
        if time.monotonic() > end:
            raise Fail("missing", "ssh-agent does not start on this machine")
        time.sleep(0.01)


def _class(err: str) -> str:
    denied = re.search(r"permission denied|not permitted|read-only", err, re.IGNORECASE)
    return "permission" if denied else "conflict"
