"""Pebble, the CA that ACME clients are tested with, and nginx that serves what it issued."""

from __future__ import annotations

import json
import signal
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from servers import PATIENCE, Process, free_port, lacking, listening, program, started, until

PACKAGES = ("pebble", "nginx-light")

NAMES = ("example.com", "www.example.com")

NGINX = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/tmp;
  proxy_temp_path {folder}/tmp;
  fastcgi_temp_path {folder}/tmp;
  uwsgi_temp_path {folder}/tmp;
  scgi_temp_path {folder}/tmp;
  server {{ listen 127.0.0.1:{http}; root {folder}/www; }}
  server {{
    listen 127.0.0.1:{https} ssl;
    listen 127.0.0.1:{second} ssl;
    ssl_certificate {folder}/pair/cert.pem;
    ssl_certificate_key {folder}/pair/key.pem;
    return 204;
  }}
}}
"""


def available() -> str:
    """Why the two cannot run here."""
    return lacking(
        programs=["pebble", "pebble-challtestsrv", "nginx"],
        modules=["acme", "josepy", "cryptography", "trustme"],
    )


@dataclass(frozen=True)
class Server:
    """One CA with one account, and one web server."""

    folder: Path
    port: int
    management: int
    listeners: tuple[int, int]
    account: str = field(repr=False)
    pebble: Process = field(repr=False)
    nginx: Process = field(repr=False)

    @property
    def directory(self) -> str:
        """Where ACME clients begin."""
        return f"https://127.0.0.1:{self.port}/dir"

    @property
    def trust(self) -> Path:
        """What signs the CA's own https."""
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        """What nginx serves."""
        return self.folder / "pair" / "cert.pem"

    @property
    def key(self) -> Path:
        """And the private key of it."""
        return self.folder / "pair" / "key.pem"

    @property
    def test(self) -> str:
        """The command that checks nginx's configuration."""
        return f"{program('nginx')} -t -c {self.folder}/nginx.conf -p {self.folder}"

    @property
    def reload(self) -> str:
        """The command that makes nginx read the pair again."""
        return f"kill -s HUP {self.nginx.pid}"

    def serves_its_pair(self) -> bool:
        """Whether nginx has read the pair that lies there."""
        try:
            served = [
                ssl.get_server_certificate(("127.0.0.1", one), timeout=PATIENCE)
                for one in self.listeners
            ]
        except OSError:
            return False
        return all(self.certificate.read_text().startswith(one.strip()) for one in served)

    def reread(self) -> None:
        """Make nginx read the pair, and wait until nobody is left who serves another one."""
        before = set(self.workers())
        self.nginx.send(signal.SIGHUP)
        until(lambda: before.isdisjoint(self.workers()) and self.serves_its_pair(), self.nginx)

    def is_settled(self) -> bool:
        """Whether no worker from before a reload may still answer: they leave after the new come."""
        return len(self.workers()) <= 1

    def workers(self) -> list[int]:
        """The processes that serve; a configuration has one of them. None where there is no /proc."""
        children = Path(f"/proc/{self.nginx.pid}/task/{self.nginx.pid}/children")
        return [int(one) for one in children.read_text().split()] if children.exists() else []

    def status(self, serial: str) -> tuple[str, int]:
        """What the CA holds of a certificate: Valid or Revoked, and the reason."""
        where = f"https://127.0.0.1:{self.management}/cert-status-by-serial/{serial}"
        context = ssl.create_default_context(cafile=str(self.trust))
        with urllib.request.urlopen(where, context=context, timeout=PATIENCE) as answer:
            found = json.load(answer)
        return found["Status"], found.get("Reason", 0)


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """Run both. nginx begins with a pair that it signed itself."""
    ports = {name: free_port() for name in PORTS}
    _configure(folder, ports)
    names = [
        program("pebble-challtestsrv"), "-dns01", f"127.0.0.1:{ports['dns']}",
        "-management", f"127.0.0.1:{ports['dns_management']}", "-defaultIPv6", "",
        "-http01", "", "-https01", "", "-tlsalpn01", "",
    ]  # fmt: skip
    signs = [
        program("pebble"), "-config", folder / "pebble.json",
        "-dnsserver", f"127.0.0.1:{ports['dns']}",
    ]  # fmt: skip
    serves = [program("nginx"), "-c", folder / "nginx.conf", "-p", folder]
    quick = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
    with (
        started(names, log=folder / "names.log", stop=signal.SIGKILL) as dns,
        started(signs, log=folder / "pebble.log", env=quick, stop=signal.SIGKILL) as pebble,
        started(serves, log=folder / "nginx.log") as nginx,
    ):
        until(listening(ports["dns_management"]), dns)
        until(listening(ports["acme"]), pebble)
        until(listening(ports["management"]), pebble)
        until(listening(ports["https"]), nginx)
        account = _account(folder, ports["acme"])
        listeners = ports["https"], ports["second"]
        yield Server(folder, ports["acme"], ports["management"], listeners, account, pebble, nginx)


PORTS = ("acme", "management", "dns", "dns_management", "http", "https", "second")


def _configure(folder: Path, ports: dict[str, int]) -> None:
    import os

    import trustme

    for name in ("pair", "www", "tmp"):
        (folder / name).mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own = authority.issue_cert("127.0.0.1", "localhost")
    own.private_key_pem.write_to_path(folder / "pebble-key.pem")
    own.cert_chain_pems[0].write_to_path(folder / "pebble-cert.pem")
    first = authority.issue_cert(*NAMES)
    first.private_key_pem.write_to_path(folder / "pair" / "key.pem")
    (folder / "pair" / "key.pem").chmod(0o600)
    first.cert_chain_pems[0].write_to_path(folder / "pair" / "cert.pem")
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user, **ports))
    (folder / "pebble.json").write_text(json.dumps({"pebble": _pebble(folder, ports)}))


def _pebble(folder: Path, ports: dict[str, int]) -> dict[str, object]:
    return {
        "listenAddress": f"127.0.0.1:{ports['acme']}",
        "managementListenAddress": f"127.0.0.1:{ports['management']}",
        "certificate": str(folder / "pebble-cert.pem"),
        "privateKey": str(folder / "pebble-key.pem"),
        "httpPort": ports["http"],
        "tlsPort": ports["https"],
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }


def _account(folder: Path, port: int) -> str:
    """Register; the key in the form that most clients keep."""
    import josepy
    from acme import client, messages
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    net = client.ClientNetwork(
        josepy.JWK.load(pem), alg=josepy.ES256, verify_ssl=str(folder / "ca.pem"),
        timeout=int(PATIENCE),
    )  # fmt: skip
    directory = client.ClientV2.get_directory(f"https://127.0.0.1:{port}/dir", net)
    registration = messages.NewRegistration.from_data(terms_of_service_agreed=True)
    client.ClientV2(directory, net).new_account(registration)
    return pem.decode()
