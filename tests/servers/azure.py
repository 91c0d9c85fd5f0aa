"""Azure storage: the blob service is Azurite (Microsoft's emulator), the resource manager is ours.

Ours gives tokens to one application, lists and regenerates the two keys of one account,
and restarts Azurite with what they are then. A SAS token dies with its key in Azurite, too.

What this cannot prove: Azure's delays between the resource manager and the storage nodes,
and accounts that allow no shared keys.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

from servers import Process, free_port, lacking, launch, program, until
from servers.fake import Asked, Fake, Said

PACKAGES: tuple[str, ...] = ()

ACCOUNT, GROUP, SUBSCRIPTION, TENANT, CLIENT = "reports", "group", "sub-1", "tenant-1", "app-1"
RESOURCE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    f"/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
)


def available() -> str:
    """Why it cannot run here, or ""."""
    why = lacking(programs=["azurite-blob"])
    return f"{why} (npm install --global azurite)" if why else ""


def make_key() -> str:
    """A value that could be an account's key."""
    return base64.b64encode(secrets.token_bytes(64)).decode()


class Azure(Fake):
    """One storage account, and one application that may do what `actions` says."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.keys = {"key1": make_key(), "key2": make_key()}
        self.created = {"key1": "2020-01-01T00:00:00Z", "key2": "2020-01-01T00:00:00Z"}
        self.secret = secrets.token_urlsafe(24)
        self.actions = ["Microsoft.Storage/*"]
        self.regenerated: list[str] = []
        self.lazy = False  # answer 200 to a regeneration, and do nothing
        self.blob_port = free_port()
        self._azurite: Process | None = None
        self._bearers: set[str] = set()

    @property
    def blob(self) -> str:
        """The address of the blob service."""
        return f"http://127.0.0.1:{self.blob_port}/{ACCOUNT}"

    def run_azurite(self) -> None:
        """Start the blob service with the keys as they are; the data stays."""
        self.stop_azurite()
        accounts = f"{ACCOUNT}:{self.keys['key1']}:{self.keys['key2']}"
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "AZURITE_ACCOUNTS": accounts}
        self._azurite = launch(
            [program("azurite-blob"), "--silent", "--disableTelemetry", "--inMemoryPersistence",
             "--blobPort", str(self.blob_port)],
            log=self.folder / "azurite.log", cwd=self.folder, env=env,
        )  # fmt: skip
        until(self._answers, self._azurite)

    def stop_azurite(self) -> None:
        """End the blob service."""
        if self._azurite is not None:
            self._azurite.stop()
            self._azurite = None

    def _answers(self) -> bool:
        import requests

        try:
            return requests.get(f"{self.blob}/?comp=list", timeout=5).status_code == 403
        except requests.RequestException:
            return False

    def answer(self, asked: Asked) -> Said:
        if asked.path == f"/{TENANT}/oauth2/v2.0/token":
            return self._token(asked)
        if asked.bearer not in self._bearers:
            return Said(401, {"error": {"code": "InvalidAuthenticationToken"}})
        if not asked.path.startswith(RESOURCE) or "api-version" not in asked.query:
            return Said(404, {"error": {"code": "ResourceNotFound"}})
        return self._manage(asked, asked.path.removeprefix(RESOURCE))

    def _token(self, asked: Asked) -> Said:
        form = {name: values[0] for name, values in parse_qs(asked.raw.decode()).items()}
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, self.secret):
            return Said(401, {"error": "invalid_client"})
        self._bearers.add(bearer := secrets.token_hex(20))
        return Said(200, {"access_token": bearer, "expires_in": 3600})

    def _manage(self, asked: Asked, verb: str) -> Said:
        if verb == "/providers/Microsoft.Authorization/permissions":
            return Said(200, {"value": [{"actions": self.actions, "notActions": []}]})
        name = f"Microsoft.Storage/storageAccounts{verb}/action"
        if name not in self.actions and "Microsoft.Storage/*" not in self.actions:
            return Said(403, {"error": {"code": "AuthorizationFailed"}})
        if verb == "/regenerateKey" and not self.lazy:
            self._regenerate(asked.body["keyName"])
        rows = [
            {"keyName": one, "value": self.keys[one], "creationTime": self.created[one]}
            for one in self.keys
        ]
        return Said(200, {"keys": rows})

    def _regenerate(self, name: str) -> None:
        self.keys[name] = make_key()
        self.regenerated.append(name)
        self.created[name] = datetime.now(UTC).isoformat()
        self.run_azurite()


@contextmanager
def start(folder: Path) -> Iterator[Azure]:
    """An account with two keys."""
    azure = Azure(folder)
    try:
        azure.run_azurite()
        with azure.serving():
            yield azure
    finally:
        azure.stop_azurite()
