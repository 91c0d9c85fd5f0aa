#!/usr/bin/env python3
"""Replaces and revokes a GitHub token.

No interface makes a personal token: a person does, and puts it in the slot `replacement`.
An installation token is made with the App's key. Revocation differs by kind: a personal
token goes to `POST /credentials/revoke` (which answers 202 to everything, even to nonsense,
so our answer is `accepted`), an OAuth token to its application, an installation token ends itself.
The proof is a 401 to the old token beside a 200 to the new one. A 403 proves nothing: GitHub
gives it for limits and for single sign-on, too.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts import web

rotate = script()

WHO = {"personal": "/user", "oauth": "/user", "installation": "/installation/repositories"}
GITHUB = "GitHub"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whose the leaked token is, what it may do, and whether a replacement is there and as able."""
    old = _look(ask, ask.secrets.get("old", ""))
    new = _look(ask, ask.secrets.get("replacement", ""))
    kind = ask.target["kind"]
    checks = [
        check("the leaked token is known", "old" in ask.secrets, "put it in the slot old"),
        *([_app_may(ask)] if kind == "installation" else _replaced(ask, old, new)),
    ]
    if kind == "oauth":
        what = "the application can revoke it"
        have = bool(ask.target.get("client_id") and ask.secrets.get("client_secret"))
        checks.append(check(what, have, "give client_id and its client_secret"))
    told = [f"the leaked token is {old['state']}; it was {old['login'] or 'somebody'}'s"]
    if old["scopes"]:
        told.append(f"it may: {old['scopes']}; look in the audit log for keys that it added")
    return Answer(
        observed=told,
        more={
            "actions": _actions(ask, old["login"]),
            "known": [],
            "checks": checks,
            "old": {"id": ask.old.get("id") or old["login"]},
            "snapshot": {"login": old["login"], "scopes": old["scopes"]},
        },
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """Take over what a person made, or make an installation token (it lives for an hour)."""
    if ask.target["kind"] != "installation":
        return Answer(new={"id": ask.rotation}, secrets={"new": ask.secret("replacement")})
    path = f"/app/installations/{quote(ask.target['installation_id'], safe='')}/access_tokens"
    made = _must(_call(ask, "POST", path, _app(ask))).json()
    return Answer(
        new={"id": ask.rotation, "expires_at": made.get("expires_at")},
        secrets={"new": made["token"]},
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Use the new token; it has to be the same account's as the old one."""
    found = _look(ask, ask.secret("new"))
    if found["state"] != "accepted":
        kind = "auth" if found["state"] == "refused" else "network"
        raise Fail(kind, f"the new token is {found['state']}", retryable=kind == "network")
    was = ask.plan.get("snapshot", {}).get("login")
    if was and found["login"] != was:
        raise Fail("conflict", f"the new token is {found['login']}'s, the old one was {was}'s")
    return Answer(observed=[f"GitHub accepts the new token of {found['login'] or 'the App'}"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Revoke it. GitHub cannot reactivate a token."""
    if ask.secret("old") == ask.secrets.get("replacement"):
        raise Fail("bug", "the replacement is the leaked token")
    if _look(ask, ask.secret("old"))["state"] == "refused":
        return Answer("already", observed=["GitHub refuses the old token"])
    return {"personal": _report, "oauth": _revoke_grant, "installation": _end}[ask.target["kind"]](
        ask
    )


@rotate.phase
def probe(ask: Request) -> Answer:
    """Both tokens ask the same question in one round. A token mints none, but it may add keys."""
    said: dict[str, Any] = {"derived": "unknown", "method": "login"}
    for slot in ("new", "old"):
        said[slot] = _look(ask, ask.secrets.get(slot, ""))["state"]
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    return Answer(more={"probe": said})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """A revoked token is destroyed; revoke it when it is not."""
    return disable_old(ask)


@rotate.phase
def observe(ask: Request) -> Answer:
    """What GitHub answers to either token now."""
    names = {"accepted": "active", "refused": "absent"}
    state: dict[str, Any] = {"credentials": []}
    for slot in ("old", "new"):
        found = _look(ask, ask.secrets.get(slot, ""))["state"]
        state[slot] = names.get(found, "unknown")
    return Answer(more={"state": state})


# -- the plan


def _replaced(ask: Request, old: dict[str, str], new: dict[str, str]) -> list[dict[str, Any]]:
    other = "replacement" in ask.secrets and ask.secrets["replacement"] != ask.secrets.get("old")
    checks = [
        check("a replacement was made", other, "make a new token, not the leaked one again"),
        check("the replacement works", new["state"] == "accepted", f"it is {new['state']}"),
    ]
    if old["login"] and new["login"]:
        same = old["login"] == new["login"]
        why = f"it is {new['login']}'s, not {old['login']}'s"
        checks.append(check("the replacement is the same account's", same, why, found=new["login"]))
    lost = set(_words(old["scopes"])) - set(_words(new["scopes"]))
    if new["scopes"]:
        checks.append(
            check(
                "the replacement may do as much",
                not lost,
                f"it lacks {', '.join(sorted(lost))}: add what consumers need",
                found=new["scopes"],
            )
        )
    return checks


def _words(scopes: str) -> list[str]:
    return [scope.strip() for scope in scopes.split(",") if scope.strip()]


def _app_may(ask: Request) -> dict[str, Any]:
    what = "the App can make another"
    try:
        status = _call(ask, "GET", "/app", _app(ask)).status_code
    except Fail as fail:
        if fail.kind == "network":
            raise
        return check(what, False, fail.message)
    return check(what, status == 200, f"GitHub answered {status}: app_id and app_key")


def _actions(ask: Request, login: str) -> list[dict[str, Any]]:
    kind, whose = ask.target["kind"], login or "the App"
    made = "make" if kind == "installation" else "take over"
    rows = (
        ("create", made, f"{kind} token of {whose}", "both tokens work", "revoke it by hand"),
        ("disable_old", "revoke", f"{kind} token of {whose}", "GitHub refuses it for good", None),
    )
    return [action(*row) for row in rows]


# -- revocation


def _report(ask: Request) -> Answer:
    """Anybody may report a personal token; who says who they are gets a 403 on github.com."""
    token = ask.secret("replacement") if ask.target.get("authenticated") else ""
    body = {"credentials": [ask.secret("old")]}
    _must(_call(ask, "POST", "/credentials/revoke", token, json=body))
    return Answer("accepted", observed=["GitHub took the report (202): it says so to anything"])


def _revoke_grant(ask: Request) -> Answer:
    path = f"/applications/{quote(ask.target['client_id'], safe='')}/token"
    auth = (ask.target["client_id"], ask.secret("client_secret"))
    body = {"access_token": ask.secret("old")}
    response = _call(ask, "DELETE", path, "", auth=auth, json=body)
    if response.status_code != 404:
        _must(response)
    return Answer(observed=[f"the application answered {response.status_code}"])


def _end(ask: Request) -> Answer:
    _must(_call(ask, "DELETE", "/installation/token", ask.secret("old")))
    return Answer(observed=["the installation token ended itself"])


# -- talking to GitHub


def _look(ask: Request, token: str) -> dict[str, str]:
    """What GitHub says of a token: its state, and whose it is."""
    said = {"state": "unknown", "login": "", "scopes": ""}
    if not token:
        return said
    try:
        response = _call(ask, "GET", WHO[ask.target["kind"]], token)
    except Fail as fail:
        return said | {"state": "unreachable" if fail.kind == "network" else "unknown"}
    if response.status_code == 200:
        said["login"] = str(response.json().get("login", ""))
        said["scopes"] = response.headers.get("X-OAuth-Scopes", "")
    return said | {"state": {200: "accepted", 401: "refused"}.get(response.status_code, "unknown")}


def _app(ask: Request) -> str:
    """Ten minutes at most (GitHub's limit), from a minute ago (its clock may be late)."""
    import jwt

    now = int(time.time())
    claims = {"iat": now - 60, "exp": now + 300, "iss": ask.target["app_id"]}
    try:
        return jwt.encode(claims, ask.secret("app_key"), algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        raise Fail("auth", "app_key is no private RSA key in PEM") from None


def _must(answer: Any) -> Any:
    if answer.status_code == 422:
        raise Fail("quota", "GitHub answered 422: it was asked too often", retryable=True)
    return web.must(GITHUB, answer)


def _call(ask: Request, method: str, path: str, token: str, **parts: Any) -> Any:
    headers = {"Accept": "application/vnd.github+json", "User-Agent": "leakguard"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return web.send(GITHUB, method, ask.target["api"].rstrip("/") + path, headers=headers, **parts)


if __name__ == "__main__":
    rotate.main()
