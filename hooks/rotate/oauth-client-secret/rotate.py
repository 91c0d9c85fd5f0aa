#!/usr/bin/env python3
"""Replaces the secret of an OAuth client through Keycloak's administration (REST).

There is one secret: the new one kills the old at once, so consumers are cut over hard. Tokens
that were minted with the old secret live on: `kill_derived` sets the client's `notBefore`,
and everything issued earlier ends, consumers' own tokens too (they ask for new ones).

Whether a secret works is asked with a refresh of nonsense: the server checks the
client first (RFC 6749, 5.2), so `invalid_client` is a refusal, `invalid_grant` is a login,
and nothing is minted.
"""

from __future__ import annotations

import secrets
import time
from typing import Any
from urllib.parse import urlsplit

from leakguard.rotate.kit import Answer, Fail, Request, script

rotate = script()

LOGGED_IN = ("invalid_grant", "unauthorized_client", "unsupported_grant_type")


@rotate.phase
def describe(_: Request) -> Answer:
    """The same as the manifest says."""
    return Answer(
        more={
            "capabilities": {
                "secret_origin": "client",
                "overlap": "none",
                "max_active": 1,
                "reversible_disable": False,
                "kills_sessions": True,
                "label_support": False,
                "dry_run": "real",
            }
        }
    )


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the administration knows the client and lets us manage it."""
    client, checks = ask.target["client_id"], [_another_acts(ask)]
    found: dict[str, Any] = {}
    try:
        found = _client(ask)
        checks += [_right_client(ask, found), _may_manage(found)]
    except Fail as fail:
        if fail.kind not in ("auth", "permission", "not_found"):
            raise
        checks.append(_check("the administration shows the client", False, "", fail.message))
    rows = (
        ("create", "replace", f"secret of {client}", "the old one is refused at once",
         "rollback puts the old one back"),
        ("kill_derived", "set notBefore", client, "tokens issued until then end", None),
    )  # fmt: skip
    names = ("phase", "verb", "target", "effect", "undo")
    return Answer(
        more={
            "actions": [dict(zip(names, row, strict=True)) for row in rows],
            "known": [client],
            "checks": checks,
            "old": {"id": client},
            "snapshot": {"not_before": found.get("notBefore", 0)},
        }
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """Put the new secret in the place of the old one."""
    new = {"id": ask.target["client_id"]}
    if _knock(ask, ask.secret("new")) == "accepted":
        return Answer("already", new=new)
    _change(ask, {"secret": ask.secret("new")})
    return Answer(new=new, observed=["the secret is replaced"])


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Authenticate as the client with the new secret."""
    if (said := _knock(ask, ask.secret("new"))) != "accepted":
        raise Fail("network" if said == "unreachable" else "auth", f"the new secret is {said}")
    return Answer(observed=["the token endpoint accepts the new secret"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """The new secret has already replaced it; say whether that is so."""
    said = _both(ask)
    if said["old"] == "accepted":
        raise Fail("conflict", "the old secret still works: create has not replaced it")
    if said["old"] != "refused":
        raise Fail("network", f"the old secret is {said['old']}", retryable=True)
    return Answer("already", observed=["the old secret was replaced, and is refused"])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """End every token that the client was given until now; only once the old secret is dead."""
    disable_old(ask)
    if _ended(ask, _client(ask)):
        return Answer("already", observed=["notBefore is set"])
    # It counts whole seconds: what was issued within this one has to end, too.
    moment = int(time.time()) + 1
    _change(ask, {"notBefore": moment})
    if not _ended(ask, _client(ask)):
        raise Fail("conflict", "the server took notBefore, and does not show it")
    return Answer(observed=[f"tokens issued before {moment} are ended"])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Both secrets at the same endpoint, in one round."""
    said = _both(ask)
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    try:
        said["derived"] = "none" if _ended(ask, _client(ask)) else "alive"
    except Fail:
        said["derived"] = "unknown"
    return Answer(more={"probe": said | {"method": "login"}})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Nothing is left of a secret that was replaced."""
    return disable_old(ask)


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Put the old secret back. Tokens that were ended stay ended."""
    if _knock(ask, ask.secret("old")) == "accepted":
        return Answer("already", observed=["the old secret is in place"])
    _change(ask, {"secret": ask.secret("old")})
    return Answer(observed=["the old secret is back; ended tokens stay ended"])


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which of the two the token endpoint accepts now."""
    names = {"accepted": "active", "refused": "absent"}
    said = {slot: names.get(state, "unknown") for slot, state in _both(ask).items()}
    listed = [{"id": ask.target["client_id"], "state": "active", "label": ""}]
    return Answer(more={"state": said | {"credentials": listed}})


# -- checks of the plan


def _another_acts(ask: Request) -> dict[str, Any]:
    other = ask.target["admin_client_id"] != ask.target["client_id"]
    other = other and ask.secret("admin") != ask.secrets.get("old")
    why = "it is the leaked one: give another client in admin_client_id"
    return _check("the acting identity is not the leaked one", other, "", why)


def _right_client(ask: Request, found: dict[str, Any]) -> dict[str, Any]:
    told = str(found.get("clientId"))
    right = told == ask.target["client_id"]
    return _check("admin_url is the client's", right, told, f"it is the address of {told}")


def _may_manage(found: dict[str, Any]) -> dict[str, Any]:
    may = found.get("access", {}).get("configure") is True
    return _check("may manage the client", may, "", "give admin_client_id the role manage-clients")


def _check(what: str, ok: bool, detail: str, otherwise: str) -> dict[str, Any]:
    return {"what": what, "ok": ok, "detail": detail if ok else otherwise}


# -- does a secret work


def _both(ask: Request) -> dict[str, str]:
    return {
        slot: _knock(ask, ask.secrets[slot]) if slot in ask.secrets else "unknown"
        for slot in ("new", "old")
    }


def _knock(ask: Request, secret: str) -> str:
    """Refresh nonsense as the client: the answer tells only whether the client was believed."""
    form = {"grant_type": "refresh_token", "refresh_token": secrets.token_urlsafe(24)}
    auth = (ask.target["client_id"], secret)
    try:
        response = _send("POST", ask.target["token_url"], auth=auth, data=form)
        error = response.json().get("error")
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"
    except (ValueError, AttributeError):
        return "unknown"
    if error in LOGGED_IN:
        return "accepted"
    return "refused" if error == "invalid_client" else "unknown"


def _ended(ask: Request, client: dict[str, Any]) -> bool:
    """Whether tokens were ended since the plan."""
    before = ask.plan.get("snapshot", {}).get("not_before", 0)
    return int(client.get("notBefore") or 0) > int(before)


# -- talking to the server


def _client(ask: Request) -> dict[str, Any]:
    return dict(_admin(ask, "GET").json())


def _change(ask: Request, change: dict[str, Any]) -> None:
    """Keycloak leaves alone what a representation does not mention."""
    _admin(ask, "PUT", json={"clientId": ask.target["client_id"], **change})


def _admin(ask: Request, method: str, **parts: Any) -> Any:
    bearer = {"Authorization": f"Bearer {_bearer(ask)}"}
    response = _send(method, ask.target["admin_url"], headers=bearer, **parts)
    status = response.status_code
    if status >= 300:
        kinds = {401: "auth", 403: "permission", 404: "not_found", 409: "conflict"}
        raise Fail(kinds.get(status, "bug"), f"the administration answered {status} to {method}")
    return response


def _bearer(ask: Request) -> str:
    form = {"grant_type": "client_credentials", "scope": ask.target.get("admin_scope", "")}
    auth = (ask.target["admin_client_id"], ask.secret("admin"))
    form = {key: value for key, value in form.items() if value}
    response = _send("POST", ask.target["token_url"], auth=auth, data=form)
    if response.status_code != 200:
        raise Fail("auth", f"the token endpoint answered {response.status_code} to admin_client_id")
    return str(response.json()["access_token"])


def _send(method: str, url: str, **parts: Any) -> Any:
    import requests

    _encrypted(url)
    session = requests.Session()
    session.trust_env = False  # a .netrc would replace the credentials that we send
    try:
        response = session.request(method, url, timeout=(5, 15), allow_redirects=False, **parts)
    except requests.RequestException as error:
        raise Fail("network", type(error).__name__, retryable=True) from None
    if response.status_code == 429:
        wait = response.headers.get("Retry-After", "a while")
        raise Fail("quota", f"too many requests, again in {wait}", retryable=True)
    if response.status_code >= 500:
        raise Fail("network", f"the server answered {response.status_code}", retryable=True)
    return response


def _encrypted(url: str) -> None:
    """A secret never leaves this machine in the clear."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise Fail("unsupported", "secrets are sent over https only: use an https address")


if __name__ == "__main__":
    rotate.main()
