"""OpenLDAP's slapd with an administrator who may change passwords and nothing else."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets as random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from servers import free_port, lacking, listening, program, run, until

PACKAGES = ("slapd", "ldap-utils")

BASE = "dc=example,dc=com"
ADMIN = f"cn=rotator,{BASE}"
APP = f"cn=app,{BASE}"
READER = f"cn=reader,{BASE}"
SCHEMAS = Path("/etc/ldap/schema")
MODULES = Path("/usr/lib/ldap")

CONFIG = """
modulepath {modules}
moduleload back_mdb
moduleload back_monitor
include {schemas}/core.schema
pidfile {folder}/pid
argsfile {folder}/args
{tls}
database monitor
access to * by dn.exact="{admin}" read by * none
database mdb
suffix {base}
directory {folder}/db
maxsize 10485760
access to attrs=userPassword
  by dn.exact="{admin}" write by dn.exact="{reader}" read by anonymous auth by * none
access to * by users read by * none
"""

TLS = """
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
"""


def available() -> str:
    """Why slapd cannot run here."""
    lack = lacking(programs=["slapd", "slapadd", "ldapmodify"], modules=["trustme"])
    return lack or ("" if SCHEMAS.is_dir() else f"not installed: {SCHEMAS}")


@dataclass
class Server:
    """One slapd, its people, and how to stop it and start it again."""

    folder: Path
    port: int
    admin: str = field(repr=False)
    app: str = field(repr=False)
    reader: str = field(repr=False)

    @property
    def uri(self) -> str:
        """Where it listens."""
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def uri_elsewhere(self) -> str:
        """An address that nobody takes for this machine's own."""
        return f"ldap://127.0.0.2:{self.port}"

    @property
    def restart(self) -> str:
        """A command that restarts it, as an operator would name one."""
        return f"sh {self.folder}/restart"

    def pid(self) -> int:
        """Of the slapd that runs now, 0 when none does."""
        try:
            return int((self.folder / "pid").read_text())
        except (OSError, ValueError):
            return 0

    def start(self) -> None:
        """Start it; it goes to the background by itself."""
        run(["sh", self.folder / "up"])
        until(listening(self.port))

    def stop(self) -> None:
        """End it, and wait until it has."""
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            until(lambda: not os.path.exists(f"/proc/{pid}"))

    def dump(self) -> str:
        """Everything it stores."""
        return subprocess.run(
            [program("slapcat"), "-f", self.folder / "slapd.conf", "-b", BASE],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    def session(self) -> subprocess.Popen[bytes]:
        """A client that binds with the leaked password, searches, and stays."""
        password = self.folder / "session-password"
        password.write_text(self.app)
        password.chmod(0o600)
        words = ["-x", "-H", self.uri, "-D", APP, "-y", password, "-b", BASE, "-f", "-", "(cn=%s)"]
        return subprocess.Popen(
            ["ldapsearch", *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """Run slapd with an application whose password is hashed as slappasswd does it."""
    people = [random.token_urlsafe(18) for _ in range(3)]
    server = Server(folder, free_port(), *people)
    _configure(server)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def ssha(password: str) -> str:
    """{SSHA}, with a salt of its own."""
    salt = random.token_bytes(8)
    digest = hashlib.sha1(password.encode() + salt).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def _configure(server: Server) -> None:
    import trustme

    folder = server.folder
    (folder / "db").mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other-ca.pem")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    names = {"folder": folder, "schemas": SCHEMAS, "modules": MODULES, "base": BASE}
    tls = TLS.format(folder=folder)
    config = CONFIG.format(**names, admin=ADMIN, reader=READER, tls=tls)
    (folder / "slapd.conf").write_text(config)
    _fill(server)
    up = f"{program('slapd')} -h '{server.uri} {server.uri_elsewhere}' -f {folder}/slapd.conf"
    (folder / "up").write_text(f"exec {up}\n")
    (folder / "restart").write_text(
        f"pid=$(cat {folder}/pid); kill $pid; while kill -0 $pid 2>/dev/null; do :; done; exec {up}\n"
    )


def _fill(server: Server) -> None:
    root = (
        f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: example\n"
    )
    people = {ADMIN: server.admin, APP: server.app, READER: server.reader}
    entries = [root, *(_person(dn, password) for dn, password in people.items())]
    (server.folder / "people.ldif").write_text("\n".join(entries))
    run([program("slapadd"), "-f", server.folder / "slapd.conf", "-b", BASE,
         "-l", server.folder / "people.ldif"])  # fmt: skip


def _person(dn: str, password: str) -> str:
    name = dn.split(",", maxsplit=1)[0].removeprefix("cn=")
    classes = "objectClass: organizationalRole\nobjectClass: simpleSecurityObject"
    return f"dn: {dn}\n{classes}\ncn: {name}\nuserPassword: {ssha(password)}\n"
