"""Ceph RGW with its monitor and one OSD in memory: the real S3 and the real admin API.

    apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common

That is 283 MB, so install.py leaves it out: without it the tests skip, and say so. Ceph
believes in its own log: `said()` is the gateway's, with a line for each request.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers import Process, free_port, lacking, launch, listening, run, until

PACKAGES: tuple[str, ...] = ()  # see above: too heavy to be installed by the way

ADMIN, READER = "rotator", "reader"
PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "ceph-authtool",
            "monmaptool")  # fmt: skip
CAPS = {
    "mon.": ["mon", "allow *"],
    "client.admin": ["mon", "allow *", "osd", "allow *"],
    "osd.0": ["mon", "allow profile osd", "osd", "allow *"],
    "client.rgw": ["mon", "allow rw", "osd", "allow rwx"],
}
CONFIGURATION = """[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.$pid.asok
log file = {folder}/$name.log
crash dir = {folder}
mon cluster log file = {folder}/cluster.log
mon data = {folder}/mon
osd data = {folder}/osd
mon allow pool size one = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 268435456
osd class load list = *
osd class default list = *
[client.rgw]
rgw thread pool size = 16
rgw sts key = {sts}
"""


def available() -> str:
    """Why it cannot run here, or ""."""
    return lacking(programs=PROGRAMS, modules=["boto3"])


@dataclass
class Gateway:
    """One radosgw of the cluster."""

    port: int
    process: Process
    log: Path

    @property
    def url(self) -> str:
        """Where S3 and the admin API listen."""
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        """Its log."""
        return self.log.read_text("utf-8", "replace")


@dataclass
class Server:
    """A cluster, and the keys of the users it was set up with: id and secret."""

    folder: Path
    stack: ExitStack
    keys: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)

    def gateway(self, *, sts: bool = False) -> Gateway:
        """One more radosgw; with `sts`, S3 takes temporary credentials, too."""
        port = free_port()
        name = f"gateway-{port}"
        log = self.folder / f"{name}.log"
        process = launch(
            ["radosgw", "-c", self.configuration, "-n", "client.rgw", "-f",
             f"--rgw-frontends=beast endpoint=127.0.0.1:{port}", f"--log-file={log}",
             f"--rgw-s3-auth-use-sts={str(sts).lower()}",
             f"--rgw-enable-apis=s3, admin{', sts' if sts else ''}"],
            log=self.folder / f"{name}.out",
        )  # fmt: skip
        self.stack.callback(process.stop)
        until(listening(port), process, within=60)
        return Gateway(port, process, log)

    def admin(self, *words: str) -> Any:
        """What radosgw-admin answers."""
        argv = ["radosgw-admin", "-c", str(self.configuration), "-n", "client.rgw", *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout

    def user(self, name: str, *more: str) -> tuple[str, str]:
        """A new user's first key."""
        made = self.admin("user", "create", f"--uid={name}", f"--display-name={name}", *more)
        key = made["keys"][0]
        self.keys[name] = (key["access_key"], key["secret_key"])
        return self.keys[name]

    def listed(self, name: str) -> dict[str, str]:
        """The keys of a user: id and secret."""
        found = self.admin("user", "info", f"--uid={name}")["keys"]
        return {key["access_key"]: key["secret_key"] for key in found}

    @property
    def configuration(self) -> Path:
        """Its ceph.conf."""
        return self.folder / "ceph.conf"


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """A cluster without a gateway, with one who may rotate and one who may only read."""
    with ExitStack() as stack:
        server = Server(folder, stack)
        _configure(server, mon := free_port())
        _monitor(server, mon)
        _osd(server)
        server.user(ADMIN, "--caps=users=*")
        server.user(READER, "--caps=users=read")
        yield server


def _configure(server: Server, mon: int) -> None:
    folder, fsid = server.folder, str(uuid.uuid4())
    text = CONFIGURATION.format(fsid=fsid, mon=mon, folder=folder, sts=secrets.token_hex(8))
    server.configuration.write_text(text, "utf-8")
    keyring, monmap = folder / "keyring", folder / "monmap"
    run(["ceph-authtool", "--create-keyring", keyring])
    for name, caps in CAPS.items():
        pairs = zip(caps[::2], caps[1::2], strict=True)
        words = [word for pair in pairs for word in ("--cap", *pair)]
        run(["ceph-authtool", keyring, "--gen-key", "-n", name, *words])
    run(["monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon}]", monmap])
    for part in ("mon", "osd"):
        (folder / part).mkdir()


def _monitor(server: Server, port: int) -> None:
    argv = ["ceph-mon", "-c", server.configuration, "-i", "a"]
    run([*argv, "--mkfs", "--monmap", server.folder / "monmap",
         "--keyring", server.folder / "keyring"])  # fmt: skip
    process = launch([*argv, "-f"], log=server.folder / "mon.out")
    server.stack.callback(process.stop)
    until(listening(port), process)


def _osd(server: Server) -> None:
    ceph = ["timeout", "60", "ceph", "-c", server.configuration]
    identity = str(uuid.uuid4())
    argv = ["ceph-osd", "-c", server.configuration, "-i", "0"]
    run([*ceph, "osd", "new", identity])
    run([*argv, "--mkfs", "--osd-uuid", identity])
    run([*ceph, "osd", "crush", "add", "0", "1.0", "root=default", "host=here"])
    process = launch([*argv, "-f"], log=server.folder / "osd.out")
    server.stack.callback(process.stop)
