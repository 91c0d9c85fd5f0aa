"""A service on this machine that keeps to the protocol, and fails as real ones do.

Two servers: the API, which wants a token, and the storage that its signed addresses
lead to, which must not get one.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Answer:
    """What a service says. `cut` bytes are sent of a body, then the line goes dead."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    ranged: bool = False
    unsized: bool = False


@dataclass
class Host:
    """A server: what it answers, and what it was asked. The last answer of a path stays."""

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    def say(self, path: str, *answers: Answer, method: str = "GET") -> None:
        self.answers[f"{method} {path}"] = list(answers)

    def say_json(self, path: str, document: Any, **headers: str) -> None:
        body = json.dumps(document).encode()
        self.say(path, Answer(body=body, headers={"Content-Type": "application/json", **headers}))

    def next(self, method: str, path: str) -> Answer:
        waiting = self.answers.get(f"{method} {path}")
        if waiting is None:
            return Answer(404, b"{}")
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def asked(self, path: str) -> list[Seen]:
        return [one for one in self.seen if urlsplit(one.path).path == path]


@contextmanager
def serving() -> Iterator[Host]:
    host = Host()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(host))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    host.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(host: Host) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            host.seen.append(
                Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
            )
            parts = urlsplit(self.path)
            page = parse_qs(parts.query).get("page", [""])[0]
            path = parts.path + (f"?page={page}" if page else "")
            answer = host.next(self.command, path)
            body, status, headers = answer.body, answer.status, dict(answer.headers)
            if answer.ranged:
                tag = '"' + hashlib.sha256(body).hexdigest()[:16] + '"'
                headers["ETag"] = tag
                wanted = self.headers.get("Range", "")
                if wanted.startswith("bytes=") and self.headers.get("If-Range") == tag:
                    start = int(wanted[6:].rstrip("-"))
                    headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                    body, status = body[start:], 206
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if answer.unsized:
                self.send_header("Connection", "close")
                self.close_connection = True
            else:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if answer.cut is None else body[: answer.cut])
            if answer.cut is not None:
                self.close_connection = True

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - the names that http.server asks for

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


Make = Callable[..., str]
