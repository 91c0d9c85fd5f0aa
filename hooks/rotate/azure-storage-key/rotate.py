#!/usr/bin/env python3
"""Moves consumers to the other key of an Azure storage account, then makes the leaked one anew.

An account has two keys that always exist, so nothing is created: `new` is the other key, and
asking for it twice does no harm. The leaked key dies when it is regenerated; its age tells
whether that has happened since the plan, so that a second try does not regenerate again.
SAS tokens that it signed die with it. `old.id` is `key1` or `key2`; the leaked value tells it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote, urlsplit

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts import azure, web

rotate = script()

VERSION = "2023-01-01"
BLOB_VERSION = "2021-08-06"
NAMES = ("key1", "key2")
ACTIONS = ("listKeys", "regenerateKey")
NOT_BELIEVED = ("<Code>AuthenticationFailed<", "Server failed to authenticate the request")
SCOPE = "https://management.azure.com/.default"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which of the two leaked, and whether we may list and regenerate keys."""
    checks = [
        check(f"may {action}", ok, f"give client_id the permission {action}")
        for action, ok in _permitted(ask).items()
    ]
    keys = _keys(ask) if checks[0]["ok"] else {}
    named = str(ask.old.get("id", ""))
    old = named if named in keys else _named(keys, ask.secrets.get("old", "")) or named
    checks.append(
        check("the leaked key is the account's", old in keys, "say key1 or key2: old.id", found=old)
    )
    checks.append(_still_there(ask, keys, old))
    return Answer(
        observed=[f"{name} was made {keys[name]['created']}" for name in sorted(keys)],
        more={
            "actions": _actions(ask, old),
            "known": sorted(keys),
            "checks": checks,
            "old": {"id": old},
            "snapshot": {"created": {name: keys[name]["created"] for name in keys}},
        },
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """Hand out the other key; made anew before, when `fresh` says so."""
    other = _other(ask)
    told = [f"{other} as it is"]
    if ask.target.get("fresh"):
        _regenerate(ask, other)
        told = [f"{other}, made anew"]
    return Answer(new={"id": other}, observed=told, secrets={"new": _keys(ask)[other]["value"]})


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """List containers with the other key."""
    if (said := _login(ask, ask.secret("new"))) == "accepted":
        return Answer(observed=["the blob service accepts the other key"])
    if said == "refused" and ask.target.get("fresh"):
        return Answer("pending", observed=["the blob service does not know the key yet"])
    raise Fail("auth" if said == "refused" else "network", f"the other key is {said}")


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Make the leaked key anew, once: nobody gets the value that replaces it."""
    if _old(ask) == ask.new.get("id"):
        raise Fail("bug", "consumers use the leaked key")
    if not _leaked_stands(ask, _keys(ask)):
        return Answer("already", observed=[f"{_old(ask)} was made anew since it leaked"])
    _regenerate(ask, _old(ask))
    if _leaked_stands(ask, _keys(ask)):
        raise Fail("conflict", f"Azure took the request, and {_old(ask)} is the same")
    return Answer(observed=[f"{_old(ask)} is made anew; SAS tokens that it signed ended"])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Both keys list containers; without the old value, the age of the key answers for it."""
    said: dict[str, Any] = {"method": "login"}
    said["new"] = _login(ask, ask.secrets["new"]) if "new" in ask.secrets else "unknown"
    if "old" in ask.secrets:
        said["old"] = _login(ask, ask.secrets["old"])
    else:
        said |= {"old": _listed(ask), "method": "metadata"}
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    said["derived"] = "none" if said["old"] == "refused" else "unknown"
    return Answer(more={"probe": said})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """A key that was made anew is destroyed; make it anew when it was not."""
    return disable_old(ask)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Whether the leaked value is still one of the account's keys."""
    keys = _keys(ask)
    new = ask.secrets.get("new")
    listed = [{"id": name, "state": "active", "label": ""} for name in sorted(keys)]
    state: dict[str, Any] = {"old": "unknown", "new": "unknown", "credentials": listed}
    if ask.old.get("id") or ask.plan.get("old"):
        state["old"] = "active" if _leaked_stands(ask, keys) else "absent"
    if new:
        state["new"] = "active" if _named(keys, new) else "absent"
    return Answer(more={"state": state})


# -- the plan


def _still_there(ask: Request, keys: dict[str, dict[str, str]], old: str) -> dict[str, Any]:
    known = "old" in ask.secrets and old in keys
    same = not known or keys[old]["value"] == ask.secrets["old"]
    why = f"{old} was made anew since it leaked: nothing is left to rotate"
    return check("the leaked value is the key's value", same, why)


def _permitted(ask: Request) -> dict[str, bool]:
    """A question that Azure answers without doing anything."""
    path = f"{_path(ask)}/providers/Microsoft.Authorization/permissions"
    found = _must(_call(ask, "GET", path, "2022-04-01")).json()["value"]
    wanted = [f"Microsoft.Storage/storageAccounts/{action}/action" for action in ACTIONS]
    return {action: any(_grants(one, action) for one in found) for action in wanted}


def _grants(permission: dict[str, list[str]], action: str) -> bool:
    def named(key: str) -> bool:
        patterns = [pattern.lower() for pattern in permission.get(key, [])]
        return any(fnmatchcase(action.lower(), pattern) for pattern in patterns)

    return named("actions") and not named("notActions")


def _actions(ask: Request, old: str) -> list[dict[str, Any]]:
    account = ask.target["account"]
    handed = "make anew and hand out" if ask.target.get("fresh") else "hand out"
    rows = (
        ("create", handed, f"the other key of {account}", "both keys work", "stay with the old"),
        ("disable_old", "make anew", f"{old} of {account}",
         "the leaked value and SAS tokens that it signed are refused", None),
    )  # fmt: skip
    return [action(*row) for row in rows]


# -- keys


def _keys(ask: Request) -> dict[str, dict[str, str]]:
    found = _must(_call(ask, "POST", f"{_path(ask)}/listKeys")).json()["keys"]
    return {
        key["keyName"]: {"value": key["value"], "created": str(key.get("creationTime", ""))}
        for key in found
        if key["keyName"] in NAMES
    }


def _regenerate(ask: Request, name: str) -> None:
    _must(_call(ask, "POST", f"{_path(ask)}/regenerateKey", json={"keyName": name}))


def _named(keys: dict[str, dict[str, str]], value: str) -> str:
    return next((name for name in sorted(keys) if keys[name]["value"] == value), "")


def _old(ask: Request) -> str:
    if old := ask.plan.get("old", {}).get("id") or ask.old.get("id"):
        return str(old)
    raise Fail("missing", "which key leaked is not known: old.id")


def _other(ask: Request) -> str:
    return next(name for name in NAMES if name != _old(ask))


def _leaked_stands(ask: Request, keys: dict[str, dict[str, str]]) -> bool:
    """By its value where we have it, else by its age."""
    found = keys.get(_old(ask), {"value": "", "created": ""})
    if "old" in ask.secrets:
        return found["value"] == ask.secrets["old"]
    before = ask.plan.get("snapshot", {}).get("created", {}).get(_old(ask))
    if before is None:
        raise Fail("missing", "neither the leaked value nor its age is known: plan first")
    return found["created"] == before


def _listed(ask: Request) -> str:
    try:
        return "accepted" if _leaked_stands(ask, _keys(ask)) else "refused"
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"


# -- logging in


def _login(ask: Request, key: str) -> str:
    """What the blob service says to a list of containers, signed with a key."""
    base = ask.target.get("blob") or f"https://{ask.target['account']}.blob.core.windows.net"
    url = f"{base.rstrip('/')}/?comp=list"
    try:
        response = web.send(
            azure.AZURE, "GET", url, headers=_signed(ask.target["account"], key, url)
        )
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"
    if response.status_code == 200:
        return "accepted"
    # Azure answers 403 to much else: networks, disabled shared keys, lacking permission.
    failed = any(word in response.text for word in NOT_BELIEVED)
    return "refused" if failed and response.status_code in (401, 403) else "unknown"


def _signed(account: str, key: str, url: str) -> dict[str, str]:
    """Shared Key for a GET without a body (2009-09-19 and later)."""
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    own = {"x-ms-date": now, "x-ms-version": BLOB_VERSION}
    lines = ["GET", *[""] * 11, *(f"{name}:{own[name]}" for name in sorted(own))]
    text = "\n".join([*lines, f"/{account}{urlsplit(url).path}", "comp:list"])
    try:
        secret = base64.b64decode(key, validate=True)
    except ValueError:
        raise Fail("unsupported", "the value is no account key (base64)") from None
    digest = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return {**own, "Authorization": f"SharedKey {account}:{base64.b64encode(digest).decode()}"}


# -- talking to Azure


def _path(ask: Request) -> str:
    parts = {name: quote(ask.target[name], safe="") for name in ask.target if name in _PLACE}
    return (
        f"/subscriptions/{parts['subscription']}/resourceGroups/{parts['resource_group']}"
        f"/providers/Microsoft.Storage/storageAccounts/{parts['account']}"
    )


_PLACE = ("subscription", "resource_group", "account")


def _call(ask: Request, method: str, path: str, version: str = VERSION, **parts: Any) -> Any:
    url = ask.target["management"].rstrip("/") + path
    return azure.send(ask, SCOPE, method, url, params={"api-version": version}, **parts)


def _must(answer: Any) -> Any:
    if answer.status_code == 409:
        raise Fail("conflict", "Azure answered 409", retryable=True)
    return web.must(azure.AZURE, answer)


if __name__ == "__main__":
    rotate.main()
