"""JupyterHub itself, without its proxy: only the API is asked, and it needs none.

What this cannot prove: that a notebook server of the user notices (none is started).
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers import Process, free_port, lacking, launch, until

PACKAGES: tuple[str, ...] = ()

USER, OTHER = "analyst", "somebody"

CONFIG = '''
import json
import pathlib
from jupyterhub.proxy import Proxy

class NoProxy(Proxy):
    """The hub runs; no request is routed."""
    should_start = False
    async def add_route(self, routespec, target, data): pass
    async def delete_route(self, routespec): pass
    async def get_all_routes(self): return {}

seed = json.loads(pathlib.Path("seed.json").read_text())
c = get_config()
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.bind_url = f"http://127.0.0.1:{seed['unused']}"
c.JupyterHub.hub_port = seed["port"]
c.JupyterHub.hub_ip = "127.0.0.1"
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.cookie_secret_file = "cookie_secret"
c.JupyterHub.authenticator_class = "null"
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.services = [
    {"name": name, "api_token": token} for name, token in seed["services"].items()
]
c.JupyterHub.load_roles = [
    {"name": "rotation", "services": ["rotator"],
     "scopes": ["tokens!user=analyst", "read:users!user=analyst"]},
    {"name": "looking", "services": ["reader"], "scopes": ["read:tokens", "read:users"]},
    {"name": "all", "services": ["root"], "scopes": ["admin:users", "tokens"]},
    {"name": "user", "scopes": ["self"]},
]
'''


def available() -> str:
    """Why it cannot run here, or ""."""
    return lacking(modules=["jupyterhub"])


@dataclass
class Server:
    """A hub with two users and three services that may do more or less."""

    port: int
    process: Process
    services: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def api(self) -> str:
        """The address of its API."""
        return f"http://127.0.0.1:{self.port}/hub/api"

    def ask(self, method: str, path: str, token: str = "", **parts: Any) -> Any:
        """One request, as the service that may do all unless a token is given."""
        import requests

        headers = {"Authorization": f"token {token or self.services['root']}"}
        return requests.request(method, self.api + path, headers=headers, timeout=10, **parts)

    def token(self, user: str = USER, **body: Any) -> tuple[str, str]:
        """A new token of a user: its id and its value."""
        made = self.ask("POST", f"/users/{user}/tokens", json={"note": "nightly job", **body})
        made.raise_for_status()
        return made.json()["id"], made.json()["token"]

    def tokens(self, user: str = USER) -> list[str]:
        """Ids of the tokens that a user has."""
        return [one["id"] for one in self.ask("GET", f"/users/{user}/tokens").json()["api_tokens"]]


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """A hub whose tokens are made for this run."""
    port = free_port()
    services = {name: secrets.token_hex(24) for name in ("rotator", "reader", "root")}
    seed = {"port": port, "unused": free_port(), "services": services}
    (folder / "seed.json").write_text(json.dumps(seed), "utf-8")
    (folder / "config.py").write_text(CONFIG, "utf-8")
    process = launch(
        [sys.executable, "-m", "jupyterhub", "-f", "config.py"],
        log=folder / "hub.log", cwd=folder,
    )  # fmt: skip
    server = Server(port, process, services)
    try:
        until(lambda: _answers(server), process, within=60)
        for user in (USER, OTHER):
            server.ask("POST", f"/users/{user}").raise_for_status()
        yield server
    finally:
        process.stop()


def _answers(server: Server) -> bool:
    import requests

    try:
        return bool(server.ask("GET", "/user").ok)
    except requests.RequestException:
        return False
