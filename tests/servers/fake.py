"""What servers stand on that answer JSON from memory, in a thread of the tests."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request, taken apart."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """Its JSON, or an empty object."""
        return json.loads(self.raw) if self.raw else {}

    @property
    def bearer(self) -> str:
        """The token that it carries."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def basic(self) -> tuple[str, str]:
        """The name and the password that it carries."""
        text = self.headers.get("authorization", "").removeprefix("Basic ")
        name, _, password = base64.b64decode(text).decode().partition(":")
        return name, password


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Fake:
    """A server with a memory. `faults` are given out before anything is looked at."""

    def __init__(self) -> None:
        self.faults: list[Said] = []
        self.port = 0

    def answer(self, asked: Asked) -> Said:
        """What it says to a request."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Listen on a loopback port until the block ends."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(fake: Fake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): text for name, text in self.headers.items()}
            asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), headers, raw)
            said = fake.faults.pop(0) if fake.faults else fake.answer(asked)
            body = b"" if said.body is None else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, text in {"Content-Type": "application/json", **said.headers}.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - as it looks for them

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    return Handler
