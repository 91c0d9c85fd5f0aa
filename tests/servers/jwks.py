"""A JWKS over HTTP, and services that verify tokens with PyJWT's own `PyJWKClient`.

`/quick` forgets what it fetched after two seconds; `/stubborn` keeps single keys for ever
(`cache_keys`) until it is flushed. `/pair` has two workers: who comes while the first is busy
meets the second, which keeps keys for ever and no flush reaches. `/flush` wants the bearer of the run.

What this cannot prove: caches between a verifier and the document (CDN, proxies).
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

from servers import Process, free_port, lacking, launch, listening, until

PACKAGES: tuple[str, ...] = ()
TESTS = Path(__file__).resolve().parents[1]
AUDIENCE = "reports"


def available() -> str:
    """Why it cannot run here, or ""."""
    return lacking(modules=["jwt", "cryptography"])


@dataclass
class Server:
    """The document's folder, and the two verifiers."""

    port: int
    folder: Path
    process: Process
    flusher: str = field(repr=False)

    def url(self, path: str) -> str:
        """An address on it."""
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def document(self) -> Path:
        """What is published."""
        return self.folder / "jwks.json"

    def kids(self) -> list[str]:
        """The names of the published keys."""
        return [key["kid"] for key in json.loads(self.document.read_text("utf-8"))["keys"]]

    def forget(self) -> None:
        """Flush the verifiers."""
        import requests

        headers = {"Authorization": f"Bearer {self.flusher}"}
        requests.post(self.url("/flush"), headers=headers, timeout=10).raise_for_status()

    def says(self, path: str, token: str) -> int:
        """What a verifier answers to a token."""
        import requests

        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(self.url(path), headers=headers, timeout=10).status_code


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """A server that publishes `folder/jwks.json`, which the caller writes."""
    port, flusher = free_port(), secrets.token_hex(16)
    (folder / "flusher").write_text(flusher, "utf-8")
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    argv = [sys.executable, "-m", "servers.jwks", str(port)]
    process = launch(argv, log=folder / "log", env=env, cwd=folder)
    try:
        until(listening(port), process)
        yield Server(port, folder, process, flusher)
    finally:
        process.stop()


# -- inside the server


class Verifiers:
    """Clients with different memories."""

    def __init__(self, port: int) -> None:
        from jwt import PyJWKClient

        self._url = f"http://127.0.0.1:{port}/jwks.json"
        self._busy = Lock()
        self._second = PyJWKClient(self._url, cache_keys=True)
        self.flush()

    def flush(self) -> None:
        """Forget everything, as a restart does."""
        from jwt import PyJWKClient

        self.clients = {
            "/quick": PyJWKClient(self._url, lifespan=2),
            "/stubborn": PyJWKClient(self._url, cache_keys=True, cooldown_duration=1),
            "/pair": PyJWKClient(self._url, cache_keys=True),
        }

    def accept(self, path: str, token: str) -> bool:
        """Whether one of them believes a token."""
        if path != "/pair":
            return self._believes(self.clients[path], token)
        if not self._busy.acquire(blocking=False):
            return self._believes(self._second, token)
        try:
            time.sleep(0.02)
            return self._believes(self.clients[path], token)
        finally:
            self._busy.release()

    def _believes(self, client: Any, token: str) -> bool:
        import jwt

        try:
            key = client.get_signing_key_from_jwt(token)
            jwt.decode(token, key, algorithms=["RS256", "ES256", "EdDSA"], audience=AUDIENCE)
        except jwt.PyJWTError:
            return False
        return True


class Handler(BaseHTTPRequestHandler):
    """The document, the verifiers, and the way to make them forget."""

    verifiers: Verifiers

    def do_GET(self) -> None:
        """The document, or a verdict on a bearer."""
        if self.path == "/jwks.json":
            self._answer(200, Path("jwks.json").read_bytes())
        elif self.path in self.verifiers.clients:
            self._answer(200 if self.verifiers.accept(self.path, self._bearer()) else 401)
        else:
            self._answer(404)

    def do_POST(self) -> None:
        """`/flush`."""
        if self._bearer() != Path("flusher").read_text("utf-8"):
            return self._answer(401)
        self.verifiers.flush()
        return self._answer(204)

    def _bearer(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


if __name__ == "__main__":
    Handler.verifiers = Verifiers(int(sys.argv[1]))
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
