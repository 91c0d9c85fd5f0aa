"""The installation's three keys: one signs the chain, one makes fingerprints, one seals values.

Each is 32 random bytes in a file of its own (0600) in `keys/`, never in the database. The
database remembers only their names, so that another installation's keys are told apart.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from leakguard.keep import private
from leakguard.keep.errors import StoreError

SIZE = 32
NAMES = SIGNING, PEPPER, SEAL = "signing", "pepper", "seal"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys, as far as they are there and are the ones that the store began with."""

    folder: str
    ids: Mapping[str, str]
    _raw: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def raw(self, name: str) -> bytes:
        """A key's bytes. Raises StoreError, with the way out, for a missing or another one."""
        key, path = self._raw.get(name), _path(self.folder, name)
        hints = (
            "put it back from a backup, or say where it is: LEAKGUARD_KEY_DIR=FOLDER",
            "everything that needs no key, such as a list, still works",
        )
        if key is None:
            raise StoreError(f"the store's {name} key is missing: {path}", *hints)
        if _id(name, key) != self.ids.get(name):
            raise StoreError(f"this is not the store's {name} key: {path}", *hints)
        return key

    def sign(self, message: bytes) -> str:
        """The Ed25519 signature of this installation, in hex."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.raw(SIGNING)).sign(message).hex()

    def signed(self, message: bytes, signature: str) -> bool:
        """Whether this installation signed it."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        public = Ed25519PrivateKey.from_private_bytes(self.raw(SIGNING)).public_key()
        try:
            public.verify(bytes.fromhex(signature), message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def fingerprint(self, text: str) -> str:
        """A name for something guessable that nobody can try out without the pepper."""
        return hmac.new(self.raw(PEPPER), text.encode(), hashlib.sha256).hexdigest()


def load(folder: str, ids: Mapping[str, str] | None = None) -> Keys:
    """The keys of a folder; `ids` are those that the store began with.

    Raises StoreError for a file that others can write, or that is damaged.
    """
    raw = {}
    if os.path.lexists(folder):
        private.folder(folder, make=False)
    for name in NAMES:
        content = private.read(_path(folder, name))
        if content is None:
            continue
        if len(content) != SIZE:
            raise StoreError(
                f"the key file {_path(folder, name)} is damaged", "put it back from a backup"
            )
        raw[name] = content
    own = {name: _id(name, key) for name, key in raw.items()}
    return Keys(folder, own if ids is None else ids, raw)


def make(folder: str) -> Keys:
    """The keys of a folder, made where they are missing. Two processes at once get the same."""
    private.folder(folder)
    for name in NAMES:
        if not os.path.lexists(_path(folder, name)):
            private.create(_path(folder, name), secrets.token_bytes(SIZE))
    return load(folder)


def _path(folder: str, name: str) -> str:
    if name == SEAL and (elsewhere := os.environ.get("LEAKGUARD_SEAL_KEY_FILE")):
        return os.path.abspath(elsewhere)
    return os.path.join(folder, f"{name}.key")


def _id(name: str, key: bytes) -> str:
    """A name for a key that tells nothing about it."""
    return hmac.new(key, b"leakguard key " + name.encode(), hashlib.sha256).hexdigest()[:16]
