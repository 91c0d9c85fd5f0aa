#!/usr/bin/env python3
"""Replaces the key that signs sessions of a Django or Flask application.

The application reads its keys from a file, one per line: the first signs, the others only
verify. Whoever holds a key forges a session of anybody, so the proof is a forgery: a
cookie made with the old key has to be anonymous while one made with the new key is logged in.
Without `dual_window` the old key leaves the file in the same write that brings the new
one: everybody logs in again, the thief's forgeries end at once.

Needs Django's sessions in signed cookies: where sessions lie in a database, the cookie is no
work of this key, and what the key signs there (password resets) has no address to ask.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import signal
import tempfile
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts.web import answers

rotate = script()

COOKIES = {"django": "sessionid", "flask": "session"}
DJANGO_SALT = "django.contrib.sessions.backends.signed_cookies"
DJANGO_USER_SALT = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the leaked key is in the file, the file may be written, and the server be told."""
    keys, path = _keys(ask), ask.target["key_file"]
    leaked = ask.secrets.get("old")
    server = _pid(ask)
    checks = [
        check("the leaked key is in the file", leaked in keys, "is it another application's?"),
        check(
            "the file may be replaced",
            os.access(os.path.dirname(path) or ".", os.W_OK),
            "run as the owner of its folder",
        ),
        check(
            "the server can be told to read it again",
            not ask.target.get("pid_file") or _may_signal(server),
            "pid_file names no process that we may signal",
            found=f"process {server}" if server else "somebody restarts it",
        ),
    ]
    more: dict[str, Any] = {
        "actions": _actions(ask),
        "known": [f"{len(keys)} keys"],
        "checks": checks,
        "old": {"id": ask.old.get("id", "")},
        "snapshot": {"place": keys.index(leaked) if leaked in keys else -1},
    }
    if not ask.target.get("dual_window"):
        more["capabilities"] = {"overlap": "none"}
    return Answer(more=more)


@rotate.phase
def create(ask: Request) -> Answer:
    """Put the new key first; without a window, the old one out in the same write."""
    keys, new, old = _keys(ask), ask.secret("new"), ask.secret("old")
    others = [key for key in keys if key != new]
    if not ask.target.get("dual_window"):
        others = [key for key in others if key != old]
    return _write(ask, keys, [new, *others])


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """A session made with the new key is logged in at every server; `pending` while one is late."""
    said = _everywhere(ask, ask.secret("new"))
    late = sorted(address for address, state in said.items() if state != "accepted")
    if late:
        return Answer("pending", observed=[f"{said[one]} at {one}" for one in late])
    return Answer(observed=[f"logged in at {len(said)} servers"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Take the old key out of the file; `rollback` can put it back."""
    keys, new = _keys(ask), ask.secrets.get("new")
    if new == ask.secret("old") or (new and new not in keys):
        raise Fail("conflict", "the new key is not in the file: nothing would sign")
    kept = [key for key in keys if key != ask.secret("old")]
    # The leaked key may have to end before there is a new one: something must sign meanwhile.
    return _write(ask, keys, kept or [secrets.token_urlsafe(48)])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """Sessions end with the key that signed them, once every worker has read the file again."""
    if ask.secret("old") in _keys(ask):
        raise Fail("conflict", "the old key is still in the file")
    said = _everywhere(ask, ask.secret("old"))
    alive = sorted(address for address, state in said.items() if state != "refused")
    if alive:
        return Answer("pending", observed=[f"{said[one]} at {one}" for one in alive])
    return Answer(observed=[f"anonymous at {len(said)} servers"])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Sessions forged with either key, at every worker of every server: the liveliest counts."""
    said: dict[str, Any] = {"new": "unknown", "old": "unknown", "method": "login"}
    if "new" in ask.secrets:
        found = set(_everywhere(ask, ask.secret("new")).values())
        said["new"] = _first(("refused", "unreachable", "unknown", "accepted"), found)
    if "old" in ask.secrets:
        found = set(_everywhere(ask, ask.secret("old")).values())
        said["old"] = _first(("accepted", "unreachable", "unknown", "refused"), found)
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    said["derived"] = {"refused": "none", "accepted": "alive"}.get(said["old"], "unknown")
    return Answer(more={"probe": said})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Nothing is left of a key that is out of the file; take it out when it is not."""
    return disable_old(ask)


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The old key first again, the new one out."""
    keys = _keys(ask)
    others = [key for key in keys if key not in (ask.secrets.get("new"), ask.secret("old"))]
    return _write(ask, keys, [ask.secret("old"), *others])


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which of the two keys is in the file: it signs, or it only verifies."""
    keys = _keys(ask)
    state: dict[str, Any] = {"credentials": [{"id": f"{len(keys)} keys", "state": "active"}]}
    for slot in ("old", "new"):
        value = ask.secrets.get(slot)
        state[slot] = ("active" if value in keys else "absent") if value else "unknown"
    return Answer(more={"state": state})


# -- the plan


def _actions(ask: Request) -> list[dict[str, Any]]:
    file = ask.target["key_file"]
    beside = "both keys verify" if ask.target.get("dual_window") else "the old key is out at once"
    rows = (
        ("create", "write", file, f"the new key signs, {beside}", "rollback writes the old one"),
        ("disable_old", "take the old key out of", file, "its sessions end", "rollback"),
        ("kill_derived", "look at", ask.target["check_url"], "everybody logs in again", None),
    )
    return [action(*row) for row in rows]


# -- the file


def _keys(ask: Request) -> list[str]:
    with open(ask.target["key_file"], encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]


def _write(ask: Request, found: list[str], wanted: list[str]) -> Answer:
    """Replace the file in one step, with its owner and mode, and tell the server."""
    count = f"{len(wanted)} keys in the file"
    new = {"id": ask.rotation} if ask.phase == "create" else {}
    if found == wanted:
        # A crash may have come between the file and the signal: a second one does no harm.
        return Answer("already", new=new, observed=[count, _reload(ask)])
    path = ask.target["key_file"]
    was = os.stat(path)
    handle, draft = tempfile.mkstemp(dir=os.path.dirname(path) or ".")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), was.st_mode & 0o7777)
        os.fchown(file.fileno(), was.st_uid, was.st_gid)
        file.write("\n".join(wanted) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    return Answer(new=new, observed=[count, _reload(ask)])


def _reload(ask: Request) -> str:
    pid = _pid(ask)
    if not pid:
        return "somebody has to restart the server"
    os.kill(pid, signal.SIGHUP)
    return f"told process {pid} to read it again"


def _pid(ask: Request) -> int:
    try:
        with open(ask.target.get("pid_file") or os.devnull, encoding="utf-8") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _may_signal(pid: int) -> bool:
    if pid <= 1:
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


# -- sessions


def _everywhere(ask: Request, key: str) -> dict[str, str]:
    """What each server says, at the worst for us of what its workers do."""
    cookie = {_cookie_name(ask): _forge(ask, key)}
    addresses = [one.strip() for one in ask.target["check_url"].split(",") if one.strip()]
    order = ("accepted", "unreachable", "unknown", "refused")
    if key == ask.secrets.get("new"):
        order = ("refused", "unreachable", "unknown", "accepted")
    return {
        address: _first(order, answers(partial(_knock, address, cookie))) for address in addresses
    }


def _cookie_name(ask: Request) -> str:
    return ask.target.get("cookie") or COOKIES[ask.target["framework"]]


def _forge(ask: Request, key: str) -> str:
    session = json.loads(ask.target["session"])
    return (
        _flask(session, key) if ask.target["framework"] == "flask" else _django(ask, session, key)
    )


def _flask(session: dict[str, Any], key: str) -> str:
    """As flask.sessions.SecureCookieSessionInterface signs."""
    from itsdangerous import URLSafeTimedSerializer

    signer = URLSafeTimedSerializer(
        key,
        salt="cookie-session",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha1},
    )
    return str(signer.dumps(session))


def _django(ask: Request, session: dict[str, Any], key: str) -> str:
    """As the backend `signed_cookies` signs; the user's hash is a work of the same key."""
    from django.conf import settings
    from django.core import signing

    if not settings.configured:
        settings.configure(SECRET_KEY=key)
    session.setdefault("_auth_user_backend", "django.contrib.auth.backends.ModelBackend")
    if stored := ask.secrets.get("password_field"):
        derived = hashlib.sha256((DJANGO_USER_SALT + key).encode()).digest()
        digest = hmac.new(derived, stored.encode(), hashlib.sha256).hexdigest()
        session["_auth_user_hash"] = digest
    signer = signing.TimestampSigner(key=key, salt=DJANGO_SALT, fallback_keys=[])
    return str(signer.sign_object(session, compress=True))


def _knock(address: str, cookie: dict[str, str]) -> str:
    import requests

    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise Fail("unsupported", "sessions are sent over https only: use an https address")
    session = requests.Session()
    session.trust_env = False
    try:
        response = session.get(address, cookies=cookie, timeout=(5, 10), allow_redirects=False)
    except requests.RequestException:
        return "unreachable"
    return _meaning(response.status_code)


def _meaning(status: int) -> str:
    if status >= 500:
        return "unreachable"
    return {200: "accepted", 301: "refused", 302: "refused", 303: "refused", 401: "refused",
            403: "refused"}.get(status, "unknown")  # fmt: skip


def _first(order: tuple[str, ...], found: set[str]) -> str:
    return next((state for state in order if state in found), "unknown")


if __name__ == "__main__":
    rotate.main()
