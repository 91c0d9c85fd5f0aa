#!/usr/bin/env python3
"""Replaces the password of an etcd user, or lets a second user take over from it.

etcd keeps one password per user and has no way to lock a user; a user without a
password is let in with an empty one. So the leaked password is ended by putting a
random one in its place that nobody keeps. A change of password ends the user's tokens
by itself; a watch that is already open goes on until its client goes away.

etcd 3.4 writes each password that is set to its log on disk in clear: whoever reads a
member's data folder, or a backup of it, reads them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, script, unless
from leakguard.rotate.parts.turns import (
    acting,
    acts_apart,
    apart,
    login_with,
    narrowed,
    new_user,
    replaced,
    single,
    users,
    verified,
)

rotate = script()

WRONG = "authentication failed, invalid user ID or password"


@rotate.phase
def plan(ask: Request) -> Answer:
    """What would happen, and whether it may. Changes nothing."""
    user = ask.target["user"]
    more: dict[str, Any] = {
        "capabilities": narrowed(ask),
        "actions": _actions(ask),
        "old": {"id": user, "user": user},
        "known": [],
    }
    apart_from_it = acts_apart(ask)
    if not apart_from_it["ok"]:
        return Answer(more=more | {"checks": [apart_from_it]})
    token = _token(ask)
    if "root" not in _roles(ask, token, acting(ask)):
        way = f"etcdctl user grant-role {acting(ask)} root"
        return Answer(more=more | {"checks": [unless("the acting user may do all this", way)]})
    more["known"] = [one for one in users(ask) if _exists(ask, token, one)]
    return Answer(more=more | {"checks": [apart_from_it, *_checks(ask, token, more["known"])]})


@rotate.phase
def create(ask: Request) -> Answer:
    """Give the new user the new password. It stays as it is when that one opens already."""
    user, value = new_user(ask), ask.secret("new")
    already = _login(ask, user, value) == "accepted"
    if not already:
        _change(ask, user, value)
    return Answer(
        status="already" if already else "done",
        new={"id": user, "user": user},
        observed=[f"user {user} may log in with the new password"],
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Log in with the new password."""
    user = new_user(ask)
    return verified(_login(ask, user, ask.secret("new")), user, "etcd")


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Put a random password, which nobody keeps, in the place of the leaked one."""
    return _scramble_old(ask)


@rotate.phase
def probe(ask: Request) -> Answer:
    """Ask etcd, in one round, what it says of the new and of the old password."""
    new = login_with(_login, ask, "new", new_user(ask))
    old = login_with(_login, ask, "old", ask.target["user"])
    error = "auth" if old == "refused" else ""
    found = {"new": new, "old": old, "old_error": error, "derived": "unknown"}
    return Answer(more={"probe": found})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Make sure that the leaked password is gone: etcd keeps nothing of a former one."""
    return _scramble_old(ask)


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Make the leaked password work again, and the new one not."""
    user, value = ask.target["user"], ask.secret("old")
    if _login(ask, user, value) != "accepted":
        _change(ask, user, value)
    said = [f"user {user} has its old, leaked password again"]
    if not single(ask) and login_with(_login, ask, "new", new_user(ask)) == "accepted":
        _change(ask, new_user(ask), secrets.token_urlsafe(32))
        said.append(f"the new password of {new_user(ask)} was replaced by one that nobody has")
    return Answer(observed=said)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which of the two passwords opens: etcd shows nothing of them."""
    token = _token(ask)
    known = [user for user in users(ask) if _exists(ask, token, user)]
    state = {
        "old": _state(ask, "old", ask.target["user"], known),
        "new": _state(ask, "new", new_user(ask), known),
        "credentials": [{"id": user, "state": "active", "label": ""} for user in known],
    }
    return Answer(more={"state": state})


# Asking etcd


def _ask(ask: Request, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
    import requests

    scheme = "http" if ask.target.get("tls") is False else "https"
    where = f"{scheme}://{ask.target['host']}:{ask.target.get('port') or 2379}/v3/auth{path}"
    try:
        answer = requests.post(
            where, json=body, headers={"Authorization": token} if token else {}, timeout=10,
            verify=ask.target.get("ca") or True, allow_redirects=False,
        )  # fmt: skip
        said: dict[str, Any] = answer.json()
    except (requests.ConnectionError, requests.Timeout):
        raise Fail("network", "etcd did not answer", retryable=True) from None
    except ValueError:
        raise Fail("unsupported", "this is not the JSON interface of etcd") from None
    if not answer.ok:
        raise _failed(said)
    return said


def _failed(said: dict[str, Any]) -> Fail:
    text = str(said.get("error", ""))
    if WRONG in text:
        return Fail("auth", WRONG)
    if "permission denied" in text:
        return Fail("permission", "admin_user may not do that")
    if "user name not found" in text:
        return Fail("not_found", "there is no such user")
    if "authentication is not enabled" in text:
        return Fail("unsupported", "etcd asks nobody for a password: etcdctl auth enable")
    lost = said.get("code") in (4, 14)  # deadline, unavailable: no leader
    return Fail("network" if lost else "conflict", "etcd answered with an error", retryable=lost)


def _token(ask: Request) -> str:
    apart(ask)
    body = {"name": acting(ask), "password": ask.secret("admin")}
    return str(_ask(ask, "/authenticate", body)["token"])


def _login(ask: Request, user: str, password: str) -> str:
    """accepted, refused, unreachable or unknown."""
    try:
        _ask(ask, "/authenticate", {"name": user, "password": password})
    except Fail as fail:
        return {"auth": "refused", "network": "unreachable"}.get(fail.kind, "unknown")
    return "accepted"


def _change(ask: Request, user: str, password: str) -> None:
    token = _token(ask)
    if not ask.dry_run:
        _ask(ask, "/user/changepw", {"name": user, "password": password}, token)


def _roles(ask: Request, token: str, user: str) -> list[str]:
    try:
        return list(_ask(ask, "/user/get", {"name": user}, token).get("roles", []))
    except Fail as fail:
        if fail.kind == "permission":
            return []
        raise


def _exists(ask: Request, token: str, user: str) -> bool:
    return user in _ask(ask, "/user/list", {}, token).get("users", [])


def _scramble_old(ask: Request) -> Answer:
    user = ask.target["user"]
    if single(ask):
        return replaced(ask)
    if login_with(_login, ask, "old", user) == "refused":
        return Answer("already", observed=[f"user {user} does not have the leaked password"])
    _change(ask, user, secrets.token_urlsafe(32))
    return Answer(observed=[f"the password of user {user} was replaced by one that nobody has"])


def _state(ask: Request, slot: str, user: str, known: list[str]) -> str:
    if user not in known:
        return "absent"
    said = login_with(_login, ask, slot, user)
    return {"accepted": "active", "refused": "absent"}.get(said, "unknown")


# Planning


def _actions(ask: Request) -> list[dict[str, Any]]:
    user, new = ask.target["user"], new_user(ask)
    back = "rollback sets the old one again, while it is known"
    if single(ask):
        return [action("create", "replace password", user, "old and its tokens end", back)]
    return [
        action("create", "set password", new, "a second user works", f"{new} loses it again"),
        action("disable_old", "replace password", user, "the old one and its tokens end", back),
    ]


def _checks(ask: Request, token: str, known: list[str]) -> Iterator[dict[str, Any]]:
    gone = [user for user in users(ask) if user not in known]
    yield unless("the users exist", ", ".join(gone))
    for user in known:
        said = _login(ask, user, secrets.token_hex(16))
        wrong = "" if said == "refused" else f"a made-up one is {said}: no proof would be possible"
        yield unless(f"etcd refuses a wrong password of {user}", wrong)
    if not single(ask) and not gone:
        held, others = (_roles(ask, token, user) for user in users(ask))
        lacks = sorted(set(held) - set(others))
        yield unless("the partner has the roles of the user", ", ".join(lacks))


if __name__ == "__main__":
    rotate.main()
