"""Offline proof: what a token's own digits say about it.

Each checksum has a `check` (does this value carry it) and, where a value can be
completed, a `complete` (the check digits for what stands before them), which is
how the recipes of examples make well-formed fakes. The formats are those of
docs/writing-rules.md; each was confirmed on published samples (see the
references of the rules that name it).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import NamedTuple
from zlib import crc32

from leakguard import late, seed_phrase
from leakguard.detect.generic import drawn, dummy

_BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE36 = b"0123456789abcdefghijklmnopqrstuvwxyz"


class Checksum(NamedTuple):
    """An offline test of a value, and how to make a value that passes it.

    `perhaps` says of what follows the prefix of one that fails whether it may be real all the
    same: where nothing else has the form, it is worth a look. Elsewhere what fails is no
    token of that kind at all.
    """

    check: Callable[[bytes], bool]
    complete: Callable[[bytes], bytes] | None = None
    perhaps: Callable[[bytes], bool] = lambda _: False


def _digits(number: int, alphabet: bytes, width: int) -> bytes:
    out = bytearray()
    while number:
        number, rest = divmod(number, len(alphabet))
        out.append(alphabet[rest])
    return bytes(reversed(out)).rjust(width, alphabet[:1])


def _tail(width: int, complete: Callable[[bytes], bytes]) -> Checksum:
    """A checksum whose last `width` characters follow from all before them."""

    def check(value: bytes) -> bool:
        return len(value) > width and complete(value[:-width]) == value[-width:]

    return Checksum(check, complete, drawn)


def _after_prefix(value: bytes) -> bytes:
    """The body after the last underscore-terminated prefix of at most 12 characters."""
    cut = value.find(b"_", 0, 12)
    return value[cut + 1 :]


def _github(before: bytes) -> bytes:
    return _digits(crc32(before[-30:]), _BASE62, 6)


def _hex_tail(before: bytes) -> bytes:
    return b"%08x" % crc32(before)


def _hex_body(before: bytes) -> bytes:
    body = _after_prefix(before)
    if len(body) == 33:  # 32 and an underscore between; where a body of 40 ends in one, it counts
        body = body.removesuffix(b"_")
    return b"%08x" % crc32(body)


def _base62_tail(before: bytes) -> bytes:
    return _digits(crc32(before), _BASE62, 6)


def _base62_body(before: bytes) -> bytes:
    return _digits(crc32(_after_prefix(before)), _BASE62, 6)


def _atlassian(before: bytes) -> bytes:
    return b"%08X" % crc32(before.rstrip(b"="))


def _bitbucket(before: bytes) -> bytes:
    return b"%08X" % crc32(before[-28:])


def _grafana(before: bytes) -> bytes:
    return crc32(before.rstrip(b"_")).to_bytes(4, "little").hex().encode()


def _gitlab_routable(before: bytes) -> bytes:
    return _digits(crc32(before), _BASE36, 7)


_BECH32 = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def _bech32_polymod(values: list[int]) -> int:
    """BIP 173's checksum polynomial."""
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(
            (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
        ):
            check ^= generator if top >> bit & 1 else 0
    return check


def _bech32_values(value: bytes) -> list[int] | None:
    human, _, data = value.lower().rpartition(b"1")
    mixed = value not in (value.lower(), value.upper())
    if mixed or not human or any(char not in _BECH32 for char in data):
        return None
    spread = [char >> 5 for char in human] + [0] + [char & 31 for char in human]
    return spread + [_BECH32.index(char) for char in data]


def _bech32_complete(before: bytes) -> bytes:
    values = _bech32_values(before) or []
    rest = _bech32_polymod([*values, 0, 0, 0, 0, 0, 0]) ^ 1
    digits = bytes(_BECH32[rest >> 5 * (5 - i) & 31] for i in range(6))
    return digits.upper() if before.isupper() else digits


def _bech32(value: bytes) -> bool:
    values = _bech32_values(value)
    return values is not None and _bech32_polymod(values) == 1


def b64_bytes(text: bytes) -> bytes | None:
    """Base64 of either alphabet, padded or not; None when it is not base64."""
    body = re.sub(rb"[\s=]", b"", text).replace(b"-", b"+").replace(b"_", b"/")
    try:
        return base64.b64decode(body + b"=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _json_object(raw: bytes | None) -> dict[str, object] | None:
    try:
        value = json.loads(raw or b"")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


_SAMPLE_CLAIMS = (("sub", "1234567890"), ("name", "John Doe"), ("iss", "joe"), ("some", "payload"))
"""What the tokens of jwt.io, of RFC 7519 and of manuals say."""


def _jwt(value: bytes) -> bool:
    """RFC 7519: a header that names its algorithm, a JSON payload, a signature."""
    parts = value.split(b".")
    if len(parts) not in (3, 5) or not parts[-1]:
        return False
    header = _json_object(b64_bytes(parts[0]))
    if header is None or not isinstance(header.get("alg"), str):
        return False
    if len(parts) == 5:
        return True
    claims = _json_object(b64_bytes(parts[1]))
    return claims is not None and not any(claims.get(key) == text for key, text in _SAMPLE_CLAIMS)


_B64_OF_JSON = late.pattern(rb"ey[A-Z][A-Za-z0-9+/_-]{6,8192}={0,2}")


def _base64_json(value: bytes) -> bool:
    """Some base64 part of the value is a JSON object; `_` may also end that part."""
    for found in _B64_OF_JSON.finditer(value):
        parts = found.group().split(b"_")
        joined = (b"_".join(parts[:count]) for count in range(len(parts), 0, -1))
        if any(_json_object(b64_bytes(part)) is not None for part in joined):
            return True
    return False


_ARMOUR = late.pattern(
    rb"-----BEGIN (?P<label>[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----"
    rb"(?P<body>.{16,65000}?)-----END (?P=label)-----",
    re.DOTALL,
)
_LINE_END = late.pattern(rb"(?:\\{1,4}r)?\\{1,4}n")
_JOIN = late.pattern(rb"[\"'`][ \t]*[+.,\\]?[ \t]*\r?\n[ \t]*[+.]?[ \t]*[\"'`]")
"""How source code goes on with a string on its next line."""

_HEADER_LINE = late.pattern(rb"^[ \t]*[A-Za-z-]{2,40}: [^\n]{0,200}$", re.MULTILINE)


def _private_key(value: bytes) -> bool:
    """Armour whose body decodes and whose outermost length fits (X.690 8.1.3, PROTOCOL.key)."""
    if value.startswith(b"PuTTY-User-Key-File-"):
        return b"Private-Lines:" in value
    found = _ARMOUR.search(_JOIN.sub(b"", _LINE_END.sub(b"\n", value)))
    if found is None:
        return False
    body = _HEADER_LINE.sub(b"", found["body"])
    if b"PGP" in found["label"]:
        body = re.sub(rb"\n=[A-Za-z0-9+/]{4}\s*$", b"", body)
    raw = b64_bytes(re.sub(rb"[^A-Za-z0-9+/=]", b"", body))
    if raw is None or len(raw) < 16:
        return False
    if b"OPENSSH" in found["label"]:
        return raw.startswith(b"openssh-key-v1\0")
    if b"PGP" in found["label"]:
        return bool(raw[0] & 0x80)
    if b"SSH2" in found["label"]:
        return raw.startswith(b"\x3f\x6f\xf9\xeb")
    return _der_fits(raw) or b"ENCRYPTED" in found["body"]


def _der_fits(raw: bytes) -> bool:
    """A DER SEQUENCE that is as long as its length octets say."""
    if len(raw) < 4 or raw[0] != 0x30:
        return False
    if raw[1] < 0x80:
        return raw[1] + 2 == len(raw)
    count = raw[1] & 0x7F
    return 1 <= count <= 4 and int.from_bytes(raw[2 : 2 + count], "big") + 2 + count == len(raw)


_USER_AND_PASSWORD = late.pattern(rb"([\x21-\x39\x3b-\x7e]{1,80}):([\x21-\x7e]{4,200})")


def _basic_auth(value: bytes) -> bool:
    """RFC 7617: base64 of a user's name, a colon and a password, which is no stand-in."""
    found = _USER_AND_PASSWORD.fullmatch(b64_bytes(value) or b"")
    if found is None or found[1] in (found[2], b"Aladdin", b"aladdin"):  # whom the RFC names
        return False
    return not dummy(found[2])


def _aws_key_id(value: bytes) -> bool:
    """Base32 after the prefix; the account number in it is at most twelve digits."""
    try:
        raw = base64.b32decode(value[4:20])
    except (binascii.Error, ValueError):
        return False
    return (
        len(raw) == 10 and (int.from_bytes(raw[:6], "big") >> 7) & 0xFFFFFFFFFF <= 999_999_999_999
    )


def _nkey(value: bytes) -> bool:
    """NKEY: base32 of a kind, 32 bytes and their CRC-16 (XMODEM, low byte first)."""
    try:
        raw = base64.b32decode(value + b"=" * (-len(value) % 8))
    except (binascii.Error, ValueError):
        return False
    return len(raw) == 36 and binascii.crc_hqx(raw[:-2], 0) == int.from_bytes(raw[-2:], "little")


def _nkey_complete(before: bytes) -> bytes:
    """The last four of its 58 characters: two bits of the key, which are 0, and the check."""
    try:
        raw = base64.b32decode(before + b"AA")[:34]
    except binascii.Error:
        return b""  # there is no such key
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little"))[54:58]


def _bip39(value: bytes) -> bool:
    """The last bits of a recovery phrase's number follow from the others."""
    return seed_phrase.fits(value.decode("latin-1"))


def _phrase(value: bytes) -> bool:
    """Of the same words, as other wallets have it."""
    return seed_phrase.spelt(value.decode("latin-1"))


CHECKSUMS: dict[str, Checksum] = {
    "github": _tail(6, _github),
    "gitlab-routable": _tail(7, _gitlab_routable),
    "crc32-hex-tail": _tail(8, _hex_tail),
    "crc32-hex-body": _tail(8, _hex_body),
    "crc32-base62-tail": _tail(6, _base62_tail),
    "crc32-base62-body": _tail(6, _base62_body),
    "atlassian": _tail(8, _atlassian),
    "bitbucket": _tail(8, _bitbucket),
    "grafana": _tail(8, _grafana),
    "bech32-age": Checksum(_bech32, _bech32_complete, drawn),
    "jwt": Checksum(_jwt),
    "base64-json": Checksum(_base64_json),
    "private-key": Checksum(_private_key),
    "aws-key-id": Checksum(_aws_key_id, perhaps=drawn),
    "basic-auth": Checksum(_basic_auth),
    "nkey": Checksum(_nkey, _nkey_complete, drawn),
    "bip39": Checksum(_bip39, perhaps=_phrase),
}
"""Every name a rule may put in its `checksum`."""

PROVES = frozenset(CHECKSUMS) - {"aws-key-id", "basic-auth", "jwt"}
"""Checksums that confirm; the others only drop what cannot be. Any JWT is well-formed, the
expired and the invented too."""
