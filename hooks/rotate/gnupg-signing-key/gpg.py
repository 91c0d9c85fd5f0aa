"""GnuPG, one home at a time: what it says on its status lines counts, never how it ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from leakguard.rotate.kit import Fail
from leakguard.rotate.parts.pipe import pipe

MEMORY = "/dev/shm"  # noqa: S108 - where a private key may lie for a moment: no disk is under it
MARK = "[GNUPG:] "


@dataclass(frozen=True, slots=True)
class Ran:
    """What one call said: status lines without their mark, and its output."""

    code: int
    status: tuple[str, ...]
    out: bytes

    def tells(self, word: str) -> str:
        """What follows a status word; "" when it did not come."""
        return next((line for line in self.status if line.split(" ")[0] == word), "")


@dataclass(frozen=True, slots=True)
class Key:
    """A public key as a home lists it."""

    id: str  # fingerprint
    validity: str
    user: str

    @property
    def revoked(self) -> bool:
        """Whether the home knows a revocation of it."""
        return self.validity == "r"


@dataclass(frozen=True, slots=True)
class Home:
    """One GnuPG home. Secrets go to gpg through pipes of their own."""

    path: str

    def run(
        self,
        *words: str,
        stdin: bytes = b"",
        passphrase: str | None = None,
        answers: str | None = None,
    ) -> Ran:
        """Run gpg, whatever it answers. `answers` are for its questions."""
        with ExitStack() as pipes:
            spoken = {"--passphrase-fd": passphrase, "--command-fd": answers}
            fds = {option: pipes.enter_context(pipe(f"{text}\n"))
                   for option, text in spoken.items() if text is not None}  # fmt: skip
            more = [word for option, fd in fds.items() for word in (option, str(fd))]
            more += ["--pinentry-mode", "loopback"] if passphrase is not None else []
            more += ["--batch"] if answers is None else []
            argv = ["gpg", "--homedir", self.path, "--no-tty", "--yes", "--status-fd", "2"]
            done = subprocess.run(
                [*argv, *more, *words], input=stdin, capture_output=True, check=False,
                pass_fds=list(fds.values()),
            )  # fmt: skip
        lines = done.stderr.decode("utf-8", "replace").splitlines()
        status = tuple(line[len(MARK) :] for line in lines if line.startswith(MARK))
        return Ran(done.returncode, status, done.stdout)

    def held(self, *, secret: bool = False) -> dict[str, Key]:
        """The keys that this home has, by fingerprint."""
        listing = self.run("--with-colons", "-K" if secret else "-k").out.decode("utf-8", "replace")
        found: dict[str, Key] = {}
        validity, name = "", ""
        for row in (line.split(":") for line in listing.splitlines()):
            if row[0] in ("pub", "sec"):
                validity, name = row[1], ""
            elif row[0] == "fpr" and not name:
                name, found[row[9]] = row[9], Key(row[9], validity, "")
            elif row[0] == "uid" and name and not found[name].user:
                found[name] = Key(name, validity, row[9])
        return found

    def take(self, block: bytes | str) -> bool:
        """Import keys or a revocation. Whether gpg found one in it."""
        data = block.encode() if isinstance(block, str) else block
        said = self.run("--import", stdin=data).tells("IMPORT_RES").split()
        return len(said) > 1 and said[1] != "0"

    def public(self, key: str) -> bytes:
        """A public key; nothing when it is not here."""
        return self.run("--export", key).out

    def private(self, key: str, passphrase: str) -> str:
        """A private key in armour."""
        ran = self.run("--armor", "--export-secret-keys", key, passphrase=passphrase)
        if not ran.out:
            raise Fail("auth", "gpg does not give the private key: is the passphrase right?")
        return ran.out.decode("ascii")

    def owner_trust(self, key: str) -> str:
        """How far this home trusts the owner of a key, as gpg numbers it; "" for not at all."""
        rows = self.run("--export-ownertrust").out.decode("ascii", "replace").splitlines()
        return next((row.split(":")[1] for row in rows if row.startswith(f"{key}:")), "")

    def sign(self, key: str, data: bytes, passphrase: str, *, armour: bool = True) -> bytes:
        """A detached signature. Raises Fail when gpg refuses."""
        form = ["--armor"] if armour else []
        words = [*form, "--local-user", key, "--detach-sign"]
        ran = self.run(*words, stdin=data, passphrase=passphrase)
        if not ran.tells("SIG_CREATED"):
            raise Fail("auth", "gpg does not sign: a wrong passphrase, or the key is revoked")
        return ran.out

    def judge(self, signature: bytes, data: bytes) -> tuple[str, str, bool]:
        """good|revoked|expired|bad|no key|unknown, the key that signed, and if it is trusted."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(signature)
            file.flush()
            ran = self.run("--verify", file.name, "-", stdin=data)
        words = {"GOODSIG": "good", "REVKEYSIG": "revoked", "EXPKEYSIG": "expired",
                 "BADSIG": "bad", "NO_PUBKEY": "no key"}  # fmt: skip
        said = next((words[word] for word in words if ran.tells(word)), "unknown")
        key = ran.tells("VALIDSIG").split(" ")[-1]
        trusted = bool(ran.tells("TRUST_FULLY") or ran.tells("TRUST_ULTIMATE"))
        return said, key, trusted


@contextmanager
def home(path: str) -> Iterator[Home]:
    """A home that exists. An agent that only we needed ends with the block."""
    if not os.path.isdir(path):
        raise Fail("not_found", f"there is no GnuPG home {path}")
    busy = _agent_runs(path)
    try:
        yield Home(path)
    finally:
        if not busy:
            _end_agent(path)


@contextmanager
def fresh() -> Iterator[Home]:
    """An empty home in memory, where there is such a place; gone with the block."""
    folder = MEMORY if os.access(MEMORY, os.W_OK) else None
    path = tempfile.mkdtemp(prefix="lg-gpg-", dir=folder)
    try:
        yield Home(path)
    finally:
        _end_agent(path)
        shutil.rmtree(path, ignore_errors=True)


def revocation(at: Home, key: str, passphrase: str) -> str:
    """A certificate that says: the key was compromised. "" when the key does not do it."""
    answers = "y\n1\n\ny"  # really, compromised, no words, right so
    ran = at.run("--gen-revoke", key, passphrase=passphrase, answers=answers)
    return ran.out.decode("ascii", "replace")


def _agent_runs(path: str) -> bool:
    argv = ["gpg-connect-agent", "--homedir", path, "--no-autostart", "GETINFO pid", "/bye"]
    return subprocess.run(argv, capture_output=True, check=False).stdout.startswith(b"D ")


def _end_agent(path: str) -> None:
    argv = ["gpgconf", "--homedir", path, "--kill", "all"]
    subprocess.run(argv, capture_output=True, check=False)
