"""Values of userPassword: how one is made, which password opens it, what it is called."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

SCHEME = re.compile(rb"^\{(?P<name>[A-Za-z0-9.+/_-]+)\}(?P<rest>.*)$", re.DOTALL)
DIGESTS = {"SHA": "sha1", "MD5": "md5", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512"}


def hashed(password: str, scheme: str, salt_from: str) -> bytes:
    """A salted value. One rotation always makes the same one, so that adding it twice is seen."""
    salt = hashlib.sha256(salt_from.encode()).digest()[:12]
    digest = hashlib.new(DIGESTS[scheme[1:]], password.encode() + salt, usedforsecurity=True)
    return f"{{{scheme}}}".encode() + base64.b64encode(digest.digest() + salt)


def opens(password: str, value: bytes) -> bool | None:
    """Whether a password matches a value; None for a scheme this module does not compute."""
    hit = SCHEME.match(value)
    if hit is None:
        return hmac.compare_digest(value, password.encode())
    name = hit["name"].decode().upper()
    algorithm = DIGESTS.get(name) or DIGESTS.get(name.removeprefix("S"))
    if algorithm is None:
        return None
    try:
        stored = base64.b64decode(hit["rest"], validate=True)
    except binascii.Error:
        return False
    size = hashlib.new(algorithm).digest_size
    digest = hashlib.new(algorithm, password.encode() + stored[size:]).digest()
    return hmac.compare_digest(digest, stored[:size])


def called(value: bytes) -> str:
    """A name for a value that tells nothing of it but its scheme."""
    hit = SCHEME.match(value)
    scheme = hit["name"].decode() if hit else "clear"
    return f"{scheme}:{hashlib.sha256(b'leakguard' + value).hexdigest()[:12]}"
