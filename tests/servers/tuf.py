"""A TUF repository behind http.server, made with python-tuf's own metadata API."""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers import Process, free_port, lacking, listening, started, until

PACKAGES: tuple[str, ...] = ()

ROLES = ("root", "timestamp", "snapshot", "targets")


def available() -> str:
    """Why a repository cannot be made here."""
    return lacking(modules=["tuf", "securesystemslib"])


@dataclass(frozen=True)
class Repository:
    """Published metadata and the private keys of its roles."""

    folder: Path
    url: str
    process: Process
    keys: dict[str, list[Any]] = field(repr=False)

    def private(self, role: str, number: int = 0) -> str:
        """A private key of a role, in PEM."""
        pem: bytes = self.keys[role][number].private_bytes
        return pem.decode()

    def root(self, version: int) -> bytes:
        """A published root."""
        return (self.folder / f"{version}.root.json").read_bytes()

    def files(self) -> dict[str, bytes]:
        """All that is published."""
        return {one.name: one.read_bytes() for one in self.folder.iterdir()}


@contextmanager
def start(
    folder: Path, *, root_keys: int = 1, threshold: int = 1, shared: tuple[str, ...] = ()
) -> Iterator[Repository]:
    """Make and serve a repository; the roles in `shared` are signed by the root's first key."""
    published, port = folder / "metadata", free_port()
    published.mkdir()
    keys = _keys(root_keys, shared)
    _make(published, keys, threshold)
    argv = [sys.executable, "-m", "http.server", "-b", "127.0.0.1", "-d", published, str(port)]
    with started(argv, log=folder / "log") as process:
        until(listening(port), process)
        yield Repository(published, f"http://127.0.0.1:{port}/", process, keys)


def refresh(url: str, root: bytes) -> int:
    """Let the real client walk from a root it trusts to the newest: its version."""
    from tuf.ngclient import Updater

    with tempfile.TemporaryDirectory() as folder:
        updater = Updater(folder, url, bootstrap=root)
        updater.refresh()
        return version_of(Path(folder, "root.json").read_bytes())


def version_of(root: bytes) -> int:
    """The version that metadata states."""
    from tuf.api.metadata import Metadata

    found: int = Metadata.from_bytes(root).signed.version
    return found


def _keys(root_keys: int, shared: tuple[str, ...]) -> dict[str, list[Any]]:
    from securesystemslib.signer import CryptoSigner

    root = [CryptoSigner.generate_ed25519() for _ in range(root_keys)]
    keys = {"root": root}
    for role in ROLES[1:]:
        keys[role] = root[:1] if role in shared else [CryptoSigner.generate_ed25519()]
    return keys


def _make(published: Path, keys: dict[str, list[Any]], threshold: int) -> None:
    from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

    expires = dt.datetime.now(dt.UTC).replace(microsecond=0)
    expires += dt.timedelta(days=30)
    root = Root(expires=expires, consistent_snapshot=True)
    for role, signers in keys.items():
        for one in signers:
            root.add_key(one.public_key, role)
    root.roles["root"].threshold = threshold
    made = {"1.root": root, "timestamp": Timestamp(expires=expires),
            "1.snapshot": Snapshot(expires=expires), "1.targets": Targets(expires=expires)}  # fmt: skip
    for name, signed in made.items():
        metadata = Metadata(signed)
        for one in keys[name.split(".")[-1]]:
            metadata.sign(one, append=True)
        metadata.to_file(str(published / f"{name}.json"))
