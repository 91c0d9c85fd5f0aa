"""A Redis server with an ACL file, an administrator and no other user."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from servers import Process, free_port, lacking, launch, listening, program, until

PACKAGES: tuple[str, ...] = ("redis-server",)


def available() -> str:
    """Why it cannot run here, or ""."""
    return lacking(programs=["redis-server"], modules=["redis"])


@dataclass
class Server:
    """A server that can be stopped, killed and started again on the same port."""

    folder: Path
    port: int
    process: Process
    admin_password: str = field(repr=False)
    options: tuple[str, ...] = ()
    admin: str = "admin"

    def target(self, **more: Any) -> dict[str, Any]:
        """The parameters by which a rotation script finds it."""
        return {"host": "127.0.0.1", "port": self.port, "admin_user": self.admin} | more

    @contextmanager
    def session(self, user: str, password: str) -> Iterator[redis.Redis]:
        """Log in, or raise at the first command."""
        client = redis.Redis(
            port=self.port, username=user, password=password, decode_responses=True,
            single_connection_client=True, retry=Retry(NoBackoff(), 0),
        )  # fmt: skip
        try:
            client.client_id()
            yield client
        finally:
            client.close()

    def do(self, *command: str) -> Any:
        """Run one command as the administrator."""
        with self.session(self.admin, self.admin_password) as client:
            return client.execute_command(*command)

    def accepts(self, user: str, password: str) -> bool:
        """Whether this login works right now."""
        try:
            with self.session(user, password):
                return True
        except redis.exceptions.AuthenticationError:
            return False

    def user(self, name: str, password: str) -> None:
        """Make a user that may do everything."""
        self.do("ACL", "SETUSER", name, "on", f">{password}", "~*", "&*", "+@all")

    def stop(self) -> None:
        """Shut down, ending the sessions."""
        self.process.stop()

    def crash(self) -> None:
        """End it at once: it saves nothing."""
        self.process.stop(signal.SIGKILL)

    def again(self) -> None:
        """Start after `stop` or `crash`, on the same port."""
        self.process = _launch(self.folder, self.port, self.options)


@contextmanager
def start(folder: Path, *options: str, acl_file: bool = True) -> Iterator[Server]:
    """A fresh server. Without an ACL file its users are in the configuration file."""
    folder.mkdir(exist_ok=True)
    port, password = free_port(), secrets.token_hex(16)
    users = [f"user default on >{password} ~* &* +@all", f"user admin on >{password} ~* &* +@all"]
    path = folder / ("users.acl" if acl_file else "redis.conf")
    path.write_text("\n".join(users) + "\n", encoding="utf-8")
    (folder / "redis.conf").touch()
    kept = ("--aclfile", str(path)) if acl_file else ()
    server = Server(folder, port, _launch(folder, port, (*kept, *options)), password)
    server.options = (*kept, *options)
    try:
        yield server
    finally:
        server.stop()


def _launch(folder: Path, port: int, options: tuple[str, ...]) -> Process:
    process = launch(
        [program("redis-server"), folder / "redis.conf", "--port", str(port),
         "--bind", "127.0.0.1", "--dir", folder, "--save", "", *options],
        log=folder / "server.log",
    )  # fmt: skip
    try:
        until(listening(port), process)
    except BaseException:
        process.kill()
        raise
    return process
