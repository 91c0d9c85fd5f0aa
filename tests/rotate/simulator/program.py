#!/usr/bin/env python3
"""The program behind both simulated scripts; its manifest says which one it is.

Faults: `down` (nobody answers), `denied`, `quota`, `lost` (done, no answer), `killed`
(done, then killed), `slow` (done, answers too late), `noop` (says done, does nothing),
`pending` (says so, does nothing), `accepted` (says so, does it), `garbage` (done, unreadable),
`busy N` (come back in N seconds).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import signal
import sys
import time
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, script

rotate = script()

State = dict[str, Any]


def hashed(value: str) -> str:
    """How the simulator remembers a value."""
    return hashlib.sha256(value.encode()).hexdigest()


class Kept:
    """The state of one call: read, changed by one phase, written."""

    now: State


def _admin(ask: Request) -> State:
    if hashed(ask.secret("admin")) != Kept.now["admin"]:
        raise Fail("auth", "the issuer does not know this administrator")
    return Kept.now


def _credentials() -> State:
    found: State = Kept.now["credentials"]
    return found


def _login(ask: Request, slot: str) -> str:
    if slot not in ask.secrets:
        return "unknown"
    wanted = hashed(ask.secrets[slot])
    known = [one for one in _credentials().values() if one["hash"] == wanted]
    return "accepted" if any(one["state"] == "active" for one in known) else "refused"


def _is_consumer(ask: Request) -> bool:
    return "who" in ask.target


def _capabilities() -> dict[str, Any]:
    mode = Kept.now["mode"]
    return {
        "secret_origin": mode["origin"],
        "overlap": mode["overlap"],
        "max_active": mode["quota"],
        "reversible_disable": True,
        "kills_sessions": True,
        "label_support": True,
        "dry_run": "real",
    }


@rotate.phase
def describe(ask: Request) -> Answer:
    if _is_consumer(ask):
        return Answer(more={"capabilities": {}})
    return Answer(more={"capabilities": _capabilities()})


@rotate.phase
def plan(ask: Request) -> Answer:
    if _is_consumer(ask):
        who = ask.target["who"]
        action = {"phase": "distribute", "verb": "hand over", "target": who,
                  "effect": "it restarts with the new one", "undo": "hand the old one back"}  # fmt: skip
        return Answer(more={"actions": [action], "checks": []})
    _admin(ask)
    room = len(_credentials()) < Kept.now["mode"]["quota"] or Kept.now["mode"]["overlap"] == "none"
    actions = [
        {"phase": "create", "verb": "make", "target": "a second one", "effect": "both work",
         "undo": "delete it"},
        {"phase": "disable_old", "verb": "disable", "target": "k1", "effect": "it is refused",
         "undo": "enable it"},
        {"phase": "destroy_old", "verb": "delete", "target": "k1", "effect": "it is gone",
         "undo": None},
    ]  # fmt: skip
    more = {
        "actions": [
            one for one in actions if one["phase"] in ("create", *Kept.now["mode"]["ends"])
        ],
        "known": sorted(_credentials()),
        "checks": [{"what": "there is room for a second one", "ok": room, "detail": ""}],
        "old": {"id": "k1"},
        "snapshot": {"sessions": len(Kept.now["sessions"])},
    }
    return Answer(more=more)


@rotate.phase
def create(ask: Request) -> Answer:
    now = _admin(ask)
    if now["mode"]["origin"] == "client":
        return _apply(ask, now)
    lost = [one for one, kept in _credentials().items()
            if kept["label"] == ask.rotation or one not in ask.plan["known"]]  # fmt: skip
    for one in lost:
        del now["credentials"][one]
    if len(_credentials()) >= now["mode"]["quota"]:
        raise Fail("quota", "no room for another one")
    now["made"] += 1
    name, value = f"k{now['made']}", secrets.token_hex(20)
    now["credentials"][name] = {"hash": hashed(value), "state": "active", "label": ask.rotation}
    return Answer(
        new={"id": name}, observed=[f"deleted {one}" for one in lost], secrets={"new": value}
    )


def _apply(ask: Request, now: State) -> Answer:
    name = "k1" if now["mode"]["overlap"] == "none" else f"new-{ask.rotation}"
    made = {"hash": hashed(ask.secret("new")), "state": "active", "label": ask.rotation}
    if now["credentials"].get(name) == made:
        return Answer("already", new={"id": name})
    now["credentials"][name] = made
    return Answer(new={"id": name})


@rotate.phase
def verify_new(ask: Request) -> Answer:
    if _login(ask, "new") != "accepted":
        raise Fail("auth", "the issuer does not let the new one in")
    return Answer(observed=["let in"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    return _put(_admin(ask), "disabled")


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    now = _admin(ask)
    if now["mode"]["overlap"] == "none":
        return Answer("already")
    return Answer("done" if now["credentials"].pop("k1", None) else "already")


def _put(now: State, state: str) -> Answer:
    old = now["credentials"].get("k1")
    if old is None or old["state"] == state:
        return Answer("already")
    old["state"] = state
    return Answer()


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    now = _admin(ask)
    ended = [one for one, by in now["sessions"].items() if by == "k1"]
    for one in ended:
        del now["sessions"][one]
    return Answer("done" if ended else "already", evidence=[{"sessions_ended": len(ended)}],
                  more={"used_by": now["used_by"]})  # fmt: skip


@rotate.phase
def probe(ask: Request) -> Answer:
    old = _login(ask, "old")
    found = {
        "new": _login(ask, "new"),
        "old": old,
        "old_error": "auth" if old == "refused" else "",
        "derived": "alive" if "k1" in Kept.now["sessions"].values() else "none",
    }
    return Answer(more={"probe": found})


@rotate.phase
def rollback(ask: Request) -> Answer:
    if _is_consumer(ask):
        Kept.now["consumers"][ask.target["who"]]["running"] = hashed(ask.secret("old"))
        return Answer(observed=[f"{ask.target['who']} runs with the old one again"])
    now = _admin(ask)
    made = [one for one, kept in _credentials().items() if kept["label"] == ask.rotation]
    for one in made:
        del now["credentials"][one]
    _put(now, "active")
    return Answer(observed=["the old one works", f"deleted {len(made)} new ones"])


@rotate.phase
def observe(ask: Request) -> Answer:
    if _is_consumer(ask):
        return Answer(more={"state": {}})
    now = _admin(ask)
    known = now["credentials"]
    listed = [
        {"id": one, "state": kept["state"], "label": kept["label"]} for one, kept in known.items()
    ]
    new = ask.new.get("id", "")
    state = {
        "old": known["k1"]["state"] if "k1" in known else "absent",
        "new": known[new]["state"] if new in known else "absent" if new else "unknown",
        "credentials": listed,
    }
    return Answer(more={"state": state, "used_by": now["used_by"]})


@rotate.phase
def distribute(ask: Request) -> Answer:
    consumer = Kept.now["consumers"][ask.consumer["who"]]
    value = hashed(ask.secret("new"))
    before, consumer["stored"] = consumer.get("stored"), value
    if not consumer["stuck"]:
        consumer["running"] = value
    return Answer("already" if before == value else "done")


@rotate.phase
def confirm(ask: Request) -> Answer:
    consumer = Kept.now["consumers"][ask.consumer["who"]]
    if consumer["running"] != hashed(ask.secret("new")):
        return Answer("pending", observed=["it runs with the old one still"])
    return Answer(observed=["seen running with the new one"], more={"method": "health"})


# Faults


def _fault(request: dict[str, Any]) -> str:
    for one in Kept.now["faults"]:
        if one["phase"] in (request["phase"], "*") and one["left"] > 0:
            one["left"] -= 1
            return str(one["kind"])
    return ""


BEFORE = {
    "down": Fail("network", "nobody answers", retryable=True),
    "denied": Fail("permission", "this administrator may not do that"),
    "quota": Fail("quota", "no room for another one"),
}


def _answered(request: dict[str, Any], kind: str) -> dict[str, Any]:
    if kind in BEFORE:
        fail = BEFORE[kind]
        error = {"class": fail.kind, "message": fail.message, "retryable": fail.retryable}
        return {"ok": False, "error": error}
    if kind.startswith("busy"):
        error = {"class": "quota", "message": "too many", "retry_after": float(kind.split()[1])}
        return {"ok": False, "error": error}
    if kind == "noop":
        return Answer().as_json()
    if kind == "pending":
        return Answer("pending").as_json()
    found = rotate.answer(request)
    return found | {"status": "accepted"} if kind == "accepted" and found["ok"] else found


def main() -> None:
    request = json.load(sys.stdin)
    with open(request["target"]["state"], "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        Kept.now = json.load(file)
        kind = _fault(request)
        Kept.now["calls"].append(request["phase"])
        answer = _answered(request, kind)
        file.seek(0)
        file.truncate()
        json.dump(Kept.now, file)
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "slow":
        time.sleep(60)
    if kind == "lost":
        sys.exit(0)
    print("{" if kind == "garbage" else json.dumps(answer))


if __name__ == "__main__":
    main()
