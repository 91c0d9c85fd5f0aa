"""Host keys as text: pairs of each kind, public halves, fingerprints."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from leakguard.rotate.kit import Fail


def new_pair(kind: str) -> tuple[str, str]:
    """A fresh key of the kind clients already ask for: OpenSSH's private form, `type base64`."""
    from cryptography.hazmat.primitives import serialization as form

    key = _new_key(kind)
    private = key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption()
    ).decode()
    return private, _public(key)


def public_half(private: str) -> str:
    """`type base64` of a private key."""
    from cryptography.hazmat.primitives import serialization as form

    try:
        if "OPENSSH" in private.partition("\n")[0]:
            return _public(form.load_ssh_private_key(private.encode(), None))
        return _public(form.load_pem_private_key(private.encode(), None))
    except (ValueError, TypeError):
        raise Fail("unsupported", "the private key is of no form this script reads") from None


def fingerprint(public: str) -> str:
    """The SHA256 fingerprint of `type base64 ...`."""
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def bare(public: str) -> str:
    """`type base64` without a comment."""
    return " ".join(public.split()[:2])


def _new_key(kind: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if kind == "ssh-rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=3072)
    if kind.startswith("ecdsa-sha2-"):
        return ec.generate_private_key(ec.SECP256R1())
    return Ed25519PrivateKey.generate()


def _public(key: Any) -> str:
    from cryptography.hazmat.primitives import serialization as form

    public = key.public_key()
    return public.public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH).decode()
