#!/usr/bin/env python3
"""Replaces a secret id of a Vault AppRole, and ends what the leaked one logged in for.

Destroying a secret id ends none of the tokens that it opened, so `kill_derived` revokes
every token of the role which the new secret id did not open: its tokens carry the
rotation in their metadata, for Vault passes a secret id's metadata on. Consumers that still
run on a token of the old one have to log in again; that is the price of a leak.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts import vault

rotate = script()

LABEL = "rotation"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which secret id leaked, who else has one, and whether we may replace it."""
    checks = vault.may(ask, ask.secret("admin"), _needed(ask))
    if not all(one["ok"] for one in checks):
        return Answer(more={"known": [], "checks": checks, "actions": []})
    _role_id(ask)  # of a role that is not there, looking up a value is answered with a 500
    accessor, listed = _accessor(ask), _listed(ask)
    why = "it is destroyed or expired already, or another role's"
    checks.append(check("the leaked secret id is this role's", accessor in listed, why))
    role = ask.target["role"]
    actions = [
        action("create", "create", f"secret id of {role}", "both open the role", "destroy it"),
        action("disable_old", "destroy", accessor, "it opens the role no more"),
        action("kill_derived", "revoke", f"tokens of {role}", "who runs on one logs in again"),
    ]
    more = {"actions": actions, "checks": checks, "known": listed, "old": {"id": accessor}}
    return Answer(more=more)


@rotate.phase
def create(ask: Request) -> Answer:
    """Destroy what an earlier try of this rotation left, then make a secret id."""
    known = ask.plan.get("known", ())
    lost = [one for one in _listed(ask) if one not in known and _label(ask, one) == ask.rotation]
    if ask.dry_run:
        return Answer(observed=["a secret id would be made"])
    for accessor in lost:
        _destroy(ask, accessor)
    body = {"metadata": json.dumps({LABEL: ask.rotation})}
    made = vault.data(_admin(ask, "POST", f"{_role(ask)}/secret-id", body))
    return Answer(
        new={"id": made["secret_id_accessor"]},
        secrets={"new": made["secret_id"]},
        observed=[f"destroyed {one}, whose value was lost" for one in lost],
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Log in with the new secret id, and end that token."""
    said = _login(ask, ask.secret("new"))
    if said != "accepted":
        kind = "auth" if said == "refused" else "network"
        raise Fail(kind, f"the new secret id is {said}", retryable=kind == "network")
    return Answer(observed=[f"it opens the role {ask.target['role']}"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Destroy the leaked secret id. There is no way back."""
    accessor = _accessor(ask)
    if accessor == ask.new.get("id"):
        raise Fail("bug", "the leaked secret id is the new one")
    if accessor not in _listed(ask):
        return Answer("already", observed=[f"there is no secret id {accessor}"])
    if not ask.dry_run:
        _destroy(ask, accessor)
    return Answer(observed=[f"destroyed {accessor}"])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """Revoke the role's tokens that were not opened with the new secret id, and look again."""
    before = _tokens(ask)
    for accessor in before if not ask.dry_run else ():
        _admin(ask, "POST", "auth/token/revoke-accessor", {"accessor": accessor})
    left = _tokens(ask)
    evidence = [{"tokens_ended": len(set(before) - set(left)), "left": len(left)}]
    status = "pending" if left else "done" if before else "already"
    return Answer(status, evidence=evidence)


@rotate.phase
def probe(ask: Request) -> Answer:
    """Log in with both in one round; without a value its accessor is looked up."""
    said: dict[str, Any] = {"method": "login"}
    for slot in ("new", "old"):
        said[slot] = _login(ask, ask.secrets[slot]) if slot in ask.secrets else "unknown"
    if said["old"] == "unknown" and said["new"] != "unreachable" and _known_accessor(ask):
        there = _known_accessor(ask) in _listed(ask)
        said |= {"old": "accepted" if there else "refused", "method": "metadata"}
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    said["derived"] = "unknown"
    if said["new"] == "accepted":
        said["derived"] = "alive" if _tokens(ask) else "none"
    return Answer(more={"probe": said})


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which secret ids the role has."""
    listed = _listed(ask)
    known = {True: "active", False: "absent"}
    old, new = _known_accessor(ask), ask.new.get("id")
    state: dict[str, Any] = {
        "old": known[old in listed] if old else "unknown",
        "new": known[new in listed] if new else "unknown",
    }
    found = [{"id": one, "state": "active", "label": _label(ask, one)} for one in listed]
    return Answer(more={"state": state | {"credentials": found}})


# Secret ids


def _role(ask: Request) -> str:
    return f"{_mount(ask)}/role/{quote(ask.target['role'], safe='')}"


def _entrance(ask: Request) -> str:
    return f"{_mount(ask)}/login"


def _mount(ask: Request) -> str:
    return f"auth/{(ask.target.get('mount') or 'approle').strip('/')}"


def _known_accessor(ask: Request) -> str:
    known = ask.old.get("id") or ask.plan.get("old", {}).get("id")
    return str(known or ask.target.get("accessor") or "")


def _accessor(ask: Request) -> str:
    """Of the leaked secret id: as it is known, else as Vault tells for its value."""
    if found := _known_accessor(ask):
        return found
    if "old" not in ask.secrets:
        raise Fail("missing", "give the accessor of the leaked secret id, or the secret id itself")
    said = _admin(ask, "POST", f"{_role(ask)}/secret-id/lookup", {"secret_id": ask.secret("old")})
    if said.status_code == 204:
        raise Fail("not_found", "the leaked secret id is none of this role any more")
    return str(vault.data(said)["secret_id_accessor"])


def _listed(ask: Request) -> list[str]:
    said = _admin(ask, "GET", f"{_role(ask)}/secret-id?list=true")
    if said.status_code in (400, 404):
        _role_id(ask)  # no role, which is 400 or 404 by version, is not the same as none made
    if said.status_code == 404:
        return []
    keys: list[str] = vault.data(said)["keys"]
    return keys


def _label(ask: Request, accessor: str) -> str:
    body = {"secret_id_accessor": accessor}
    said = _admin(ask, "POST", f"{_role(ask)}/secret-id-accessor/lookup", body)
    if said.status_code != 200:
        return ""
    return str((said.json()["data"].get("metadata") or {}).get(LABEL, ""))


def _destroy(ask: Request, accessor: str) -> None:
    body = {"secret_id_accessor": accessor}
    vault.must(_admin(ask, "POST", f"{_role(ask)}/secret-id-accessor/destroy", body))


def _role_id(ask: Request) -> str:
    return str(vault.data(_admin(ask, "GET", f"{_role(ask)}/role-id"))["role_id"])


def _login(ask: Request, secret_id: str) -> str:
    """What Vault says to it. The token of a success is ended at once."""
    try:
        body = {"role_id": _role_id(ask), "secret_id": secret_id}
        said = vault.call(ask, "POST", _entrance(ask), body)
        if said.status_code == 200:
            token = said.json()["auth"]["client_token"]
            vault.call(ask, "POST", "auth/token/revoke-self", token=token)
            return "accepted"
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"
    invalid = said.status_code == 400 and "secret id" in said.text.lower()
    return "refused" if invalid else "unknown"


def _tokens(ask: Request) -> list[str]:
    """Accessors of the role's tokens which the new secret id did not open."""
    found = []
    for accessor, told in vault.tokens(ask).items():
        meta = told.get("meta") or {}
        ours = told.get("path") == _entrance(ask) and meta.get("role_name") == ask.target["role"]
        if ours and meta.get(LABEL) != ask.rotation:
            found.append(accessor)
    return found


def _admin(ask: Request, method: str, path: str, body: Any = None) -> Any:
    return vault.call(ask, method, path, body, token=ask.secret("admin"))


# What has to hold before


def _needed(ask: Request) -> dict[str, set[str]]:
    return {
        f"{_role(ask)}/secret-id": {"update", "list"},
        f"{_role(ask)}/role-id": {"read"},
        f"{_role(ask)}/secret-id/lookup": {"update"},
        f"{_role(ask)}/secret-id-accessor/lookup": {"update"},
        f"{_role(ask)}/secret-id-accessor/destroy": {"update"},
        "auth/token/accessors/": {"list", "sudo"},
        "auth/token/lookup-accessor": {"update"},
        "auth/token/revoke-accessor": {"update"},
    }


if __name__ == "__main__":
    rotate.main()
