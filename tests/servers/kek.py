"""A SoftHSM token of its own, and stores of data keys wrapped with AES key wrap.

Its packages are also those of tests that run a program and no server: cryptsetup, restic, gpg.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import keywrap

from servers import lacking, run

PACKAGES = ("softhsm2", "cryptsetup-bin", "restic", "gnupg", "git")

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
LABEL = "leakguard-test"


def available() -> str:
    """Why there is no token here."""
    why = lacking(programs=["softhsm2-util"], modules=["pkcs11"])
    return why or ("" if module() else "not installed: SoftHSM's PKCS#11 library")


def module() -> str:
    """Where SoftHSM's library is."""
    return next((path for path in MODULES if os.path.exists(path)), "")


@dataclass(frozen=True)
class Token:
    """One token, open to who has its PIN."""

    config: Path
    pin: str = field(repr=False)

    @property
    def target(self) -> dict[str, str]:
        """The parameters that lead to it."""
        environment = f"SOFTHSM2_CONF={self.config}"
        return {"backend": "pkcs11", "module": module(), "token": LABEL, "environment": environment}


@contextmanager
def start(folder: Path) -> Iterator[Token]:
    """Make a token in a folder."""
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(
        f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    pin = "".join(secrets.choice("0123456789") for _ in range(12))
    argv = ["softhsm2-util", "--init-token", "--free", "--label", LABEL]
    run(["env", f"SOFTHSM2_CONF={config}", *argv, "--so-pin", pin, "--pin", pin])
    yield Token(config, pin)


def store(folder: Path, kek_id: str, kek: bytes, count: int) -> dict[str, bytes]:
    """Write records under a KEK: the data keys, by the names of their files."""
    folder.mkdir(exist_ok=True)
    made = {f"{number:03}-{kek_id}.json": secrets.token_bytes(32) for number in range(count)}
    for name, key in made.items():
        write(folder / name, kek_id, keywrap.aes_key_wrap(kek, key))
    return made


def write(path: Path, kek_id: str, blob: bytes) -> None:
    """One record, with a field that nobody but its application knows."""
    record = {"owner": "example", "kek_id": kek_id, "wrapped": base64.b64encode(blob).decode()}
    path.write_text(json.dumps(record))


def read(path: Path) -> tuple[str, bytes]:
    """The id of a record's KEK, and what it wraps."""
    record = json.loads(path.read_text())
    assert record["owner"] == "example"
    return record["kek_id"], base64.b64decode(record["wrapped"])
