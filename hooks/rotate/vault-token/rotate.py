#!/usr/bin/env python3
"""Replaces a Vault token, and revokes the leaked one by its accessor.

The new token is an orphan of its own: as a child of the acting token it would end with
that one. It carries the rotation as `meta`, by which a token whose value was lost in a
crash is found and revoked. Revoking the leaked one ends its children and its leases;
tokens that it created as orphans have no tie to it that Vault would tell.
"""

from __future__ import annotations

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
    """Which token leaked, what it may, and whether we may replace and revoke it."""
    checks = [_acts_as_another(ask), *_may(ask)]
    more: dict[str, Any] = {"known": [], "checks": checks, "actions": []}
    if not all(check["ok"] for check in checks):
        return Answer(more=more)
    accessor = _accessor(ask)
    told = _lookup(ask, accessor)
    why = "it is revoked or expired already, or belongs to another server"
    checks.append(_check("the leaked token is this server's", told is not None, why))
    policies = _policies(ask, told or {})
    root = "root" in policies
    checks.append(_check("the new one will not be root", not root, "name `policies` for its work"))
    rows: list[tuple[str, str, str, str, str | None]] = [
        ("create", "create", f"token with {', '.join(policies)}", "both work", "revoke it"),
        ("disable_old", "revoke", accessor, "it, its children and its leases end", None),
    ]
    more |= {"actions": _actions(rows), "known": _labelled(ask), "old": {"id": accessor}}
    return Answer(more=more | {"snapshot": {"policies": policies}})


@rotate.phase
def create(ask: Request) -> Answer:
    """Revoke what an earlier try of this rotation left, then create a token."""
    known = ask.plan.get("known", ())
    lost = [one for one in _labelled(ask) if one not in known]
    policies = ask.plan.get("snapshot", {}).get("policies") or _policies(ask, _old(ask))
    body: dict[str, Any] = {"meta": {LABEL: ask.rotation}, "display_name": "leakguard"}
    body |= {"ttl": ask.target["ttl"]} if ask.target.get("ttl") else {}
    path = "auth/token/create-orphan"
    if ask.target.get("role"):
        path = f"auth/token/create/{quote(ask.target['role'], safe='')}"
    else:
        body |= {"policies": policies}
    if ask.dry_run:
        return Answer(observed=["a token would be created"])
    for accessor in lost:
        _revoke(ask, accessor)
    made = _must(_call(ask, "POST", path, body, token=ask.secret("admin"))).json()["auth"]
    return Answer(
        new={"id": made["accessor"]},
        secrets={"new": made["client_token"]},
        observed=[f"revoked {one}, whose value was lost" for one in lost],
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Let the new token look itself up."""
    said = _said(ask, ask.secret("new"))
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
    known = {True: "active", False: "absent"}
    state: dict[str, Any] = {"old": "unknown", "new": "unknown"}
    if _known_accessor(ask):
        state["old"] = known[_lookup(ask, _known_accessor(ask)) is not None]
    if ask.new.get("id"):
        state["new"] = known[_lookup(ask, ask.new["id"]) is not None]
    listed = [{"id": one, "state": "active", "label": ask.rotation} for one in _labelled(ask)]
    return Answer(more={"state": state | {"credentials": listed}})


# Tokens


def _old(ask: Request) -> dict[str, Any]:
    return _lookup(ask, _accessor(ask)) or {}


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
    said = _call(ask, "GET", "auth/token/lookup-self", token=ask.secret("old"))
    if said.status_code == 403:
        raise Fail("not_found", "the leaked token does not open this server any more")
    return str(_must(said).json()["data"]["accessor"])


def _lookup(ask: Request, accessor: str) -> dict[str, Any] | None:
    """What the server knows of an accessor; None when nothing.

    An unknown accessor is answered with 403 or 404, by version. A 403 that is our own lack of
    permission is told apart by asking what we may.
    """
    body = {"accessor": accessor}
    said = _call(ask, "POST", "auth/token/lookup-accessor", body, token=ask.secret("admin"))
    if said.status_code in (400, 403, 404):
        if any(not check["ok"] for check in _may(ask)):
            raise Fail("permission", "the acting token may not look up tokens")
        return None
    found: dict[str, Any] = _must(said).json()["data"]
    return found


def _revoke(ask: Request, accessor: str) -> None:
    path = "auth/token/revoke-accessor"
    _must(_call(ask, "POST", path, {"accessor": accessor}, token=ask.secret("admin")))


def _labelled(ask: Request) -> list[str]:
    """Accessors of tokens that this rotation created."""
    said = _call(ask, "GET", "auth/token/accessors?list=true", token=ask.secret("admin"))
    listed = _must(said).json()["data"]["keys"]
    told = {one: _told(ask, one) for one in listed}
    return [one for one in listed if (told[one].get("meta") or {}).get(LABEL) == ask.rotation]


def _told(ask: Request, accessor: str) -> dict[str, Any]:
    body = {"accessor": accessor}
    said = _call(ask, "POST", "auth/token/lookup-accessor", body, token=ask.secret("admin"))
    found: dict[str, Any] = said.json().get("data", {}) if said.status_code == 200 else {}
    return found


def _slot(ask: Request, slot: str) -> str:
    return _said(ask, ask.secrets[slot]) if slot in ask.secrets else "unknown"


def _said(ask: Request, token: str) -> str:
    try:
        status = _call(ask, "GET", "auth/token/lookup-self", token=token).status_code
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"
    return {200: "accepted", 403: "refused"}.get(status, "unknown")


# What has to hold before


def _acts_as_another(ask: Request) -> dict[str, Any]:
    same = ask.secret("admin") == ask.secrets.get("old")
    return _check("the acting token is not the leaked one", not same, "act with another token")


def _needed(ask: Request) -> dict[str, set[str]]:
    role = ask.target.get("role")
    path = f"auth/token/create/{role}" if role else "auth/token/create-orphan"
    return {
        path: {"update", "sudo"} if not role else {"update"},
        "auth/token/lookup-accessor": {"update"},
        "auth/token/revoke-accessor": {"update"},
        "auth/token/accessors/": {"list", "sudo"},
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
