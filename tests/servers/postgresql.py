"""A PostgreSQL server that logs every statement, with an administrator and no other role."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from servers import Process, free_port, lacking, launch, owned, program, run, until

PACKAGES: tuple[str, ...] = ("postgresql",)
USER = "postgres"  # the server refuses to run as root

SETTINGS = (
    "fsync=off",
    "log_statement=all",
    "log_connections=on",
    "max_prepared_transactions=4",
    "shared_buffers=8MB",
)


def available() -> str:
    """Why it cannot run here, or ""."""
    folders = _folders()
    if not program("initdb", *folders) or not program("postgres", *folders):
        return "not installed: the programs initdb and postgres"
    return lacking(modules=["psycopg"], user=USER)


@dataclass
class Server:
    """A server that can be stopped and started again on the same port."""

    folder: Path
    port: int
    admin_password: str = field(repr=False)
    process: Process
    admin: str = "admin"

    def target(self, **more: Any) -> dict[str, Any]:
        """The parameters by which a rotation script finds it."""
        where = {"host": "127.0.0.1", "port": self.port, "admin_user": self.admin}
        return where | more

    def connect(self, user: str, password: str, dbname: str = "postgres") -> psycopg.Connection:
        """Log in, or raise."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, password=password, dbname=dbname,
            connect_timeout=5, autocommit=True, sslmode="disable",
        )  # fmt: skip

    def accepts(self, user: str, password: str) -> bool:
        """Whether this login works right now."""
        try:
            self.connect(user, password).close()
        except psycopg.OperationalError:
            return False
        return True

    def do(self, statement: str, *names: str) -> list[tuple[Any, ...]]:
        """Run one statement as the administrator; each {} becomes a quoted name."""
        with self.connect(self.admin, self.admin_password) as connection:
            query = sql.SQL(statement).format(*map(sql.Identifier, names))
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def role(self, name: str, password: str = "", *, more: str = "") -> None:
        """Make a role; with a password it may log in."""
        with self.connect(self.admin, self.admin_password) as connection:
            made = sql.SQL("CREATE ROLE {} " + more).format(sql.Identifier(name))
            connection.execute(made)
            if password:
                verifier = connection.pgconn.encrypt_password(
                    password.encode(), name.encode(), b"scram-sha-256"
                )
                change = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
                connection.execute(
                    change.format(sql.Identifier(name), sql.Literal(verifier.decode()))
                )

    def roles(self) -> list[tuple[Any, ...]]:
        """All that the server knows of its roles, to compare before and after."""
        return self.do("SELECT * FROM pg_authid ORDER BY rolname")

    def reload(self) -> None:
        """Have the server read its configuration again, and wait until it has."""
        before = self.do("SELECT pg_conf_load_time()")
        self.do("SELECT pg_reload_conf()")
        until(lambda: self.do("SELECT pg_conf_load_time()") != before, self.process)

    def said(self) -> str:
        """Its log, with every statement."""
        return self.process.said()

    def stop(self) -> None:
        """Shut down, ending the sessions."""
        self.process.stop(signal.SIGINT)

    def again(self) -> None:
        """Start after `stop`, on the same port."""
        self.process = _launch(self.folder, self.port)


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """A fresh server in a folder that its user may enter (`servers.place`)."""
    password = secrets.token_hex(16)
    data = _initialized(folder, password)
    port = free_port()
    server = Server(data, port, password, _launch(data, port))
    try:
        yield server
    finally:
        server.stop()


def _initialized(folder: Path, password: str) -> Path:
    data = owned(folder / "data", USER)
    pwfile = data.with_name("pw")
    pwfile.write_text(password, encoding="utf-8")
    if os.geteuid() == 0:
        pwfile.chmod(0o644)
    try:
        run(
            [program("initdb", *_folders()), "-D", data, "-A", "scram-sha-256", "-U", "admin",
             "--pwfile", pwfile, "--no-sync", "--locale", "C", "-E", "UTF8"],
            user=USER, cwd=data,
        )  # fmt: skip
    finally:
        pwfile.unlink()
    return data


def _launch(data: Path, port: int) -> Process:
    settings = [word for setting in SETTINGS for word in ("-c", setting)]
    log = data.with_name("server.log")
    before = _times_ready(log)
    process = launch(
        [program("postgres", *_folders()), "-D", data, "-p", str(port), "-k", data,
         "-h", "127.0.0.1", *settings],
        log=log, cwd=data, user=USER,
    )  # fmt: skip
    try:
        until(lambda: _times_ready(log) > before, process)
    except BaseException:
        process.kill()
        raise
    return process


def _times_ready(log: Path) -> int:
    return log.read_text("utf-8").count("ready to accept connections") if log.exists() else 0


def _folders() -> list[str]:
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    return [str(path) for path in sorted(versions, reverse=True)]
