#!/usr/bin/env python3
"""Replaces an API token of a JupyterHub user; the new one carries the rotation's id as its note.

A hub cannot switch a token off, only delete it: `disable_old` deletes. It answers 403 both
to a token it does not know and to one that may not do a thing, so "refused" is
believed only together with the token's absence from the user's list. `old.id` is the id in
that list; without it the leaked value tells it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts import web

rotate = script()

SCOPE_WORDS = ("scopes", "permissions")
"""How the hub refuses a token that it knows."""


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which token leaked, what it may do, and whether somebody else's token may replace it."""
    me = _get(ask, "/user", ask.secret("admin"))
    tokens = _tokens(ask)
    named = str(ask.old.get("id", ""))
    old = named if named in tokens else _id_of(ask) or named
    checks = [
        _another_acts(ask, me, old),
        check("the leaked token is known", old in tokens, _which(tokens), found=old),
        _may_manage(ask, me),
    ]
    leaked = tokens.get(old, {})
    return Answer(
        observed=[f"{old}: last used {leaked.get('last_activity') or 'never'}"],
        more={
            "actions": _actions(ask, old),
            "known": sorted(tokens),
            "checks": checks,
            "old": {"id": old},
            "snapshot": {key: leaked.get(key) for key in ("scopes", "created")},
        },
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """A token with the old one's scopes, after deleting one that an earlier try made and lost."""
    lost = [one["id"] for one in _tokens(ask).values() if one.get("note") == ask.rotation]
    for token in lost:
        _delete(ask, token)
    asked: dict[str, Any] = {"note": ask.rotation}
    if scopes := ask.plan.get("snapshot", {}).get("scopes"):
        asked["scopes"] = scopes
    made = _call(ask, "POST", _path(ask), ask.secret("admin"), json=asked).json()
    return Answer(
        new={"id": made["id"]},
        observed=[f"deleted {token}: made by an earlier try, its value was lost" for token in lost],
        secrets={"new": made["token"]},
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Ask the hub who the new token is."""
    me = _get(ask, "/user", ask.secret("new"))
    if me.get("name") != ask.target["user"]:
        raise Fail("conflict", f"the new token is {me.get('name')}'s")
    return Answer(observed=[f"the hub knows the new token as {me['name']}'s"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Delete the leaked token; a hub has no milder way."""
    old = _old(ask)
    if old == ask.new.get("id"):
        raise Fail("bug", "the old token is the new one")
    if not _present(ask, old, _tokens(ask)):
        return Answer("already", observed=[f"{old} is gone"])
    _delete(ask, old)
    return Answer(observed=[f"{old} is deleted"])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """Delete tokens that appeared since the plan: the leaked one may have made them."""
    made = _made_since(ask, _tokens(ask))
    for token in made:
        _delete(ask, token)
    evidence = [{"deleted": len(made)}]
    return Answer("done" if made else "already", observed=made, evidence=evidence)


@rotate.phase
def probe(ask: Request) -> Answer:
    """Both tokens ask who they are; the list tells apart the two meanings of 403."""
    try:
        tokens = _tokens(ask)
    except Fail as fail:
        state = "unreachable" if fail.kind == "network" else "unknown"
        return Answer(more={"probe": {"new": state, "old": state, "derived": "unknown"}})
    new = _login(ask, ask.secrets["new"]) if "new" in ask.secrets else "unknown"
    method = "login" if "old" in ask.secrets else "metadata"
    old = _login(ask, ask.secrets["old"]) if method == "login" else "refused"
    if old == "refused" and _present(ask, _old(ask), tokens):
        old = "unknown"
    said = {"new": new, "old": old, "old_error": "auth" if old == "refused" else ""}
    said["derived"] = "alive" if _made_since(ask, tokens) else "none"
    return Answer(more={"probe": said | {"method": method}})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """The same as `disable_old`."""
    return disable_old(ask)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which tokens the user has now."""
    tokens = _tokens(ask)
    listed = [
        {"id": one["id"], "state": "active", "label": one.get("note", "")}
        for one in tokens.values()
    ]
    old = ask.plan.get("old", {}).get("id") or ask.old.get("id")
    state = {
        "old": ("active" if _present(ask, old, tokens) else "absent") if old else "unknown",
        "new": "active" if ask.new.get("id") in tokens else "absent",
    }
    return Answer(more={"state": state | {"credentials": listed}})


# -- checks of the plan


def _another_acts(ask: Request, me: dict[str, Any], old: str) -> dict[str, Any]:
    same = ask.secret("admin") == ask.secrets.get("old") or me.get("token_id") == old
    why = "the acting token is the leaked one: put another in the slot admin"
    return check("the acting token is not the leaked one", not same, why)


def _may_manage(ask: Request, me: dict[str, Any]) -> dict[str, Any]:
    user = ask.target["user"]
    wanted = {
        f"{scope}{who}" for scope in ("tokens", "admin:users") for who in ("", f"!user={user}")
    }
    may = bool(wanted & set(me.get("scopes", [])))
    return check("may manage the user's tokens", may, f"needs the scope tokens!user={user}")


def _which(tokens: dict[str, Any]) -> str:
    listed = [f"{token} ({one.get('note', '')})" for token, one in sorted(tokens.items())]
    return f"say which one leaked in old.id: {', '.join(listed) or 'the user has none'}"


def _id_of(ask: Request) -> str:
    """A token may ask for its own id: the hub tells it beside the user's name."""
    if "old" not in ask.secrets:
        return ""
    try:
        return str(_get(ask, "/user", ask.secret("old")).get("token_id") or "")
    except Fail as fail:
        if fail.kind == "auth":
            return ""
        raise


def _actions(ask: Request, old: str) -> list[dict[str, Any]]:
    user = ask.target["user"]
    rows = (
        ("create", "create", f"token of {user}", "both tokens work", "delete it"),
        ("disable_old", "delete", old, "the leaked token is refused", None),
        ("kill_derived", "delete", f"tokens of {user} made since the plan", "refused", None),
    )
    return [action(*row) for row in rows]


# -- tokens


def _tokens(ask: Request) -> dict[str, dict[str, Any]]:
    found = _get(ask, _path(ask), ask.secret("admin"))["api_tokens"]
    return {one["id"]: one for one in found}


def _present(ask: Request, old: str, tokens: dict[str, dict[str, Any]]) -> bool:
    """A hub on SQLite gives the id of a deleted token to the next one: the age tells them apart."""
    created = ask.plan.get("snapshot", {}).get("created")
    return old in tokens and created in (None, tokens[old].get("created"))


def _delete(ask: Request, token: str) -> None:
    _call(ask, "DELETE", f"{_path(ask)}/{token}", ask.secret("admin"), fine=(404,))


def _old(ask: Request) -> str:
    if old := ask.plan.get("old", {}).get("id") or ask.old.get("id"):
        return str(old)
    raise Fail("missing", "which token leaked is not known: old.id")


def _made_since(ask: Request, tokens: dict[str, dict[str, Any]]) -> list[str]:
    kept = {*ask.plan.get("known", []), ask.new.get("id")}
    return [token for token in tokens if token not in kept]


def _login(ask: Request, value: str) -> str:
    try:
        _get(ask, "/user", value)
    except Fail as fail:
        return {"network": "unreachable", "auth": "refused"}.get(fail.kind, "unknown")
    return "accepted"


# -- talking to the hub


def _path(ask: Request) -> str:
    return f"/users/{quote(ask.target['user'], safe='')}/tokens"


def _get(ask: Request, path: str, token: str) -> dict[str, Any]:
    return dict(_call(ask, "GET", path, token).json())


def _call(
    ask: Request, method: str, path: str, token: str, *, fine: tuple[int, ...] = (), **parts: Any
) -> Any:
    url, headers = ask.target["api"].rstrip("/") + path, {"Authorization": f"token {token}"}
    response = web.send("the hub", method, url, headers=headers, **parts)
    if response.status_code in fine:
        return response
    if response.status_code == 403 and any(word in response.text for word in SCOPE_WORDS):
        raise Fail("permission", f"the scopes of the token do not allow {method}")
    return web.must("the hub", response, web.KINDS | {403: "auth"})


if __name__ == "__main__":
    rotate.main()
