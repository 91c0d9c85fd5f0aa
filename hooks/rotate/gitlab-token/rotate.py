#!/usr/bin/env python3
"""Replaces a GitLab access token, and revokes the leaked one.

With `create` the new token stands beside the old one and has the rotation's id in its name, so
one that was lost in a crash is found and revoked. With `rotate` GitLab replaces the old one at
once. A token must never be rotated twice: GitLab takes that for a theft and revokes
its successor; so after a crash the successor is rotated, not the leaked one.

`old.id` is the number of the token; the leaked value tells it as long as it works.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts import web

rotate = script()

COPIED = ("name", "scopes", "access_level", "user_id", "description")
GITLAB = "GitLab"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which token leaked, what it may do, and whether the acting one may replace it."""
    me = _self(ask, ask.secret("admin"))
    named = str(ask.old.get("id", ""))
    old = named if named.isdigit() else _id_of_leaked(ask)
    leaked = _token(ask, old)
    checks = [
        check("the leaked token is known", bool(leaked), "say which one: old.id", found=old),
        _another_acts(ask, me, old),
        check(
            "the acting token may manage",
            "api" in me.get("scopes", []),
            "it needs the scope api",
            found="it has the scope api",
        ),
    ]
    if leaked and _makes(ask) and ask.target.get("kind", "personal") == "personal":
        checks.append(_administrator(ask))
    more: dict[str, Any] = {
        "actions": _actions(ask, old),
        "known": sorted(_alive(ask, leaked)) if leaked else [],
        "checks": checks,
        "old": {"id": old},
        "snapshot": {name: leaked[name] for name in COPIED if name in leaked},
    }
    if not _makes(ask):
        more["capabilities"] = {"overlap": "none", "label_support": False}
    told = f"{old} is called {leaked.get('name')}, last used {leaked.get('last_used_at')}"
    return Answer(more=more, observed=[told] if leaked else [])


@rotate.phase
def create(ask: Request) -> Answer:
    """A new token: made beside the old one, or rotated out of it."""
    before = ask.plan.get("snapshot", {})
    body = {"expires_at": _expiry(ask)}
    if _makes(ask):
        lost = [token for token in _alive(ask, before).values() if _ours(ask, token)]
        for token in lost:
            _revoke(ask, str(token["id"]))
        name = f"{before.get('name', 'token')} ({ask.rotation})"
        body |= {key: before[key] for key in ("scopes", "access_level") if key in before}
        made = web.must(GITLAB, _call(ask, "POST", _maker(ask), json={**body, "name": name})).json()
    else:
        lost = list(_strangers(ask).values())
        at = str(lost[0]["id"]) if lost else _old(ask)
        made = web.must(GITLAB, _call(ask, "POST", f"{_path(ask)}/{at}/rotate", json=body)).json()
    return Answer(
        new={"id": str(made["id"]), "expires_at": made.get("expires_at")},
        observed=[f"{one['id']} was made by an earlier try, its value was lost" for one in lost],
        secrets={"new": made["token"]},
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Ask GitLab what the new token is."""
    found = _self(ask, ask.secret("new"))
    if not found.get("active") or str(found.get("id")) != ask.new.get("id"):
        raise Fail("conflict", "the new token is not the one that was made, or not active")
    return Answer(observed=[f"GitLab knows the new token as {found['id']}"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Revoke the leaked token; GitLab cannot bring it back."""
    if _old(ask) == ask.new.get("id"):
        raise Fail("bug", "the old token is the new one")
    if not _token(ask, _old(ask)).get("active"):
        return Answer("already", observed=[f"{_old(ask)} is revoked"])
    _revoke(ask, _old(ask))
    if _token(ask, _old(ask)).get("active"):
        raise Fail("conflict", "GitLab took the revocation, and still calls the token active")
    return Answer(observed=[f"{_old(ask)} is revoked"])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """Revoke tokens of the same owner that appeared since the plan: a thief may have made them."""
    made = sorted(set(_strangers(ask)) - {ask.new.get("id")})
    for token in made:
        _revoke(ask, token)
    status = "done" if made else "already"
    return Answer(status, observed=made, evidence=[{"revoked": len(made)}])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Both tokens ask what they are; without the old value GitLab's list answers for it."""
    said: dict[str, Any] = {"method": "login"}
    said["new"] = _login(ask, ask.secrets["new"]) if "new" in ask.secrets else "unknown"
    try:
        if "old" in ask.secrets:
            said["old"] = _login(ask, ask.secrets["old"])
        else:
            active = _token(ask, _old(ask)).get("active")
            said |= {"old": "accepted" if active else "refused", "method": "metadata"}
        strangers = set(_strangers(ask)) - {ask.new.get("id")}
        said["derived"] = "alive" if strangers else "none"
    except Fail as fail:
        said.setdefault("old", "unreachable" if fail.kind == "network" else "unknown")
        said["derived"] = "unknown"
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    return Answer(more={"probe": said})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """A revoked token is destroyed; revoke it when it is not."""
    return disable_old(ask)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which tokens of that owner are active now."""
    alive = _alive(ask, ask.plan.get("snapshot", {}))
    listed = [
        {"id": one, "state": "active", "label": alive[one].get("name", "")} for one in sorted(alive)
    ]
    old = ask.plan.get("old", {}).get("id") or ask.old.get("id")
    state: dict[str, Any] = {
        which: ("active" if str(token) in alive else "absent") if token else "unknown"
        for which, token in (("old", old), ("new", ask.new.get("id")))
    }
    return Answer(more={"state": state | {"credentials": listed}})


# -- the plan


def _another_acts(ask: Request, me: dict[str, Any], old: str) -> dict[str, Any]:
    same = ask.secret("admin") == ask.secrets.get("old") or str(me.get("id")) == old
    why = "the acting token is the leaked one: put another in the slot admin"
    return check("the acting token is not the leaked one", not same, why)


def _administrator(ask: Request) -> dict[str, Any]:
    user = web.must(GITLAB, _call(ask, "GET", "/user")).json()
    return check(
        "the acting token is an administrator's",
        bool(user.get("is_admin")),
        "only administrators make personal tokens of others: use method rotate",
    )


def _id_of_leaked(ask: Request) -> str:
    if "old" not in ask.secrets:
        return ""
    try:
        return str(_self(ask, ask.secret("old"))["id"])
    except Fail as fail:
        if fail.kind in ("auth", "permission"):
            return ""
        raise


def _actions(ask: Request, old: str) -> list[dict[str, Any]]:
    kind = ask.target.get("kind", "personal")
    made = ("create", "both tokens work", "revoke it")
    if not _makes(ask):
        made = ("rotate", "the leaked token is refused at once", None)
    rows = (
        ("create", made[0], f"{kind} token {old}", made[1], made[2]),
        ("disable_old", "revoke", old, "GitLab refuses it for good", None),
        ("kill_derived", "revoke", "tokens that the owner got since the plan", "refused", None),
    )
    return [action(*row) for row in rows]


# -- tokens


def _makes(ask: Request) -> bool:
    return ask.target.get("method", "create") == "create"


def _path(ask: Request) -> str:
    kind = ask.target.get("kind", "personal")
    if kind == "personal":
        return "/personal_access_tokens"
    return f"/{kind}s/{quote(ask.target['owner'], safe='')}/access_tokens"


def _maker(ask: Request) -> str:
    if ask.target.get("kind", "personal") != "personal":
        return _path(ask)
    return f"/users/{ask.plan['snapshot']['user_id']}/personal_access_tokens"


def _expiry(ask: Request) -> str:
    return str((datetime.now(UTC) + timedelta(days=ask.target.get("days") or 90)).date())


def _ours(ask: Request, token: dict[str, Any]) -> bool:
    return str(token.get("name", "")).endswith(f"({ask.rotation})")


def _alive(ask: Request, like: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Active tokens of the same owner, by id."""
    asked = {"state": "active", "per_page": "100"}
    if ask.target.get("kind", "personal") == "personal":
        asked["user_id"] = str(like.get("user_id", ""))
    found: dict[str, dict[str, Any]] = {}
    page: str | None = "1"
    while page:
        response = web.must(GITLAB, _call(ask, "GET", _path(ask), params={**asked, "page": page}))
        found |= {str(one["id"]): one for one in response.json() if one.get("active")}
        page = response.headers.get("X-Next-Page")
    return found


def _strangers(ask: Request) -> dict[str, dict[str, Any]]:
    """Tokens of that owner which the plan did not know."""
    alive = _alive(ask, ask.plan.get("snapshot", {}))
    known = {*ask.plan.get("known", []), _old(ask)}
    return {one: token for one, token in alive.items() if one not in known}


def _token(ask: Request, token: str) -> dict[str, Any]:
    """What GitLab knows of a token; nothing when there is none."""
    if not token:
        return {}
    response = _call(ask, "GET", f"{_path(ask)}/{quote(token, safe='')}")
    return {} if response.status_code == 404 else dict(web.must(GITLAB, response).json())


def _revoke(ask: Request, token: str) -> None:
    response = _call(ask, "DELETE", f"{_path(ask)}/{quote(token, safe='')}")
    if response.status_code != 404:
        web.must(GITLAB, response)


def _old(ask: Request) -> str:
    if old := ask.plan.get("old", {}).get("id") or ask.old.get("id"):
        return str(old)
    raise Fail("missing", "which token leaked is not known: old.id")


def _self(ask: Request, value: str) -> dict[str, Any]:
    return dict(web.must(GITLAB, _call(ask, "GET", "/personal_access_tokens/self", value)).json())


def _login(ask: Request, value: str) -> str:
    try:
        response = _call(ask, "GET", "/personal_access_tokens/self", value)
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"
    if response.status_code == 403 and "insufficient_scope" in response.text:
        return "accepted"  # it lives, and may do other things
    return {200: "accepted", 401: "refused"}.get(response.status_code, "unknown")


# -- talking to GitLab


def _call(ask: Request, method: str, path: str, token: str = "", **parts: Any) -> Any:
    headers = {"PRIVATE-TOKEN": token or ask.secret("admin")}
    return web.send(GITLAB, method, ask.target["api"].rstrip("/") + path, headers=headers, **parts)


if __name__ == "__main__":
    rotate.main()
