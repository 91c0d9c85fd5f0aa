"""A NATS server whose users stand in a file that its configuration includes."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers import Process, free_port, lacking, launch, listening, program, until

PACKAGES: tuple[str, ...] = ("nats-server",)


def available() -> str:
    """Why it cannot run here, or ""."""
    return lacking(programs=["nats-server"])


@dataclass
class Server:
    """A server, its ports, and the file with its users."""

    port: int
    monitor: int
    folder: Path
    process: Process

    @property
    def file(self) -> Path:
        """Where the users stand."""
        return self.folder / "users.conf"

    def target(self, **more: Any) -> dict[str, Any]:
        """The parameters by which a rotation script finds it."""
        return {
            "host": "127.0.0.1", "port": self.port, "file": str(self.file),
            "pid_file": str(self.folder / "pid"),
            "monitor_url": f"http://127.0.0.1:{self.monitor}",
        } | more  # fmt: skip

    def users(self, text: str) -> None:
        """Put this text in the file with the users, and have it read."""
        self.file.write_text(text, encoding="utf-8")
        before = self.loaded()
        self.process.send(signal.SIGHUP)
        until(lambda: self.loaded() != before, self.process)

    def loaded(self) -> str:
        """When the server read its configuration last."""
        url = f"http://127.0.0.1:{self.monitor}/varz"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(json.load(answer)["config_load_time"])

    @contextmanager
    def session(self, user: str, password: str) -> Iterator[socket.socket]:
        """A client that has logged in."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as line:
            hello = json.dumps({"user": user, "pass": password, "verbose": False})
            line.sendall(f"CONNECT {hello}\r\nPING\r\n".encode())
            said = b""
            while b"PONG" not in said:
                part = line.recv(65536)
                assert part, "the login was refused"
                said += part
            yield line


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """A fresh server without users yet."""
    folder.mkdir(exist_ok=True)
    port, monitor = free_port(), free_port()
    (folder / "users.conf").write_text("users = []\n", encoding="utf-8")
    config = folder / "nats.conf"
    config.write_text(
        f"listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitor}\n"
        f"pid_file: {folder / 'pid'}\nauthorization {{\n  include users.conf\n}}\n",
        encoding="utf-8",
    )
    argv = [program("nats-server"), "-c", config]
    process = launch(argv, log=folder / "server.log")
    try:
        until(listening(port), process)
        until(listening(monitor), process)
        until((folder / "pid").exists, process)
        yield Server(port, monitor, folder, process)
    finally:
        process.stop()
