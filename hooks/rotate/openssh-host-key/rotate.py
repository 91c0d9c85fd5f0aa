#!/usr/bin/env python3
"""Rotates a host key: lay the new one beside the old, tell clients, then let sshd use it.

sshd shows one key of a kind, so there is a moment of change; what overlaps is the
clients' trust: `generate` answers the known_hosts lines that they need before it, and
the `@revoked` line without which a client that remembers the old key still believes
whoever stole it. Bringing those lines to the clients is the consumers' part.
"""

from __future__ import annotations

import subprocess
import time
from typing import Any

from leakguard.rotate.host import Host, client, reach, refusal
from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts.ssh_keys import bare, fingerprint, new_pair, public_half

rotate = script()

LAID = ".leakguard-new"  # the new key until sshd uses it
ASIDE = ".leakguard-old"  # the old one until it is destroyed


@rotate.phase
def plan(ask: Request) -> Answer:
    """Look at the key on the host and at the one that sshd shows."""
    with reach(ask) as host:
        public = _public(host, ask.target["key"])
        checks = _checks(host, ask, public)
    old = fingerprint(public)
    return Answer(
        more={
            "actions": _actions(ask.target),
            "known": [old],
            "checks": checks,
            "old": {"id": old},
            "snapshot": {"public": public},
        }
    )


@rotate.phase
def generate(ask: Request) -> Answer:
    """A fresh pair of the old one's kind, and the lines that clients need."""
    old = _snapshot(ask)
    private, public = new_pair(old.split()[0])
    names = _names(ask)
    lines = [f"{names} {public}", f"@revoked {names} {old}"]
    new = {"id": fingerprint(public), "public": public, "known_hosts": lines}
    return Answer(new=new, secrets={"new": private})


@rotate.phase
def create(ask: Request) -> Answer:
    """Lay the new key beside the old one."""
    path, private = ask.target["key"], ask.secret("new")
    new = ask.new or {"id": fingerprint(public_half(private)), "public": public_half(private)}
    with reach(ask) as host:
        if new["public"] in (_public(host, path), _laid(host, ask)):
            return Answer("already", new=new)
        host.write(path + LAID, private.encode(), "0600")
        line = f"{new['public']} leakguard-{ask.rotation}\n"
        host.write(path + LAID + ".pub", line.encode(), "0644")
    return Answer(new=new, evidence=[{"laid": path + LAID}])


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """The host's own OpenSSH reads the new key, and it is the one that was made."""
    path = ask.target["key"]
    with reach(ask) as host:
        where = path + LAID if host.exists(path + LAID) else path
        read = host.must(["ssh-keygen", "-y", "-f", where], what="reading the new key").decode()
    if bare(read) != ask.new["public"]:
        raise Fail("conflict", f"{where} holds another key")
    return Answer(evidence=[{"key": ask.new["id"], "file": where}])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Make sshd use the new key; the old pair back when it would not start with it."""
    path = ask.target["key"]
    if not ask.new:
        raise Fail("unsupported", "sshd cannot be without a key: make the new one first")
    with reach(ask) as host:
        if _public(host, path) == ask.new["public"]:
            _reload(host, ask)
            _until_shown(ask, ask.new["public"])
            return Answer("already")
        _keep(host, path)
        _move(host, path + LAID, path)
        try:
            _test(host, ask)
        except Fail:
            _move(host, path, path + LAID)
            _move(host, path + ASIDE, path)
            raise
        _reload(host, ask)
    _until_shown(ask, ask.new["public"])
    return Answer(evidence=[{"shown": ask.new["id"]}])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Greet sshd as a client that trusts only the new key, and as one that trusts the old."""
    new = ask.new.get("public", "")
    answers = {"new": _believes(ask, new) if new else "unknown"}
    answers["old"] = _believes(ask, _snapshot(ask))
    if answers["old"] == "refused":
        answers["old_error"] = "auth"
    return Answer(more={"probe": answers | {"derived": "none"}})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Remove the leaked key from the host."""
    path = ask.target["key"]
    with reach(ask) as host:
        if _public(host, path) == _snapshot(ask):
            raise Fail("conflict", "sshd still uses the leaked key")
        if not host.exists(path + ASIDE):
            return Answer("already")
        host.remove(path + ASIDE)
        host.remove(path + ASIDE + ".pub")
    return Answer(evidence=[{"removed": path + ASIDE}])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """sshd on its old key again, the new one removed."""
    path, steps = ask.target["key"], []
    with reach(ask) as host:
        if host.exists(path + ASIDE):
            _move(host, path + ASIDE, path)
            _reload(host, ask)
            steps.append("made sshd use the old key again")
        if host.exists(path + LAID):
            host.remove(path + LAID)
            host.remove(path + LAID + ".pub")
            steps.append("removed the new key")
    if steps:
        _until_shown(ask, _snapshot(ask))
    return Answer("done" if steps else "already", observed=steps)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which keys lie on the host."""
    path = ask.target["key"]
    with reach(ask) as host:
        used, laid = _public(host, path), _laid(host, ask)
        aside = host.exists(path + ASIDE)
    old, new = _snapshot(ask), ask.new.get("public", "")
    shown = used == old or _believes(ask, old) == "accepted"  # it may not be reloaded yet
    state = {
        "old": "active" if shown else "disabled" if aside else "absent",
        "new": "active" if new and used == new else "disabled" if new and laid == new else "absent",
        "credentials": [{"id": fingerprint(used), "state": "active", "label": "in use"}],
    }
    return Answer(more={"state": state})


def _checks(host: Host, ask: Request, public: str) -> list[dict[str, Any]]:
    path, leaked = ask.target["key"], ask.secrets.get("old")
    same = leaked is None or public_half(leaked) == public
    pinned = ask.target.get("ssh_host_key", "")
    trusted = ask.target.get("transport", "local") == "local" or bare(pinned) != public
    return [
        check("the key on the host is the leaked one", same, path),
        check("the key can be replaced", host.writable(path), path),
        check("sshd shows that key", _believes(ask, public) == "accepted", ask.target["host"]),
        check("the host is not recognised by its leaked key", trusted, "name another ssh_host_key"),
        check("sshd's configuration is sound", *_is_sound(host, ask)),
    ]


def _is_sound(host: Host, ask: Request) -> tuple[bool, str]:
    try:
        _test(host, ask)
    except Fail as fail:
        return False, fail.message
    return True, ask.target.get("test") or "sshd -t"


def _believes(ask: Request, public: str) -> str:
    """Whether a client that trusts only this key goes on to log in; nobody does log in."""
    to = {"host": ask.target["host"], "port": ask.target.get("port", 22)}
    words = client("none", {**to, "user": "leakguard", "host_key": public}, "-N")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    why = refusal(done.stderr).kind
    return {"auth": "accepted", "conflict": "refused", "network": "unreachable"}[why]


def _until_shown(ask: Request, public: str) -> None:
    end = time.monotonic() + 15
    while _believes(ask, public) != "accepted":
        if time.monotonic() > end:
            raise Fail("conflict", "sshd does not show the key: was it reloaded?", retryable=True)
        time.sleep(0.2)


def _move(host: Host, source: str, to: str) -> None:
    """Move a pair, the private half first; a half that an earlier try moved is fine."""
    for half in ("", ".pub"):
        if host.exists(source + half):
            host.must(["mv", "-f", "--", source + half, to + half], what="moving the key")


def _keep(host: Host, path: str) -> None:
    """Copy the old pair aside; what an earlier try kept stays."""
    for half in ("", ".pub"):
        if not host.exists(path + ASIDE + half):
            aside = path + ASIDE + half
            host.must(["cp", "-p", "--", path + half, aside], what="keeping the old key")


def _public(host: Host, path: str) -> str:
    return bare(host.read(f"{path}.pub").decode())


def _laid(host: Host, ask: Request) -> str:
    path = ask.target["key"] + LAID
    return _public(host, path) if host.exists(f"{path}.pub") else ""


def _test(host: Host, ask: Request) -> None:
    host.command(ask.target.get("test") or "sshd -t", what="checking sshd's configuration")


def _reload(host: Host, ask: Request) -> None:
    host.command(ask.target.get("reload") or "systemctl reload ssh", what="reloading sshd")


def _actions(target: dict[str, Any]) -> list[dict[str, Any]]:
    path, host = target["key"], target["host"]
    return [
        action("create", "lay a key beside", path, "nothing uses it yet", "remove it"),
        action("disable_old", "replace", path, f"{host} shows the new key", "the old one back"),
        action("destroy_old", "remove", path + ASIDE, "the host has lost it"),
    ]


def _names(ask: Request) -> str:
    host, port = ask.target["host"], ask.target.get("port", 22)
    own = host if port == 22 else f"[{host}]:{port}"
    names: str = ask.target.get("names") or own
    return names.replace(" ", "")


def _snapshot(ask: Request) -> str:
    public: str = ask.plan["snapshot"]["public"]
    return public


if __name__ == "__main__":
    rotate.main()
