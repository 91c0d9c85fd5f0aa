#!/usr/bin/env python3
"""Rotates the password of an SMTP account in Dovecot's passwd-file, which Postfix asks.

With `other_user`, a second account takes over before the first one is closed. Without
it the same account gets a new password, and clients fail until they have it. Dovecot
may remember the old password for a while; a probe shows when that is over. A session
that has logged in goes on sending: `kill_derived` ends the smtpd processes that hold
one which began before the account was closed.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import passwd
import submission
from login import is_private, offers_login, try_login

from leakguard.rotate.host import Host, reach
from leakguard.rotate.kit import Answer, Fail, Request, action, check, script

rotate = script()


@rotate.phase
def plan(ask: Request) -> Answer:
    """Find the account, and whether the file and the sessions can be reached."""
    with reach(ask) as host:
        text = _file(host, ask)
        checks = _checks(host, ask, text)
    overlap = "alternating" if _is_alternating(ask) else "none"
    return Answer(
        more={
            "actions": _actions(ask),
            "known": passwd.users(text),
            "checks": checks,
            "old": {"id": ask.target["user"]},
            "snapshot": {"user": _new_user(ask)},
            "capabilities": {"overlap": overlap},
        }
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """Give the second account, or the same one, the new password."""
    user, new = _new_user(ask), {"id": _new_user(ask), "user": _new_user(ask)}
    with _changing(ask) as file:
        line = _new_line(ask, file.text)
        if passwd.account(file.text, user) == line:
            return Answer("already", new=new)
        if _is_alternating(ask) and passwd.account(file.text, user):
            raise Fail("conflict", f"the account {user} exists and belongs to something else")
        if not _is_alternating(ask):
            file.text = passwd.set_aside(file.text, user, ask.rotation)
        file.text = passwd.put(file.text, line)
    return Answer(new=new, evidence=[{"account": user, "rotation": ask.rotation}])


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Log in with the new password, waiting while Dovecot has not read the file."""
    end = time.monotonic() + min(20.0, ask.deadline / 2)
    while (answer := _login(ask, "new")) != "accepted":
        if answer != "refused" or time.monotonic() > end:
            break
        time.sleep(0.5)
    if answer == "accepted":
        return Answer(evidence=[{"login": _new_user(ask)}])
    if answer == "refused":
        raise Fail("auth", "the mail server refuses the new password", retryable=True)
    raise Fail("network", "the mail server gives no answer to a login", retryable=True)


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Set the old account's line aside."""
    user = ask.target["user"]
    with _changing(ask) as file:
        if passwd.aside(file.text, user, ask.rotation):
            return Answer("already")
        if not passwd.account(file.text, user):
            raise Fail("not_found", f"there is no account {user}")
        file.text = passwd.set_aside(file.text, user, ask.rotation)
    return Answer(evidence=[{"closed": user}])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """End SMTP sessions older than the closing, and what the account has open in Dovecot."""
    with reach(ask) as host:
        one = _aside(host, ask)
        ended = submission.end(host, _config(ask), one.at)
        left = len(submission.sessions(host, _config(ask), one.at))
        kicked = _kick(host, ask)
    if left:
        raise Fail("permission", f"{left} smtpd processes with older sessions live on")
    evidence = {"smtpd_ended": ended, "sessions_left": left, "kicked": kicked}
    return Answer("done" if ended or kicked else "already", evidence=[evidence])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Log in with both, and look for sessions that began before the old one was closed."""
    answers = {"new": _login(ask, "new"), "old": _login(ask, "old"), "derived": _derived(ask)}
    if answers["old"] == "refused":
        answers["old_error"] = "auth"
    return Answer(more={"probe": answers})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Strike the line that was set aside."""
    with _changing(ask) as file:
        one = passwd.aside(file.text, ask.target["user"], ask.rotation)
        if one is None or one.struck:
            return Answer("already")
        file.text = passwd.strike(file.text, one)
    return Answer(evidence=[{"struck": one.user}])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The old line back, the second account away."""
    steps = []
    with _changing(ask) as file:
        user = _new_user(ask)
        if _is_alternating(ask) and ask.new and passwd.account(file.text, user):
            file.text = passwd.without(file.text, user)
            steps.append(f"took the account {user} away")
        one = passwd.aside(file.text, ask.target["user"], ask.rotation)
        if one and not one.struck:
            file.text = passwd.bring_back(file.text, one)
            steps.append(f"opened the account {one.user} with its old password")
    return Answer("done" if steps else "already", observed=steps)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which accounts the file opens now."""
    with reach(ask) as host:
        text = _file(host, ask)
    one = passwd.aside(text, ask.target["user"], ask.rotation)
    old = "active" if passwd.account(text, ask.target["user"]) else "absent"
    if one:
        old = "absent" if one.struck else "disabled"
    opened = _is_alternating(ask) or one
    new = "active" if opened and passwd.account(text, _new_user(ask)) else "absent"
    listed = [{"id": user, "state": "active", "label": ""} for user in passwd.users(text)]
    return Answer(more={"state": {"old": old, "new": new, "credentials": listed}})


class File:
    """The passwd-file while it is being changed."""

    def __init__(self, text: str) -> None:
        self.text = text


@contextmanager
def _changing(ask: Request) -> Iterator[File]:
    """The file; written back when the block changes it. Dovecot is told in any case:
    an earlier try may have ended before it was.
    """
    with reach(ask) as host:
        before = _file(host, ask)
        file = File(before)
        yield file
        if file.text != before:
            host.write(ask.target["passwd_file"], file.text.encode())
        _flush(host, ask)
        _date(host, ask, file.text)


NOTICED = 2
"""Seconds until Dovecot, which looks at the file once a second, has surely read it."""


def _date(host: Host, ask: Request, text: str) -> None:
    """Write down since when nobody gets in any more: not before Dovecot was told."""
    one = passwd.aside(text, ask.target["user"], ask.rotation)
    if one and not one.at:
        dated = passwd.dated(text, one, submission.clock(host) + NOTICED)
        host.write(ask.target["passwd_file"], dated.encode())


def _flush(host: Host, ask: Request) -> None:
    line = ask.target.get("flush", "doveadm auth cache flush")
    if line:
        host.command(line, what="telling Dovecot to forget")


def _kick(host: Host, ask: Request) -> bool:
    line = ask.target.get("kick", "doveadm kick")
    if not line:
        return False
    # It fails when there was nothing to kick.
    return host.run([*line.split(), ask.target["user"]]).code == 0


def _checks(host: Host, ask: Request, text: str) -> list[dict[str, Any]]:
    user, other, path = ask.target["user"], _new_user(ask), ask.target["passwd_file"]
    free = not _is_alternating(ask) or not passwd.account(text, other)
    return [
        check("the leaked account is in the passwd-file", bool(passwd.account(text, user)), user),
        check("the second account is free", free, other),
        check("the passwd-file can be changed", host.writable(path), path),
        check(
            "passwords cross no network in the clear", is_private(ask.target), ask.target["host"]
        ),
        check("the mail server offers a login", *offers_login(ask.target)),
        check("sessions can be found", *_sessions_visible(host, ask)),
    ]


def _sessions_visible(host: Host, ask: Request) -> tuple[bool, str]:
    try:
        count = len(submission.sessions(host, _config(ask), submission.clock(host)))
    except (Fail, ValueError) as error:
        return False, str(error)
    return True, f"{count} SMTP sessions are open"


def _login(ask: Request, slot: str) -> str:
    if slot not in ask.secrets:
        return "unknown"
    user = _new_user(ask) if slot == "new" else ask.target["user"]
    return try_login(ask.target, user, ask.secret(slot))


def _actions(ask: Request) -> list[dict[str, Any]]:
    path, user, other = ask.target["passwd_file"], ask.target["user"], _new_user(ask)
    if _is_alternating(ask):
        first = action("create", f"add {other} to", path, "both accounts log in", "remove it")
    else:
        effect = "the old password is refused: clients fail until they have the new one"
        first = action("create", f"change {user} in", path, effect, "the old line back")
    return [
        first,
        action("disable_old", f"close {user} in", path, "it is refused", "the line back"),
        action("kill_derived", "end sessions on", ask.target["host"], "clients reconnect"),
        action("destroy_old", f"strike {user}'s password in", path, "it is gone"),
    ]


def _is_alternating(ask: Request) -> bool:
    return ask.target.get("other_user", "") not in ("", ask.target["user"])


def _new_user(ask: Request) -> str:
    user: str = ask.target.get("other_user") or ask.target["user"]
    return user


def _new_line(ask: Request, text: str) -> str:
    user = ask.target["user"]
    one = passwd.aside(text, user, ask.rotation)
    model = one.line if one else passwd.account(text, user)
    return passwd.with_password(
        model, _new_user(ask), passwd.hashed(ask.secret("new"), ask.rotation)
    )


def _aside(host: Host, ask: Request) -> passwd.Aside:
    one = passwd.aside(_file(host, ask), ask.target["user"], ask.rotation)
    if one is None or not one.at:
        raise Fail("conflict", "the old account is not closed: its sessions would come back")
    return one


def _derived(ask: Request) -> str:
    try:
        with reach(ask) as host:
            one = _aside(host, ask)
            return "alive" if submission.sessions(host, _config(ask), one.at) else "none"
    except (Fail, ValueError):
        return "unknown"


def _file(host: Host, ask: Request) -> str:
    return host.read(ask.target["passwd_file"]).decode()


def _config(ask: Request) -> str:
    return ask.target.get("postfix_config") or "/etc/postfix"


if __name__ == "__main__":
    rotate.main()
