#!/usr/bin/env python3
"""Rotates a key of authorized_keys: add the new line, log in, remove the old, revoke it.

Removing the line is not enough: whoever manages the file may put it back. Only a key
in RevokedKeys stays refused, so `destroy_old` puts it there. Sessions outlive the key;
`kill_derived` ends those that its fingerprint opened.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import sessions

from leakguard.rotate.host import Host, agent, client, door, reach, refusal
from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts.ssh_keys import (
    Entry,
    entries,
    entry,
    fingerprint,
    is_revoked,
    new_pair,
    public_half,
    revoke,
    with_line,
    without_key,
)

rotate = script()


@rotate.phase
def plan(ask: Request) -> Answer:
    """Find the leaked key's line, and whether everything a later phase touches is there."""
    old_id = _old_id(ask)
    with reach(ask) as host:
        text = _authorized(host, ask)
        old = entry(text, old_id)
        checks = [*_checks(host, ask, old, old_id)]
    return Answer(
        more={
            "actions": _actions(ask.target),
            "known": [one.id for one in entries(text)],
            "checks": checks,
            "old": {"id": old_id},
            "snapshot": _snapshot(old),
        }
    )


@rotate.phase
def generate(ask: Request) -> Answer:
    """A fresh Ed25519 pair; only its public half leaves in the clear."""
    private, public = new_pair()
    new = {"id": fingerprint(public), "public": public, "label": _label(ask)}
    return Answer(new=new, secrets={"new": private})


@rotate.phase
def create(ask: Request) -> Answer:
    """Add the new key, with the options of the old line."""
    public = ask.new["public"]
    with reach(ask) as host:
        text = _authorized(host, ask)
        if entry(text, fingerprint(public)):
            return Answer("already", new=ask.new)
        options = ask.plan["snapshot"]["options"]
        _write(host, ask, with_line(text, f"{options}{public} {_label(ask)}"))
    return Answer(new=ask.new, evidence=[{"added": fingerprint(public)}])


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Log in with the new key and the real client."""
    answer = _login(ask, "new")
    if answer == "accepted":
        return Answer(evidence=[{"login": ask.target["user"], "key": ask.new["id"]}])
    if answer == "refused":
        raise Fail("auth", "sshd refuses the new key")
    raise Fail("network", "sshd cannot be reached to try the new key", retryable=True)


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Take the old key's line away."""
    with reach(ask) as host:
        text = _authorized(host, ask)
        if not entry(text, _old_id(ask)):
            return Answer("already")
        _write(host, ask, without_key(text, _old_id(ask)))
    return Answer(evidence=[{"removed": _old_id(ask)}])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """End the sessions that the old key opened."""
    with reach(ask) as host:
        ended = sessions.end(host, _log(ask), _old_id(ask))
        left = sessions.open_sessions(host, _log(ask), _old_id(ask))
    if left:
        raise Fail("permission", f"{len(left)} processes of the old key's sessions live on")
    return Answer("done" if ended else "already", evidence=[{"processes_ended": ended}])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Knock with both keys, and look for sessions that the old one left behind."""
    answers = {"new": _login(ask, "new"), "old": _login(ask, "old"), "derived": _derived(ask)}
    if answers["old"] == "refused":
        answers["old_error"] = "auth"
    if answers["old"] == "unknown" and answers["new"] == "accepted":
        answers |= {"old": _on_file(ask), "method": "metadata"}
    return Answer(more={"probe": answers})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Put the old key on the list that sshd refuses whatever authorized_keys says."""
    path, public = ask.target.get("revoked_keys", ""), ask.plan["snapshot"]["public"]
    with reach(ask) as host:
        text = _authorized(host, ask)
        if entry(text, _old_id(ask)):
            _write(host, ask, without_key(text, _old_id(ask)))
        if not path:
            return Answer(observed=["no revoked_keys: a key that is added again works again"])
        krl = host.read(path)
        if is_revoked(krl, public):
            return Answer("already")
        host.write(path, revoke(krl, public), "0644")
    return Answer(evidence=[{"revoked": _old_id(ask), "list": path}])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The old line back where it was missing, the new one away."""
    steps: list[str] = []
    snapshot = ask.plan["snapshot"]
    with reach(ask) as host:
        text = before = _authorized(host, ask)
        if snapshot["public"] and not entry(text, _old_id(ask)):
            text = with_line(text, f"{snapshot['options']}{snapshot['public']} leakguard rollback")
            steps.append("put the old key back into authorized_keys")
        if ask.new and entry(text, ask.new["id"]):
            text = without_key(text, ask.new["id"])
            steps.append("took the new key out of authorized_keys")
        if text != before:
            _write(host, ask, text)
    return Answer("done" if steps else "already", observed=steps)


@rotate.phase
def observe(ask: Request) -> Answer:
    """What authorized_keys and the list of revoked keys hold now."""
    with reach(ask) as host:
        text = _authorized(host, ask)
        old = "disabled" if _revoked(host, ask) else _state(text, _old_id(ask))
    listed = [{"id": one.id, "state": "active", "label": one.comment} for one in entries(text)]
    state = {"old": old, "new": _state(text, ask.new.get("id", "")), "credentials": listed}
    return Answer(more={"state": state})


def _checks(host: Host, ask: Request, old: Entry | None, old_id: str) -> list[dict[str, Any]]:
    path = ask.target["authorized_keys"]
    found = [
        check("the leaked key is in authorized_keys", old is not None, path),
        check("authorized_keys can be changed", host.writable(path), path),
        check("the responder's key is not the leaked one", not _is_self(ask, old_id), old_id),
        check("sshd shows the pinned host key", *_host_key(ask)),
        check("sessions can be found in sshd's log", *_log_readable(host, ask)),
    ]
    return [*found, *_revocation_checks(host, ask)]


def _revocation_checks(host: Host, ask: Request) -> list[dict[str, Any]]:
    path, config = ask.target.get("revoked_keys", ""), ask.target.get("sshd_config", "")
    if not path:
        note = "none is named: a key that somebody adds again works again"
        return [check("there is a list of revoked keys", True, found=note)]
    there = host.exists(path) and host.writable(path)
    found = [check("the list of revoked keys can be changed", there, path)]
    if config:
        found.append(check("sshd reads that list", _reads(host, config, path), config))
    return found


def _reads(host: Host, config: str, path: str) -> bool:
    said = host.run(["/usr/sbin/sshd", "-T", "-f", config])
    return f"revokedkeys {path}" in said.out.decode("utf-8", "replace").splitlines()


def _host_key(ask: Request) -> tuple[bool, str]:
    """A login without any key is refused after the host key was checked."""
    words = client("none", _sshd(ask.target), "-N")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    why = refusal(done.stderr)
    return why.kind == "auth", "" if why.kind == "auth" else why.message


def _log_readable(host: Host, ask: Request) -> tuple[bool, str]:
    try:
        sessions.open_sessions(host, _log(ask), "")
    except Fail as fail:
        return False, fail.message
    return True, _log(ask)


def _actions(target: dict[str, Any]) -> list[dict[str, Any]]:
    path, krl = target["authorized_keys"], target.get("revoked_keys", "")
    return [
        action("create", "add a line to", path, "both keys log in", "remove the line"),
        action("disable_old", "remove a line from", path, "the old key is refused", "add it"),
        action("kill_derived", "end sessions on", target["host"], "clients reconnect"),
        action("destroy_old", "add the key to", krl or "nothing", "it never works again"),
    ]


def _snapshot(old: Entry | None) -> dict[str, str]:
    if old is None:
        return {"options": "", "public": "", "comment": ""}
    return {"options": old.options, "public": old.public, "comment": old.comment}


def _is_self(ask: Request, old_id: str) -> bool:
    if ask.target.get("transport", "local") == "local":
        return False
    return fingerprint(public_half(ask.secret("responder"))) == old_id


def _old_id(ask: Request) -> str:
    known = ask.old.get("id") or ask.plan.get("old", {}).get("id")
    return known or fingerprint(public_half(ask.secret("old")))


def _login(ask: Request, slot: str) -> str:
    """How sshd answers a key. No session opens, so a forced command does not run."""
    if slot not in ask.secrets:
        return "unknown"
    try:
        with agent(ask.secret(slot)) as socket:
            return _knock(client(socket, _sshd(ask.target), "-N", "-o", "LogLevel=VERBOSE"))
    except Fail:
        return "unknown"  # a passphrase nobody knows


def _knock(words: tuple[str, ...]) -> str:
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, errors="replace") as ssh:
        said = ""
        for line in ssh.stderr or ():
            said += line
            if line.startswith("Authenticated to"):
                ssh.kill()
                return "accepted"
    return {"auth": "refused", "network": "unreachable"}.get(refusal(said).kind, "unknown")


def _derived(ask: Request) -> str:
    try:
        with reach(ask) as host:
            return "alive" if sessions.open_sessions(host, _log(ask), _old_id(ask)) else "none"
    except Fail:
        return "unknown"


def _on_file(ask: Request) -> str:
    """What the files say of a key that nobody can try."""
    with reach(ask) as host:
        listed = entry(_authorized(host, ask), _old_id(ask))
        return "accepted" if listed and not _revoked(host, ask) else "refused"


def _revoked(host: Host, ask: Request) -> bool:
    path, public = ask.target.get("revoked_keys", ""), ask.plan["snapshot"]["public"]
    return bool(path and public) and is_revoked(host.read(path), public)


def _state(text: str, key_id: str) -> str:
    return "active" if key_id and entry(text, key_id) else "absent"


def _sshd(target: dict[str, Any]) -> dict[str, Any]:
    return {**door(target), "user": target["user"]}


def _authorized(host: Host, ask: Request) -> str:
    return host.read(ask.target["authorized_keys"]).decode("utf-8", "replace")


def _write(host: Host, ask: Request, text: str) -> None:
    host.write(ask.target["authorized_keys"], text.encode())


def _label(ask: Request) -> str:
    return f"leakguard-{ask.rotation}"


def _log(ask: Request) -> str:
    log: str = ask.target.get("login_log") or "/var/log/auth.log"
    return log


if __name__ == "__main__":
    rotate.main()
