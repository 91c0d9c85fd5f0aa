"""An example in every dress: at every place and in every encoding in which it may stand."""

from __future__ import annotations

import base64
import json
import re

Dress = tuple[str, bytes]
"""(what it is called in a sentence, the text)"""

_FILLER = b"the quick brown fox jumps over the lazy dog\n"
_IN_A_QUERY = re.compile(rb"[A-Za-z0-9._~!*-]{1,4096}")
"""What an address holds unescaped."""

_ONE_LINE = re.compile(rb"[\x21\x23-\x26\x28-\x3b\x3d\x3f-\x5b\x5d-\x5f\x61-\x7e]{1,4096}")
"""What needs no escape in quotes, tags and assignments."""


def dresses(text: str, *, context: bool, whole: bool = False) -> list[Dress]:
    """All that an example may wear.

    A rule that lives on its surroundings is not taken out of them, and one that
    is about whole files sees nothing else.
    """
    raw = text.encode()
    crlf = raw.replace(b"\n", b"\r\n") + b"\r\n"
    if whole:
        return [("alone", raw), ("with CRLF", crlf)]
    found = [
        ("alone", raw),
        ("at the start", raw + b"\n" + _FILLER),
        ("at the end", _FILLER + raw),
        ("in the middle", _FILLER * 20 + raw + b"\n" + _FILLER * 20),
        ("with CRLF", crlf),
        ("in UTF-16", text.encode("utf-16")),
        ("repeated", raw + b"\n" + raw + b"\n" + raw + b"\n"),
        ("in base64", b"data: " + base64.b64encode(b"# settings for the app\n" + raw) + b"\n"),
    ]
    if not context:
        found += [
            ("quoted", b'x = "' + raw + b'"\n'),
            ("in JSON", json.dumps({"config": text}).encode()),
            ("in YAML", b"config: |\n  " + raw.replace(b"\n", b"\n  ") + b"\n"),
        ]
    return found


def bare(value: bytes) -> list[Dress]:
    """What a value wears that is found without anything around it."""
    if not _ONE_LINE.fullmatch(value):
        return []
    found = [
        ("in an .env file", b"APP_MODE=dev\nAPP_VALUE=" + value + b"\nAPP_PORT=8080\n"),
        ("in single quotes", b"call('" + value + b"', 1)\n"),
        ("in a JSON list", json.dumps(["a", value.decode(), "b"]).encode()),
        ("as a YAML scalar", b"mode: dev\nvalue: " + value + b"\nport: 8080\n"),
        ("in a tag", b"<value>" + value + b"</value>\n"),
    ]
    if _IN_A_QUERY.fullmatch(value):
        address = b"GET https://api.acme.internal/v1?mode=dev&value=" + value
        found += [("in a URL query", address + b"&page=2\n"), ("ending a URL", address + b"\n")]
    return found
