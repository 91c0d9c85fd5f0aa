#!/usr/bin/env python3
"""Replaces the key that signs JWTs: publish the new one, unpublish the old, make verifiers forget.

A verifier keeps a key that it has once fetched (PyJWT's client for 300 seconds, for ever with
`cache_keys`), so a key is not dead when it leaves the document: it is dead when every
verifier refuses a token that was freshly signed with it. Probes sign such tokens;
they live for a minute and carry the claims that the target names.

Without `dual_window` the new key takes the old one's place in one write: while both are
published, whoever holds the leaked key mints tokens. `old.id` is its `kid`; the leaked key tells
it, too. The value is the private key in PEM; the signer gets it as a consumer does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
import time
import uuid
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts.web import answers, send

rotate = script()

LIFETIME = 60  # seconds that a token of a probe lives
THUMBPRINT = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which published key leaked, whether the document may be written, and who verifies."""
    keys = _keys(ask)
    named = str(ask.old.get("id", ""))
    old = named if named in keys else _kid_of_leaked(ask, keys) or named
    served = [key.get("kid") for key in _served(ask)]
    checks = [
        check("the leaked key is published", old in keys, _which(keys), found=old),
        check("the document may be written", _writable(ask), "run as the owner of the folder"),
        check(
            "what is served is the document",
            sorted(map(str, served)) == sorted(keys),
            f"jwks_url serves {served}: is it another document, or a cache?",
        ),
        check("verifiers are named", bool(_list(ask, "verifiers")), "name them: verifiers"),
    ]
    more: dict[str, Any] = {
        "actions": _actions(ask, old),
        "known": sorted(keys),
        "checks": checks,
        "old": {"id": old},
        "snapshot": {"old_key": keys.get(old, {})},
    }
    if not ask.target.get("dual_window"):
        more["capabilities"] = {"overlap": "none"}
    return Answer(more=more)


@rotate.phase
def generate(ask: Request) -> Answer:
    """A new private key. Pure: nothing is published."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    makers = {
        "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=3072),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }
    key = makers[ask.target.get("algorithm", "RS256")]()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    public = _public(pem)
    return Answer(new={"id": public["kid"], "public": public}, secrets={"new": pem})


@rotate.phase
def create(ask: Request) -> Answer:
    """Publish the new public key; without a window, in the place of the old one."""
    keys, new = _keys(ask), ask.new.get("public")
    if not new:
        raise Fail("missing", "the public half of the new key is not known: generate comes first")
    wanted = keys | {new["kid"]: new}
    if not ask.target.get("dual_window"):
        wanted.pop(_old(ask), None)
    status = _publish(ask, keys, wanted)
    return Answer(status, new=ask.new, observed=[f"published: {', '.join(sorted(wanted))}"])


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Every verifier accepts a token signed with the new key; `pending` while one does not yet."""
    said = _everywhere(ask, ask.secret("new"), _new(ask))
    late = sorted(address for address, state in said.items() if state != "accepted")
    if late:
        return Answer("pending", observed=[f"{said[one]} at {one}" for one in late])
    return Answer(observed=[f"accepted by {len(said)} verifiers"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Unpublish the leaked key; `rollback` can put it back."""
    keys = _keys(ask)
    new = ask.new.get("id")  # none yet, when the leaked key has to end before anything else
    if new == _old(ask) or (new and new not in keys):
        raise Fail("conflict", "the new key is not published: nothing would verify")
    wanted = {kid: key for kid, key in keys.items() if kid != _old(ask)}
    return Answer(_publish(ask, keys, wanted), observed=[f"published: {', '.join(wanted)}"])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """Make verifiers forget the old key, which ends every token that it ever signed."""
    if _old(ask) in _keys(ask):
        raise Fail("conflict", "the old key is still published")
    for address in _list(ask, "flush"):
        _flush(ask, address)
    if "old" not in ask.secrets:
        return Answer(observed=["verifiers were told to forget; without the old key nobody tries"])
    said = _everywhere(ask, ask.secret("old"), _old(ask))
    alive = sorted(address for address, state in said.items() if state != "refused")
    if alive:
        return Answer("pending", observed=[f"{said[one]} at {one}" for one in alive])
    return Answer(observed=[f"refused by {len(said)} verifiers"])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Tokens signed now with either key, at each worker of each verifier: the liveliest counts."""
    said: dict[str, Any] = {"new": "unknown", "old": "unknown", "method": "login"}
    if "new" in ask.secrets:
        found = set(_everywhere(ask, ask.secret("new"), _new(ask)).values())
        said["new"] = _first(("refused", "unreachable", "unknown", "accepted"), found)
    if "old" in ask.secrets:
        found = set(_everywhere(ask, ask.secret("old"), _old(ask)).values())
        said["old"] = _first(("accepted", "unreachable", "unknown", "refused"), found)
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    # A token minted earlier stands on the same key as one minted now.
    said["derived"] = {"refused": "none", "accepted": "alive"}.get(said["old"], "unknown")
    return Answer(more={"probe": said})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Nothing is left of a key that is unpublished; unpublish it when it is not."""
    return disable_old(ask)


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The old public key back in the document, the new one out."""
    keys, old = _keys(ask), ask.plan.get("snapshot", {}).get("old_key")
    if not old:
        raise Fail("missing", "the plan does not have the old public key")
    wanted = {kid: key for kid, key in keys.items() if kid != _new(ask)} | {old["kid"]: old}
    return Answer(_publish(ask, keys, wanted), observed=[f"published: {', '.join(wanted)}"])


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which keys are published now; a verifier may still know others."""
    keys = _keys(ask)
    old = ask.plan.get("old", {}).get("id") or ask.old.get("id")
    state: dict[str, Any] = {
        which: ("active" if kid in keys else "absent") if kid else "unknown"
        for which, kid in (("old", old), ("new", ask.new.get("id")))
    }
    state["credentials"] = [{"id": kid, "state": "active", "label": ""} for kid in sorted(keys)]
    return Answer(more={"state": state})


# -- the plan


def _which(keys: dict[str, Any]) -> str:
    return f"say which of {', '.join(sorted(keys))} leaked: old.id"


def _actions(ask: Request, old: str) -> list[dict[str, Any]]:
    dual = ask.target.get("dual_window")
    beside = "both keys verify" if dual else f"{old} leaves the document at once"
    rows = (
        ("create", "publish", ask.target["jwks_file"], beside, "unpublish it"),
        ("disable_old", "unpublish", old, "verifiers that fetch forget it", "publish it again"),
        ("kill_derived", "flush", ask.target["verifiers"], "tokens it signed are refused",
         "none: people log in again"),
    )  # fmt: skip
    return [action(*row) for row in rows]


def _kid_of_leaked(ask: Request, keys: dict[str, Any]) -> str:
    """A document may name its keys as it likes: they are compared by what they are."""
    if "old" not in ask.secrets:
        return ""
    leaked = _public(ask.secret("old"))["kid"]
    return next((kid for kid, key in keys.items() if _thumbprint(key) == leaked), "")


# -- keys


def _public(pem: str) -> dict[str, Any]:
    """The public half as a JWK, named after its thumbprint (RFC 7638)."""
    algorithm = _algorithm(pem)
    made = dict(algorithm.to_jwk(_private(pem).public_key(), as_dict=True))
    made.pop("key_ops", None)
    return {**made, "use": "sig", "alg": _name(made), "kid": _thumbprint(made)}


def _private(pem: str) -> Any:
    from cryptography.hazmat.primitives import serialization

    try:
        return serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise Fail("unsupported", "the value is no private key in PEM") from None


def _algorithm(pem: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from jwt import algorithms

    key = _private(pem)
    if isinstance(key, rsa.RSAPrivateKey):
        return algorithms.RSAAlgorithm(algorithms.RSAAlgorithm.SHA256)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return algorithms.ECAlgorithm(algorithms.ECAlgorithm.SHA256)
    return algorithms.OKPAlgorithm()


def _name(jwk: dict[str, Any]) -> str:
    return {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}[jwk["kty"]]


def _thumbprint(jwk: dict[str, Any]) -> str:
    needed = {name: jwk.get(name) for name in THUMBPRINT.get(jwk.get("kty", ""), ())}
    digest = hashlib.sha256(json.dumps(needed, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _old(ask: Request) -> str:
    if old := ask.plan.get("old", {}).get("id") or ask.old.get("id"):
        return str(old)
    raise Fail("missing", "which key leaked is not known: old.id")


def _new(ask: Request) -> str:
    if new := ask.new.get("id"):
        return str(new)
    raise Fail("missing", "the new key is not known: generate comes first")


# -- the document


def _keys(ask: Request) -> dict[str, dict[str, Any]]:
    try:
        with open(ask.target["jwks_file"], encoding="utf-8") as file:
            found = json.load(file)["keys"]
    except (ValueError, KeyError):
        raise Fail("conflict", "jwks_file is no JWKS") from None
    return {str(key.get("kid", "")): key for key in found}


def _writable(ask: Request) -> bool:
    return os.access(os.path.dirname(ask.target["jwks_file"]) or ".", os.W_OK)


def _publish(ask: Request, found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Replace the document in one step: no verifier ever fetches half of it."""
    if found == wanted:
        return "already"
    path = ask.target["jwks_file"]
    was = os.stat(path)
    handle, draft = tempfile.mkstemp(dir=os.path.dirname(path) or ".")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), was.st_mode & 0o7777)
        os.fchown(file.fileno(), was.st_uid, was.st_gid)
        json.dump({"keys": list(wanted.values())}, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    return "done"


def _served(ask: Request) -> list[dict[str, Any]]:
    response = send("jwks_url", "GET", ask.target["jwks_url"])
    if response.status_code != 200:
        raise Fail("network", f"jwks_url answered {response.status_code}", retryable=True)
    return list(response.json()["keys"])


# -- verifiers


def _everywhere(ask: Request, pem: str, kid: str) -> dict[str, str]:
    """What each verifier says, at the worst for us of what its workers do."""
    order = ("accepted", "unreachable", "unknown", "refused")
    if pem == ask.secrets.get("new"):
        order = ("refused", "unreachable", "unknown", "accepted")
    return {
        # Each a token of its own: some verifiers refuse one that they have seen before.
        address: _first(order, answers(lambda to=address: _verified(to, _mint(ask, pem, kid))))
        for address in _list(ask, "verifiers")
    }


def _mint(ask: Request, pem: str, kid: str) -> str:
    import jwt

    now = int(time.time())
    claims = {"sub": "leakguard-probe", "iat": now, "exp": now + LIFETIME, "jti": str(uuid.uuid4())}
    claims |= json.loads(ask.target.get("claims") or "{}")
    name = _name(_public(pem))
    return jwt.encode(claims, _private(pem), algorithm=name, headers={"kid": kid})


def _verified(address: str, token: str) -> str:
    try:
        status = _asked("GET", address, token)
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"
    return {200: "accepted", 401: "refused"}.get(status, "unknown")


def _flush(ask: Request, address: str) -> None:
    status = _asked("POST", address, ask.secrets.get("flusher", ""))
    if status >= 300:
        kind = "auth" if status in (401, 403) else "network"
        raise Fail(kind, f"{address} answered {status} to the flush", retryable=kind == "network")


def _asked(method: str, address: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return int(send(address, method, address, headers=headers).status_code)


def _first(order: tuple[str, ...], found: set[str]) -> str:
    return next((state for state in order if state in found), "unknown")


def _list(ask: Request, name: str) -> list[str]:
    return [one.strip() for one in ask.target.get(name, "").split(",") if one.strip()]


if __name__ == "__main__":
    rotate.main()
