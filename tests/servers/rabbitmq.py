"""A RabbitMQ broker with its management API, an administrator and no other user."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pika
import requests

from servers import Process, free_port, lacking, launch, listening, program, started, until

PACKAGES: tuple[str, ...] = ("rabbitmq-server",)
BIN = "/usr/lib/rabbitmq/bin"  # the one on the PATH of Debian insists on its own user and places


def available() -> str:
    """Why it cannot run here, or ""."""
    if not program("rabbitmq-server", BIN):
        return "not installed: the program rabbitmq-server"
    return lacking(programs=["epmd"], modules=["pika", "requests"])


@dataclass
class Server:
    """A broker and its two ports."""

    port: int
    management_port: int
    process: Process
    admin_password: str = field(repr=False)
    admin: str = "admin"

    def target(self, **more: Any) -> dict[str, Any]:
        """The parameters by which a rotation script finds it."""
        ports = {"port": self.port, "management_port": self.management_port}
        return {"host": "127.0.0.1", "admin_user": self.admin} | ports | more

    def connect(self, user: str, password: str) -> pika.BlockingConnection:
        """Log in, or raise."""
        login = pika.PlainCredentials(user, password)
        where = pika.ConnectionParameters("127.0.0.1", self.port, "/", login, heartbeat=0)
        return pika.BlockingConnection(where)

    def do(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the management API as the administrator."""
        url = f"http://127.0.0.1:{self.management_port}/api{path}"
        login = (self.admin, self.admin_password)
        with requests.request(method, url, json=body, auth=login, timeout=10) as answer:
            answer.raise_for_status()
            return answer.json() if answer.content else None

    def user(self, name: str, password: str = "", *, tags: str = "") -> None:
        """Make a user that may do everything on `/`; without a password nobody is let in."""
        body = {"password": password} if password else {"password_hash": ""}
        self.do("PUT", f"/users/{name}", body | {"tags": tags})
        may = {"configure": ".*", "write": ".*", "read": ".*"}
        self.do("PUT", f"/permissions/%2F/{name}", may)

    def users(self) -> Any:
        """All that the broker knows of its users, to compare before and after."""
        return self.do("GET", "/users"), self.do("GET", "/permissions")

    def said(self) -> str:
        """Its log."""
        return self.process.said()


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """A fresh broker; its port mapper is ours too, so that no daemon is left behind."""
    folder.mkdir(exist_ok=True)
    port, management, mapper = free_port(), free_port(), free_port()
    password = secrets.token_hex(16)
    environment = _environment(folder, mapper)
    epmd = [program("epmd"), "-port", str(mapper), "-address", "127.0.0.1"]
    _configure(folder, port, management, password)
    with started(epmd, log=folder / "epmd.log") as names:
        until(listening(mapper), names)
        process = launch(
            [program("rabbitmq-server", BIN)], log=folder / "server.log", env=environment
        )  # fmt: skip
        try:
            until(lambda: "Server startup complete" in process.said(), process, within=90)
            yield Server(port, management, process, password)
        finally:
            process.stop(within=30)


def _configure(folder: Path, port: int, management: int, password: str) -> None:
    settings = [
        f"listeners.tcp.1 = 127.0.0.1:{port}",
        "management.tcp.ip = 127.0.0.1",
        f"management.tcp.port = {management}",
        "default_user = admin",
        f"default_pass = {password}",
        "log.console = true",
        "log.file = false",
    ]
    path = folder / "rabbitmq.conf"
    path.touch(mode=0o600)
    path.write_text("\n".join(settings) + "\n", encoding="utf-8")
    (folder / "plugins").write_text("[rabbitmq_management].\n", encoding="utf-8")


def _environment(folder: Path, mapper: int) -> dict[str, str]:
    erl = shutil.which("erl")
    return {
        "PATH": os.environ["PATH"] + (f":{os.path.dirname(erl)}" if erl else ""),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "RABBITMQ_NODENAME": f"lg{mapper}@localhost",
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
