"""RSA keys as DKIM has them: PEM for the signer, base64 of SubjectPublicKeyInfo for the zone."""

from __future__ import annotations

import base64
import os
from typing import Any

from leakguard.rotate.kit import Fail


def new_key(bits: int) -> str:
    """A fresh private key in PEM."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption()
    ).decode()


def public_half(private: str) -> str:
    """What the zone publishes of a private key."""
    from cryptography.hazmat.primitives import serialization as form

    public = _load(private).public_key()
    der = public.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def would_verify(private: str, published: str) -> bool:
    """Whether a signature made now with the key passes with what the zone publishes."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import padding

    mail, how = os.urandom(32), (padding.PKCS1v15(), hashes.SHA256())
    signature = _load(private).sign(mail, *how)
    try:
        public = form.load_der_public_key(base64.b64decode(published))
        public.verify(signature, mail, *how)
    except (InvalidSignature, ValueError, AttributeError, TypeError):
        return False
    return True


def _load(private: str) -> Any:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import rsa

    try:
        key = form.load_pem_private_key(private.encode(), None)
    except (ValueError, TypeError):
        raise Fail("unsupported", "the private key is not PEM without a passphrase") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Fail("unsupported", "the private key is not RSA")
    return key
