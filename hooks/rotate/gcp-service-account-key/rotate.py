#!/usr/bin/env python3
"""Replaces a key of a Google Cloud service account, acting as another account.

`new` is the key file (JSON). Google shows it once: a key whose file was lost in a crash is
disabled, because somebody may have made it since the plan, and deleted at the end. The
leaked key is disabled (reversible), then deleted. A key proves itself at the token endpoint
(RFC 7523): `invalid_grant` is the refusal. Access tokens that it obtained live on until they
expire, up to an hour; only disabling the whole account would end them.

`old.id` is `private_key_id` in the file; the leaked file tells it.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts.google import key_file, must, send, token

rotate = script()

PERMISSIONS = ("create", "list", "get", "disable", "enable", "delete")


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which key leaked, whether there is room for another, and what we are permitted to do."""
    keys = _keys(ask)
    named = str(ask.old.get("id", ""))
    told = str(key_file(ask.secrets.get("old", "")).get("private_key_id", ""))
    old = named if named in keys else told or named
    lacking = _lacking(ask)
    checks = [
        _another_acts(ask),
        check("the leaked key is the account's", old in keys, _which(keys, old), found=old),
        check(
            "there is room for another key",
            len(keys) < 10,
            f"delete one that nobody uses: {', '.join(sorted(set(keys) - {old}))}",
            found=f"{len(keys)} of 10",
        ),
        check("may manage keys", not lacking, f"grant {', '.join(lacking)}"),
    ]
    return Answer(
        more={
            "actions": _actions(ask, old),
            "known": sorted(keys),
            "checks": checks,
            "old": {"id": old},
            "snapshot": {"keys": keys},
        },
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """Make a key, after disabling one that an earlier try made and lost."""
    lost = [key for key, state in _strangers(ask).items() if state == "active"]
    for key in lost:
        must(_call(ask, "POST", f"{_path(ask)}/keys/{key}:disable", json={}))
    response = _call(ask, "POST", f"{_path(ask)}/keys", json={})
    if response.status_code == 400 and len(_keys(ask)) >= 10:
        raise Fail("quota", "the account has ten keys: delete one that nobody uses")
    made = must(response).json()
    return Answer(
        new={"id": made["name"].rsplit("/", 1)[1]},
        observed=[f"disabled {key}: it appeared after the plan, its file was lost" for key in lost],
        secrets={"new": base64.b64decode(made["privateKeyData"]).decode()},
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Exchange the new key for an access token; Google needs up to a minute to know it."""
    said = _login(ask.secret("new"))
    if said == "refused":
        return Answer("pending", observed=["the token endpoint does not know the new key yet"])
    if said != "accepted":
        raise Fail("network", f"the new key is {said}", retryable=True)
    if key_file(ask.secret("new")).get("client_email") != ask.target["account"]:
        raise Fail("conflict", "the new key is another account's")
    return Answer(observed=["the token endpoint accepts the new key"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Disable the leaked key; `rollback` can undo it."""
    state = _keys(ask).get(_old(ask), "absent")
    if state != "active":
        return Answer("already", observed=[f"{_old(ask)} is {state}"])
    _never_the_new_one(ask)
    must(_call(ask, "POST", f"{_path(ask)}/keys/{_old(ask)}:disable", json={}))
    return Answer(observed=[f"{_old(ask)} is disabled; its access tokens live up to an hour more"])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Both keys at the token endpoint; without the old file, IAM's list answers for it."""
    said: dict[str, Any] = {"derived": "unknown", "method": "login"}
    said["new"] = _login(ask.secrets["new"]) if "new" in ask.secrets else "unknown"
    if key_file(ask.secrets.get("old", "")):
        said["old"] = _login(ask.secrets["old"])
    else:
        said |= {"old": _listed(ask), "method": "metadata"}
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    return Answer(more={"probe": said})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Delete the leaked key, and those that an earlier try of ours lost."""
    keys = _keys(ask)
    gone = [key for key in (_old(ask), *_strangers(ask)) if key in keys and _dead(ask, keys, key)]
    if not gone:
        return Answer("already", observed=[f"{_old(ask)} is gone"])
    _never_the_new_one(ask)
    for key in gone:
        response = _call(ask, "DELETE", f"{_path(ask)}/keys/{key}")
        if response.status_code != 404:
            must(response)
    return Answer(observed=[f"{key} is deleted" for key in gone])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The old key enabled again, the new one deleted."""
    keys, did = _keys(ask), []
    if _old(ask) not in keys:
        raise Fail("not_found", f"{_old(ask)} is deleted and does not come back")
    if keys[_old(ask)] == "disabled":
        must(_call(ask, "POST", f"{_path(ask)}/keys/{_old(ask)}:enable", json={}))
        did.append(f"{_old(ask)} is enabled again")
    new = ask.new.get("id")
    if new in keys and new != _old(ask):
        must(_call(ask, "DELETE", f"{_path(ask)}/keys/{new}"))
        did.append(f"deleted the new key {new}")
    return Answer("done" if did else "already", observed=did)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which keys the account has now."""
    keys = _keys(ask)
    listed = [{"id": key, "state": keys[key], "label": ""} for key in sorted(keys)]
    old = ask.plan.get("old", {}).get("id") or ask.old.get("id")
    state: dict[str, Any] = {
        which: keys.get(str(key), "absent") if key else "unknown"
        for which, key in (("old", old), ("new", ask.new.get("id")))
    }
    return Answer(more={"state": state | {"credentials": listed}})


# -- the plan


def _another_acts(ask: Request) -> dict[str, Any]:
    acting = str(key_file(ask.secret("admin")).get("client_email", ""))
    other = acting != ask.target["account"] and ask.secret("admin") != ask.secrets.get("old")
    why = f"{acting} is the leaked identity: put another account's key in the slot admin"
    return check("the acting identity is not the leaked one", other, why, found=f"acts as {acting}")


def _lacking(ask: Request) -> list[str]:
    """A question that Google answers without doing anything."""
    wanted = [f"iam.serviceAccountKeys.{name}" for name in PERMISSIONS]
    body = {"permissions": wanted}
    found = must(_call(ask, "POST", f"{_path(ask)}:testIamPermissions", json=body)).json()
    return [name for name in wanted if name not in found.get("permissions", [])]


def _which(keys: dict[str, str], old: str) -> str:
    listed = ", ".join(sorted(keys)) or "the account has none"
    return f"{old or 'old.id is not known'}: the account's keys are {listed}"


def _actions(ask: Request, old: str) -> list[dict[str, Any]]:
    rows = (
        ("create", "create", f"key of {ask.target['account']}", "both keys work", "delete it"),
        ("disable_old", "disable", old, "the leaked key gets no more access tokens", "enable it"),
        ("destroy_old", "delete", old, "the leaked key is gone for good", None),
    )
    return [action(*row) for row in rows]


# -- keys


def _keys(ask: Request) -> dict[str, str]:
    """State by id, of the keys that people made (Google's own are not ours to touch)."""
    asked = {"keyTypes": "USER_MANAGED"}
    found = must(_call(ask, "GET", f"{_path(ask)}/keys", params=asked)).json()
    return {
        key["name"].rsplit("/", 1)[1]: "disabled" if key.get("disabled") else "active"
        for key in found.get("keys", [])
    }


def _strangers(ask: Request) -> dict[str, str]:
    kept = {*ask.plan.get("known", []), _old(ask), ask.new.get("id")}
    return {key: state for key, state in _keys(ask).items() if key not in kept}


def _dead(ask: Request, keys: dict[str, str], key: str) -> bool:
    """The leaked key goes in any state; another one only when it is disabled."""
    return key == _old(ask) or keys[key] == "disabled"


def _never_the_new_one(ask: Request) -> None:
    if _old(ask) == ask.new.get("id"):
        raise Fail("bug", "the old key is the new one")


def _old(ask: Request) -> str:
    if old := ask.plan.get("old", {}).get("id") or ask.old.get("id"):
        return str(old)
    raise Fail("missing", "which key leaked is not known: old.id")


def _listed(ask: Request) -> str:
    try:
        return "accepted" if _keys(ask).get(_old(ask)) == "active" else "refused"
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"


# -- logging in


def _login(text: str) -> str:
    """What the token endpoint says to a key."""
    try:
        token(text)
    except Fail as fail:
        return {"network": "unreachable", "auth": "refused"}.get(fail.kind, "unknown")
    return "accepted"


# -- talking to Google


def _path(ask: Request) -> str:
    project = quote(ask.target.get("project") or "-", safe="-")
    return f"/v1/projects/{project}/serviceAccounts/{quote(ask.target['account'], safe='@')}"


def _call(ask: Request, method: str, path: str, **parts: Any) -> Any:
    return send(ask.secret("admin"), method, ask.target["api"].rstrip("/") + path, **parts)


if __name__ == "__main__":
    rotate.main()
