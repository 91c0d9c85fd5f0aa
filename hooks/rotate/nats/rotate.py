#!/usr/bin/env python3
"""Lets a second user take over from a NATS user whose password stands in the server's file.

The partner's entry is a copy of the leaked user's, with another name and password, so
both may log in until the old entry is set aside. NATS itself ends the sessions of users
that a reload finds gone; the monitoring port shows whether it has. Each server of a
cluster has a file of its own: rotate on every one. TLS is not supported.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import server
import users

from leakguard.rotate.host import Host, reach
from leakguard.rotate.kit import Answer, Fail, Request, action, check, script

rotate = script()

UNSEEN = "no monitor_url: nobody looked whether the old sessions have ended"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Find the user, and whether file and server can be reached. Changes nothing."""
    with reach(ask) as host:
        text = host.read(ask.target["file"]).decode()
        known = [one.name for one in users.users(text)]
        checks = [*_file_checks(host, ask, text), *_server_checks(ask)]
    user = ask.target["user"]
    more = {"actions": _actions(ask), "checks": checks}
    observed = [] if ask.target.get("monitor_url") else [UNSEEN]
    return Answer(
        observed=["TLS is not supported: logins are plain NATS", *observed],
        more=more | {"known": known, "old": {"id": user, "user": user}},
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """Give the partner an entry like the leaked user's, with the new password."""
    partner, value = _partner(ask), ask.secret("new")
    new = {"id": partner, "user": partner}
    with _changing(ask) as file:
        there = users.find(file.text, partner)
        if there and users.holds(file.text, there, value):
            return Answer("already", new=new)
        if there:
            raise Fail("conflict", f"the user {partner} exists and belongs to something else")
        model = users.find(file.text, ask.target["user"])
        if model is None:
            raise Fail("not_found", f"the file has no user {ask.target['user']}")
        kept = users.kept(file.text, model, value)
        file.text = users.add_like(file.text, model, partner, kept)
    return Answer(new=new, observed=[f"user {partner} is in {ask.target['file']}"])


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Log in with the new password, waiting while the server reads its file."""
    end = time.monotonic() + min(10.0, ask.deadline / 2)
    while (said := _login_with(ask, "new")) == "refused" and time.monotonic() < end:
        time.sleep(0.2)
    if said == "unreachable":
        raise Fail("network", "the server does not answer", retryable=True)
    if said != "accepted":
        raise Fail("auth", f"the server does not let {_partner(ask)} in with the new password")
    return Answer(evidence=[{"login": "accepted", "user": _partner(ask)}])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Turn the leaked user's entry into a comment."""
    user = ask.target["user"]
    with _changing(ask) as file:
        entry = users.find(file.text, user)
        if entry is None and users.is_aside(file.text, user, ask.rotation):
            return Answer("already")
        if entry is None:
            raise Fail("not_found", f"the file has no user {user}")
        file.text = users.set_aside(file.text, entry, ask.rotation)
    return Answer(observed=[f"user {user} is a comment in {ask.target['file']}"])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """Have the server read its file, which ends the sessions, and look whether it has."""
    with _changing(ask) as file:
        if users.find(file.text, ask.target["user"]):
            raise Fail("conflict", "the leaked user is in the file: its sessions would come back")
    if not ask.target.get("monitor_url"):
        return Answer(observed=["the server was told to read its file again", UNSEEN])
    end = time.monotonic() + 10.0
    while (left := server.sessions(ask.target)) and time.monotonic() < end and not ask.dry_run:
        time.sleep(0.2)
    if left and not ask.dry_run:
        raise Fail("conflict", f"{left} sessions of the leaked user live on", retryable=True)
    return Answer(evidence=[{"sessions_left": left, "user": ask.target["user"]}])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Log in with both, and look for sessions of the leaked user."""
    found = {"new": _login_with(ask, "new"), "old": _login_with(ask, "old")}
    found |= {"old_error": "auth"} if found["old"] == "refused" else {}
    return Answer(more={"probe": found | {"derived": server.derived(ask.target)}})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Take the comment away, with the password in it."""
    user = ask.target["user"]
    with _changing(ask) as file:
        if users.find(file.text, user):
            raise Fail("conflict", f"the user {user} is not closed yet")
        if not users.is_aside(file.text, user, ask.rotation):
            return Answer("already")
        file.text = users.strike(file.text, user, ask.rotation)
    return Answer(observed=[f"nothing of user {user} is left in {ask.target['file']}"])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The old entry back, the partner's away."""
    user, said = ask.target["user"], []
    with _changing(ask) as file:
        if users.is_aside(file.text, user, ask.rotation):
            file.text = users.bring_back(file.text, user, ask.rotation)
            said.append(f"user {user} has its old, leaked password again")
        elif not users.find(file.text, user):
            raise Fail("conflict", f"the entry of {user} is gone for good: the partner stays")
        one = users.find(file.text, _partner(ask))
        if one and _is_ours(ask, file.text, one):
            file.text = users.without(file.text, one)
            said.append(f"user {_partner(ask)} is taken out")
    return Answer("done" if said else "already", observed=said)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which users the file lets in now."""
    with reach(ask) as host:
        text = host.read(ask.target["file"]).decode()
    known = [one.name for one in users.users(text)]
    aside = users.is_aside(text, ask.target["user"], ask.rotation)
    old = "active" if ask.target["user"] in known else "disabled" if aside else "absent"
    new = "active" if _partner(ask) in known else "absent"
    listed = [{"id": name, "state": "active", "label": ""} for name in known]
    return Answer(more={"state": {"old": old, "new": new, "credentials": listed}})


# The file


class File:
    """The text of the file while it is being changed."""

    def __init__(self, text: str) -> None:
        self.text = text


@contextmanager
def _changing(ask: Request) -> Iterator[File]:
    """The file; written back when the block changes it. The server reads it in any case:
    an earlier try may have ended before it did.
    """
    with reach(ask) as host:
        before = host.read(ask.target["file"]).decode()
        users.users(before)
        file = File(before)
        yield file
        if ask.dry_run:
            return
        if file.text != before:
            users.users(file.text)
            host.write(ask.target["file"], file.text.encode())
        _reload(host, ask)


def _reload(host: Host, ask: Request) -> None:
    if ask.target.get("reload"):
        host.command(ask.target["reload"], what="having NATS read its file")
        return
    host.must(["kill", "-s", "HUP", _pid(host, ask)], what="having NATS read its file")


def _pid(host: Host, ask: Request) -> str:
    if not ask.target.get("pid_file"):
        raise Fail("missing", "one of `pid_file` and `reload` is needed")
    pid = host.read(ask.target["pid_file"]).decode("ascii", "replace").strip()
    if not re.fullmatch(r"[1-9][0-9]*", pid):
        raise Fail("conflict", "pid_file does not hold the number of a process")
    return pid


def _partner(ask: Request) -> str:
    name: str = ask.target["partner"]
    if name == ask.target["user"] or not re.fullmatch(r"[\w.@-]+", name, re.ASCII):
        raise Fail("unsupported", "`partner` is another name than `user`, of letters, digits, .@_-")
    return name


def _is_ours(ask: Request, text: str, one: users.User) -> bool:
    return users.holds(text, one, ask.secrets["new"]) if "new" in ask.secrets else bool(ask.new)


# The server


def _login_with(ask: Request, slot: str) -> str:
    user = _partner(ask) if slot == "new" else ask.target["user"]
    return server.login(ask.target, user, ask.secrets[slot]) if slot in ask.secrets else "unknown"


# Planning


def _actions(ask: Request) -> list[dict[str, Any]]:
    file, user, other = ask.target["file"], ask.target["user"], _partner(ask)
    return [
        action("create", f"add {other} to", file, "both users log in", "take it out"),
        action("disable_old", f"comment {user} out in", file, "refused", "the entry back"),
        action("kill_derived", "end sessions on", ask.target["host"], "clients reconnect"),
        action("destroy_old", f"take {user}'s comment out of", file, "it is gone"),
    ]


def _file_checks(host: Host, ask: Request, text: str) -> Iterator[dict[str, Any]]:
    file, partner = ask.target["file"], _partner(ask)
    old = users.find(text, ask.target["user"])
    yield check("the leaked user is in a list `users` of the file", old, ask.target["user"])
    yield check("the partner is not in the file", not users.find(text, partner), partner)
    if old:
        way = "it is a $VARIABLE: rotate where that one stands"
        yield check("the password stands in the file", users.is_plain(text, old), way)
        yield check("the new one can be kept as the old one is", *users.keepable(text, old))
    yield check("the file can be changed", host.writable(file), f"its folder is written: {file}")
    yield check("the server can be told to read its file", *_reloadable(host, ask))


def _reloadable(host: Host, ask: Request) -> tuple[bool, str]:
    if ask.target.get("reload"):
        return True, "by the command of the target"
    try:
        pid = _pid(host, ask)
    except Fail as fail:
        return False, fail.message
    code = host.run(["sh", "-c", 'kill -0 "$1"', "sh", pid]).code
    return code == 0, f"SIGHUP to process {pid}"


def _server_checks(ask: Request) -> Iterator[dict[str, Any]]:
    said = server.login(ask.target, ask.target["user"], secrets.token_hex(16))
    way = f"a made-up one is {said} (TLS is not supported)"
    yield check("the server refuses a wrong password", said == "refused", way)
    private = server.is_private(ask.target)
    way = "TLS is not supported: run this beside the server, or set clear_text"
    yield check("no login crosses a network in the clear unasked", private, way)
    if ask.target.get("monitor_url"):
        seen = server.derived(ask.target) != "unknown"
        yield check("sessions can be seen", seen, ask.target["monitor_url"])


if __name__ == "__main__":
    rotate.main()
