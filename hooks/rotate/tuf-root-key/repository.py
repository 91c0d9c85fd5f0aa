"""The published metadata of a repository as files, and keys that sign it."""

from __future__ import annotations

import os
import re
import tempfile
from typing import Any

from leakguard.rotate.kit import Fail

ROLES = ("root", "targets", "snapshot", "timestamp")
PEM = re.compile(r"-----BEGIN [^-]+-----.+?-----END [^-]+-----\s*", re.DOTALL)


def signers(*values: str) -> list[Any]:
    """What signs with the private keys in these values."""
    return [_signer(block) for value in values for block in PEM.findall(value)]


def _signer(pem: str) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    try:
        return CryptoSigner(load_pem_private_key(pem.encode(), None))
    except (ValueError, TypeError):
        raise Fail("unsupported", "a value is no private key in PEM without passphrase") from None


def newest_root(folder: str) -> Any:
    """The root with the highest version. Raises Fail(not_found)."""
    versions = [
        int(hit[1]) for name in _names(folder) if (hit := re.match(r"(\d+)\.root\.json$", name))
    ]
    return read(os.path.join(folder, f"{max(versions)}.root.json" if versions else "root.json"))


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        raise Fail("not_found", f"there is no folder {folder}") from None


def read(path: str) -> Any:
    """One metadata file. Raises Fail(not_found) or Fail(conflict)."""
    from tuf.api.exceptions import RepositoryError
    from tuf.api.metadata import Metadata

    if not os.path.isfile(path):
        raise Fail("not_found", f"there is no file {path}")
    try:
        return Metadata.from_file(path)
    except (RepositoryError, ValueError):
        raise Fail("conflict", f"{path} is no TUF metadata") from None


def file_of(folder: str, root: Any, role: str) -> str:
    """Where the newest metadata of a role is: with its version in the name, or without."""
    if role == "timestamp" or not root.signed.consistent_snapshot:
        return os.path.join(folder, f"{role}.json")
    timestamp = read(os.path.join(folder, "timestamp.json")).signed
    version = timestamp.snapshot_meta.version
    if role == "targets":
        snapshot = read(os.path.join(folder, f"{version}.snapshot.json")).signed
        version = snapshot.meta["targets.json"].version
    return os.path.join(folder, f"{version}.{role}.json")


def roles_of(root: Any, key: str) -> list[str]:
    """The top-level roles that a key signs for."""
    return [role for role in ROLES if key in root.signed.roles[role].keyids]


def id_in(root: Any, signer: Any) -> str:
    """What a root calls a key; repositories may name keys as they like."""
    wanted = signer.public_key.keyval
    keys = root.signed.keys.items()
    return next((name for name, key in keys if key.keyval == wanted), signer.public_key.keyid)


def fixed(folder: str, root: Any, roles: list[str]) -> list[str]:
    """Roles whose files cannot be signed anew, as others state their length or their hash."""
    snapshot = read(file_of(folder, root, "snapshot")).signed.meta["targets.json"]
    stated = {"targets": snapshot, "snapshot": read(file_of(folder, root, "timestamp")).signed}
    stated["snapshot"] = stated["snapshot"].snapshot_meta
    return [role for role in roles if (meta := stated.get(role)) and (meta.hashes or meta.length)]


def write(path: str, metadata: Any) -> None:
    """Publish a file at once: no client ever fetches half of it."""
    from tuf.api.serialization.json import JSONSerializer

    content = metadata.to_bytes(JSONSerializer(compact=False))
    handle, draft = tempfile.mkstemp(dir=os.path.dirname(path))
    with os.fdopen(handle, "wb") as file:
        was = os.stat(path if os.path.exists(path) else os.path.dirname(path))
        os.fchmod(handle, (was.st_mode & 0o7777) if os.path.exists(path) else 0o644)
        os.fchown(handle, was.st_uid, was.st_gid)
        file.write(content)
        file.flush()
        os.fsync(handle)
    os.replace(draft, path)


def publish_root(folder: str, root: Any) -> None:
    """The versioned file first: that is the one clients ask for."""
    versioned = os.path.join(folder, f"{root.signed.version}.root.json")
    write(versioned, root)
    plain = os.path.join(folder, "root.json")
    if os.path.islink(plain):
        os.symlink(os.path.basename(versioned), f"{plain}.new")
        os.replace(f"{plain}.new", plain)
    elif os.path.exists(plain):
        write(plain, root)
