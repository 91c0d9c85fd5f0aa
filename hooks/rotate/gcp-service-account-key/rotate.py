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
import functools
import json
from typing import Any
from urllib.parse import quote, urlsplit

from leakguard.rotate.kit import Answer, Fail, Request, script

rotate = script()

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
PERMISSIONS = ("create", "list", "get", "disable", "enable", "delete")
KINDS = {400: "conflict", 401: "auth", 403: "permission", 404: "not_found", 409: "conflict"}


@rotate.phase
def describe(_: Request) -> Answer:
    """The same as the manifest says."""
    return Answer(
        more={
            "capabilities": {
                "secret_origin": "issuer",
                "overlap": "native",
                "max_active": 10,
                "reversible_disable": True,
                "kills_sessions": False,
                "label_support": False,
                "dry_run": "real",
            }
        }
    )


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which key leaked, whether there is room for another, and what we are permitted to do."""
    keys = _keys(ask)
    named = str(ask.old.get("id", ""))
    told = str(_file(ask.secrets.get("old", "")).get("private_key_id", ""))
    old = named if named in keys else told or named
    lacking = _lacking(ask)
    checks = [
        _another_acts(ask),
        _check("the leaked key is the account's", old in keys, old, _which(keys, old)),
        _check(
            "there is room for another key",
            len(keys) < 10,
            f"{len(keys)} of 10",
            f"delete one that nobody uses: {', '.join(sorted(set(keys) - {old}))}",
        ),
        _check("may manage keys", not lacking, "", f"grant {', '.join(lacking)}"),
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
        _must(_call(ask, "POST", f"{_path(ask)}/keys/{key}:disable", json={}))
    response = _call(ask, "POST", f"{_path(ask)}/keys", json={})
    if response.status_code == 400 and len(_keys(ask)) >= 10:
        raise Fail("quota", "the account has ten keys: delete one that nobody uses")
    made = _must(response).json()
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
    if _file(ask.secret("new")).get("client_email") != ask.target["account"]:
        raise Fail("conflict", "the new key is another account's")
    return Answer(observed=["the token endpoint accepts the new key"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Disable the leaked key; `rollback` can undo it."""
    state = _keys(ask).get(_old(ask), "absent")
    if state != "active":
        return Answer("already", observed=[f"{_old(ask)} is {state}"])
    _never_the_new_one(ask)
    _must(_call(ask, "POST", f"{_path(ask)}/keys/{_old(ask)}:disable", json={}))
    return Answer(observed=[f"{_old(ask)} is disabled; its access tokens live up to an hour more"])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Both keys at the token endpoint; without the old file, IAM's list answers for it."""
    said: dict[str, Any] = {"derived": "unknown", "method": "login"}
    said["new"] = _login(ask.secrets["new"]) if "new" in ask.secrets else "unknown"
    if _file(ask.secrets.get("old", "")):
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
            _must(response)
    return Answer(observed=[f"{key} is deleted" for key in gone])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The old key enabled again, the new one deleted."""
    keys, did = _keys(ask), []
    if _old(ask) not in keys:
        raise Fail("not_found", f"{_old(ask)} is deleted and does not come back")
    if keys[_old(ask)] == "disabled":
        _must(_call(ask, "POST", f"{_path(ask)}/keys/{_old(ask)}:enable", json={}))
        did.append(f"{_old(ask)} is enabled again")
    new = ask.new.get("id")
    if new in keys and new != _old(ask):
        _must(_call(ask, "DELETE", f"{_path(ask)}/keys/{new}"))
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
    acting = str(_file(ask.secret("admin")).get("client_email", ""))
    other = acting != ask.target["account"] and ask.secret("admin") != ask.secrets.get("old")
    why = f"{acting} is the leaked identity: put another account's key in the slot admin"
    return _check("the acting identity is not the leaked one", other, f"acts as {acting}", why)


def _lacking(ask: Request) -> list[str]:
    """A question that Google answers without doing anything."""
    wanted = [f"iam.serviceAccountKeys.{name}" for name in PERMISSIONS]
    body = {"permissions": wanted}
    found = _must(_call(ask, "POST", f"{_path(ask)}:testIamPermissions", json=body)).json()
    return [name for name in wanted if name not in found.get("permissions", [])]


def _which(keys: dict[str, str], old: str) -> str:
    listed = ", ".join(sorted(keys)) or "the account has none"
    return f"{old or 'old.id is not known'}: the account's keys are {listed}"


def _check(what: str, ok: bool, detail: str, otherwise: str) -> dict[str, Any]:
    return {"what": what, "ok": ok, "detail": detail if ok else otherwise}


def _actions(ask: Request, old: str) -> list[dict[str, Any]]:
    rows = (
        ("create", "create", f"key of {ask.target['account']}", "both keys work", "delete it"),
        ("disable_old", "disable", old, "the leaked key gets no more access tokens", "enable it"),
        ("destroy_old", "delete", old, "the leaked key is gone for good", None),
    )
    names = ("phase", "verb", "target", "effect", "undo")
    return [dict(zip(names, row, strict=True)) for row in rows]


# -- keys


def _keys(ask: Request) -> dict[str, str]:
    """State by id, of the keys that people made (Google's own are not ours to touch)."""
    asked = {"keyTypes": "USER_MANAGED"}
    found = _must(_call(ask, "GET", f"{_path(ask)}/keys", params=asked)).json()
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


def _file(text: str) -> dict[str, Any]:
    """A key file; nothing when a value is none (a rule may have found the bare key)."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "private_key" in found else {}


def _login(text: str) -> str:
    """What the token endpoint says to a key."""
    try:
        _token(text)
    except Fail as fail:
        return {"network": "unreachable", "auth": "refused"}.get(fail.kind, "unknown")
    return "accepted"


@functools.cache
def _acting(text: str) -> str:
    """One access token serves all requests of a phase."""
    return _token(text)


def _token(text: str) -> str:
    import requests
    from google.auth import exceptions
    from google.auth.transport.requests import Request as Transport
    from google.oauth2 import service_account

    file = _file(text)
    if not file:
        raise Fail("unsupported", "the value is no key file of a service account (JSON)")
    _encrypted(str(file.get("token_uri", "")))
    session = requests.Session()
    session.trust_env = False
    try:
        made = service_account.Credentials.from_service_account_info(file, scopes=[SCOPE])
        made.refresh(Transport(session))
    except exceptions.TransportError as error:
        raise Fail("network", type(error).__name__, retryable=True) from None
    except exceptions.RefreshError as error:
        raise _refusal(error) from None
    except (ValueError, exceptions.GoogleAuthError) as error:
        raise Fail("unsupported", f"the key file is damaged: {type(error).__name__}") from None
    return str(made.token)


def _refusal(error: Any) -> Fail:
    """google-auth gives the endpoint's answer as the second argument."""
    said = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], dict) else {}
    if said.get("error") == "invalid_grant":
        return Fail("auth", "the token endpoint answered invalid_grant")
    return Fail("network" if error.retryable else "bug", "the token endpoint gave no token")


# -- talking to Google


def _path(ask: Request) -> str:
    project = quote(ask.target.get("project") or "-", safe="-")
    return f"/v1/projects/{project}/serviceAccounts/{quote(ask.target['account'], safe='@')}"


def _must(response: Any) -> Any:
    status = response.status_code
    if status >= 300:
        raise Fail(KINDS.get(status, "bug"), f"Google answered {status}")
    return response


def _call(ask: Request, method: str, path: str, **parts: Any) -> Any:
    import requests

    url = ask.target["api"].rstrip("/") + path
    _encrypted(url)
    session = requests.Session()
    session.trust_env = False  # a .netrc would replace the token that we send
    session.headers["Authorization"] = f"Bearer {_token(ask.secret('admin'))}"
    try:
        response = session.request(method, url, timeout=(5, 15), allow_redirects=False, **parts)
    except requests.RequestException as error:
        raise Fail("network", type(error).__name__, retryable=True) from None
    if response.status_code == 429:
        wait = response.headers.get("Retry-After", "a while")
        raise Fail("quota", f"Google wants us to wait: {wait}", retryable=True)
    if response.status_code >= 500:
        raise Fail("network", f"Google answered {response.status_code}", retryable=True)
    return response


def _encrypted(url: str) -> None:
    """A token never leaves this machine in the clear."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise Fail("unsupported", "tokens are sent over https only: use an https address")


if __name__ == "__main__":
    rotate.main()
