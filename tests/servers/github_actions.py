"""GitHub's REST interface, as far as secrets of Actions go: a fake that opens the sealed box.

It remembers what was put and when, answers 422 to a value that was sealed for another key
than the present one, and never gives a value back: only a test can look at `values`.

What it cannot prove: GitHub's limits, and what a real runner gets.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from servers import lacking
from servers.fake import Asked, Fake, Said

PACKAGES: tuple[str, ...] = ()

PLACES = (
    r"/repos/octo/app/actions/secrets|/orgs/octo/actions/secrets"
    r"|/repos/octo/app/environments/live/secrets"
)


def available() -> str:
    """Why it cannot run here, or ""."""
    return lacking(modules=["nacl"])


class Actions(Fake):
    """Secrets by their address, and runs of one workflow."""

    def __init__(self) -> None:
        super().__init__()
        self.token = secrets.token_hex(20)
        self.reader = secrets.token_hex(20)
        self.values: dict[str, str] = {}
        self.about: dict[str, dict[str, Any]] = {}
        self.runs: list[dict[str, str]] = []
        self.shared = [{"id": 11}, {"id": 12}]
        self.clock = datetime(2026, 1, 1, tzinfo=UTC)
        self.change_key_after_next = False
        self.new_key()

    def new_key(self) -> None:
        """What was sealed for the former key is refused from now on."""
        from nacl.public import PrivateKey

        self._key = PrivateKey.generate()
        self.key_id = secrets.token_hex(8)

    def put(self, path: str, value: str, **about: Any) -> None:
        """Have a secret."""
        self.values[path] = value
        self.about[path] = {**self.about.get(path, {}), **about, "updated_at": self.tick()}

    def run(self, conclusion: str) -> None:
        """Have a run of the workflow that begins now."""
        self.runs.append({"run_started_at": self.tick(), "conclusion": conclusion})

    def tick(self) -> str:
        """A second later."""
        self.clock += timedelta(seconds=1)
        return f"{self.clock:%Y-%m-%dT%H:%M:%SZ}"

    def answer(self, asked: Asked) -> Said:
        if asked.bearer not in (self.token, self.reader):
            return Said(401, {"message": "Bad credentials"})
        if asked.path == "/repos/octo/app/actions/workflows/deploy.yml/runs":
            return Said(200, {"workflow_runs": self.runs[::-1]})
        match = re.fullmatch(f"({PLACES})/([^/]+)(/repositories)?", asked.path)
        if match is None:
            return Said(404, {"message": "Not Found"})
        if match[3]:
            return Said(200, {"total_count": len(self.shared), "repositories": self.shared})
        if asked.method == "PUT":
            return self._put(asked)
        return self._public_key() if match[2] == "public-key" else self._show(asked.path)

    def _public_key(self) -> Said:
        key = base64.b64encode(bytes(self._key.public_key)).decode()
        said = Said(200, {"key": key, "key_id": self.key_id})
        if self.change_key_after_next:
            self.change_key_after_next = False
            self.new_key()
        return said

    def _show(self, path: str) -> Said:
        if path not in self.about:
            return Said(404, {"message": "Not Found"})
        return Said(200, {"name": path.rpartition("/")[2], **self.about[path]})

    def _put(self, asked: Asked) -> Said:
        from nacl.exceptions import CryptoError
        from nacl.public import SealedBox

        if asked.bearer != self.token:
            return Said(403, {"message": "Resource not accessible by personal access token"})
        if asked.body["key_id"] != self.key_id:
            return Said(422, {"message": "Bad request - the key is not the current one"})
        if asked.path.startswith("/orgs/") and "visibility" not in asked.body:
            return Said(422, {"message": "visibility is missing"})
        try:
            sealed = base64.b64decode(asked.body["encrypted_value"])
            value = SealedBox(self._key).decrypt(sealed).decode()
        except CryptoError:
            return Said(422, {"message": "the value cannot be opened"})
        new = asked.path not in self.values
        more = {name: one for name, one in asked.body.items() if name.startswith(("vis", "sel"))}
        self.put(asked.path, value, **more)
        return Said(201 if new else 204)


@contextmanager
def start(_: Path | None = None) -> Iterator[Actions]:
    """A server without secrets."""
    actions = Actions()
    with actions.serving():
        yield actions
