"""Values at rest: AES-256-GCM with the installation's seal key, bound to rotation and slot."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from leakguard.keep.errors import StoreError
from leakguard.keep.keys import SEAL, Keys
from leakguard.secret import Secret

_SHORTEST = 6  # what is shorter stands in other texts by chance


def seal(keys: Keys, rotation: str, slot: str, value: Secret) -> tuple[bytes, bytes]:
    """Nonce and ciphertext of a value."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    return nonce, AESGCM(keys.raw(SEAL)).encrypt(nonce, value.reveal(), _bound(rotation, slot))


def unseal(keys: Keys, rotation: str, slot: str, nonce: bytes, ciphertext: bytes) -> Secret:
    """The value. Raises StoreError when it was sealed for another slot, or was damaged."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return Secret(AESGCM(keys.raw(SEAL)).decrypt(nonce, ciphertext, _bound(rotation, slot)))
    except (InvalidTag, ValueError):
        raise StoreError(
            f"the value {slot!r} of {rotation} cannot be unsealed: it was damaged or exchanged",
            f"see what is true at the issuer: leakguard rotate observe {rotation}",
        ) from None


def refuse_values(texts: Iterable[str], values: Iterable[Secret]) -> None:
    """Raise ValueError, which is a bug, when a value stands in what is kept for people to read."""
    kept = "\n".join(texts)
    for value in values:
        raw = value.reveal().decode("utf-8", "replace")
        if len(raw) >= _SHORTEST and (raw in kept or json.dumps(raw)[1:-1] in kept):
            raise ValueError("a secret value in what would be kept unsealed")


def _bound(rotation: str, slot: str) -> bytes:
    return f"{rotation}|{slot}".encode()
