"""An etcd member that asks for passwords, with root and no other user."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from servers import Process, free_port, lacking, launch, listening, program, until

PACKAGES: tuple[str, ...] = ("etcd-server",)


def available() -> str:
    """Why it cannot run here, or ""."""
    return lacking(programs=["etcd"], modules=["requests"])


@dataclass
class Server:
    """A member and its port for clients."""

    port: int
    process: Process
    admin_password: str = field(repr=False)

    def target(self, **more: Any) -> dict[str, Any]:
        """The parameters by which a rotation script finds it."""
        return {"host": "127.0.0.1", "port": self.port, "tls": False, "admin_user": "root"} | more

    def ask(self, path: str, body: dict[str, Any], token: str = "") -> requests.Response:
        """One request to its JSON interface."""
        url = f"http://127.0.0.1:{self.port}/v3{path}"
        login = {"Authorization": token} if token else {}
        with requests.post(url, json=body, headers=login, timeout=10) as answer:
            return answer

    def token(self, user: str, password: str) -> str:
        """A session, or "" when the password is refused."""
        said = self.ask("/auth/authenticate", {"name": user, "password": password}).json()
        return str(said.get("token", ""))

    def do(self, path: str, body: dict[str, Any]) -> Any:
        """One request as root."""
        answer = self.ask(path, body, self.token("root", self.admin_password))
        assert answer.ok, answer.text
        return answer.json()

    def user(self, name: str, password: str, *roles: str) -> None:
        """Make a user with these roles."""
        self.do("/auth/user/add", {"name": name, "password": password})
        for role in roles:
            self.do("/auth/user/grant", {"user": name, "role": role})


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """A fresh member of a cluster of one."""
    folder.mkdir(exist_ok=True)
    port, peer = free_port(), f"http://127.0.0.1:{free_port()}"
    clients = f"http://127.0.0.1:{port}"
    process = launch(
        [program("etcd"), "--data-dir", folder / "data", "--listen-client-urls", clients,
         "--advertise-client-urls", clients, "--listen-peer-urls", peer,
         "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
         "--unsafe-no-fsync", "--bcrypt-cost", "4", "--logger", "zap"],
        log=folder / "server.log",
    )  # fmt: skip
    server = Server(port, process, secrets.token_hex(16))
    try:
        until(listening(port), process)
        until(lambda: server.ask("/maintenance/status", {}).ok, process)
        _ask_for_passwords(server)
        yield server
    finally:
        process.stop()


def _ask_for_passwords(server: Server) -> None:
    root = {"name": "root", "password": server.admin_password}
    steps = {"user/add": root, "role/add": {"name": "root"},
             "user/grant": {"user": "root", "role": "root"}, "enable": {}}  # fmt: skip
    for path, body in steps.items():
        answer = server.ask(f"/auth/{path}", body)
        assert answer.ok, answer.text
