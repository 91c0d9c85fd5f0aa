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
from urllib.parse import quote, urlsplit

from leakguard.rotate.kit import Answer, Fail, Request, script

rotate = script()

KINDS = {403: "permission", 404: "not_found", 412: "network", 429: "quota"}
LABEL = "rotation"


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
                "kills_sessions": True,
                "label_support": True,
                "dry_run": "real",
            }
        }
    )


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which secret id leaked, who else has one, and whether we may replace it."""
    checks = _may(ask)
    more: dict[str, Any] = {"known": [], "checks": checks, "actions": []}
    if not all(check["ok"] for check in checks):
        return Answer(more=more)
    accessor, listed = _accessor(ask), _listed(ask)
    why = "it is destroyed or expired already, or another role's"
    checks.append(_check("the leaked secret id is this role's", accessor in listed, why))
    role = ask.target["role"]
    rows: list[tuple[str, str, str, str, str | None]] = [
        ("create", "create", f"secret id of {role}", "both open the role", "destroy it"),
        ("disable_old", "destroy", accessor, "it opens the role no more", None),
        ("kill_derived", "revoke", f"tokens of {role}", "who runs on one logs in again", None),
    ]
    more |= {"actions": _actions(rows), "known": listed, "old": {"id": accessor}}
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
    made = _must(_admin(ask, "POST", f"{_role(ask)}/secret-id", body)).json()["data"]
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
    mount = (ask.target.get("mount") or "approle").strip("/")
    return f"auth/{mount}/role/{quote(ask.target['role'], safe='')}"


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
    return str(_must(said).json()["data"]["secret_id_accessor"])


def _listed(ask: Request) -> list[str]:
    said = _admin(ask, "GET", f"{_role(ask)}/secret-id?list=true")
    if said.status_code == 404:
        _must(_admin(ask, "GET", f"{_role(ask)}/role-id"))  # no role is not the same as none made
        return []
    keys: list[str] = _must(said).json()["data"]["keys"]
    return keys


def _label(ask: Request, accessor: str) -> str:
    body = {"secret_id_accessor": accessor}
    said = _admin(ask, "POST", f"{_role(ask)}/secret-id-accessor/lookup", body)
    if said.status_code != 200:
        return ""
    return str((said.json()["data"].get("metadata") or {}).get(LABEL, ""))


def _destroy(ask: Request, accessor: str) -> None:
    body = {"secret_id_accessor": accessor}
    _must(_admin(ask, "POST", f"{_role(ask)}/secret-id-accessor/destroy", body))


def _login(ask: Request, secret_id: str) -> str:
    """What Vault says to it. The token of a success is ended at once."""
    mount = (ask.target.get("mount") or "approle").strip("/")
    try:
        role_id = _must(_admin(ask, "GET", f"{_role(ask)}/role-id")).json()["data"]["role_id"]
        body = {"role_id": role_id, "secret_id": secret_id}
        said = _call(ask, "POST", f"auth/{mount}/login", body)
        if said.status_code == 200:
            _call(ask, "POST", "auth/token/revoke-self", token=said.json()["auth"]["client_token"])
            return "accepted"
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"
    invalid = said.status_code == 400 and "secret id" in said.text.lower()
    return "refused" if invalid else "unknown"


def _tokens(ask: Request) -> list[str]:
    """Accessors of the role's tokens which the new secret id did not open."""
    listed = _must(_admin(ask, "GET", "auth/token/accessors?list=true")).json()["data"]["keys"]
    mount = (ask.target.get("mount") or "approle").strip("/")
    found = []
    for accessor in listed:
        said = _admin(ask, "POST", "auth/token/lookup-accessor", {"accessor": accessor})
        told = said.json().get("data", {}) if said.status_code == 200 else {}
        meta = told.get("meta") or {}
        ours = told.get("path") == f"auth/{mount}/login"
        if ours and meta.get("role_name") == ask.target["role"] and meta.get(LABEL) != ask.rotation:
            found.append(accessor)
    return found


def _admin(ask: Request, method: str, path: str, body: Any = None) -> Any:
    return _call(ask, method, path, body, token=ask.secret("admin"))


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


def _may(ask: Request) -> list[dict[str, Any]]:
    """What the acting token may, as Vault itself says."""
    paths = _needed(ask)
    said = _must(_call(ask, "POST", "sys/capabilities-self", {"paths": list(paths)},
                       token=ask.secret("admin"))).json()  # fmt: skip
    found = said.get("data", said)
    checks = []
    for path, wanted in paths.items():
        can = set(found.get(path, ()))
        lacks = set() if "root" in can else wanted - can
        why = f"allow {', '.join(sorted(lacks))}"
        checks.append(_check(f"the acting token may use {path}", not lacks, why))
    return checks


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
    if response.status_code >= 500:
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
