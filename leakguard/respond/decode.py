"""What a leaked container says of itself in public: whose it is and what it opens.

Each reader names the fields that it tells; everything else stays in the
`Secret` it came in. A field is told only if it looks like what it should be, so
that a value in the wrong place is not told either. Nothing is verified, nothing
is asked of a network, and messages never quote the value.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from leakguard.errors import UsageError
from leakguard.secret import MASK, Secret

MAX_BYTES = 64 * 1024
MAX_UNPACKED = 256 * 1024
MAX_DEPTH = 16
VSYNC_PREFIX = b"vsync-cfg-v1:"

HIDDEN = "(not shown: it does not look like one)"

_MORE = 20  # entries of one list that are told
_PREVIEW = 4
_LONG = 8  # shorter texts are words such as `true`


@dataclass(frozen=True, slots=True)
class Decoded:
    """The public fields of a container, in order, and what to make of them."""

    kind: str
    title: str
    fields: tuple[tuple[str, str], ...]
    note: str = ""

    def lines(self) -> list[str]:
        """For a terminal or a ticket."""
        width = max((len(name) for name, _ in self.fields), default=0)
        told = [self.title, *(f"  {name:<{width}}  {value}" for name, value in self.fields)]
        return [*told, self.note] if self.note else told


class Undecodable(UsageError):
    """It is not what it was taken for."""


@dataclass(frozen=True, slots=True)
class Reader:
    """One form: how it is recognised, and what of it is public."""

    title: str
    fits: Callable[[bytes], bool]
    read: Callable[[bytes], list[tuple[str, str]]]
    note: str = ""


def recognise(secret: Secret) -> str:
    """The kind of container that a value is, by its looks; empty for none that we know."""
    raw = secret.reveal().strip()
    if len(raw) > MAX_BYTES:
        return ""
    return next((kind for kind, reader in READERS.items() if reader.fits(raw)), "")


def decode(secret: Secret, kind: str = "") -> Decoded:
    """What a value says of itself. Raises Undecodable, without quoting it.

    With a `kind` it must be that: a leaked string is often not what somebody
    took it for (V-22).
    """
    raw = secret.reveal().strip()
    if len(raw) > MAX_BYTES:
        raise Undecodable(f"larger than {MAX_BYTES // 1024} KiB", "give the one value only")
    if kind and kind not in READERS:
        raise Undecodable(f"no form {kind!r} is known", f"one of: {', '.join(READERS)}")
    kind = kind or recognise(secret)
    if not kind or not READERS[kind].fits(raw):
        what = READERS[kind].title if kind else "any form that we can read"
        raise Undecodable(f"this is not {what}", f"known are: {', '.join(READERS)}")
    reader = READERS[kind]
    return Decoded(kind, reader.title, tuple(reader.read(raw)), reader.note)


# Unpacking


def _json(raw: bytes) -> dict[str, Any]:
    """A JSON object, not nested deeply and with each key once."""
    if _depth(raw) > MAX_DEPTH:
        raise Undecodable(f"nested more than {MAX_DEPTH} deep")
    try:
        found = json.loads(raw.decode("utf-8"), parse_constant=_refuse, parse_int=_number)
    except (ValueError, RecursionError):
        raise Undecodable("not whole JSON", "is it the whole value?") from None
    if not isinstance(found, dict):
        raise Undecodable("JSON, but no object")
    return found


def _depth(raw: bytes) -> int:
    """How deep brackets nest, those in strings counted as well: an upper bound, without parsing."""
    depth = deepest = 0
    for byte in raw:
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    return deepest


def _refuse(_: str) -> float:
    raise ValueError


def _number(digits: str) -> int:
    if len(digits) > 30:
        raise ValueError
    return int(digits)


def _base64(raw: bytes) -> bytes:
    """Base64 of either alphabet, with or without padding and line ends."""
    text = b"".join(raw.split()).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Undecodable("not whole base64", "is it the whole value?") from None


def _gunzip(raw: bytes) -> bytes:
    """One gzip member, whole and not larger than we are ready for (G-35)."""
    unpack = zlib.decompressobj(wbits=31)
    try:
        data = unpack.decompress(raw, MAX_UNPACKED)
    except zlib.error:
        raise Undecodable("not gzip inside", "is it the whole value?") from None
    if unpack.unconsumed_tail:
        raise Undecodable(f"unpacks to more than {MAX_UNPACKED // 1024} KiB")
    if not unpack.eof or unpack.unused_data:
        raise Undecodable("not one whole gzip stream", "is it the whole value?")
    return data


# What a field may look like

_SHAPES: Mapping[str, re.Pattern[str]] = {
    "word": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}"),
    "name": re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}"),
    "host": re.compile(r"(?:https?://)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})(?::[0-9]{1,5})?/?"),
    "url": re.compile(r"(?:https?://)?[A-Za-z0-9][A-Za-z0-9.-]{0,252}(?::\d{1,5})?(?:/[\w./-]*)?"),
    "address": re.compile(r"[a-z0-9._-]{1,64}@[a-z0-9.-]{1,200}"),
    "hex": re.compile(r"[0-9a-f]{8,64}"),
    "who": re.compile(r"[\w.:|/@+ -]{1,120}", re.ASCII),
    "time": re.compile(r"[0-9]{1,12}"),
}


def _shaped(value: object, shape: str) -> str:
    """A value if it looks like what it should be; a word for it otherwise."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if _SHAPES[shape].fullmatch(text) else HIDDEN


_Wanted = tuple[tuple[str, str], ...]


def _told(found: Mapping[str, Any], wanted: _Wanted) -> list[tuple[str, str]]:
    """The fields of a whitelist that are there, shaped."""
    return [(name, _shaped(found[name], shape)) for name, shape in wanted if name in found]


def _guarded(found: Mapping[str, Any], wanted: _Wanted) -> list[tuple[str, str]]:
    """The same, but for values that hold what stands in a field that is not told."""
    names = {name for name, _ in wanted}
    kept = [text for name, value in found.items() if name not in names for text in _texts(value)]
    return [
        (name, HIDDEN if any(text in value for text in kept) else value)
        for name, value in _told(found, wanted)
    ]


def _texts(value: object) -> list[str]:
    """The longer texts within a value."""
    if isinstance(value, str):
        return [value] if len(value) >= _LONG else []
    inside = list(value.values()) if isinstance(value, dict) else value
    return [text for one in inside for text in _texts(one)] if isinstance(inside, list) else []


def _object(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = found.get(key)
    return inner if isinstance(inner, dict) else {}


# The forms


def _vsync(raw: bytes) -> list[tuple[str, str]]:
    """Strip, base64, gunzip, JSON (V-23); of it only what is no secret (V-40)."""
    found = _json(_gunzip(_base64(raw[len(VSYNC_PREFIX) :])))
    told = _guarded(
        found,
        (
            ("repo", "name"), ("env", "word"), ("endpoint", "host"), ("region", "word"),
            ("bucket", "word"), ("prefix", "name"),
        ),
    )  # fmt: skip
    return [*told, *_key_id(found)]


def _key_id(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The first characters of the key id, enough to find it in a list of keys."""
    for name in ("accessKeyId", "access_key_id", "AccessKeyId", "accessKeyID", "keyId", "key_id"):
        value = found.get(name)
        if isinstance(value, str):
            start = value[:_PREVIEW]
            known = len(value) >= 16 and start.isalnum() and start.isascii()
            return [("key id", start + MASK if known else HIDDEN)]
    return []


def _google(raw: bytes) -> list[tuple[str, str]]:
    return _guarded(
        _json(raw),
        (
            ("type", "word"), ("project_id", "word"), ("client_email", "address"),
            ("client_id", "time"), ("private_key_id", "hex"),
        ),
    )  # fmt: skip


def _docker(raw: bytes) -> list[tuple[str, str]]:
    """The registries only: a user name there is often a token."""
    found = _json(raw)
    auths = list(_object(found, "auths"))
    told = [("registry", _shaped(name, "url")) for name in auths[:_MORE]]
    told += [("more registries", str(len(auths) - _MORE))] if auths[_MORE:] else []
    return told + _told(found, (("credsStore", "word"),))


def _kubernetes(raw: bytes) -> list[tuple[str, str]]:
    found = _json(raw)
    told = _told(_object(found, "metadata"), (("name", "name"), ("namespace", "name")))
    told += _told(found, (("type", "name"),))
    keys = [*_object(found, "data"), *_object(found, "stringData")]
    told += [("key", _shaped(name, "name")) for name in keys[:_MORE]]
    return told + ([("more keys", str(len(keys) - _MORE))] if keys[_MORE:] else [])


def _jwt(raw: bytes) -> list[tuple[str, str]]:
    """Header and claims; the signature, which makes it a credential, is not looked at."""
    header, claims = (_json(_base64(part)) for part in raw.split(b".")[:2])
    return _told(header, (("alg", "word"), ("typ", "word"), ("kid", "who"))) + _told(
        claims,
        (
            ("iss", "url"), ("aud", "url"), ("sub", "who"), ("azp", "who"), ("client_id", "who"),
            ("jti", "who"), ("iat", "time"), ("nbf", "time"), ("exp", "time"),
        ),
    )  # fmt: skip


_AWS_KINDS = {b"AKIA": "a key of a user", b"ASIA": "a temporary key"}
_AWS_ID = re.compile(rb"(?:AKIA|ASIA)[A-Z2-7]{16}")


def _aws(raw: bytes) -> list[tuple[str, str]]:
    """The account: 40 bits after the bit that tells keys of today from those of old."""
    bits = int.from_bytes(base64.b32decode(raw[4:]), "big")
    kind = _AWS_KINDS[raw[:4]]
    if not bits >> 79:
        return [("kind", kind), ("account", "not told by a key as old as this")]
    account = bits >> 39 & (1 << 40) - 1
    shown = f"{account:012d}"
    return [("kind", kind), ("account", shown if len(shown) == 12 else HIDDEN)]


def _is_json(*words: bytes) -> Callable[[bytes], bool]:
    def fits(raw: bytes) -> bool:
        return raw.startswith(b"{") and all(word in raw for word in words)

    return fits


READERS: Mapping[str, Reader] = {
    "vsync-config": Reader(
        "a vsync configuration",
        lambda raw: raw.startswith(VSYNC_PREFIX),
        _vsync,
        "It only fetches ciphertext, unless the passphrase leaked as well.",
    ),
    "google-service-account": Reader(
        "a Google service account key", _is_json(b'"private_key"', b'"client_email"'), _google,
        "The key is found by its private_key_id.",
    ),
    "docker-config": Reader("a Docker configuration", _is_json(b'"auths"'), _docker),
    "kubernetes-secret": Reader(
        "a Kubernetes Secret", _is_json(b'"kind"', b'"Secret"'), _kubernetes,
        "Base64 hides nothing: every key of it leaked.",
    ),
    "jwt": Reader(
        "a JSON Web Token",
        lambda raw: raw.startswith(b"eyJ") and raw.count(b".") == 2,
        _jwt,
        "Its signature was not checked; times are seconds since 1970.",
    ),
    "aws-key-id": Reader(
        "an AWS access key id", lambda raw: _AWS_ID.fullmatch(raw) is not None, _aws,
        "The id is no secret; its secret key is.",
    ),
}  # fmt: skip
"""What can be read. A new form is one reader and one line."""
