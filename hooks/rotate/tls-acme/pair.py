"""Keys and certificates: made, compared by their public halves, and seen at a listener."""

from __future__ import annotations

import hashlib
import socket
import ssl
from typing import Any

from leakguard.rotate.kit import Fail

PATIENCE = 10.0  # seconds for one handshake


def new_key() -> str:
    """A fresh P-256 key in PEM."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    ).decode()


def id_of_key(private: str) -> str:
    """The name of a key: a digest of its public half."""
    from cryptography.hazmat.primitives import serialization as form

    try:
        return _id(form.load_pem_private_key(private.encode(), None).public_key())
    except (ValueError, TypeError):
        raise Fail("unsupported", "the private key is not PEM without a passphrase") from None


def id_of_certificate(pem: bytes) -> str:
    """The name of the key that a certificate is for; "" when it is none."""
    from cryptography import x509

    try:
        return _id(x509.load_pem_x509_certificate(pem).public_key())
    except ValueError:
        return ""


def serial(pem: bytes) -> str:
    """A certificate's serial number, as the CA's logs write it."""
    from cryptography import x509

    return format(x509.load_pem_x509_certificate(pem).serial_number, "x")


def names(pem: bytes) -> list[str]:
    """The names that a certificate is for."""
    from cryptography import x509

    extensions = x509.load_pem_x509_certificate(pem).extensions
    found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name) for name in found.get_values_for_type(x509.DNSName)]


def request(private: str, wanted: list[str]) -> bytes:
    """A signing request in PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives import serialization as form

    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in wanted])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    key = form.load_pem_private_key(private.encode(), None)
    signed = builder.add_extension(alternatives, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(form.Encoding.PEM)


def served(listener: str, name: str) -> str:
    """The name of the key that a listener proves to have. Raises Fail(network).

    The chain is not checked: which key answers is the question, and the handshake
    itself proves that the listener has it.
    """
    host, _, port = listener.strip().rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=name) as tls,
        ):
            der = tls.getpeercert(binary_form=True) or b""
    except OSError:
        raise Fail("network", f"{listener} does not answer TLS", retryable=True) from None
    return id_of_certificate(ssl.DER_cert_to_PEM_cert(der).encode())


def _id(public: Any) -> str:
    from cryptography.hazmat.primitives import serialization as form

    der = public.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    return "spki:" + hashlib.sha256(der).hexdigest()[:32]
