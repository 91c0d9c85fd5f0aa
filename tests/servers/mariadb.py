"""A MariaDB server that logs every statement, with an administrator and no other account."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql

from servers import Process, free_port, lacking, launch, listening, owned, program, run, until

PACKAGES: tuple[str, ...] = ("mariadb-server",)
USER = "mysql"  # the server refuses to run as root


def available() -> str:
    """Why it cannot run here, or ""."""
    return lacking(
        programs=["mariadbd", "mariadb-install-db"], modules=["pymysql"], user=USER
    )  # fmt: skip


@dataclass
class Server:
    """A server that can be stopped and started again on the same port."""

    folder: Path
    port: int
    process: Process
    admin_password: str = field(repr=False)
    admin: str = "admin"

    def target(self, **more: Any) -> dict[str, Any]:
        """The parameters by which a rotation script finds it."""
        return {"host": "127.0.0.1", "port": self.port, "admin_user": self.admin} | more

    def connect(self, user: str, password: str) -> pymysql.Connection[Any]:
        """Log in, or raise."""
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=user, password=password,
            connect_timeout=5, autocommit=True,
        )  # fmt: skip

    def accepts(self, user: str, password: str) -> bool:
        """Whether this login works right now."""
        try:
            self.connect(user, password).close()
        except pymysql.err.OperationalError:
            return False
        return True

    def do(self, statement: str, *values: object) -> tuple[tuple[Any, ...], ...]:
        """Run one statement as the administrator."""
        with self.connect(self.admin, self.admin_password) as connection:
            return _execute(connection, statement, *values)

    def account(self, user: str, password: str = "", host: str = "%") -> None:
        """Make an account: locked when it has no password."""
        self.do("CREATE USER %s@%s IDENTIFIED VIA mysql_native_password USING 'invalid'"
                " ACCOUNT LOCK", user, host)  # fmt: skip
        if password:
            self.set_password(user, password, host)

    def set_password(self, user: str, password: str, host: str = "%") -> None:
        """Unlock an account with this password, without telling the log."""
        unlock = "ALTER USER %s@%s IDENTIFIED BY PASSWORD %s ACCOUNT UNLOCK"
        with self.connect(self.admin, self.admin_password) as connection:
            _execute(connection, unlock, user, host, _hash(password))

    def accounts(self) -> tuple[tuple[Any, ...], ...]:
        """All that the server knows of its accounts, to compare before and after."""
        return self.do("SELECT User, Host, Priv FROM mysql.global_priv ORDER BY User, Host")

    def said(self) -> str:
        """Its general log: every statement."""
        return (self.folder / "general.log").read_text("utf-8", errors="replace")

    def stop(self) -> None:
        """Shut down, ending the sessions."""
        self.process.stop()

    def again(self) -> None:
        """Start after `stop`, on the same port."""
        self.process = _launch(self.folder, self.port)


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """A fresh server in a folder that its user may enter (`servers.place`)."""
    data, port = owned(folder / "data", USER), free_port()
    run(
        [program("mariadb-install-db"), "--no-defaults", f"--user={USER}", f"--datadir={data}",
         "--auth-root-authentication-method=normal", "--skip-test-db"],
        user=USER, cwd=data,
    )  # fmt: skip
    server = Server(data, port, _launch(data, port), secrets.token_hex(16))
    try:
        _add_admin(server)
        yield server
    finally:
        server.stop()


def _add_admin(server: Server) -> None:
    first = pymysql.connect(unix_socket=str(server.folder / "s"), user="root", autocommit=True)
    with first:
        _execute(first, "CREATE USER %s@'%%' IDENTIFIED BY PASSWORD %s",
                 server.admin, _hash(server.admin_password))  # fmt: skip
        _execute(first, "GRANT ALL ON *.* TO %s@'%%' WITH GRANT OPTION", server.admin)


def _launch(data: Path, port: int) -> Process:
    process = launch(
        [program("mariadbd"), "--no-defaults", f"--datadir={data}", f"--port={port}",
         f"--socket={data}/s", "--bind-address=127.0.0.1", f"--pid-file={data}/pid",
         "--general-log", f"--general-log-file={data}/general.log", "--skip-name-resolve",
         "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=8M"],
        log=data.with_name("server.log"), cwd=data, user=USER,
    )  # fmt: skip
    try:
        until(listening(port), process)
    except BaseException:
        process.kill()
        raise
    return process


def _execute(
    connection: pymysql.Connection[Any], statement: str, *values: object
) -> tuple[tuple[Any, ...], ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return tuple(cursor.fetchall())


def _hash(password: str) -> str:
    from hashlib import sha1

    return "*" + sha1(sha1(password.encode()).digest()).hexdigest().upper()
