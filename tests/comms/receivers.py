"""Receivers on this machine that fail as real ones do: HTTP, and SMTP with real certificates."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What a service does. `reset`: before or after it read the body; `slow`: seconds."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    reset: str = ""
    slow: float = 0.0


@dataclass
class Host:
    """A server: what it does next, what it was sent. The last answer of a path stays."""

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    pages: dict[str, Callable[[Seen], Any]] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)

    def says(self, path: str, *answers: Answer, method: str = "POST") -> None:
        self.answers[f"{method} {path}"] = list(answers)

    def next(self, method: str, path: str) -> Answer | None:
        waiting = self.answers.get(f"{method} {path}")
        if waiting is None:
            return None
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def posted(self, path: str = "") -> list[Seen]:
        return [one for one in self.seen if one.method == "POST" and (not path or one.path == path)]


@contextmanager
def http(context: ssl.SSLContext | None = None) -> Iterator[Host]:
    host = Host()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(host))
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    scheme = "http" if context is None else "https"
    host.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    try:
        yield host
    finally:
        host.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(host: Host) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            path = self.path.partition("?")[0]
            answer = host.next(self.command, path)
            if answer is not None and answer.reset == "before":
                self._reset()
                return
            length = int(self.headers.get("content-length") or 0)
            headers = {key.lower(): value for key, value in self.headers.items()}
            seen = Seen(self.command, self.path, headers, self.rfile.read(length))
            host.seen.append(seen)
            if answer is None and f"{self.command} {path}" in host.pages:
                made = host.pages[f"{self.command} {path}"](seen)
                answer = made if isinstance(made, Answer) else _json(made)
            answer = answer or Answer(404, b"{}")
            if answer.slow:
                host.released.wait(answer.slow)
            if answer.reset:
                self._reset()
                return
            self.send_response(answer.status)
            for key, value in answer.headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _reset(self) -> None:
            """Close so that the other side gets a reset, not an end."""
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                pass

        def log_message(self, *args: object) -> None:
            """Silent."""

    return Handler


def _json(document: Any) -> Answer:
    return Answer(body=json.dumps(document).encode(), headers={"Content-Type": "application/json"})


@contextmanager
def nobody() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


class Authority:
    """A certificate authority of the test, and a certificate for this machine."""

    def __init__(self, folder: Path, name: str = "127.0.0.1") -> None:
        authority = trustme.CA()
        self.ca = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self.context)


@dataclass
class Mailbox:
    """A mail server: what it took, and what it does wrong."""

    port: int = 0
    taken: list[Envelope] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    rcpt: dict[str, str] = field(default_factory=dict)
    data: str = "250 taken"
    drop: bool = False
    wait: float = 0.0
    quit: str = ""

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refused = self.rcpt.get(address)
        if refused is None:
            envelope.rcpt_tos.append(address)
        return refused or "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data.startswith("2"):
            self.taken.append(envelope)
        if self.wait:
            import asyncio

            await asyncio.sleep(self.wait)
        if self.drop:
            server.transport.abort()
        return self.data

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        return self.quit or "221 bye"


@contextmanager
def smtp(
    box: Mailbox,
    context: ssl.SSLContext | None,
    *,
    implicit: bool = False,
    user: str = "",
    word: str = "",
) -> Iterator[Mailbox]:
    def check(
        server: SMTP, session: Session, envelope: Envelope, kind: str, data: Any
    ) -> AuthResult:
        box.logins.append((data.login, data.password))
        good = (data.login, data.password) == (user.encode(), word.encode())
        return AuthResult(success=good, handled=good)

    options: dict[str, Any] = {}
    if user:
        options |= {"authenticator": check, "auth_required": True, "auth_require_tls": True}
    if implicit:
        options["ssl_context"] = context
    elif context is not None:
        options |= {"tls_context": context, "require_starttls": True}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    box.port = port
    try:
        yield box
    finally:
        controller.stop()


def eventually(check: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether it holds within some time."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
