"""BIND with a zone that takes signed updates, and opendkim that signs mail for its domain."""

from __future__ import annotations

import base64
import secrets as random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from servers import Process, free_port, lacking, listening, program, started, until

PACKAGES = ("bind9", "opendkim", "miltertest")

DOMAIN = "example.com"
SELECTOR = "s1"
TTL = 2  # of the leaked key's record: a test waits until nobody may remember it
MAY, MAY_NOT = "rotator", "reader"

NAMED = """
options {{
  directory "{folder}/zone";
  pid-file none;
  session-keyfile none;
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no;
  dnssec-validation no;
  managed-keys-directory "{folder}/zone";
}};
controls {{ }};
key "{may}" {{ algorithm hmac-sha256; secret "{secret}"; }};
key "{may_not}" {{ algorithm hmac-sha256; secret "{other}"; }};
zone "{domain}" {{
  type primary;
  file "{folder}/zone/db";
  update-policy {{ grant {may} wildcard *._domainkey.{domain}. TXT; }};
}};
"""

ZONE = """$TTL {ttl}
@ IN SOA ns hostmaster 1 3600 600 86400 {ttl}
@ IN NS ns
ns IN A 127.0.0.1
{selector}._domainkey IN TXT ( {strings} )
"""

OPENDKIM = """
Mode s
Socket inet:{port}@127.0.0.1
KeyTable {folder}/KeyTable
SigningTable refile:{folder}/SigningTable
InternalHosts 127.0.0.1
Background no
Syslog no
RequireSafeKeys no
"""

MAIL = """
c = mt.connect("inet:{port}@127.0.0.1")
mt.conninfo(c, "localhost", "127.0.0.1")
mt.mailfrom(c, "<a@{domain}>")
mt.header(c, "From", "a@{domain}")
mt.header(c, "Subject", "hello")
mt.eoh(c)
mt.bodystring(c, "hello\\r\\n")
mt.eom(c)
mt.echo(mt.getheader(c, "DKIM-Signature", 0))
mt.disconnect(c)
"""


def available() -> str:
    """Why the two cannot run here."""
    return lacking(
        programs=["named", "opendkim", "miltertest"],
        modules=["dns", "dkim", "cryptography"],
    )


@dataclass(frozen=True)
class Server:
    """One name server and one signer."""

    folder: Path
    port: int
    milter: int
    named: Process = field(repr=False)
    signer: Process = field(repr=False)
    tsig: str = field(repr=False)
    tsig_without_rights: str = field(repr=False)

    @property
    def key_table(self) -> Path:
        """Which key signs."""
        return self.folder / "KeyTable"

    @property
    def reload(self) -> str:
        """The command that makes the signer read it again."""
        return f"kill -s USR1 {self.signer.pid}"

    def text(self, selector: str) -> str | None:
        """What the zone publishes for a selector."""
        import dns.resolver

        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], self.port
        try:
            answer = resolver.resolve(f"{selector}._domainkey.{DOMAIN}", "TXT")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return None
        return b"".join(answer[0].strings).decode()

    def serial(self) -> int:
        """Of the zone; every change raises it."""
        import dns.message
        import dns.query

        question = dns.message.make_query(f"{DOMAIN}.", "SOA")
        answer = dns.query.tcp(question, "127.0.0.1", port=self.port, timeout=5)
        serial: int = answer.answer[0][0].serial
        return serial

    def dnsfunc(self, name: bytes | str, timeout: float = 5) -> bytes | None:
        """What dkimpy asks for names."""
        del timeout
        asked = name.decode() if isinstance(name, bytes) else name
        text = self.text(asked.split(".", maxsplit=1)[0])
        return text.encode() if text else None

    def mail(self) -> bytes:
        """A message that the signer signed just now."""
        script = self.folder / "mail.lua"
        script.write_text(MAIL.format(port=self.milter, domain=DOMAIN))
        said = subprocess.run(["miltertest", "-s", script], capture_output=True, check=True)
        value = said.stdout.strip(b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n")
        head = b"From: a@%b\r\nSubject: hello\r\n" % DOMAIN.encode()
        return b"DKIM-Signature:" + value + b"\r\n" + head + b"\r\nhello\r\n"


@contextmanager
def start(folder: Path, public: str, private: str) -> Iterator[Server]:
    """Run both for a domain that publishes `public` (base64) and signs with `private` (PEM)."""
    port, milter = free_port(), free_port()
    keys = [base64.b64encode(random.token_bytes(32)).decode() for _ in range(2)]
    _configure(folder, port, milter, keys, public)
    key = folder / "keys" / f"{SELECTOR}.private"
    key.write_text(private)
    key.chmod(0o640)
    names = [program("named"), "-g", "-c", folder / "named.conf"]
    signs = [program("opendkim"), "-f", "-x", folder / "opendkim.conf"]
    with (
        started(names, log=folder / "named.log") as named,
        started(signs, log=folder / "opendkim.log", stop=signal.SIGKILL) as signer,
    ):
        until(lambda: "running\n" in named.said(), named)
        until(listening(milter), signer)
        yield Server(folder, port, milter, named, signer, *keys)


def _configure(folder: Path, port: int, milter: int, keys: list[str], public: str) -> None:
    (folder / "zone").mkdir()
    (folder / "keys").mkdir()
    names = {"folder": folder, "port": port, "domain": DOMAIN, "may": MAY, "may_not": MAY_NOT}
    (folder / "named.conf").write_text(NAMED.format(**names, secret=keys[0], other=keys[1]))
    text = f"v=DKIM1; k=rsa; p={public}"
    strings = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
    (folder / "zone" / "db").write_text(ZONE.format(ttl=TTL, selector=SELECTOR, strings=strings))
    (folder / "opendkim.conf").write_text(OPENDKIM.format(folder=folder, port=milter))
    (folder / "KeyTable").write_text(
        f"# keys\nmain {DOMAIN}:{SELECTOR}:{folder}/keys/{SELECTOR}.private\n"
    )
    (folder / "SigningTable").write_text(f"*@{DOMAIN} main\n")
