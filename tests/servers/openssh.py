"""OpenSSH's sshd for the user who runs the tests, with a list of revoked keys."""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from servers import Process, free_port, lacking, listening, program, run, started, until

PACKAGES = ("openssh-server", "openssh-client", "iproute2", "procps")

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
HostKey {folder}/second_host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
RevokedKeys {folder}/revoked_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
LogLevel VERBOSE
PermitRootLogin prohibit-password
MaxStartups 100
"""


def available() -> str:
    """Why sshd cannot run here."""
    return lacking(
        programs=["sshd", "ssh", "ssh-agent", "ssh-keygen", "ss", "ps"], modules=["cryptography"]
    )


@dataclass(frozen=True)
class Server:
    """One sshd and the files it reads."""

    folder: Path
    port: int
    process: Process

    @property
    def user(self) -> str:
        """The one login it has."""
        return getpass.getuser()

    @property
    def host_key(self) -> str:
        """Its public key, as clients pin it."""
        return public(self.folder / "host_key")

    @property
    def config(self) -> Path:
        """Its sshd_config."""
        return self.folder / "sshd_config"

    @property
    def authorized_keys(self) -> Path:
        """Who may log in."""
        return self.folder / "authorized_keys"

    @property
    def revoked_keys(self) -> Path:
        """Who may not, whatever the other file says."""
        return self.folder / "revoked_keys"

    @property
    def log(self) -> Path:
        """Where it notes who came in."""
        return self.folder / "log"

    def session(self, key: Path, command: str) -> subprocess.Popen[bytes]:
        """A login with a key file, running a command until someone ends it."""
        known = self.folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.port} {self.host_key}\n")
        return subprocess.Popen(
            ["ssh", "-F", "none", "-T", "-i", key, "-o", "IdentitiesOnly=yes",
             "-o", "IdentityAgent=none", "-o", "BatchMode=yes",
             "-o", f"UserKnownHostsFile={known}", "-p", str(self.port), "127.0.0.1", command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


@contextmanager
def impostor(folder: Path, host_key: Path) -> Iterator[int]:
    """A server of somebody who stole a host key: its port."""
    port = free_port()
    own = f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host_key}\nPidFile none\n"
    (folder / "impostor_config").write_text(own)
    argv = [program("sshd"), "-D", "-e", "-f", folder / "impostor_config"]
    with started(argv, log=folder / "impostor.log") as process:
        until(listening(port), process)
        yield port


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """Run sshd; nobody may log in yet."""
    port = free_port()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # compiled in; root's sshd wants it
    key_pair(folder / "host_key")
    key_pair(folder / "second_host_key", kind="ecdsa")
    (folder / "authorized_keys").touch(mode=0o600)
    run(["ssh-keygen", "-q", "-k", "-f", folder / "revoked_keys"])
    (folder / "sshd_config").write_text(CONFIG.format(port=port, folder=folder))
    argv = [program("sshd"), "-D", "-e", "-f", folder / "sshd_config"]
    with started(argv, log=folder / "log") as process:
        until(listening(port), process)
        yield Server(folder, port, process)


def key_pair(path: Path, passphrase: str = "", kind: str = "ed25519") -> Path:
    """A new key in a file."""
    run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", path])
    return path


def public(path: Path) -> str:
    """The public half that lies beside a key, without its comment."""
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


def end(session: subprocess.Popen[bytes]) -> None:
    """Close a client's session, from its own side."""
    session.send_signal(signal.SIGKILL)
    session.communicate()
