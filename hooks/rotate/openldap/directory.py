"""The directory, through OpenLDAP's own clients: passwords go through pipes, never through argv."""

from __future__ import annotations

import base64
import os
import subprocess
from dataclasses import dataclass
from typing import Any

from leakguard.rotate.kit import Fail

INVALID_CREDENTIALS = 49
NO_OPERATION = "(16654)"  # "I would have done it", the answer to the no-op control
ALREADY = (16, 20)  # no such value to delete, such a value is there
MUST_HAVE_ONE = 65  # the entry's class wants at least one value
OUT_OF_REACH = (51, 52, 245, 251, 255)  # busy, unavailable, no TLS, too late, no connection
CLASSES = {
    INVALID_CREDENTIALS: "auth", 8: "auth", 13: "auth", 50: "permission", 32: "not_found",
    3: "timeout", 19: "conflict", 53: "conflict",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """The one entry a rotation is about."""

    values: tuple[bytes, ...]
    changed: str  # modifyTimestamp


@dataclass(frozen=True, slots=True)
class Directory:
    """A server as one user of it sees it."""

    target: dict[str, Any]
    dn: str
    password: str

    def bind(self) -> str:
        """How the server answers this login: accepted, refused, unreachable or unknown."""
        done = self._client("ldapwhoami")
        if done.returncode in OUT_OF_REACH:
            return "unreachable"
        return {0: "accepted", INVALID_CREDENTIALS: "refused"}.get(done.returncode, "unknown")

    def entry(self, dn: str) -> Entry:
        """The stored passwords of an entry, and when it last changed."""
        wanted = ("userPassword", "modifyTimestamp")
        done = self._client(
            "ldapsearch", "-LLL", "-b", dn, "-s", "base", "(objectClass=*)", *wanted
        )
        if done.returncode:
            raise failure(done.returncode, "reading the entry")
        pairs = [_pair(line) for line in _lines(done.stdout) if b":" in line]
        values = tuple(value for name, value in pairs if name == b"userPassword")
        stamps = [value.decode() for name, value in pairs if name == b"modifyTimestamp"]
        return Entry(values, stamps[0] if stamps else "")

    def add(self, dn: str, value: bytes) -> bool:
        """Add a password; False when it is there."""
        return _done(self._change(dn, "add", value), "add")

    def delete(self, dn: str, value: bytes) -> bool:
        """Take a password away; False when it is gone.

        Some entries must have one: then a value takes its place that no password opens.
        """
        code = self._change(dn, "delete", value)
        if code == MUST_HAVE_ONE:
            self.add(dn, b"{SSHA}" + base64.b64encode(os.urandom(32)))
            code = self._change(dn, "delete", value)
        return _done(code, "delete")

    def may_add(self, dn: str) -> tuple[bool, str]:
        """Whether adding would be allowed, asked with the no-op control: nothing is changed."""
        done = self._client("ldapmodify", "-e", "!noop", stdin=_ldif(dn, "add", b"leakguard-no-op"))
        if NO_OPERATION.encode() in done.stderr:
            return True, "the server would do it"
        if done.returncode == 12:
            return True, "the server has no no-op control: not probed"
        return False, f"the server answers with result {done.returncode}"

    def sessions(self, dn: str, until: str) -> int | None:
        """Connections bound as `dn` that began no later; None when cn=Monitor cannot be read."""
        query = f"(&(objectClass=monitorConnection)(monitorConnectionAuthzDN={_escaped(dn)}))"
        base, wanted = "cn=Connections,cn=Monitor", "monitorConnectionStartTime"
        done = self._client("ldapsearch", "-LLL", "-b", base, query, wanted)
        if done.returncode:
            return None
        pairs = [_pair(line) for line in _lines(done.stdout) if b":" in line]
        starts = [value.decode() for name, value in pairs if name == wanted.encode()]
        return sum(start <= until for start in starts)

    def _change(self, dn: str, verb: str, value: bytes) -> int:
        return self._client("ldapmodify", stdin=_ldif(dn, verb, value)).returncode

    def _client(
        self, program: str, *words: str, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        source, sink = os.pipe()
        with os.fdopen(sink, "wb") as pipe:
            pipe.write(self.password.encode())
        argv = [program, *_where(self.target), "-D", self.dn, "-y", f"/dev/fd/{source}"]
        if program == "ldapsearch":
            argv += ["-o", "ldif-wrap=no"]
        try:
            return subprocess.run(
                [*argv, *words], input=stdin, capture_output=True, check=False,
                pass_fds=[source], env={**os.environ, **_trust(self.target)},
            )  # fmt: skip
        except FileNotFoundError:
            raise Fail("missing", f"the program {program} is not on this machine") from None
        finally:
            os.close(source)


def _done(code: int, verb: str) -> bool:
    if code and code not in ALREADY:
        raise failure(code, f"{verb} of userPassword")
    return code == 0


def failure(code: int, what: str) -> Fail:
    """The class of a result code."""
    if code in OUT_OF_REACH:
        return Fail("network", f"{what}: the directory does not answer", retryable=True)
    return Fail(CLASSES.get(code, "conflict"), f"{what}: the directory answers {code}")


def _where(target: dict[str, Any]) -> list[str]:
    tls = ["-ZZ"] if target.get("starttls") else []
    return ["-x", "-H", target["uri"], "-o", "nettimeout=10", *tls]


def _trust(target: dict[str, Any]) -> dict[str, str]:
    return {"LDAPTLS_CACERT": target["ca_file"]} if target.get("ca_file") else {}


def _ldif(dn: str, verb: str, value: bytes) -> bytes:
    lines = [
        b"dn:: " + base64.b64encode(dn.encode()),
        b"changetype: modify",
        f"{verb}: userPassword".encode(),
        b"userPassword:: " + base64.b64encode(value),
    ]
    return b"\n".join(lines) + b"\n"


def _lines(out: bytes) -> list[bytes]:
    return out.replace(b"\n ", b"").splitlines()


def _pair(line: bytes) -> tuple[bytes, bytes]:
    name, _, rest = line.partition(b":")
    if rest.startswith(b":"):
        return name, base64.b64decode(rest[1:].strip())
    return name, rest.strip()


def _escaped(text: str) -> str:
    return "".join(f"\\{ord(char):02x}" if char in "\\*()\0" else char for char in text)
