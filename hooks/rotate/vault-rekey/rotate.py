#!/usr/bin/env python3
"""Replaces the unseal shares of a Vault, in the one way that loses none on the way.

`create` makes new shares with `require_verification`: until these were handed back in, the
present ones go on unsealing, so a crash or a lost answer costs nothing. Once they are
sealed away and with their holders, `disable_old` hands them back in, and with that the old
ones end. No answer of a sealed server proves shares; the proof is a second rekey that is begun
with each set and cancelled: it completes with good shares and fails with dead ones.

The new value is all new shares, one per line. Whoever holds one share gets one line.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from leakguard.rotate.kit import Answer, Fail, Request, script

rotate = script()

KINDS = {400: "unsupported", 403: "permission", 404: "unsupported", 412: "network", 429: "quota"}
PLACES = {"rekey": "sys/rekey", "rotate": "sys/rotate/root"}


@rotate.phase
def describe(_: Request) -> Answer:
    """The same as the manifest says."""
    return Answer(
        more={
            "capabilities": {
                "secret_origin": "issuer",
                "overlap": "native",
                "max_active": 0,
                "reversible_disable": False,
                "kills_sessions": False,
                "label_support": False,
                "dry_run": "real",
            }
        }
    )


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether it is unsealed, nobody rekeys, and there are shares enough. Changes nothing."""
    seal = _must(_call(ask, "GET", "sys/seal-status")).json()
    given = len(_shares(ask.secret("present")))
    shamir = seal["type"] == "shamir"
    checks = [
        _check(
            "it is unsealed", not seal["sealed"], "unseal it first: a sealed one rekeys nothing"
        ),
        _check("its seal is Shamir's", shamir, f"it is {seal['type']}: those are recovery keys"),
        _check("there are enough present shares", given >= seal["t"], f"{given} of {seal['t']}"),
    ]
    if not seal["sealed"]:
        status = _admin(ask, "GET", "init")
        why = f"Vault answered {status.status_code}: api=rotate for OpenBao, with a token"
        checks.append(_check("its rekey interface is open", status.status_code == 200, why))
        if status.status_code == 200:
            free = not status.json().get("started")
            checks.append(_check("nobody rekeys now", free, "finish or cancel that first"))
    count, least = ask.target.get("shares") or seal["n"], ask.target.get("threshold") or seal["t"]
    fits = 1 <= least <= count and (least > 1 or count == 1)
    checks.append(_check("the new numbers fit", fits, "threshold is 2 or more, and at most shares"))
    rows: list[tuple[str, str, str, str, str | None]] = [
        (
            "create",
            "rekey",
            f"{count} shares, {least} unseal",
            "the present ones stay good",
            "cancel",
        ),
        ("disable_old", "verify", "the new shares", "the present ones unseal nothing", None),
    ]
    more = {"actions": _actions(rows), "known": [], "checks": checks, "old": {"id": "present"}}
    return Answer(more=more | {"snapshot": {"shares": count, "threshold": least}})


@rotate.phase
def create(ask: Request) -> Answer:
    """Cancel what an earlier try left unverified, then make new shares that await verification."""
    seal = _must(_call(ask, "GET", "sys/seal-status")).json()
    if ask.dry_run:
        return Answer(observed=["new shares would be made"])
    lost = _must(_admin(ask, "GET", "init")).json().get("started")
    if lost:
        _must(_admin(ask, "DELETE", "init"))
    body = {
        "secret_shares": ask.target.get("shares") or seal["n"],
        "secret_threshold": ask.target.get("threshold") or seal["t"],
    }
    status, done = _fed(ask, _begun(ask, body), ask.secret("present"))
    if not done:
        _admin(ask, "DELETE", "init")
        raise Fail("auth", f"Vault answered {status} to the present shares: are they all current?")
    return Answer(
        new={"id": done["verification_nonce"]},
        secrets={"new": "\n".join(done["keys_base64"])},
        observed=["cancelled an earlier try, whose shares were lost"] if lost else [],
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Whether Vault still waits for exactly these shares. Handing them in is the switch itself."""
    waiting = _waiting(ask)
    if waiting != ask.new.get("id"):
        raise Fail("conflict", "Vault does not wait for these shares: create them again")
    return Answer(observed=["Vault waits for the new shares; the present ones are still good"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Hand the new shares in. With the last one the old ones end, for good."""
    nonce, waiting = ask.new.get("id"), _waiting(ask)
    if waiting != nonce:
        if _good(ask, ask.secret("new")) == "accepted":
            return Answer("already", observed=["the new shares are in force"])
        raise Fail("conflict", "Vault does not wait for these shares: create them again")
    if ask.dry_run:
        return Answer(observed=["the new shares would be handed in"])
    _admin(ask, "DELETE", "verify")  # an earlier try may have handed some in
    nonce = _waiting(ask) or nonce
    for share in _shares(ask.secret("new")):
        said = _must(_admin(ask, "PUT", "verify", {"key": share, "nonce": nonce})).json()
        if said.get("complete"):
            return Answer(observed=["the new shares are in force, the old ones unseal nothing"])
    raise Fail("conflict", "Vault asks for more shares than it made")


@rotate.phase
def probe(ask: Request) -> Answer:
    """Begin a rekey with either set, and cancel it."""
    said: dict[str, Any] = {"method": "login", "derived": "none"}
    busy = bool(ask.new.get("id")) and _is_waiting(ask)
    for slot, name in (("new", "new"), ("old", "present")):
        known = name in ask.secrets and not busy
        said[slot] = _tried(ask, ask.secrets[name]) if known else "unknown"
    if said["old"] == "refused" and said["new"] != "accepted" and "new" in ask.secrets:
        said["old"] = "unknown"  # then the fault may be the server's
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    return Answer(more={"probe": said})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Cancel the rekey: the new shares are void. Once they are in force there is no way back."""
    if not _waiting(ask):
        raise Fail("conflict", "the new shares are in force, or were cancelled: rekey again")
    if not ask.dry_run:
        _must(_admin(ask, "DELETE", "init"))
    return Answer(observed=["cancelled: the present shares stay, the new ones are void"])


@rotate.phase
def observe(ask: Request) -> Answer:
    """Whether the new shares are waited for, in force, or void."""
    state = {"old": "active", "new": "absent", "credentials": []}
    if ask.new.get("id") and _waiting(ask) != ask.new["id"]:
        said = _good(ask, ask.secrets["new"]) if "new" in ask.secrets else "unknown"
        if said == "accepted":
            state |= {"old": "absent", "new": "active"}
        elif said != "refused":
            state |= {"old": "unknown", "new": "unknown"}
    elif ask.new.get("id"):
        state |= {"new": "disabled"}
    return Answer(more={"state": state})


# Shares


def _shares(text: str) -> list[str]:
    return list(dict.fromkeys(text.split()))


def _begun(ask: Request, body: dict[str, int]) -> dict[str, Any]:
    """A rekey that cannot take force before its shares were handed in."""
    said = _must(_admin(ask, "PUT", "init", body | {"require_verification": True}))
    begun: dict[str, Any] = said.json() if said.content else {}
    if "verification_required" not in begun:
        begun = _must(_admin(ask, "GET", "init")).json()
    if not begun.get("verification_required"):
        _admin(ask, "DELETE", "init")
        raise Fail("unsupported", "this server verifies no rekey: a lost answer would lose it")
    return begun


def _fed(ask: Request, begun: dict[str, Any], text: str) -> tuple[int, dict[str, Any]]:
    """The last status, and the answer that completes it; empty when the shares were no good."""
    status = 200
    for share in _shares(text)[: begun["required"]]:
        said = _admin(ask, "PUT", "update", {"key": share, "nonce": begun["nonce"]})
        status = said.status_code
        if status != 200:
            return status, {}
        if said.json().get("complete"):
            return status, said.json()
    return status, {}


def _good(ask: Request, text: str) -> str:
    """What a rekey with these shares comes to. It is cancelled, so nothing has changed."""
    body = {"secret_shares": 1, "secret_threshold": 1}
    begun = _begun(ask, body)
    try:
        if len(_shares(text)) < begun["required"]:
            return "unknown"
        status, done = _fed(ask, begun, text)
    finally:
        _admin(ask, "DELETE", "init")
    return "accepted" if done else "refused" if status in (400, 500) else "unknown"


def _tried(ask: Request, text: str) -> str:
    try:
        return _good(ask, text)
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"


def _waiting(ask: Request) -> str:
    """The nonce of the shares that Vault waits for; "" when for none."""
    said = _must(_admin(ask, "GET", "init")).json()
    return str(said.get("verification_nonce") or "") if said.get("started") else ""


def _is_waiting(ask: Request) -> bool:
    try:
        return bool(_waiting(ask))
    except Fail:
        return False


def _admin(ask: Request, method: str, what: str, body: Any = None) -> Any:
    api = ask.target.get("api") or "rekey"
    token = ask.secret("admin") if api == "rotate" else ""
    return _call(ask, method, f"{PLACES[api]}/{what}", body, token=token)


# What has to hold before


def _check(what: str, ok: bool, otherwise: str) -> dict[str, Any]:
    return {"what": what, "ok": ok, "detail": "" if ok else otherwise}


def _actions(rows: list[tuple[str, str, str, str, str | None]]) -> list[dict[str, Any]]:
    names = ("phase", "verb", "target", "effect", "undo")
    return [dict(zip(names, row, strict=True)) for row in rows]


# Talking to Vault


def _must(response: Any) -> Any:
    status = response.status_code
    if status >= 300:
        again = status in (412, 429)
        raise Fail(KINDS.get(status, "unsupported"), f"Vault answered {status}", retryable=again)
    return response


def _call(ask: Request, method: str, path: str, body: Any = None, *, token: str = "") -> Any:
    """One request as `token`; as nobody when it is empty."""
    import requests

    url = f"{ask.target['address'].rstrip('/')}/v1/{path}"
    _encrypted(url)
    headers = {"X-Vault-Request": "true"} | ({"X-Vault-Token": token} if token else {})
    if ask.target.get("namespace"):
        headers["X-Vault-Namespace"] = ask.target["namespace"]
    with requests.Session() as session:
        session.trust_env = False
        session.verify = ask.target.get("ca_file") or True
        try:
            response = session.request(
                method, url, json=body, headers=headers, timeout=(5, 15), allow_redirects=False
            )
        except requests.RequestException as error:
            raise Fail("network", type(error).__name__, retryable=True) from None
    if response.status_code >= 501:
        why = "is sealed or not ready" if response.status_code == 503 else "failed"
        raise Fail("network", f"Vault {why} ({response.status_code})", retryable=True)
    return response


def _encrypted(url: str) -> None:
    """A token never leaves this machine in the clear."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise Fail("unsupported", "tokens are sent over https only: use an https address")


if __name__ == "__main__":
    rotate.main()
