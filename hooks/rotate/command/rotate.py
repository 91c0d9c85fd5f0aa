#!/usr/bin/env python3
"""Hands a new value to a program of the user, on its standard input.

The program's words come from the parameters alone: no value is ever among them, nor in
its environment. What it prints is not kept, since it may quote the value; what it
ends with decides: 0 it is done, 75 ask again later, 69 nobody answers, 77 it may not
(the numbers of sysexits.h), anything else is a no.
"""

from __future__ import annotations

import json
import os
import pwd
import shlex
import stat
import subprocess
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script

rotate = script()

LATER = 75
CLASSES = {69: ("network", "nobody answers"), 77: ("permission", "it may not do that")}


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the programs are there and nobody else may change them; asks `ready`."""
    names = [name for name in ("command", "confirm", "ready", "undo") if ask.target.get(name)]
    checks = [_sound(name, _words(ask, name)) for name in names]
    if "ready" in names and all(one["ok"] for one in checks):
        ended = _run(ask, "ready", b"")
        checks.append(check("it is ready", ended == 0, f"`ready` ended with {ended}"))
    command = shlex.join(_words(ask, "command"))
    actions = [
        action("distribute", "run", command, "it gets the new value", "run it with the old value"),
        action("confirm", "run" if ask.target.get("confirm") else "ask nobody",
                ask.target.get("confirm") or command, "nothing changes"),
    ]  # fmt: skip
    return Answer(more={"actions": actions, "known": [], "checks": checks})


@rotate.phase
def distribute(ask: Request) -> Answer:
    """Run the command with the new value. It has to stand being run twice."""
    return _handed(ask, "command", _told(ask, ask.secret("new"), ask.new))


@rotate.phase
def confirm(ask: Request) -> Answer:
    """Run the program that looks whether the value is in use, if there is one."""
    value = _told(ask, ask.secret("new"), ask.new)
    if not ask.target.get("confirm"):
        seen = "the command took it; there is no `confirm` to look further"
        return Answer(observed=[seen], more={"method": "config"})
    ended = _run(ask, "confirm", value)
    if ended == LATER:
        return Answer("pending", observed=["`confirm` says: not yet"], more={"method": "usage"})
    _good(ended, "confirm")
    return Answer(observed=["`confirm` says that it is in use"], more={"method": "usage"})


@rotate.phase
def observe(ask: Request) -> Answer:
    """Nobody can be asked without a value: it is unknown, and handing over again does no harm."""
    _words(ask, "command")
    return Answer(more={"state": {"old": "unknown", "new": "unknown", "credentials": []}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Run `undo`, or the command again, with the old value."""
    name = "undo" if ask.target.get("undo") else "command"
    return _handed(ask, name, _told(ask, ask.secret("old"), ask.old))


def _handed(ask: Request, name: str, value: bytes) -> Answer:
    if ask.dry_run:
        _words(ask, name)
        return Answer(observed=[f"`{name}` would be run"])
    ended = _run(ask, name, value)
    if ended == LATER:
        return Answer("pending", observed=[f"`{name}` says: not yet"])
    _good(ended, name)
    return Answer(observed=[f"`{name}` ended with 0"], evidence=[{"program": name, "ended": ended}])


def _told(ask: Request, value: str, public: dict[str, Any]) -> bytes:
    """What the program reads."""
    how = ask.target.get("input") or "value"
    if how == "json":
        known = {name: public[name] for name in ("id", "user") if name in public}
        return json.dumps({"value": value, "rotation": ask.rotation, **known}).encode()
    return (value + ("\n" if how == "line" else "")).encode("utf-8", "surrogateescape")


def _run(ask: Request, name: str, value: bytes) -> int:
    """How the program ended. It stays in our process group, so that it cannot outlive us."""
    words = _words(ask, name)
    try:
        done = subprocess.run(
            words, input=value, env=_environment(ask), timeout=ask.deadline * 0.9, check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Fail("timeout", f"`{name}` took too long and was ended") from None
    except FileNotFoundError:
        raise Fail("missing", f"there is no {words[0]}") from None
    except OSError:
        raise Fail("permission", f"{words[0]} cannot be run") from None
    return done.returncode


def _good(ended: int, name: str) -> None:
    if ended == 0:
        return
    if ended < 0:
        raise Fail("bug", f"`{name}` was ended by signal {-ended}")
    kind, why = CLASSES.get(ended, ("conflict", "run it by hand to see why"))
    raise Fail(kind, f"`{name}` ended with {ended}: {why}", retryable=kind == "network")


def _environment(ask: Request) -> dict[str, str]:
    names = ("PATH", "LANG", "HOME")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    if ask.target.get("own_home"):
        kept["HOME"] = pwd.getpwuid(os.geteuid()).pw_dir
    return kept


def _words(ask: Request, name: str) -> list[str]:
    try:
        words = shlex.split(ask.target[name])
    except ValueError:
        raise Fail("unsupported", f"`{name}`: a quote is not closed") from None
    if not words or not os.path.isabs(words[0]):
        raise Fail("unsupported", f"`{name}` has to begin with the absolute path of a program")
    return words


def _sound(name: str, words: list[str]) -> dict[str, Any]:
    """It can be run, and only we or root can change what it is."""
    what = f"`{name}` can be run, and is nobody else's"
    try:
        found = os.stat(words[0])
    except OSError:
        return check(what, False, f"there is no {words[0]}")
    if not stat.S_ISREG(found.st_mode) or not os.access(words[0], os.X_OK):
        return check(what, False, f"{words[0]} is no program: chmod +x")
    ours = found.st_uid in (0, os.geteuid())
    closed = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return check(what, ours and closed, f"others may change {words[0]}: chmod go-w", found=words[0])


if __name__ == "__main__":
    rotate.main()
