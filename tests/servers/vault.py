"""A Vault server: `bao` or `vault` where one is on the PATH, else a fake.

The real one is no package of a distribution: build it, or unpack a release. Either way it
starts sealed and empty, on a storage in memory, with three unseal shares.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from servers import free_port, listening, program, started, until
from servers.vault_fake import Vault

PACKAGES: tuple[str, ...] = ()

CONFIG = """
storage "inmem" {{}}
disable_mlock = true
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_disable = true
  disable_unauthed_rekey_endpoints = {closed}
}}
"""


def available() -> str:
    """It always can: with a fake where there is nothing better."""
    return ""


def real() -> str:
    """The program that would be used, or "" when the fake is."""
    return program("bao") or program("vault")


KIND = Path(real()).name or "fake"
"""What the tests run on, for the names of their parameters."""


@dataclass
class Server:
    """How to reach it, and who may do everything. Two of the three shares unseal it."""

    url: str
    root: str = field(repr=False)
    shares: list[str] = field(repr=False)
    fake: Vault | None = None

    def do(self, method: str, path: str, body: Any = None, *, token: str = "") -> Any:
        """One request as the administrator; the `data` of the answer, or all of it."""
        said = self.ask(method, path, body, token=token)
        assert said.status_code < 300, f"{method} {path}: {said.status_code} {said.text}"
        found = said.json() if said.content else {}
        return found.get("data") or found.get("auth") or found

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "") -> Any:
        """One request, whatever comes of it."""
        headers = {"X-Vault-Token": token or self.root}
        url = f"{self.url}/v1/{path}"
        return requests.request(method, url, json=body, headers=headers, timeout=10)

    def seal(self) -> None:
        """Close it, as an operator would."""
        self.do("PUT", "sys/seal")

    def unseal(self) -> None:
        """Open it with the shares it began with, and wait until it serves."""
        for share in self.shares[:2]:
            self.do("PUT", "sys/unseal", {"key": share})
        self.until_ready()

    def until_ready(self) -> None:
        """Wait until it serves; it takes a moment after the last share."""
        until(lambda: self.ask("GET", "sys/health").status_code == 200)

    def token(self, *rules: tuple[str, str], **more: Any) -> str:
        """A token that may do only this: (path, "read update ..") each."""
        name = f"p-{secrets.token_hex(4)}"
        text = "\n".join(
            f'path "{path}" {{ capabilities = {_quoted(can.split())} }}' for path, can in rules
        )
        self.do("PUT", f"sys/policies/acl/{name}", {"policy": text})
        made = self.do("POST", "auth/token/create", {"policies": [name], **more})
        value: str = made["client_token"]
        return value


def _quoted(words: list[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


@contextmanager
def start(folder: Path, *, open_rekey: bool = True) -> Iterator[Server]:
    """A server with AppRole and transit switched on, and KV version 2 at `secret/`.

    `open_rekey`: sys/rekey is served, to everybody; OpenBao 2.5 and later do not by themselves.
    """
    with _real(folder, open_rekey) if real() else faked(open_rekey) as server:
        _furnish(server)
        yield server


@contextmanager
def faked(open_rekey: bool = True) -> Iterator[Server]:
    """The fake, as `start` has it."""
    vault = Vault(open_rekey)
    with vault.serving():
        server = Server(vault.url, vault.root, vault.shares[:], vault)
        _furnish(server)
        yield server


def _furnish(server: Server) -> None:
    server.do("POST", "sys/auth/approle", {"type": "approle"})
    server.do("POST", "sys/mounts/transit", {"type": "transit"})
    server.do("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    until(lambda: server.ask("GET", "secret/config").status_code == 200)  # it makes its own keys


@contextmanager
def _real(folder: Path, open_rekey: bool) -> Iterator[Server]:
    port = free_port()
    config = folder / "vault.hcl"
    config.write_text(CONFIG.format(port=port, closed=str(not open_rekey).lower()))
    argv = [real(), "server", f"-config={config}"]
    with started(argv, log=folder / "vault.log", env={"HOME": str(folder)}) as process:
        until(listening(port), process)
        url = f"http://127.0.0.1:{port}/v1"
        numbers = {"secret_shares": 3, "secret_threshold": 2}
        made = requests.put(f"{url}/sys/init", json=numbers, timeout=10).json()
        server = Server(f"http://127.0.0.1:{port}", made["root_token"], made["keys_base64"])
        server.unseal()
        yield server
