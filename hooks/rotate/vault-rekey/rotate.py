#!/usr/bin/env python3
"""Replaces the unseal shares of a Vault, in the one way that loses none on the way.

`create` makes new shares with `require_verification`: until these were handed back in, the
present ones go on unsealing, so a crash or a lost answer costs nothing. Once they are
sealed away and with their holders, `disable_old` hands them back in, and with that the old
ones end. No answer of a sealed server proves shares; the proof is a second rekey that is begun
with each set and cancelled: it completes with good shares and fails with dead ones.

The new value is all new shares with commas between them; whoever holds one gets one. leakguard
forgets it when the rotation closes, so a consumer has to keep it.
"""

from __future__ import annotations

import re
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts import vault

rotate = script()

ROTATE = "sys/rotate/root"
PLACES = {"rekey": "sys/rekey", "rotate": ROTATE}
NEEDED = {
    f"{ROTATE}/init": {"read", "update", "delete"},
    f"{ROTATE}/update": {"update"},
    f"{ROTATE}/verify": {"update", "delete"},
}
WRONG = re.compile("message authentication failed|key verification failed|invalid key")
"""How it says of shares that they are no good; a 500 by itself might be its storage."""

LOST = "give them a consumer (--consumer C1=file:...), then --target handed_to=C1"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether it is unsealed, nobody rekeys, and there are shares enough. Changes nothing."""
    seal = _seal(ask)
    given, least = len(_shares(ask.secret("present"))), seal["t"]
    kind, way = seal["type"], "unseal it first: a sealed one rekeys nothing"
    checks = [
        check("it is unsealed", not seal["sealed"], way),
        check("its seal is Shamir's", kind == "shamir", f"it is {kind}: those are recovery keys"),
        check("there are enough present shares", given >= least, f"{given} of {least}"),
        *(() if seal["sealed"] else _free(ask)),
        check("somebody keeps the new shares", ask.target.get("handed_to"), LOST),
    ]
    made = _wanted(ask, seal)
    count, least = made["secret_shares"], made["secret_threshold"]
    fits = 1 <= least <= count and (least > 1 or count == 1)
    checks.append(check("the new numbers fit", fits, "threshold is 2 or more, and at most shares"))
    what, kept = f"{count} shares, {least} unseal", "the present ones stay good"
    ended = "the present ones unseal nothing"
    actions = [
        action("create", "rekey", what, kept, "cancel"),
        action("disable_old", "verify", "the new shares", ended),
    ]
    more = {"actions": actions, "known": [], "checks": checks, "old": {"id": "present"}}
    return Answer(more=more | {"snapshot": {"shares": count, "threshold": least}})


@rotate.phase
def create(ask: Request) -> Answer:
    """Cancel what an earlier try left unverified, then make new shares that await verification."""
    seal = _seal(ask)
    if ask.dry_run:
        return Answer(observed=["new shares would be made"])
    lost = _status(ask)
    if lost.get("started"):
        vault.must(_cancel(ask, lost))
    begun = _begun(ask, _wanted(ask, seal))
    said = _fed(ask, begun, ask.secret("present"))
    if not said.get("complete"):
        _cancel(ask, begun)
        raise Fail("auth", "Vault did not take the present shares: are they all current?")
    return Answer(
        new={"id": begun["nonce"]},
        secrets={"new": ",".join(said["keys_base64"])},
        observed=["cancelled an earlier try, whose shares were lost"] * bool(lost.get("started")),
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Whether Vault still waits for exactly these shares. Handing them in is the switch itself."""
    if not _awaited(ask):
        raise Fail("conflict", "Vault does not wait for these shares: create them again")
    return Answer(observed=["Vault waits for the new shares; the present ones are still good"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Hand the new shares in. With the last one the old ones end, for good."""
    if not _awaited(ask):
        if not _status(ask).get("started") and _good(ask, ask.secret("new")) == "accepted":
            return Answer("already", observed=["the new shares are in force"])
        raise Fail("conflict", "Vault does not wait for these shares: create them again")
    if ask.dry_run:
        return Answer(observed=["the new shares would be handed in"])
    _admin(ask, "DELETE", "verify")  # an earlier try may have handed some in
    nonce = _status(ask)["verification_nonce"]  # starting anew made another one
    for share in _shares(ask.secret("new")):
        said = vault.data(_admin(ask, "PUT", "verify", {"key": share, "nonce": nonce}))
        if said.get("complete"):
            return Answer(observed=["the new shares are in force, the old ones unseal nothing"])
    raise Fail("conflict", "Vault asks for more shares than it made")


@rotate.phase
def probe(ask: Request) -> Answer:
    """Begin a rekey with either set, and cancel it."""
    said: dict[str, Any] = {"method": "login", "derived": "none"}
    for slot, name in (("new", "new"), ("old", "present")):
        said[slot] = _tried(ask, ask.secrets[name]) if name in ask.secrets else "unknown"
    if said["old"] == "refused" and said["new"] != "accepted" and "new" in ask.secrets:
        said["old"] = "unknown"  # then the fault may be the server's
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    return Answer(more={"probe": said})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Cancel the rekey: the new shares are void. Once they are in force there is no way back."""
    status = _status(ask)
    if not status.get("verification_nonce"):
        raise Fail("conflict", "the new shares are in force, or were cancelled: rekey again")
    if not ask.dry_run:
        vault.must(_cancel(ask, status))
    return Answer(observed=["cancelled: the present shares stay, the new ones are void"])


@rotate.phase
def observe(ask: Request) -> Answer:
    """Whether the new shares are waited for, in force, or void."""
    old, new = "active", "absent"
    if ask.new.get("id") and _awaited(ask):
        new = "disabled"
    elif ask.new.get("id"):
        said = _tried(ask, ask.secrets["new"]) if "new" in ask.secrets else "unknown"
        told = {"accepted": ("absent", "active"), "refused": ("active", "absent")}
        old, new = told.get(said, ("unknown", "unknown"))
    return Answer(more={"state": {"old": old, "new": new, "credentials": []}})


# What has to hold before


def _seal(ask: Request) -> dict[str, Any]:
    return vault.data(vault.call(ask, "GET", "sys/seal-status"))


def _free(ask: Request) -> list[dict[str, Any]]:
    """Whether a rekey may begin now."""
    said = _admin(ask, "GET", "init")
    if said.status_code != 200:
        why = f"Vault answered {said.status_code}: try api=rotate (OpenBao), or another token"
        return [check("its rekey interface is open", False, why)]
    free = not vault.data(said).get("started")
    checks = [check("nobody rekeys now", free, "finish or cancel that first")]
    if ask.target.get("api") == "rotate":
        checks += vault.may(ask, ask.secret("admin"), NEEDED)
    return checks


def _wanted(ask: Request, seal: dict[str, Any]) -> dict[str, int]:
    return {
        "secret_shares": ask.target.get("shares") or seal["n"],
        "secret_threshold": ask.target.get("threshold") or seal["t"],
    }


# Shares


def _shares(text: str) -> list[str]:
    return list(dict.fromkeys(text.replace(",", " ").split()))


def _begun(ask: Request, body: dict[str, int]) -> dict[str, Any]:
    """A rekey that cannot take force before its shares were handed in."""
    vault.must(_admin(ask, "PUT", "init", body | {"require_verification": True}))
    begun = _status(ask)
    if not begun.get("verification_required"):
        _cancel(ask, begun)
        raise Fail("unsupported", "this server verifies no rekey: a lost answer would lose it")
    return begun


def _fed(ask: Request, begun: dict[str, Any], text: str) -> dict[str, Any]:
    """The answer to the last share: `complete` with good ones, `wrong` with others."""
    said: dict[str, Any] = {}
    for share in _shares(text)[: _needs(begun)]:
        body = {"key": share, "nonce": begun["nonce"]}
        response = _admin(ask, "PUT", "update", body, broken=501)
        if response.status_code != 200:
            return {"wrong": WRONG.search(response.text) is not None}
        said = vault.data(response)
    return said


def _needs(begun: dict[str, Any]) -> int:
    """How many present shares it takes; sys/rotate/root says it by another name."""
    count: int = begun["required"] if "required" in begun else begun["seal_threshold"]
    return count


def _good(ask: Request, text: str) -> str:
    """What a rekey with these shares comes to. It is cancelled, so nothing has changed."""
    begun = _begun(ask, {"secret_shares": 1, "secret_threshold": 1})
    try:
        said = _fed(ask, begun, text)
    finally:
        _cancel(ask, begun)
    return "accepted" if said.get("complete") else "refused" if said.get("wrong") else "unknown"


def _tried(ask: Request, text: str) -> str:
    try:
        return "unknown" if _status(ask).get("started") else _good(ask, text)  # one at a time
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"


def _awaited(ask: Request) -> bool:
    """Whether Vault waits for the shares of this rotation to be handed in."""
    status = _status(ask)
    return bool(status.get("verification_nonce")) and status["nonce"] == ask.new.get("id")


def _status(ask: Request) -> dict[str, Any]:
    return vault.data(_admin(ask, "GET", "init"))


def _cancel(ask: Request, begun: dict[str, Any]) -> Any:
    """End a rekey. Vault 1.17.18 and later want to hear which, for ten minutes."""
    return _admin(ask, "DELETE", "init", {"nonce": begun["nonce"]})


def _admin(ask: Request, method: str, what: str, body: Any = None, broken: int = 500) -> Any:
    place = PLACES[ask.target.get("api") or "rekey"]
    token = ask.secrets.get("admin", "")
    return vault.call(ask, method, f"{place}/{what}", body, token=token, broken=broken)


if __name__ == "__main__":
    rotate.main()
