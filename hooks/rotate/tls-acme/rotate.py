#!/usr/bin/env python3
"""Rotates a TLS key: a new pair, a certificate for it, the server on it, the old one revoked.

Renewing is not enough after a leak: a new certificate for the same key changes nothing.
The old certificate stays valid, wherever the thief uses it, until the CA has revoked it
with the reason keyCompromise. That cannot be undone, so it is what `disable_old` does;
all before it can be.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
import time
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from authority import KEY_COMPROMISE, SUPERSEDED, Authority
from checks import file_checks, listeners, outside_checks, run_test
from pair import id_of_certificate, id_of_key, names, new_key, request, serial, served

from leakguard.rotate.host import Host, reach
from leakguard.rotate.kit import Answer, Fail, Request, action, script

rotate = script()

CHALLENGES = ".well-known/acme-challenge"
ORDERED = ".leakguard-new"  # a certificate that came, and is not installed yet
ASIDE = ".leakguard-old"  # what the server used before
REVOKING = ".leakguard-revoking"  # the old certificate while the CA is being asked
REVOKED = ".leakguard-revoked"  # and from when the CA has said yes


@rotate.phase
def plan(ask: Request) -> Answer:
    """Look at the pair, at the listeners and at the account; order nothing."""
    with reach(ask) as host:
        pem = host.read(ask.target["certificate"])
        checks = [*file_checks(host, ask, pem), *outside_checks(ask, pem)]
    old = id_of_certificate(pem)
    return Answer(
        more={
            "actions": _actions(ask.target),
            "known": [old],
            "checks": checks,
            "old": {"id": old, "serial": serial(pem)},
            "snapshot": {"certificate": pem.decode(), "names": names(pem)},
        }
    )


@rotate.phase
def generate(_: Request) -> Answer:
    """A fresh P-256 key."""
    private = new_key()
    return Answer(new={"id": id_of_key(private)}, secrets={"new": private})


@rotate.phase
def create(ask: Request) -> Answer:
    """Order a certificate for the new key and put the server on both."""
    private = ask.secret("new")
    with reach(ask) as host:
        if _installed(host, ask) == id_of_key(private):
            _reload(host, ask)
            return Answer("already", new=_new(host, ask))
        pem = _ordered(host, ask, private)
        _install(host, ask, pem, private)
        return Answer(new=_new(host, ask), evidence=[{"serial": serial(pem)}])


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Every listener proves to have the new key."""
    end = time.monotonic() + min(15.0, ask.deadline / 2)
    while late := [one for one in listeners(ask.target) if _served(ask, one) != ask.new["id"]]:
        if time.monotonic() > end:
            raise Fail("conflict", f"{late[0]} serves another key", retryable=True)
        time.sleep(0.2)
    return Answer(
        evidence=[{"listener": one, "key": ask.new["id"]} for one in listeners(ask.target)]
    )


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Have the CA revoke the old certificate, for the reason that its key leaked."""
    pem = _old_certificate(ask)
    with reach(ask) as host:
        if ask.new and _installed(host, ask) == id_of_certificate(pem):
            raise Fail("conflict", "the server still uses the old certificate")
        path = ask.target["certificate"]
        host.write(path + REVOKING, pem, "0644")
        fresh = Authority(ask.target, ask.secret("account")).revoke(pem, KEY_COMPROMISE)
        host.must(["mv", "-f", "--", path + REVOKING, path + REVOKED], what="noting the revocation")
    return Answer("done" if fresh else "already", evidence=[{"revoked": serial(pem)}])


@rotate.phase
def probe(ask: Request) -> Answer:
    """What the listeners serve, and what the CA says of the old certificate.

    ACME has no question for that but to revoke again, which is asked only after
    `disable_old` has begun: alreadyRevoked is the CA's word.
    """
    old = id_of_certificate(_old_certificate(ask))
    try:
        found = {_served(ask, one) for one in listeners(ask.target)}
    except Fail:
        return Answer(
            more={"probe": {"new": "unreachable", "old": "unknown", "derived": "unknown"}}
        )
    new = "accepted" if found == {ask.new.get("id")} else "refused"
    answers = {"new": new, "old": "accepted", "derived": "none", "method": "metadata"}
    if old not in found:
        answers["old"] = _word_of_the_authority(ask)
    return Answer(more={"probe": answers})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Remove the leaked key from the host; the revoked certificate stays as a record."""
    with reach(ask) as host:
        aside = [ask.target[name] + ASIDE for name in ("key", "certificate")]
        if not any(host.exists(path) for path in aside):
            return Answer("already")
        for path in aside:
            host.remove(path)
    return Answer(evidence=[{"removed": path} for path in aside])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The old pair back to the server, and the new certificate revoked as superseded."""
    certificate, key = ask.target["certificate"], ask.target["key"]
    with reach(ask) as host:
        if _revocation(host, ask) != "active":
            raise Fail("unsupported", "the old certificate is revoked and cannot come back")
        if not host.exists(key + ASIDE):
            return Answer("already")
        pem = host.read(certificate)
        for path in (key, certificate):
            host.must(["mv", "-f", "--", path + ASIDE, path], what="restoring the pair")
        run_test(host, ask.target)
        _reload(host, ask)
    steps = ["gave the server its old pair back"]
    if id_of_certificate(pem) != id_of_certificate(_old_certificate(ask)):
        Authority(ask.target, ask.secret("account")).revoke(pem, SUPERSEDED)
        steps.append("revoked the new certificate as superseded")
    return Answer(observed=steps)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which pair is installed, and whether the old certificate is revoked."""
    with reach(ask) as host:
        installed = _installed(host, ask)
        revoked = _revocation(host, ask) == "disabled"
    new = ask.new.get("id", "")
    listed = [{"id": installed, "state": "active", "label": "installed"}]
    state = {
        "old": "disabled" if revoked else "active",
        "new": "active" if new and installed == new else "absent",
        "credentials": listed,
    }
    return Answer(more={"state": state})


def _ordered(host: Host, ask: Request, private: str) -> bytes:
    """The certificate for the new key: one that came before a crash, or a fresh one."""
    path = ask.target["certificate"] + ORDERED
    if host.exists(path) and id_of_certificate(pem := host.read(path)) == id_of_key(private):
        return pem
    laid: list[str] = []

    def lay(token: str, content: bytes) -> None:
        where = posixpath.join(_challenges(ask), _token(token))
        laid.append(where)
        host.must(["mkdir", "-p", "--", _challenges(ask)], what="making the challenge folder")
        host.write(where, content, "0644")

    try:
        wanted = ask.plan["snapshot"]["names"]
        pem = Authority(ask.target, ask.secret("account")).order(request(private, wanted), lay)
    finally:
        for where in laid:
            host.remove(where)
    host.write(path, pem, "0644")
    return pem


def _install(host: Host, ask: Request, pem: bytes, private: str) -> None:
    """Put the pair in place; when the server would not start with it, the old one back."""
    pairs = ((ask.target["key"], private.encode()), (ask.target["certificate"], pem))
    for path, content in pairs:
        if not host.exists(path + ASIDE):
            host.must(["cp", "-p", "--", path, path + ASIDE], what="keeping the old pair")
        host.write(path, content)
    try:
        run_test(host, ask.target)
    except Fail:
        for path, _ in pairs:
            host.must(["mv", "-f", "--", path + ASIDE, path], what="restoring the pair")
        raise
    _reload(host, ask)
    host.remove(ask.target["certificate"] + ORDERED)


def _reload(host: Host, ask: Request) -> None:
    host.command(ask.target.get("reload") or "nginx -s reload", what="reloading the server")


def _installed(host: Host, ask: Request) -> str:
    return id_of_certificate(host.read(ask.target["certificate"]))


def _new(host: Host, ask: Request) -> dict[str, str]:
    pem = host.read(ask.target["certificate"])
    return {"id": id_of_certificate(pem), "serial": serial(pem)}


def _revocation(host: Host, ask: Request) -> str:
    """How far the old certificate's end is; `unknown` when nobody saw the CA's answer."""
    path = ask.target["certificate"]
    if host.exists(path + REVOKED):
        return "disabled"
    return "unknown" if host.exists(path + REVOKING) else "active"


def _word_of_the_authority(ask: Request) -> str:
    pem = _old_certificate(ask)
    with reach(ask) as host:
        if _revocation(host, ask) == "active":
            return "accepted"
    try:
        fresh = Authority(ask.target, ask.secret("account")).revoke(pem, KEY_COMPROMISE)
    except Fail as fail:
        return "unreachable" if fail.kind in ("network", "timeout") else "unknown"
    return "unknown" if fresh else "refused"


def _actions(target: dict[str, Any]) -> list[dict[str, Any]]:
    pair, authority = target["certificate"], target["directory"]
    return [
        action("create", "order a certificate at", authority, "both are valid", "revoke it"),
        action("create", "replace", pair, "the server uses the new key", "the old pair back"),
        action("disable_old", "revoke at", authority, "the old certificate is void"),
        action("destroy_old", "remove", target["key"] + ASIDE, "the host has lost it"),
    ]


def _served(ask: Request, listener: str) -> str:
    return served(listener, ask.plan["snapshot"]["names"][0])


def _old_certificate(ask: Request) -> bytes:
    pem: str = ask.plan["snapshot"]["certificate"]
    return pem.encode()


def _challenges(ask: Request) -> str:
    return posixpath.join(ask.target["webroot"], CHALLENGES)


def _token(token: str) -> str:
    """A file name out of what the CA sent. Raises Fail when it is none."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", token):
        raise Fail("conflict", "the CA's token is no base64url")
    return token


if __name__ == "__main__":
    rotate.main()
