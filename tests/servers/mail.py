"""Postfix that asks Dovecot who may send, with an IMAP port beside it."""

from __future__ import annotations

import base64
import imaplib
import os
import pwd
import secrets as random
import signal
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from servers import (
    PATIENCE,
    Process,
    free_port,
    lacking,
    listening,
    program,
    run,
    started,
    until,
)

PACKAGES = ("postfix", "dovecot-core", "dovecot-imapd", "iproute2", "procps")

ACCOUNT = "relay"

# An smtpd that Dovecot keeps waiting for ten seconds ends, and nobody may log in for a minute
# then, if Postfix is not told otherwise.
MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.example.com
mydestination =
alias_maps =
alias_database =
default_transport = discard:
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = /dev/stdout
service_throttle_time = 1s
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {folder}/cert.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_soft_error_limit = 100
smtpd_error_sleep_time = 0
smtpd_client_auth_rate_limit = 0
smtpd_peername_lookup = no
"""

MASTER_CF = """
127.0.0.1:{smtp} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
listen = 127.0.0.1
protocols = imap
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_cache_size = 10M
auth_failure_delay = 0
mail_location = maildir:{folder}/mail/%u
passdb {{
  driver = passwd-file
  args = {folder}/passwd
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
service auth {{
  unix_listener {folder}/queue/private/auth {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


def available() -> str:
    """Why the two cannot run here."""
    if os.geteuid() != 0:
        return "Postfix and Dovecot start as root only"
    return lacking(programs=["postfix", "dovecot", "doveadm"], modules=["trustme"])


@dataclass
class Server:
    """One mail server, and its one account."""

    folder: Path
    smtp: int
    imap: int
    password: str = field(repr=False)
    postfix: Process = field(repr=False)
    dovecot: Process = field(repr=False)

    @property
    def passwd(self) -> Path:
        """Who may log in."""
        return self.folder / "passwd"

    @property
    def doveadm(self) -> str:
        """Dovecot's tool, for this server."""
        return f"doveadm -c {self.folder}/dovecot.conf"

    def session(self, password: str, user: str = ACCOUNT) -> smtplib.SMTP:
        """A client that has logged in, and stays."""
        client = smtplib.SMTP("127.0.0.1", self.smtp, timeout=PATIENCE)
        trust = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        try:
            client.starttls(context=trust)
            client.login(user, password)
        except (smtplib.SMTPException, OSError):
            client.close()
            raise
        return client

    def lets_in(self, password: str, user: str = ACCOUNT) -> bool:
        """Whether Postfix takes a login now."""
        try:
            self.session(password, user).quit()
        except (smtplib.SMTPException, OSError):
            return False
        return True

    @contextmanager
    def mailbox(self, password: str, user: str = ACCOUNT) -> Iterator[imaplib.IMAP4]:
        """A client that reads mail, and stays until the block ends."""
        client = imaplib.IMAP4("127.0.0.1", self.imap, timeout=PATIENCE)
        try:
            client.login(user, password)
            yield client
        finally:
            client.shutdown()


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """Run both. Dovecot looks once a second whether the passwd-file is another one."""
    smtp, imap, password = free_port(), free_port(), random.token_urlsafe(18)
    _certificate(folder)
    line = f"{ACCOUNT}:{stored(password)}::::/nowhere::"
    (folder / "passwd").write_text(f"# accounts\n{line}\n")
    (folder / "passwd").chmod(0o644)
    _postfix_folders(folder)
    names = {"folder": folder, "smtp": smtp, "imap": imap}
    nobody = pwd.getpwnam("nobody")
    names |= {"uid": nobody.pw_uid, "gid": nobody.pw_gid}
    (folder / "etc" / "main.cf").write_text(MAIN_CF.format(**names))
    (folder / "etc" / "master.cf").write_text(MASTER_CF.format(**names))
    (folder / "dovecot.conf").write_text(DOVECOT.format(**names))
    reader = [program("dovecot"), "-F", "-c", folder / "dovecot.conf"]
    sender = [program("postfix"), "-c", folder / "etc", "start-fg"]
    with (
        started(reader, log=folder / "dovecot.out") as dovecot,
        started(sender, log=folder / "postfix.out") as postfix,
    ):
        try:
            until(listening(imap), dovecot)
            until(listening(smtp), postfix)
            server = Server(folder, smtp, imap, password, postfix, dovecot)
            until(lambda: server.lets_in(password), dovecot)
            yield server
        finally:
            _end_master(folder, postfix)


def stored(password: str) -> str:
    """What a passwd-file holds: {PLAIN.b64}, so that a leaked one is easy to look for."""
    return "{PLAIN.b64}" + base64.b64encode(password.encode()).decode()


def _end_master(folder: Path, postfix: Process) -> None:
    """What was started is a shell that waits for it; it leads a group of its own."""
    noted = folder / "queue" / "pid" / "master.pid"
    until(lambda: not postfix.alive or (noted.exists() and noted.read_text().strip()))
    if not postfix.alive:
        return  # it has ended already, or did not come that far
    master = int(noted.read_text())
    with suppress(ProcessLookupError):
        os.kill(master, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            postfix.popen.wait(PATIENCE)
        os.killpg(master, signal.SIGKILL)


def _postfix_folders(folder: Path) -> None:
    for name in ("etc", "queue", "data", "run", "state", "mail"):
        (folder / name).mkdir()
    run(["chown", "postfix", folder / "data"])
    (folder / "queue" / "private").mkdir(mode=0o700)
    run(["chown", "postfix", folder / "queue" / "private"])
    run(["chown", "nobody", folder / "mail"])


def _certificate(folder: Path) -> None:
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
