"""SSH keys as text: pairs, public halves, fingerprints, the lines and lists they stand in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leakguard.rotate.kit import Fail

LINE = re.compile(
    r"^(?P<options>(?:.*\s)?)(?P<type>(?:ssh|ecdsa|sk)-[\w@.-]+)\s+"
    r"(?P<blob>AAAA[A-Za-z0-9+/=]+)(?P<comment>.*)$"
)
KRL_MAGIC = b"SSHKRL\n\0"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that lets a key in."""

    options: str
    public: str  # type and base64
    comment: str

    @property
    def id(self) -> str:
        """The fingerprint, as ssh-keygen and sshd's log write it."""
        return fingerprint(self.public)


def entries(text: str) -> list[Entry]:
    """The keys of an authorized_keys file, in its order."""
    found = (LINE.match(line.strip()) for line in text.splitlines() if line.strip()[:1] != "#")
    return [
        Entry(hit["options"], f"{hit['type']} {hit['blob']}", hit["comment"].strip())
        for hit in found
        if hit
    ]


def entry(text: str, key_id: str) -> Entry | None:
    """The line of one key."""
    return next((one for one in entries(text) if one.id == key_id), None)


def with_line(text: str, line: str) -> str:
    """The file with one more line."""
    gap = "\n" if text and not text.endswith("\n") else ""
    return f"{text}{gap}{line}\n"


def without_key(text: str, key_id: str) -> str:
    """The file without any line that lets this key in; all else stays as it is."""
    kept = (line for line in text.splitlines(keepends=True) if not entry(line, key_id))
    return "".join(kept)


def bare(public: str) -> str:
    """`type base64` without a comment."""
    return " ".join(public.split()[:2])


def fingerprint(public: str) -> str:
    """The SHA256 fingerprint of `type base64 ...`."""
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def new_pair(kind: str = "ssh-ed25519") -> tuple[str, str]:
    """A fresh key of a kind: the private half in OpenSSH's form, and `type base64`."""
    from cryptography.hazmat.primitives import serialization as form

    key = _new_key(kind)
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    return private.decode(), _public(key)


def public_half(private: str) -> str:
    """`type base64` of a private key; OpenSSH's form shows it even without the passphrase."""
    try:
        if "OPENSSH" in private.splitlines()[0]:
            return _openssh_public(private)
        return _pem_public(private)
    except (ValueError, TypeError, IndexError, struct.error, binascii.Error):
        raise Fail("unsupported", "the private key is of no form this script reads") from None


def revoke(krl: bytes, public: str) -> bytes:
    """What RevokedKeys holds with one more key: a KRL grows as one, a list of keys as text."""
    if krl and not krl.startswith(KRL_MAGIC):
        return with_line(krl.decode(), public).encode()
    Path("krl").write_bytes(krl)
    Path("key.pub").write_text(f"{public}\n", encoding="ascii")
    update = ["-u"] if krl else []
    _ssh_keygen("-q", "-k", *update, "-f", "krl", "key.pub")
    return Path("krl").read_bytes()


def is_revoked(krl: bytes, public: str) -> bool:
    """Whether RevokedKeys holds a key."""
    if not krl.startswith(KRL_MAGIC):
        return entry(krl.decode("utf-8", "replace"), fingerprint(public)) is not None
    Path("krl").write_bytes(krl)
    Path("key.pub").write_text(f"{public}\n", encoding="ascii")
    asked = subprocess.run(
        ["ssh-keygen", "-Q", "-f", "krl", "key.pub"], capture_output=True, check=False
    )
    return b"REVOKED" in asked.stdout


def _ssh_keygen(*words: str) -> None:
    done = subprocess.run(["ssh-keygen", *words], capture_output=True, check=False)
    if done.returncode:
        raise Fail("conflict", "ssh-keygen could not extend the list of revoked keys")


def _openssh_public(private: str) -> str:
    body = "".join(private.split("-----")[2].split())
    rest = base64.b64decode(body)[len(b"openssh-key-v1\0") :]
    for _ in ("cipher", "kdf", "kdf options"):
        _, rest = _string(rest)
    blob, _ = _string(rest[4:])  # after the number of keys
    name, _ = _string(blob)
    return f"{name.decode()} {base64.b64encode(blob).decode()}"


def _string(data: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack(">I", data[:4])
    return data[4 : 4 + length], data[4 + length :]


def _pem_public(private: str) -> str:
    from cryptography.hazmat.primitives import serialization as form

    return _public(form.load_pem_private_key(private.encode(), None))


def _public(key: Any) -> str:
    from cryptography.hazmat.primitives import serialization as form

    public: bytes = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    return public.decode()


def _new_key(kind: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if kind == "ssh-rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=3072)
    if kind.startswith("ecdsa-sha2-"):
        return ec.generate_private_key(ec.SECP256R1())
    return Ed25519PrivateKey.generate()
