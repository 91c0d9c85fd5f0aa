#!/usr/bin/env python3
"""Replaces a leaked OAuth token: new ones first, then both of the old pair revoked (RFC 7009).

The revocation endpoint answers 200 to nonsense and to another client's token, so its
answer is no proof. An access token is dead when introspection (RFC 7662) calls it
inactive and using it is refused; a refresh token when the token endpoint answers
`invalid_grant`. Revocation cannot be undone: here it is what `disable_old` does.

`new` is a token of the kind that leaked, `new_access` or `new_refresh` the one beside it.
New tokens that are lost in a crash cannot be listed; they end when they expire.
"""

from __future__ import annotations

from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts.web import send

rotate = script()

KINDS = ("access_token", "refresh_token")
TWICE = 409
"""What Keycloak answers to a token that it revoked before; introspection tells what is true."""

URLS = ("token_url", "revoke_url", "introspect_url", "resource_url")
CLASSES = {
    "invalid_client": "auth",
    "invalid_grant": "auth",
    "invalid_scope": "permission",
    "unauthorized_client": "permission",
    "unsupported_grant_type": "unsupported",
}


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the client may introspect, whose the leaked token is, and how a new one is had."""
    found = {kind: _introspect(ask, token) for kind, token in _old(ask).items()}
    scope = next((one["scope"] for one in found.values() if one.get("scope")), "")
    checks = [
        check("the leaked token is known", "old" in ask.secrets, "put it in the slot old"),
        _ours(ask, found),
        _another_acts(ask),
        _can_be_had(ask),
    ]
    return Answer(
        observed=[] if "refresh_token" in _old(ask) else ["no refresh token is known: leave none"],
        more={
            "actions": _actions(ask),
            "known": [],
            "checks": checks,
            "old": {"id": ask.old.get("id", "")},
            "snapshot": {"scope": scope, "active": sorted(k for k in found if _active(found[k]))},
        },
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """Ask the token endpoint for new tokens."""
    if ask.target.get("grant") == "authorization_code":
        form = {"grant_type": "authorization_code", "code": ask.secret("code")}
        form |= {"code_verifier": ask.secrets.get("code_verifier", "")}
        form |= {"redirect_uri": ask.target.get("redirect_uri", "")}
    else:
        scope = ask.target.get("scope") or ask.plan.get("snapshot", {}).get("scope", "")
        form = {"grant_type": "client_credentials", "scope": scope}
    status, said = _post(ask, "token_url", {key: text for key, text in form.items() if text})
    if status != 200:
        raise _refusal(said, status)
    return Answer(
        new={"id": ask.rotation, "expires_in": said.get("expires_in")}, secrets=_named(ask, said)
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """The new access token is active, belongs to the client, and opens the resource."""
    token = _new(ask)
    said = _introspect(ask, token)
    if not _active(said) or not _is_clients(ask, said):
        raise Fail("auth", "introspection does not call the new token an active one of the client")
    if (status := _use(ask, token)) != 200:
        raise Fail("permission", f"the resource answered {status} to the new token")
    return Answer(observed=["the new token is active and opens the resource"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Revoke the refresh token, then the access token; look whether introspection agrees."""
    old = _old(ask)
    _something(old)
    was = [kind for kind in old if _active(_introspect(ask, old[kind]))]
    for kind in reversed(KINDS):
        if kind in old:
            _revoke(ask, old[kind], kind)
    alive = [kind for kind in old if _active(_introspect(ask, old[kind]))]
    if alive:
        raise Fail("conflict", f"revoked, and introspection still calls it active: {alive}")
    done = "done" if was or "refresh_token" in old else "already"
    return Answer(done, observed=[f"revoked the {kind}" for kind in old])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """Show the revoked refresh token once: a server with reuse protection ends its whole family."""
    old = _old(ask)
    if "refresh_token" not in old:
        return Answer("already", observed=["an access token mints nothing"])
    if _refresh(ask, old["refresh_token"]) != "refused":
        raise Fail("conflict", "the refresh token still refreshes: it is not revoked")
    if not ask.target.get("reuse_protection"):
        return Answer(observed=["tokens that somebody minted from it earlier may live on"])
    return Answer(
        observed=["shown once more after revocation, which ends every token of the grant"]
    )


@rotate.phase
def probe(ask: Request) -> Answer:
    """Both tokens in one round. The refresh token is tried only when its pair looks dead."""
    said: dict[str, Any] = {"method": "login"}
    said["new"] = _access(ask, _new(ask)) if "new" in ask.secrets else "unknown"
    said["old"] = _old_state(ask)
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    minting = "refresh_token" in _old(ask) and not ask.target.get("reuse_protection")
    said["derived"] = "none" if said["old"] == "refused" and not minting else "unknown"
    return Answer(more={"probe": said})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Nothing is left to do when the tokens are revoked; revoke them when they are not."""
    _something(_old(ask))
    if _old_state(ask) == "refused":
        return Answer("already", observed=["the old tokens are refused"])
    return disable_old(ask)


@rotate.phase
def observe(ask: Request) -> Answer:
    """What introspection says now. A server may not introspect refresh tokens: then `unknown`."""
    old = _old(ask)
    active = [kind for kind in old if _active(_introspect(ask, old[kind]))]
    client = {"id": ask.target["client_id"], "state": "active", "label": ""}
    state: dict[str, Any] = {"old": "unknown", "new": "unknown", "credentials": [client]}
    if "access_token" in old:
        state["old"] = "active" if active else "absent"
    if "new" in ask.secrets:
        state["new"] = "active" if _active(_introspect(ask, _new(ask))) else "absent"
    return Answer(more={"state": state})


# -- checks of the plan


def _ours(ask: Request, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A server silently ignores a revocation by the wrong client."""
    others = sorted(
        {str(one.get("client_id")) for one in found.values() if not _is_clients(ask, one)}
    )
    return check(
        "the leaked token belongs to the client",
        not others,
        f"it belongs to {', '.join(others)}: only that client can revoke it",
        found="introspection says so" if any(map(_active, found.values())) else "no active token",
    )


def _another_acts(ask: Request) -> dict[str, Any]:
    return check(
        "the client secret is not what leaked",
        ask.secrets.get("client_secret") not in _old(ask).values(),
        "the client secret itself leaked: rotate it with oauth-client-secret",
    )


def _can_be_had(ask: Request) -> dict[str, Any]:
    grant = ask.target.get("grant", "client_credentials")
    return check(
        "a new token can be had",
        grant in ("client_credentials", "authorization_code"),
        f"no such grant: {grant}; use client_credentials or authorization_code",
        found="a person authorizes again; the code goes to the slot code"
        if grant == "authorization_code"
        else "",
    )


def _actions(ask: Request) -> list[dict[str, Any]]:
    client = ask.target["client_id"]
    rows = (
        ("create", "ask for", f"tokens of {client}", "old and new work", "let it expire"),
        ("disable_old", "revoke", f"{' and '.join(_old(ask))} of {client}", "refused", None),
        ("kill_derived", "show the revoked refresh token", client, "its family ends", None),
    )
    return [action(*row) for row in rows]


# -- tokens


def _old(ask: Request) -> dict[str, str]:
    leaked = ask.target.get("leaked", KINDS[0])
    other = KINDS[1 - KINDS.index(leaked)]
    both = {leaked: ask.secrets.get("old", ""), other: ask.secrets.get("partner", "")}
    return {kind: token for kind, token in both.items() if token}


def _something(old: dict[str, str]) -> None:
    if not old:
        raise Fail("missing", "no old token was supplied: put it in the slot old")


def _named(ask: Request, said: dict[str, Any]) -> dict[str, str]:
    """The kind that leaked is `new`."""
    leaked = ask.target.get("leaked", KINDS[0])
    if leaked not in said:
        raise Fail("unsupported", f"the server gave no {leaked}: use another grant")
    names = {"access_token": "new_access", "refresh_token": "new_refresh", leaked: "new"}
    return {names[kind]: str(said[kind]) for kind in KINDS if kind in said}


def _new(ask: Request) -> str:
    return ask.secrets.get("new_access") or ask.secret("new")


def _active(said: dict[str, Any]) -> bool:
    return said.get("active") is True


def _is_clients(ask: Request, said: dict[str, Any]) -> bool:
    """RFC 7662 makes `client_id` optional: when it is not told, nothing speaks against it."""
    return not _active(said) or said.get("client_id") in (None, ask.target["client_id"])


# -- what a token still opens


def _old_state(ask: Request) -> str:
    """The liveliest of the old pair."""
    old = _old(ask)
    states = [_access(ask, old["access_token"])] if "access_token" in old else []
    if "refresh_token" in old and "accepted" not in states:
        states.append(_refresh(ask, old["refresh_token"]))
    order = ("accepted", "unreachable", "unknown", "refused")
    return min(states, key=order.index, default="unknown")


def _access(ask: Request, token: str) -> str:
    try:
        active, status = _active(_introspect(ask, token)), _use(ask, token)
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"
    if active and status == 200:
        return "accepted"
    # Some servers answer 403 to an unknown token; introspection has already called it dead.
    return "refused" if not active and status in (401, 403) else "unknown"


def _refresh(ask: Request, token: str) -> str:
    """Try to refresh; what comes of it by mistake is revoked at once."""
    try:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        status, said = _post(ask, "token_url", form)
        if status == 200:
            for kind in reversed(KINDS):
                if kind in said:
                    _revoke(ask, said[kind], kind)
            return "accepted"
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"
    return "refused" if said.get("error") == "invalid_grant" else "unknown"


# -- talking to the server


def _introspect(ask: Request, token: str) -> dict[str, Any]:
    status, said = _post(ask, "introspect_url", {"token": token})
    if status != 200 or not isinstance(said.get("active"), bool):
        raise Fail("auth" if status in (401, 403) else "bug", f"introspection answered {status}")
    return said


def _revoke(ask: Request, token: str, kind: str) -> None:
    status, said = _post(ask, "revoke_url", {"token": token, "token_type_hint": kind})
    if status not in (200, TWICE):
        raise _refusal(said, status)


def _use(ask: Request, token: str) -> int:
    bearer = {"Authorization": f"Bearer {token}"}
    return int(send("resource_url", "GET", ask.target["resource_url"], headers=bearer).status_code)


def _refusal(said: dict[str, Any], status: int) -> Fail:
    error = str(said.get("error", ""))
    known = error if error in CLASSES else "no reason we know"
    return Fail(CLASSES.get(error, "bug"), f"the server answered {status}: {known}")


def _post(ask: Request, url: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
    secret = ask.secrets.get("client_secret")
    name = ask.target["client_id"]
    auth = (name, secret) if secret else None
    form = form if secret else {**form, "client_id": name}
    response = send(url, "POST", ask.target[url], auth=auth, data=form)
    try:
        said = response.json()
    except ValueError:
        said = {}
    return int(response.status_code), said if isinstance(said, dict) else {}


if __name__ == "__main__":
    rotate.main()
