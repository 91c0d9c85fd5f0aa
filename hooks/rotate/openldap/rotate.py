#!/usr/bin/env python3
"""Rotates an LDAP password: a second value of userPassword, then the first one away.

The directory takes either value while both are there. It never sees the new password
in the clear before somebody logs in with it: the value it gets is hashed. An open
connection stays bound whatever happens to the password, and slapd has no way to end
one but a restart; `kill_derived` runs the target's restart command and looks again.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from directory import Directory
from values import called, hashed, opens

from leakguard.rotate.host import reach
from leakguard.rotate.kit import Answer, Fail, Request, action, check, script

rotate = script()

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@rotate.phase
def plan(ask: Request) -> Answer:
    """Find the leaked value among those of the entry, and whether it may be changed."""
    admin = _admin(ask)
    values = admin.entry(ask.target["dn"]).values
    leaked = _leaked(values, ask.secrets.get("old"))
    return Answer(
        more={
            "actions": _actions(ask.target),
            "known": [called(value) for value in values],
            "checks": _checks(ask, admin, values, leaked),
            "old": {"id": called(leaked[0]) if leaked else ""},
            "snapshot": {"leaked": [called(value) for value in leaked]},
        }
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """Add the new password, hashed, beside the old one."""
    value = _new_value(ask)
    added = _admin(ask).add(ask.target["dn"], value)
    return Answer("done" if added else "already", new={"id": called(value)})


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Bind with the new password."""
    answer = _login(ask, "new")
    if answer == "accepted":
        return Answer(evidence=[{"bind": ask.target["dn"]}])
    if answer == "refused":
        raise Fail("auth", "the directory refuses the new password")
    raise Fail("network", "the directory does not answer", retryable=True)


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Take the leaked value away."""
    return _remove_old(ask)


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """End connections that are still bound: restart slapd, then count again."""
    admin, dn = _admin(ask), ask.target["dn"]
    changed = admin.entry(dn).changed
    before = admin.sessions(dn, changed)
    if before == 0:
        return Answer("already", evidence=[{"sessions": 0}])
    if not ask.target.get("restart"):
        count = "an unknown number of" if before is None else str(before)
        raise Fail("unsupported", f"{count} sessions may live on: name `restart`, or restart slapd")
    with reach(ask) as host:
        host.command(ask.target["restart"], what="restarting slapd")
    after = _once_back(admin, dn, changed)
    if after:
        raise Fail("conflict", f"{after} sessions are older than the change after the restart")
    return Answer(evidence=[{"sessions_before": before, "sessions_after": after}])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Bind with both. The old one first: a login that succeeds clears ppolicy's failure count."""
    answers = {"old": _login(ask, "old")}
    answers |= {"new": _login(ask, "new"), "derived": _derived(ask)}
    if answers["old"] == "refused":
        answers["old_error"] = "auth"
    if answers["old"] == "unknown" and answers["new"] == "accepted":
        answers |= {"old": "accepted" if _present(ask) else "refused", "method": "metadata"}
    return Answer(more={"probe": answers})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """A value that was taken away is gone; this looks that it stayed away."""
    return _remove_old(ask)


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The old password back, newly hashed, and the new one away."""
    admin, dn, steps = _admin(ask), ask.target["dn"], []
    if not _present(ask):
        value = hashed(ask.secret("old"), _scheme(ask), ask.rotation + "rollback")
        if admin.add(dn, value):
            steps.append("put the old password back")
    if "new" in ask.secrets and admin.delete(dn, _new_value(ask)):
        steps.append("took the new password away")
    return Answer("done" if steps else "already", observed=steps)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which values the entry holds now."""
    names = [called(value) for value in _admin(ask).entry(ask.target["dn"]).values]
    new = ask.new.get("id") or (called(_new_value(ask)) if "new" in ask.secrets else "")
    return Answer(
        more={
            "state": {
                "old": "active" if _present(ask) else "absent",
                "new": "active" if new in names else "absent",
                "credentials": [{"id": name, "state": "active", "label": ""} for name in names],
            }
        }
    )


def _remove_old(ask: Request) -> Answer:
    admin, dn = _admin(ask), ask.target["dn"]
    leaked = [value for value in admin.entry(dn).values if called(value) in _leaked_names(ask)]
    gone = [called(value) for value in leaked if admin.delete(dn, value)]
    return Answer("done" if gone else "already", evidence=[{"removed": name} for name in gone])


def _leaked(values: tuple[bytes, ...], old: str | None) -> list[bytes]:
    """The values the leaked password opens; a lone value of an unknown scheme counts as it."""
    if old is not None:
        sure = [value for value in values if opens(old, value)]
        if sure:
            return sure
        values = tuple(value for value in values if opens(old, value) is None)
    return list(values) if len(values) == 1 else []


def _checks(
    ask: Request, admin: Directory, values: tuple[bytes, ...], leaked: list[bytes]
) -> list[dict[str, Any]]:
    may, how = admin.may_add(ask.target["dn"])
    dn, path = ask.target["dn"], ask.target["uri"]
    own = dn.replace(" ", "").lower() == ask.target["admin_dn"].replace(" ", "").lower()
    count = f"{len(values)} passwords are stored, {len(leaked)} of them leaked"
    monitored = admin.sessions(dn, "99991231235959Z") is not None
    return [
        check("the admin is not the identity that leaked", not own, ask.target["admin_dn"]),
        check("the leaked password is one of the entry's", bool(leaked), count),
        check("the admin may add a password", may, how, found=how),
        check("passwords cross no network in the clear", _is_private(ask.target), path),
        check(
            "sessions can be counted or ended",
            monitored or bool(ask.target.get("restart")),
            "" if monitored else "cn=Monitor cannot be read by the admin",
        ),
    ]


def _is_private(target: dict[str, Any]) -> bool:
    uri = urlsplit(target["uri"])
    private = uri.scheme in ("ldaps", "ldapi") or uri.hostname in LOOPBACK
    return private or bool(target.get("starttls"))


def _actions(target: dict[str, Any]) -> list[dict[str, Any]]:
    dn, restart = target["dn"], target.get("restart") or "nothing: no restart is named"
    return [
        action("create", "add a userPassword to", dn, "both passwords open", "delete it"),
        action("disable_old", "delete a userPassword of", dn, "the old one is refused", "add it"),
        action("kill_derived", "run", restart, "every connection ends"),
    ]


def _admin(ask: Request) -> Directory:
    return Directory(ask.target, ask.target["admin_dn"], ask.secret("admin"))


def _scheme(ask: Request) -> str:
    scheme: str = ask.target.get("scheme") or "SSHA"
    return scheme


def _new_value(ask: Request) -> bytes:
    return hashed(ask.secret("new"), _scheme(ask), ask.rotation)


def _leaked_names(ask: Request) -> set[str]:
    return set(ask.plan["snapshot"]["leaked"])


def _present(ask: Request) -> bool:
    """Whether the entry holds a leaked value; one put back by a rollback counts."""
    values = _admin(ask).entry(ask.target["dn"]).values
    known = {called(value) for value in values} & _leaked_names(ask)
    old = ask.secrets.get("old")
    return bool(known) or bool(old and any(opens(old, value) for value in values))


def _login(ask: Request, slot: str) -> str:
    if slot not in ask.secrets:
        return "unknown"
    return Directory(ask.target, ask.target["dn"], ask.secret(slot)).bind()


def _derived(ask: Request) -> str:
    admin, dn = _admin(ask), ask.target["dn"]
    try:
        count = admin.sessions(dn, admin.entry(dn).changed)
    except Fail:
        return "unknown"
    return "unknown" if count is None else "alive" if count else "none"


def _once_back(admin: Directory, dn: str, changed: str) -> int | None:
    end = time.monotonic() + 30
    while admin.bind() == "unreachable" and time.monotonic() < end:
        time.sleep(0.2)
    return admin.sessions(dn, changed)


if __name__ == "__main__":
    rotate.main()
