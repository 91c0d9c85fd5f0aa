"""What is public in a value: the other half of a private key, and the names in a key file.

A rotation cannot do without it (a record in the DNS, the id of a key), and the text of the
private half contains it, character for character.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

_GOOGLES = ("project_id", "private_key_id", "client_email", "client_id")
"""Fields of a service account's key file that name it."""

LITTLE = 8
"""Characters around something public, such as a quote and a name of a field."""

_EDGES = b"\"' :,="


class Halves:
    """The public texts of some values."""

    def __init__(self) -> None:
        self._texts: set[bytes] = set()

    def learn(self, value: bytes) -> None:
        """Know the public part of this value."""
        self._texts |= {*_names(value), *_keys(value)}

    def tell(self, part: bytes) -> bool:
        """Whether it is a part of something public, or that and next to nothing else."""
        bare = part.strip(_EDGES)
        if any(bare in text for text in self._texts):
            return True
        rest = bare
        for text in sorted(self._texts, key=len, reverse=True):
            rest = rest.replace(text, b"")
        return rest != bare and len(rest) < LITTLE


def _names(value: bytes) -> Iterator[bytes]:
    """What a key file of Google's says beside its private key: ids, and whose it is."""
    if b'"service_account"' not in value:
        return
    try:
        found = json.loads(value)
    except ValueError:
        return
    for name, one in found.items() if isinstance(found, dict) else ():
        if name in _GOOGLES and isinstance(one, str) and one:
            yield one.encode()


def _keys(value: bytes) -> Iterator[bytes]:
    """The public half of a key in PEM, as certificates, the DNS and key sets write it."""
    if b"PRIVATE KEY-----" not in value:
        return
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(value, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return  # encrypted, or of a kind whose halves do not share a text
    for raw in _written(key):
        yield base64.b64encode(raw)
        yield base64.urlsafe_b64encode(raw)
        yield raw.hex().encode()


def _written(key: PublicKeyTypes) -> Iterator[bytes]:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    yield key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if isinstance(key, RSAPublicKey):
        modulus = key.public_numbers().n
        yield modulus.to_bytes((modulus.bit_length() + 7) // 8)
        yield key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
