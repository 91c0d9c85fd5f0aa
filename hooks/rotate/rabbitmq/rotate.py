#!/usr/bin/env python3
"""Replaces the password of a RabbitMQ user, or lets a second user take over from it.

RabbitMQ keeps one password per user. Mode `alternating` gives a partner user a fresh
password and then takes the leaked one away. Mode `single` has no second user: setting
the new password kills the old at once. Either way its connections live on until ended.

The management API gets salted hashes; passwords travel only in a login.
"""

from __future__ import annotations

import base64
import hmac
import logging
import secrets
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from leakguard.rotate.kit import Answer, Fail, Request, action, script, unless
from leakguard.rotate.parts.turns import (
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

SHA256 = "rabbit_password_hashing_sha256"


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
    tags = _ask(ask, "GET", "/whoami")["tags"]
    if "administrator" not in tags:
        way = f"give {ask.target['admin_user']} the tag administrator"
        return Answer(more=more | {"checks": [unless("the acting user may do all this", way)]})
    more["known"] = [user for user in users(ask) if _find(ask, user)]
    return Answer(more=more | {"checks": [apart_from_it, *_checks(ask, more["known"])]})


@rotate.phase
def create(ask: Request) -> Answer:
    """Give the new user the new password. It stays as it is when it has that one already."""
    user, value = new_user(ask), ask.secret("new")
    found = _user(ask, user)
    already = _opens(found, value)
    if not already and not ask.dry_run:
        _set_hash(ask, found, _hash(value))
    older = ask.new.get("sessions") or (_sessions(ask, user) if single(ask) else [])
    return Answer(
        status="already" if already else "done",
        new={"id": user, "user": user, "sessions": older},
        observed=[f"user {user} may log in with the new password"],
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Log in with the new password."""
    user = new_user(ask)
    return verified(_login(ask, user, ask.secret("new")), user, "the broker")


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Take the leaked password away; only its value could bring it back."""
    return _take_away(ask)


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """End the connections of the leaked user: a change of password leaves them alive.

    With one user this ends all of its connections; nobody has the new password yet.
    """
    user = ask.target["user"]
    ended: set[str] = set()
    end = time.monotonic() + min(ask.deadline * 0.7, 40)  # a silent client is waited for 30 s
    while (open_now := _open_sessions(ask, user)) and time.monotonic() < end:
        if set(open_now) - ended and not ask.dry_run:
            _ask(ask, "DELETE", f"/connections/username/{quote(user, safe='')}")
        ended.update(open_now)
        if ask.dry_run:
            break
    status = "pending" if open_now else "done" if ended else "already"
    return Answer(status, evidence=[{"sessions_ended": len(ended), "left": len(open_now)}])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Ask the broker, in one round, what it says of the new and of the old password."""
    new = login_with(_login, ask, "new", new_user(ask))
    old = login_with(_login, ask, "old", ask.target["user"])
    found = {
        "new": new,
        "old": old,
        "old_error": "auth" if old == "refused" else "",
        "derived": "unknown",
    }
    if new != "unreachable":
        found |= _seen_by_admin(ask)
    return Answer(more={"probe": found})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Make sure that the password is gone: nothing of it is kept once it was taken away."""
    return _take_away(ask)


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Make the leaked password work again, and the new one not."""
    user, value = ask.target["user"], ask.secret("old")
    retire = not single(ask) and _is_ours(ask)
    if not ask.dry_run:
        if not _opens(found := _user(ask, user), value):
            _set_hash(ask, found, _hash(value))
        if retire:
            _set_hash(ask, _user(ask, new_user(ask)), "")
            _ask(ask, "DELETE", f"/connections/username/{quote(new_user(ask), safe='')}")
    said = [f"user {user} has its old, leaked password again"]
    return Answer(observed=said + [f"the new password of {new_user(ask)} was deleted"] * retire)


@rotate.phase
def observe(ask: Request) -> Answer:
    """What the catalogue of the broker says of both passwords."""
    listed = {user: _find(ask, user) for user in users(ask)}
    state = {
        "old": _state(ask, "old", listed[ask.target["user"]]),
        "new": _state(ask, "new", listed[new_user(ask)]),
        "credentials": [
            {"id": name, "state": "active" if found["password_hash"] else "disabled", "label": ""}
            for name, found in listed.items()
            if found
        ],
    }
    return Answer(more={"state": state})


# Logging in


def _login(ask: Request, user: str, password: str) -> str:
    """accepted, refused, unreachable or unknown."""
    import pika
    from pika.exceptions import AMQPConnectionError, AMQPError, ProbableAuthenticationError

    logging.getLogger("pika").addHandler(logging.NullHandler())
    logging.getLogger("pika").propagate = False
    where = pika.ConnectionParameters(
        ask.target["host"], ask.target.get("port") or 5672, ask.target.get("vhost") or "/",
        pika.PlainCredentials(user, password), ssl_options=_tls(ask),
        socket_timeout=5, stack_timeout=10, blocked_connection_timeout=10,
    )  # fmt: skip
    try:
        pika.BlockingConnection(where).close()
    except ProbableAuthenticationError as error:
        return "refused" if "(403)" in str(error) else "unknown"
    except AMQPConnectionError as error:
        return "unknown" if "ConnectionClosedByBroker" in str(error) else "unreachable"
    except (AMQPError, OSError):
        return "unknown"
    return "accepted"


def _tls(ask: Request) -> Any:
    import ssl

    import pika

    if not ask.target.get("tls"):
        return None
    context = ssl.create_default_context(cafile=ask.target.get("ca") or None)
    return pika.SSLOptions(context, ask.target["host"])


# The management API


def _ask(ask: Request, method: str, path: str, body: Any = None) -> Any:
    import requests

    apart(ask)
    scheme = "https" if ask.target.get("tls") else "http"
    port = ask.target.get("management_port") or 15672
    login: Any = (ask.target["admin_user"].encode(), ask.secret("admin").encode())  # any letters
    try:
        answer = requests.request(
            method, f"{scheme}://{ask.target['host']}:{port}/api{path}", json=body,
            auth=login,
            verify=ask.target.get("ca") or True, timeout=10, allow_redirects=False,
        )  # fmt: skip
    except (requests.ConnectionError, requests.Timeout):
        raise Fail("network", "the management API did not answer", retryable=True) from None
    if not answer.ok:
        raise _failed(answer)
    return answer.json() if answer.content else None


def _failed(answer: Any) -> Fail:
    if answer.status_code == 401:
        if "Login failed" in answer.text:
            return Fail("auth", "the management API refuses the password of admin_user")
        return Fail("permission", "admin_user may not use the management API: see its tags")
    if answer.status_code == 404:
        return Fail("not_found", "there is no such user")
    network = answer.status_code >= 500
    kind = "network" if network else "conflict"
    return Fail(kind, f"the management API answered {answer.status_code}", retryable=network)


def _user(ask: Request, user: str) -> dict[str, Any]:
    found: dict[str, Any] = _ask(ask, "GET", f"/users/{quote(user, safe='')}")
    return found


def _find(ask: Request, user: str) -> dict[str, Any] | None:
    try:
        return _user(ask, user)
    except Fail as fail:
        if fail.kind == "not_found":
            return None
        raise


def _set_hash(ask: Request, found: dict[str, Any], digest: str) -> None:
    tags = found["tags"] if isinstance(found["tags"], str) else ",".join(found["tags"])
    body = {"password_hash": digest, "hashing_algorithm": SHA256, "tags": tags}
    _ask(ask, "PUT", f"/users/{quote(found['name'], safe='')}", body)


def _hash(password: str, salt: bytes = b"") -> str:
    salt = salt or secrets.token_bytes(4)
    return base64.b64encode(salt + sha256(salt + password.encode()).digest()).decode()


def _opens(found: dict[str, Any], password: str) -> bool:
    """Whether this is the password of a user."""
    digest = found["password_hash"]
    if not digest or found.get("hashing_algorithm") != SHA256:
        return False
    return hmac.compare_digest(digest, _hash(password, base64.b64decode(digest)[:4]))


def _sessions(ask: Request, user: str) -> list[str]:
    listed = _ask(ask, "GET", f"/connections/username/{quote(user, safe='')}")
    return [one["name"] for one in listed]


def _open_sessions(ask: Request, user: str) -> list[str]:
    """As `_sessions`; looks again, for a login that was under way at the first look."""
    found = _sessions(ask, user)
    time.sleep(0.2)
    return found or _sessions(ask, user)


def _take_away(ask: Request) -> Answer:
    user = ask.target["user"]
    if single(ask):
        return replaced(ask)
    found = _find(ask, user)
    if not found or not found["password_hash"]:
        return Answer("already", observed=[f"user {user} has no password"])
    if not ask.dry_run:
        _set_hash(ask, found, "")
    return Answer(observed=[f"the password of user {user} was deleted"])


def _is_ours(ask: Request) -> bool:
    """Whether the partner's password is the one of this rotation: no other is touched."""
    found = _find(ask, new_user(ask))
    if found is None or "new" not in ask.secrets:
        return bool(found and ask.new)
    return _opens(found, ask.secret("new"))


def _seen_by_admin(ask: Request) -> dict[str, str]:
    """Open connections; and, where the old value is not at hand, what the catalogue says."""
    try:
        open_now = _sessions(ask, ask.target["user"])
        found = _find(ask, ask.target["user"])
    except Fail:
        return {}
    if single(ask):
        open_now = [one for one in open_now if one in ask.new.get("sessions", ())]
    said = {"derived": "alive" if open_now else "none"}
    state = _state(ask, "old", found)
    if "old" not in ask.secrets and state in ("active", "absent"):
        said |= {"old": "accepted" if state == "active" else "refused", "method": "metadata"}
    return said


def _state(ask: Request, slot: str, found: dict[str, Any] | None) -> str:
    """A user has one password: when it is another, this one is gone."""
    if not found or not found["password_hash"]:
        return "absent"
    if slot in ask.secrets:
        return "active" if _opens(found, ask.secret(slot)) else "absent"
    if slot == "old" and single(ask):
        other = "new" in ask.secrets and _opens(found, ask.secret("new"))
        return "absent" if other else "unknown"
    return "active" if slot == "old" else "unknown"


# Planning


def _actions(ask: Request) -> list[dict[str, Any]]:
    user, new = ask.target["user"], new_user(ask)
    back = "rollback sets the old one again, while it is known"
    if single(ask):
        return [
            action("create", "replace password", user, "the old one ends at once", back),
            action("kill_derived", "close connections", user, "all that are open"),
        ]
    return [
        action("create", "set password", new, "a second user works", f"{new} loses it again"),
        action("disable_old", "delete password", user, "no new connection", back),
        action("kill_derived", "close connections", user, "all that are open"),
    ]


def _checks(ask: Request, known: list[str]) -> Iterator[dict[str, Any]]:
    gone = [user for user in users(ask) if user not in known]
    yield unless("the users exist", ", ".join(gone))
    if not single(ask) and not gone:
        partner = new_user(ask)
        used = len(_sessions(ask, partner))
        yield unless("nobody is connected as the partner", f"{used} connections" if used else "")
        lacks = sorted(_rights(ask, ask.target["user"]) - _rights(ask, partner))
        yield unless("the partner may do what the user may", "; ".join(lacks))
    for user in known:
        said = _login(ask, user, secrets.token_hex(16))
        wrong = "" if said == "refused" else f"a made-up one is {said}: no proof would be possible"
        yield unless(f"the broker refuses a wrong password of {user}", wrong)


def _rights(ask: Request, user: str) -> set[str]:
    found = _user(ask, user)
    tags = found["tags"].split(",") if isinstance(found["tags"], str) else found["tags"]
    rights = {f"the tag {tag}" for tag in tags if tag}
    for kind in ("permissions", "topic-permissions"):
        for one in _ask(ask, "GET", f"/users/{quote(user, safe='')}/{kind}"):
            parts = [f"{name}={value}" for name, value in sorted(one.items()) if name != "user"]
            rights.add(f"{kind} {' '.join(parts)}")
    return rights


if __name__ == "__main__":
    rotate.main()
