"""The zone with the public keys: read at every name server, changed with signed updates."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from leakguard.rotate.kit import Fail

PATIENCE = 10.0  # seconds for one answer


@dataclass(frozen=True, slots=True)
class Record:
    """One selector's TXT record as one name server tells it. `text` None: there is none."""

    text: str | None
    ttl: int = 0

    @property
    def public(self) -> str:
        """The key in base64; "" for none and for a revoked one."""
        return _tags(self.text or "").get("p", "").replace(" ", "")

    @property
    def since(self) -> int:
        """When a rotation revoked it, in seconds; 0 when none did."""
        note = re.fullmatch(r"leakguard \S+ (\d+)", _tags(self.text or "").get("n", ""))
        return int(note[1]) if note else 0


def key_text(public: str) -> str:
    """A record that publishes an RSA key."""
    return f"v=DKIM1; k=rsa; p={public}"


def revoked_text(rotation: str, now: int) -> str:
    """A record that revokes one: RFC 6376 says an empty p. The note is for people, and for us."""
    return f"v=DKIM1; k=rsa; n=leakguard {rotation} {now}; p="


def name_of(selector: str, domain: str) -> str:
    """Where a verifier looks."""
    return f"{selector}._domainkey.{domain}."


def servers(target: dict[str, Any]) -> list[tuple[str, int]]:
    """The primary, and every other name server that has to agree."""
    listed = [one.strip() for one in target.get("resolvers", "").split(",") if one.strip()]
    pairs = (one.partition("#") for one in listed)
    primary = (target["dns_server"], int(target.get("dns_port", 53)))
    return [primary, *((address, int(port or 53)) for address, _, port in pairs)]


def look_up(name: str, server: tuple[str, int]) -> Record:
    """What a name server says. Raises Fail(network) when it says nothing of use."""
    import dns.exception
    import dns.message
    import dns.query
    import dns.rcode
    import dns.rdatatype

    question = dns.message.make_query(name, dns.rdatatype.TXT)
    try:
        # TCP: keys are large, and a server that is down says so at once.
        answer = dns.query.tcp(question, server[0], PATIENCE, server[1])
    except (dns.exception.DNSException, OSError):
        raise Fail(
            "network", f"the name server {server[0]} does not answer", retryable=True
        ) from None
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise Fail("network", f"the name server {server[0]} cannot say", retryable=True)
    for records in answer.answer:
        if records.rdtype == dns.rdatatype.TXT:
            return Record(b"".join(records[0].strings).decode("ascii", "replace"), records.ttl)
    return Record(None)


@dataclass(frozen=True, slots=True)
class Updates:
    """Signed changes of one zone."""

    target: dict[str, Any]
    key: str

    def publish(self, name: str, text: str, ttl: int) -> None:
        """Put one TXT record where there may be another."""
        update = self._update()
        update.replace(name, ttl, _txt(text))
        self._send(update)

    def remove(self, name: str) -> None:
        """Take the TXT records of a name away."""
        update = self._update()
        update.delete(name, "TXT")
        self._send(update)

    def may_change(self, name: str) -> tuple[bool, str]:
        """Ask to delete a record that is not there: nothing changes, but permission is needed."""
        update = self._update()
        update.delete(name, _txt("leakguard asks whether it may"))
        try:
            self._send(update)
        except Fail as fail:
            return False, fail.message
        return True, name

    def _update(self) -> Any:
        import dns.name
        import dns.tsigkeyring
        import dns.update

        algorithm = self.target.get("tsig_algorithm") or "hmac-sha256"
        try:
            ring = dns.tsigkeyring.from_text({self.target["tsig_name"]: self.key})
        except (binascii.Error, ValueError):
            raise Fail("auth", "the TSIG key is not base64") from None
        zone = self.target.get("zone") or self.target["domain"]
        return dns.update.UpdateMessage(
            zone, keyring=ring, keyalgorithm=dns.name.from_text(algorithm)
        )

    def _send(self, update: Any) -> None:
        import dns.exception
        import dns.query
        import dns.rcode
        import dns.tsig

        address, port = servers(self.target)[0]
        try:
            code = dns.query.tcp(update, address, PATIENCE, port).rcode()
        except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.tsig.BadTime):
            raise Fail("auth", "the name server refuses the TSIG key") from None
        except (dns.exception.DNSException, OSError):
            raise Fail("network", "the name server does not answer", retryable=True) from None
        if code == dns.rcode.NOERROR:
            return
        kinds = {dns.rcode.REFUSED: "permission", dns.rcode.NOTAUTH: "auth"}
        word = dns.rcode.to_text(code)
        raise Fail(kinds.get(code, "conflict"), f"the name server answers {word} to an update")


def _txt(text: str) -> Any:
    import dns.rdataclass
    import dns.rdatatype
    import dns.rdtypes.ANY.TXT

    raw = text.encode("ascii")
    parts = [raw[start : start + 255] for start in range(0, len(raw), 255)]
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, parts)


def _tags(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip(): value.strip() for name, _, value in pairs}


def is_same(one: str, other: str) -> bool:
    """Whether two base64 texts are one key."""
    try:
        return bool(one) and base64.b64decode(one) == base64.b64decode(other)
    except binascii.Error:
        return False
