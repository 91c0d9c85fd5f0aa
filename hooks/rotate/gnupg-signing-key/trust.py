"""Which keys a rotation is about, and what homes think of them: trusted, or revoked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from artefacts import replace_file
from gpg import Home, fresh, home, revocation

from leakguard.rotate.kit import Fail, Request

STATEMENT = b"leakguard asks whether this key is trusted\n"
UNKNOWN_TRUST = "2"


def old_of(ask: Request) -> str:
    """The fingerprint of the leaked key, as it was named or as the leaked value tells."""
    if known := ask.plan.get("old", {}).get("id") or ask.old.get("id"):
        return str(known).upper().replace(" ", "")
    with fresh() as made:
        made.take(ask.secret("old"))
        if found := next(iter(made.held()), ""):
            return found
    raise Fail("unsupported", "the leaked value is no OpenPGP key: name its fingerprint, old.id")


def new_of(ask: Request) -> str:
    """The fingerprint of the new key. Raises Fail(missing) before there is one."""
    if new := ask.new.get("id"):
        return str(new)
    raise Fail("missing", "the new key is not known: generate comes first")


def snapshot_of(ask: Request) -> dict[str, Any]:
    """What the plan saw."""
    found: dict[str, Any] = ask.plan.get("snapshot") or {"homes": {}, "sample": ""}
    return found


@contextmanager
def _holder(ask: Request, old: str) -> Iterator[Home | None]:
    """A home that has the leaked private key: the signer's, or one made for the leaked value."""
    with home(ask.target["signer_home"]) as signer:
        if old in signer.held(secret=True):
            yield signer
            return
    if "old" not in ask.secrets:
        yield None
        return
    with fresh() as made:
        made.take(ask.secret("old"))
        yield made if old in made.held(secret=True) else None


def sample(ask: Request, old: str) -> str:
    """A signature that only the leaked key can make; later it tells what homes say of the key."""
    with _holder(ask, old) as holder:
        if holder is None:
            return ""
        try:
            word = ask.secrets.get("old_passphrase", "")
            made = holder.sign(old, STATEMENT, word, armour=False)
        except Fail:
            return ""  # its passphrase is not known: the homes' lists have to tell
    return made.hex()


def certificate(ask: Request, old: str, *, needed: bool = True) -> str:
    """The revocation: the one made in advance, one made now, or gpg's own from the key's birth."""
    if path := ask.target.get("revocation_certificate"):
        return _read(path)
    with _holder(ask, old) as holder:
        made = revocation(holder, old, ask.secrets.get("old_passphrase", "")) if holder else ""
    spare = os.path.join(ask.target["signer_home"], "openpgp-revocs.d", f"{old}.rev")
    if not made and os.path.isfile(spare):
        made = _read(spare).replace(":-----BEGIN", "-----BEGIN")  # so nobody uses it by accident
    if not made and needed:
        raise Fail("missing", "there is no revocation certificate, and no key to make one with")
    return made


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        raise Fail("not_found", f"there is no file {path}") from None


def revoke(ask: Request, path: str, certificate: str) -> None:
    """A home without the key gets it first: only then does the revocation stay there."""
    old = old_of(ask)
    homes = snapshot_of(ask)["homes"].values()
    with home(path) as one:
        if old not in one.held():
            for was in homes:
                one.take(bytes.fromhex(was["public"]))
        one.take(certificate)
        if not (found := one.held().get(old)) or not found.revoked:
            raise Fail("conflict", f"{path} did not take the revocation")


def is_revoked(path: str, old: str) -> bool:
    """Whether a home knows a revocation of a key."""
    with home(path) as one:
        found = one.held().get(old)
    return found is not None and found.revoked


def revive(path: str, old: str, was: dict[str, Any]) -> bool:
    """A home takes a revocation back only by forgetting the key and learning it again."""
    if not was["public"] or not is_revoked(path, old):
        return False
    forget(path, old)
    with home(path) as one:
        one.take(bytes.fromhex(was["public"]))
        _set_trust(one, old, was["owner_trust"])
    return True


def forget(path: str, key: str) -> bool:
    """Delete a public key from a home. False when it is not there."""
    with home(path) as one:
        return key in one.held() and one.run("--delete-keys", key).code == 0


def ship(ask: Request, path: str, public: bytes) -> bool:
    """Bring the new key to a home, with the trust that the old one has there."""
    new = new_of(ask)
    with home(path) as one:
        if new in one.held():
            return False
        one.take(public)
        _set_trust(one, new, snapshot_of(ask)["homes"].get(path, {}).get("owner_trust", ""))
    return True


def _set_trust(one: Home, key: str, level: str) -> None:
    one.run("--import-ownertrust", stdin=f"{key}:{level or UNKNOWN_TRUST}:\n".encode())


def publish(ask: Request, blocks: list[bytes]) -> bool:
    """Merge keys into the published file; whatever else is in it stays."""
    path = ask.target.get("published", "")
    if not path:
        return False
    with fresh() as merged:
        merged.take(_read(path) if os.path.exists(path) else "")
        before = merged.run("--armor", "--export").out
        for block in blocks:
            merged.take(block)
        after = merged.run("--armor", "--export").out
    if before != after:
        replace_file(path, after)
    return before != after
