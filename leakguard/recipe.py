"""Recipes: fake secrets written as instructions, so that nothing here looks like one.

`expand('key = "acme_{{alnum:32}}"', rng)` gives a new fake at each call and the
same one for the same generator state. The notation is that of
docs/writing-rules.md; a `value` shape of a rule uses the same names.
"""

from __future__ import annotations

import base64
import json
import re
import string
from collections.abc import Callable
from typing import TYPE_CHECKING

from leakguard import late

if TYPE_CHECKING:
    from random import Random

ALPHABETS = {
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "alnum": string.digits + string.ascii_letters,
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "letters": string.ascii_letters,
    "lowernum": string.digits + string.ascii_lowercase,
    "uppernum": string.digits + string.ascii_uppercase,
    "digits": string.digits,
    "base32": string.ascii_uppercase + "234567",
    "base64": string.digits + string.ascii_letters + "+/",
    "base64url": string.digits + string.ascii_letters + "-_",
    "word": string.digits + string.ascii_letters + "_",
    "password": string.digits + string.ascii_letters + "!*+-.^~@",
}
"""Named alphabets."""

_LENGTH = late.pattern(r"(\d+)(?:-(\d+))?")
_SLOT = late.pattern(r"\{\{(b64:.{1,2000}?|[^{}]{1,200})\}\}(?!\})", re.DOTALL)
_INNER = late.pattern(r"\{([A-Za-z0-9]+(?::[0-9-]+)?)\}")
_WORD_CHARS = late.pattern(r"[A-Za-z0-9_.=+/~-]*$")


def lengths(text: str) -> tuple[int, int]:
    """`32` or `32-40` as least and greatest length. Raises ValueError."""
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise ValueError(f"not a length: {text!r}")
    low = int(found[1])
    high = int(found[2] or found[1])
    if not 0 < low <= high <= 4096:
        raise ValueError(f"not a usable length: {text!r}")
    return low, high


def expand(recipe: str, rng: Random, complete: Callable[[bytes], bytes] | None = None) -> str:
    """The recipe with every `{{...}}` filled in.

    `complete` makes the digits for `{{checksum}}` from the token before it.
    Raises ValueError for a recipe that does not exist.
    """
    out = ""
    at = 0
    for slot in _SLOT.finditer(recipe):
        out += recipe[at : slot.start()]
        if slot[1] == "checksum":
            if complete is None:
                raise ValueError("{{checksum}} needs a rule whose checksum can be computed")
            out += complete(_token_before(out).encode()).decode()
        else:
            out += _fill(slot[1], rng)
        at = slot.end()
    return out + recipe[at:]


def _token_before(text: str) -> str:
    """The token that ends `text`; the `NAME=` of an assignment is not part of it."""
    found = _WORD_CHARS.search(text)
    token = found[0] if found else ""
    body = token.rstrip("=")
    return body.rpartition("=")[2] + token[len(body) :]


def _fill(what: str, rng: Random) -> str:
    name, _, rest = what.partition(":")
    if name in ALPHABETS:
        low, high = lengths(rest)
        return _draw(ALPHABETS[name], rng.randint(low, high), rng)
    if name == "uuid":
        return _uuid(rng)
    if name == "jwt":
        return _jwt(rng)
    if name == "pem":
        return _pem(rest or "PRIVATE KEY", rng)
    if name == "phrase":
        from leakguard.seed_phrase import phrase  # thousands of words

        return phrase(rng.randbytes(int(rest) * 4 // 3))
    if name == "braces":
        return f"{{{{ {rest} }}}}"
    if name == "b64":
        inner = _INNER.sub(lambda found: _fill(found[1], rng), rest)
        return base64.b64encode(inner.encode()).decode()
    raise ValueError(
        f"unknown recipe {{{{{what}}}}}; one of: {', '.join(sorted(ALPHABETS))}, "
        "uuid, jwt, pem, phrase, b64, braces, checksum"
    )


def _draw(alphabet: str, length: int, rng: Random) -> str:
    """`length` characters, of every kind the alphabet offers when there is room."""
    while True:
        text = "".join(rng.choices(alphabet, k=length))
        kinds = [string.digits, string.ascii_lowercase, string.ascii_uppercase]
        offered = [set(kind) & set(alphabet) for kind in kinds]
        if length < 12 or all(not kind or kind & set(text) for kind in offered):
            return text


def _uuid(rng: Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    variant = rng.choice("89ab")
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def _b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _jwt(rng: Random) -> str:
    header = _b64url(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    claims = {
        "sub": _draw(ALPHABETS["digits"], 10, rng),
        "iat": 1_700_000_000 + rng.randint(0, 9**8),
    }
    return f"{header}.{_b64url(json.dumps(claims).encode())}.{_b64url(rng.randbytes(32))}"


def _pem(label: str, rng: Random) -> str:
    """Armour around bytes with the outer structure of a key, filled with noise."""
    if "OPENSSH" in label:
        raw = b"openssh-key-v1\0" + rng.randbytes(240)
    elif "PGP" in label:
        raw = b"\x95\x03" + rng.randbytes(300)
    else:
        body = b"\x02\x01\x00" + rng.randbytes(600)
        raw = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    text = base64.b64encode(raw).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    head = "\n" if "PGP" in label else ""
    return f"-----BEGIN {label}-----\n{head}" + "\n".join(lines) + f"\n-----END {label}-----"
