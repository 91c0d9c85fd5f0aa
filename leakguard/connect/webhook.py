"""A message as JSON to an address of one's own, signed.

The signature is HMAC-SHA256 over `<time>.<body>` with the shared key, in
`X-Leakguard-Signature: t=<time>,v1=<hex>`. `Idempotency-Key` is the same for
every try: a receiver that keeps to it takes a message once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time

from leakguard.connect.notify import Outgoing
from leakguard.connect.notify_http import Poster, host, secret_text, taken
from leakguard.load.channels import Channel
from leakguard.secret import Secret

OLDEST = 300
"""Seconds after which a receiver should refuse a signature."""


def deliver(channel: Channel, message: Outgoing) -> str:
    """Post it; the receipt is the status. Raises UnreadError or UnsureError."""
    url = secret_text(channel, "url")
    body = json.dumps(document(channel, message), sort_keys=True).encode()
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": message.key(channel.name),
        "X-Leakguard-Signature": signature(body, channel.secrets["key"], int(time.time())),
    }
    poster = Poster(url)
    try:
        answer = poster.post(url, body, headers)
    finally:
        poster.close()
    taken(answer, host(url))
    return f"HTTP {answer.status}"


def document(channel: Channel, message: Outgoing) -> dict[str, object]:
    """What a receiver gets."""
    return {
        "schema": "leakguard-message/1",
        "key": message.key(channel.name),
        "incident": message.incident,
        "message": message.message,
        "version": message.version,
        "audience": message.audience,
        "level": message.level,
        "tlp": message.tlp,
        "drill": message.drill,
        "subject": message.subject,
        "text": message.text,
    }


def signature(body: bytes, key: Secret, at: int) -> str:
    """The header's value for `body` at the time `at`."""
    digest = hmac.new(key.reveal(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def genuine(header: str, body: bytes, key: Secret, now: float) -> bool:
    """Whether a receiver may believe `body`: signed with the key, and not long ago."""
    at = header.partition(",")[0].removeprefix("t=")
    if not at.isdecimal() or abs(now - int(at[:12])) > OLDEST:
        return False
    return hmac.compare_digest(header.encode(), signature(body, key, int(at)).encode())
