#!/usr/bin/env python3
"""Rotates a DKIM key: publish a new selector, sign with it, then revoke the old one in DNS.

An empty `p=` at the old selector makes every verifier that asks refuse what the leaked
key signs, mail under way included. Verifiers that asked before may remember the old
key until its TTL is over; until then a probe says `derived: alive`.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
import time
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from rsa import new_key, public_half, would_verify
from table import Key, key_of, keys, switched
from zone import Record, Updates, is_same, key_text, look_up, name_of, revoked_text, servers

from leakguard.rotate.host import Host, reach
from leakguard.rotate.kit import Answer, Fail, Request, action, check, script

rotate = script()


@rotate.phase
def plan(ask: Request) -> Answer:
    """Find the leaked key in the zone and at the signer, and whether both may be changed."""
    selector, record = ask.target["selector"], _published(ask, ask.target["selector"])
    with reach(ask) as host:
        text = _table(host, ask)
        key = key_of(text, ask.target["domain"], selector)
        checks = _checks(host, ask, key, record)
    known = [one.selector for one in keys(text, ask.target["domain"])]
    snapshot = {"text": record.text or "", "ttl": record.ttl, "path": key.path if key else ""}
    return Answer(
        more={
            "actions": _actions(ask),
            "known": known,
            "checks": checks,
            "old": {"id": selector},
            "snapshot": snapshot,
        }
    )


@rotate.phase
def generate(ask: Request) -> Answer:
    """A fresh RSA key; its public half leaves in the clear."""
    private = new_key(int(ask.target.get("bits", 2048)))
    new = {"id": _new_selector(ask), "public": public_half(private)}
    return Answer(new=new, secrets={"new": private})


@rotate.phase
def create(ask: Request) -> Answer:
    """Publish the new selector and lay its key beside the old one, which goes on signing."""
    selector, private = _new_selector(ask), ask.secret("new")
    public = public_half(private)
    new = {"id": selector, "public": public}
    there = is_same(_published(ask, selector).public, public)
    if not there:
        name = name_of(selector, ask.target["domain"])
        _updates(ask).publish(name, key_text(public), int(ask.target.get("ttl", 300)))
    with reach(ask) as host:
        laid = _lay(host, _snapshot(ask, "path"), _new_path(ask), private.encode())
        if not _published(ask, ask.target["selector"]).public:  # the old key was ended first
            laid = _switch(host, ask, _old_pair(ask), _new_pair(ask)) or laid
    return Answer("done" if laid or not there else "already", new=new)


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """A signature of the new key passes with what each name server says."""
    private = ask.secret("new")
    asked = servers(ask.target)
    name = name_of(_new_selector(ask), ask.target["domain"])
    late = [one[0] for one in asked if not would_verify(private, look_up(name, one).public)]
    if late:
        return Answer("pending", observed=[f"{address} has no such key yet" for address in late])
    return Answer(evidence=[{"selector": _new_selector(ask), "name_servers": len(asked)}])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Sign with the new key, and revoke the old one in the zone."""
    with reach(ask) as host:
        laid = host.exists(_new_path(ask))  # not yet, when the old key is ended first
        switch = laid and _switch(host, ask, _old_pair(ask), _new_pair(ask))
    revoke = bool(_published(ask, ask.target["selector"]).public)
    if revoke:
        name = name_of(ask.target["selector"], ask.target["domain"])
        text = revoked_text(ask.rotation, int(time.time()))
        _updates(ask).publish(name, text, int(ask.target.get("ttl", 300)))
    evidence = {"signer_switched": switch, "revoked_in_zone": revoke}
    return Answer("done" if switch or revoke else "already", evidence=[evidence])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Would a verifier accept what each of the two keys signs now, asking each name server."""
    answers = {"new": _verifies(ask, "new", _new_selector(ask))}
    answers |= {"old": _verifies(ask, "old", ask.target["selector"]), "derived": _derived(ask)}
    if answers["old"] == "refused":
        answers["old_error"] = "auth"
    if "old" not in ask.secrets:
        answers["method"] = "metadata"
    return Answer(more={"probe": answers})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Remove the leaked key's file from the signer; the empty record stays."""
    path = _snapshot(ask, "path")
    with reach(ask) as host:
        if not host.exists(path):
            return Answer("already")
        if any(key.path == path for key in keys(_table(host, ask), ask.target["domain"])):
            raise Fail("conflict", "the signer still signs with the leaked key")
        host.remove(path)
    return Answer(evidence=[{"removed": path}])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Publish the old key again and sign with it; take the new selector away."""
    steps = []
    domain, text = ask.target["domain"], _snapshot(ask, "text")
    if _published(ask, ask.target["selector"]).text != text:
        ttl = int(ask.plan["snapshot"]["ttl"])
        _updates(ask).publish(name_of(ask.target["selector"], domain), text, ttl)
        steps.append("published the old key again")
    with reach(ask) as host:
        if _switch(host, ask, _new_pair(ask), _old_pair(ask)):
            steps.append("made the signer use the old key")
        host.remove(_new_path(ask))
    if _published(ask, _new_selector(ask)).text is not None:
        _updates(ask).remove(name_of(_new_selector(ask), domain))
        steps.append("took the new selector out of the zone")
    return Answer("done" if steps else "already", observed=steps)


@rotate.phase
def observe(ask: Request) -> Answer:
    """What the zone publishes and what the signer uses."""
    domain, chosen = ask.target["domain"], [ask.target["selector"], _new_selector(ask)]
    with reach(ask) as host:
        used = [key.selector for key in keys(_table(host, ask), domain)]
    old, new = (_state(_published(ask, selector)) for selector in chosen)
    listed = [{"id": one, "state": _state(_published(ask, one)), "label": ""} for one in used]
    return Answer(more={"state": {"old": old, "new": new, "credentials": listed}})


def _state(record: Record) -> str:
    if record.text is None:
        return "absent"
    return "active" if record.public else "disabled"


def _verifies(ask: Request, slot: str, selector: str) -> str:
    """`accepted` for the new key needs all name servers, for the old one is enough."""
    name, told = name_of(selector, ask.target["domain"]), []
    for server in servers(ask.target):
        try:
            public = look_up(name, server).public
        except Fail:
            return "unreachable"
        private = ask.secrets.get(slot)
        told.append(would_verify(private, public) if private else bool(public))
    yes = all(told) if slot == "new" else any(told)
    return "accepted" if yes else "refused"


def _derived(ask: Request) -> str:
    """Whether a verifier may still remember the leaked key."""
    try:
        record = _published(ask, ask.target["selector"])
    except Fail:
        return "unknown"
    ttl = ask.plan.get("snapshot", {}).get("ttl", 0)
    return "alive" if record.since and time.time() < record.since + ttl else "none"


def _checks(host: Host, ask: Request, key: Key | None, record: Record) -> list[dict[str, Any]]:
    domain, table = ask.target["domain"], ask.target["key_table"]
    old, new = (name_of(one, domain) for one in (ask.target["selector"], _new_selector(ask)))
    free = _published(ask, _new_selector(ask)).text is None
    found = [
        check("the zone publishes the leaked key", *_is_leaked(ask, record)),
        check("the new selector is free", free, new),
        check("the zone takes a new selector", *_updates(ask).may_change(new)),
        check("the zone lets the old selector be changed", *_updates(ask).may_change(old)),
        check("the signer's table names the old selector", key is not None, table),
        check("the signer's table can be changed", host.writable(table), table),
    ]
    if key is not None:
        laid = host.exists(key.path) and host.writable(key.path)
        found.append(check("a key can be laid beside the old one", laid, key.path))
    return found


def _is_leaked(ask: Request, record: Record) -> tuple[bool, str]:
    if not record.public:
        return False, "there is no key at the old selector"
    if "old" not in ask.secrets:
        return True, "the leaked value is not at hand to compare"
    return is_same(record.public, public_half(ask.secrets["old"])), "compared with the leaked value"


def _actions(ask: Request) -> list[dict[str, Any]]:
    zone, table = f"zone {ask.target['domain']}", ask.target["key_table"]
    new = _new_selector(ask)
    return [
        action("create", f"publish {new} in", zone, "both keys verify", "remove it"),
        action("disable_old", f"sign with {new} in", table, "mail is signed anew", "switch back"),
        action("disable_old", "empty p= in", zone, "the leaked key verifies nowhere", "publish"),
        action("destroy_old", "remove the key file of", table, "the signer has lost it"),
    ]


def _lay(host: Host, model: str, path: str, content: bytes) -> bool:
    """Write a key file with the old one's owner and mode; False when it is there."""
    if host.exists(path) and host.read(path) == content:
        return False
    host.must(["cp", "-p", "--", model, path], what="laying the key file")
    host.write(path, content)
    return True


def _switch(host: Host, ask: Request, old: tuple[str, str], new: tuple[str, str]) -> bool:
    before = _table(host, ask)
    after = switched(before, ask.target["domain"], old, new)
    if after == before:
        return False
    host.write(ask.target["key_table"], after.encode())
    host.command(ask.target.get("reload") or "systemctl reload opendkim", what="reloading opendkim")
    return True


def _old_pair(ask: Request) -> tuple[str, str]:
    return ask.target["selector"], _snapshot(ask, "path")


def _new_pair(ask: Request) -> tuple[str, str]:
    return _new_selector(ask), _new_path(ask)


def _new_selector(ask: Request) -> str:
    made = re.sub(r"[^a-z0-9]+", "-", ask.rotation.lower()).strip("-")[:63]
    selector: str = ask.target.get("new_selector") or made
    return selector


def _new_path(ask: Request) -> str:
    return posixpath.join(
        posixpath.dirname(_snapshot(ask, "path")), f"{_new_selector(ask)}.private"
    )


def _published(ask: Request, selector: str) -> Record:
    return look_up(name_of(selector, ask.target["domain"]), servers(ask.target)[0])


def _updates(ask: Request) -> Updates:
    return Updates(ask.target, ask.secret("tsig"))


def _table(host: Host, ask: Request) -> str:
    return host.read(ask.target["key_table"]).decode()


def _snapshot(ask: Request, name: str) -> str:
    value: str = ask.plan["snapshot"][name]
    return value


if __name__ == "__main__":
    rotate.main()
