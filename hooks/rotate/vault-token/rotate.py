#!/usr/bin/env python3
"""Replaces a Vault token, and revokes the leaked one by its accessor.

The new token is an orphan of its own: as a child of the acting token it would end with
that one. It carries the rotation as `meta`, by which a token whose value was lost in a
crash is found and revoked. Revoking the leaked one ends its children and its leases;
tokens that it created as orphans have no tie to it that Vault would tell.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts import vault

rotate = script()

LABEL = "rotation"
ORPHAN = "auth/token/create-orphan"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which token leaked, what it may, and whether we may replace and revoke it."""
    checks = [_acts_as_another(ask), *vault.may(ask, ask.secret("admin"), _needed(ask))]
    if not all(one["ok"] for one in checks):
        return Answer(more={"known": [], "checks": checks, "actions": []})
    accessor = _accessor(ask)
    told = _lookup(ask, accessor)
    why = "it is revoked or expired already, or belongs to another server"
    checks.append(check("the leaked token is this server's", told is not None, why))
    policies = _policies(ask, told or {})
    root = "root" in policies
    checks.append(check("the new one will not be root", not root, "name `policies` for its work"))
    actions = [
        action("create", "create", f"token with {', '.join(policies)}", "both work", "revoke it"),
        action("disable_old", "revoke", accessor, "it, its children and its leases end"),
    ]
    more = {"actions": actions, "checks": checks, "known": _labelled(ask), "old": {"id": accessor}}
    return Answer(more=more | {"snapshot": {"policies": policies}})


@rotate.phase
def create(ask: Request) -> Answer:
    """Revoke what an earlier try of this rotation left, then create a token."""
    known = ask.plan.get("known", ())
    lost = [one for one in _labelled(ask) if one not in known]
    body = _wanted(ask)
    if ask.dry_run:
        return Answer(observed=["a token would be created"])
    for accessor in lost:
        _revoke(ask, accessor)
    made = vault.must(_admin(ask, "POST", _place(ask), body)).json()["auth"]
    return Answer(
        new={"id": made["accessor"]},
        secrets={"new": made["client_token"]},
        observed=[f"revoked {one}, whose value was lost" for one in lost],
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Let the new token look itself up."""
    said = vault.login(ask, ask.secret("new"))
    if said != "accepted":
        kind = "auth" if said == "refused" else "network"
        raise Fail(kind, f"the new token is {said}", retryable=kind == "network")
    return Answer(observed=["Vault lets the new token in"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Revoke the leaked token. There is no way back."""
    accessor = _accessor(ask)
    if accessor == ask.new.get("id"):
        raise Fail("bug", "the leaked token is the new one")
    if _lookup(ask, accessor) is None:
        return Answer("already", observed=[f"there is no token {accessor}"])
    if not ask.dry_run:
        _revoke(ask, accessor)
    return Answer(observed=[f"revoked {accessor}, with its children and leases"])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """Children and leases ended with the token; make sure that it is gone."""
    accessor = _accessor(ask)
    if _lookup(ask, accessor) is not None:
        raise Fail("conflict", "the leaked token is not revoked yet")
    return Answer("already", observed=[f"nothing hangs on {accessor} any more"])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Both tokens look themselves up in one round; without a value its accessor is looked up.

    A 403 alone could be a lack of permission, so the leaked one counts as refused
    only when its accessor is unknown to the server as well.
    """
    said: dict[str, Any] = {"method": "login", "new": _slot(ask, "new"), "old": _slot(ask, "old")}
    if said["new"] == "unreachable":
        said["old"] = "unreachable"
    elif said["old"] in ("refused", "unknown") and _known_accessor(ask):
        gone = _lookup(ask, _known_accessor(ask)) is None
        said["method"] = "login" if "old" in ask.secrets else "metadata"
        said["old"] = "refused" if gone else "accepted"
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    said["derived"] = {"refused": "none", "accepted": "alive"}.get(said["old"], "unknown")
    return Answer(more={"probe": said})


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which of the two the server knows, and what carries the label of this rotation."""
    state: dict[str, Any] = {"old": "unknown", "new": "unknown"}
    for slot, accessor in (("old", _known_accessor(ask)), ("new", ask.new.get("id"))):
        if accessor:
            state[slot] = "absent" if _lookup(ask, accessor) is None else "active"
    listed = [{"id": one, "state": "active", "label": ask.rotation} for one in _labelled(ask)]
    return Answer(more={"state": state | {"credentials": listed}})


# Tokens


def _place(ask: Request) -> str:
    """Where the new token is asked for."""
    role = ask.target.get("role")
    return f"auth/token/create/{quote(role, safe='')}" if role else ORPHAN


def _wanted(ask: Request) -> dict[str, Any]:
    """What it is to be. A role decides by itself what its tokens may."""
    body: dict[str, Any] = {"meta": {LABEL: ask.rotation}, "display_name": "leakguard"}
    if ask.target.get("ttl"):
        body["ttl"] = ask.target["ttl"]
    if not ask.target.get("role"):
        planned = ask.plan.get("snapshot", {}).get("policies")
        body["policies"] = planned or _policies(ask, _lookup(ask, _accessor(ask)) or {})
    return body


def _policies(ask: Request, told: dict[str, Any]) -> list[str]:
    own = (ask.target.get("policies") or "").split()
    found = own or [one for one in told.get("policies", ()) if one != "default"]
    return found or ["default"]


def _known_accessor(ask: Request) -> str:
    return str(
        ask.old.get("id") or ask.plan.get("old", {}).get("id") or ask.target.get("accessor") or ""
    )


def _accessor(ask: Request) -> str:
    """Of the leaked token: as it is known, else as the token itself tells."""
    if found := _known_accessor(ask):
        return found
    if "old" not in ask.secrets:
        raise Fail("missing", "give the accessor of the leaked token, or the token itself")
    said = vault.call(ask, "GET", "auth/token/lookup-self", token=ask.secret("old"))
    if said.status_code == 403:
        raise Fail("not_found", "the leaked token does not open this server any more")
    return str(vault.data(said)["accessor"])


def _lookup(ask: Request, accessor: str) -> dict[str, Any] | None:
    """What the server knows of an accessor; None when nothing.

    An unknown accessor is answered with 400, 403 or 404, by version. A 403 that is our own lack of
    permission is told apart by asking what we may.
    """
    said = _admin(ask, "POST", "auth/token/lookup-accessor", {"accessor": accessor})
    if said.status_code in (400, 403, 404):
        checks = vault.may(ask, ask.secret("admin"), _needed(ask))
        if not all(one["ok"] for one in checks):
            raise Fail("permission", "the acting token may not look up tokens")
        return None
    return vault.data(said)


def _revoke(ask: Request, accessor: str) -> None:
    vault.must(_admin(ask, "POST", "auth/token/revoke-accessor", {"accessor": accessor}))


def _labelled(ask: Request) -> list[str]:
    """Accessors of tokens that this rotation created."""
    told = vault.tokens(ask)
    return [one for one in told if (told[one].get("meta") or {}).get(LABEL) == ask.rotation]


def _slot(ask: Request, slot: str) -> str:
    return vault.login(ask, ask.secrets[slot]) if slot in ask.secrets else "unknown"


def _admin(ask: Request, method: str, path: str, body: Any = None) -> Any:
    return vault.call(ask, method, path, body, token=ask.secret("admin"))


# What has to hold before


def _acts_as_another(ask: Request) -> dict[str, Any]:
    same = ask.secret("admin") == ask.secrets.get("old")
    return check("the acting token is not the leaked one", not same, "act with another token")


def _needed(ask: Request) -> dict[str, set[str]]:
    path = _place(ask)
    return {
        path: {"update", "sudo"} if path == ORPHAN else {"update"},
        "auth/token/lookup-accessor": {"update"},
        "auth/token/revoke-accessor": {"update"},
        "auth/token/accessors/": {"list", "sudo"},
    }


if __name__ == "__main__":
    rotate.main()
