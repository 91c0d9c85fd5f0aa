"""A NATS server as its clients and its monitoring port show it. Plain NATS, no TLS."""

from __future__ import annotations

import json
import socket
import urllib.parse
import urllib.request
from typing import Any

from leakguard.rotate.kit import Fail

PATIENCE = 5.0  # seconds for an answer of the server
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def login(target: dict[str, Any], user: str, password: str) -> str:
    """accepted, refused, unreachable or unknown."""
    where = (target["host"], target.get("port") or 4222)
    hello = {"user": user, "pass": password, "verbose": False, "pedantic": False}
    try:
        with socket.create_connection(where, PATIENCE) as line, line.makefile("rb") as said:
            first = said.readline(1 << 20)
            if not first.startswith(b"INFO ") or json.loads(first[5:]).get("tls_required"):
                return "unknown"
            line.sendall(f"CONNECT {json.dumps(hello)}\r\nPING\r\n".encode())
            return _verdict(said)
    except OSError:
        return "unreachable"
    except ValueError:
        return "unknown"  # somebody answered, but not NATS


def _verdict(said: Any) -> str:
    for _ in range(20):
        words = said.readline(1 << 20).upper()
        if words.startswith(b"PONG"):
            return "accepted"
        if words.startswith(b"-ERR"):
            return "refused" if b"AUTHORIZATION VIOLATION" in words else "unknown"
    return "unknown"


def sessions(target: dict[str, Any]) -> int:
    """How many connections the leaked user has, by the monitoring port."""
    user = target["user"]
    url = f"{target['monitor_url'].rstrip('/')}/connz?auth=1&limit=65536&user="
    if not url.startswith(("http://", "https://")):
        raise Fail("unsupported", "monitor_url begins with http:// or https://")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url + urllib.parse.quote(user, safe=""), timeout=PATIENCE) as answer:
            rows = json.load(answer).get("connections") or []
    except OSError:
        raise Fail("network", "the monitoring port does not answer", retryable=True) from None
    except (ValueError, AttributeError):
        raise Fail("unsupported", "monitor_url is not the monitoring port of NATS") from None
    return sum(row.get("authorized_user") == user for row in rows)


def derived(target: dict[str, Any]) -> str:
    """none, alive, or unknown without an answer of the monitoring port."""
    if not target.get("monitor_url"):
        return "unknown"
    try:
        return "alive" if sessions(target) else "none"
    except Fail:
        return "unknown"


def is_private(target: dict[str, Any]) -> bool:
    """Whether a password crosses no network in the clear, or somebody allowed it to."""
    return target["host"] in LOOPBACK or target.get("clear_text") is True
