#!/usr/bin/env python3
"""Replaces an SSH key that signs: allowed_signers gets the new one, a KRL gets the old one.

Two easier ways leave a door open. A line that is taken away comes back with the next
copy of the file. A line that gets `valid-before` still lets old-looking signatures
pass, and whoever holds the key chooses the date that a commit says. Only a key in the
list of revoked keys is refused whatever else is said; `destroy_old` puts it there.
Nobody can tell its honest signatures from forged ones then: what it signed is signed anew.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from leakguard.rotate.host import Host, agent, reach
from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts.ssh_keys import (
    KRL_MAGIC,
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


DATED = re.compile(r',?\s*valid-(?:before|after)="?\d+Z?"?')
"""A period in the options of a line; a new key starts without one."""

STATEMENT = b"leakguard asks whether this key is trusted\n"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Find the leaked key's lines, and whether the list of revoked keys is read and writable."""
    old_id = _old_id(ask)
    with reach(ask) as host:
        text = _allowed(host, ask)
        lines = [one for one in entries(text) if one.id == old_id]
        checks = _checks(host, ask, lines)
    public = lines[0].public if lines else _public_of_leaked(ask)
    return Answer(
        more={
            "actions": _actions(ask.target),
            "known": [one.id for one in entries(text)],
            "checks": checks,
            "old": {"id": old_id},
            "snapshot": {
                "public": _hidden(public),
                "lines": [(one.options, _hidden(one.public), one.comment) for one in lines],
                "options": [_undated(one.options) for one in lines],
            },
        }
    )


@rotate.phase
def generate(ask: Request) -> Answer:
    """A fresh Ed25519 pair; only its public half leaves in the clear."""
    private, public = new_pair()
    new = {"id": fingerprint(public), "label": _label(ask)}
    return Answer(new=new, secrets={"new": private})


@rotate.phase
def create(ask: Request) -> Answer:
    """Trust the new key for whatever the old one was trusted for."""
    # Not taken from the answer of `generate`: a private key in OpenSSH's form has its public
    # half in it, word for word, and so that was starred out there.
    public = public_half(ask.secret("new"))
    with reach(ask) as host:
        text = _allowed(host, ask)
        if entry(text, fingerprint(public)):
            return Answer("already", new=ask.new)
        for options in ask.plan["snapshot"]["options"]:
            text = with_line(text, f"{options}{public} {_label(ask)}")
        host.write(ask.target["allowed_signers"], text.encode())
    return Answer(new=ask.new, evidence=[{"trusted": fingerprint(public)}])


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Sign with the new key and verify as others do."""
    said = _tried(ask, "new")
    if said == "accepted":
        return Answer(evidence=[{"signature": "good", "key": ask.new.get("id", "")}])
    if said == "refused":
        raise Fail("auth", "a signature of the new key is not trusted")
    raise Fail("conflict", "the new key could not be tried: can both files be read?")


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Take the old key's lines away; `rollback` puts them back."""
    with reach(ask) as host:
        text = _allowed(host, ask)
        if not entry(text, _old_id(ask)):
            return Answer("already")
        kept = without_key(text, _old_id(ask))
        host.write(ask.target["allowed_signers"], kept.encode())
    return Answer(evidence=[{"removed": _old_id(ask)}])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Sign with both keys, and verify both signatures as others do."""
    said: dict[str, str] = {"new": _tried(ask, "new"), "old": _tried(ask, "old")}
    if said["old"] == "unknown" and said["new"] == "accepted":
        said |= {"old": _on_file(ask), "method": "metadata"}
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    # What it signed earlier is verified with the same files as what it signs now.
    said["derived"] = {"refused": "none", "accepted": "alive"}.get(said["old"], "unknown")
    return Answer(more={"probe": said})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Put the old key on the list of revoked keys: no line and no date brings it back."""
    path, public = ask.target["revoked_keys"], _public_of_old(ask)
    with reach(ask) as host:
        text = _allowed(host, ask)
        if entry(text, _old_id(ask)):
            kept = without_key(text, _old_id(ask))
            host.write(ask.target["allowed_signers"], kept.encode())
        listed = _revoked(host, ask)
        if is_revoked(listed, public):
            return Answer("already")
        host.write(path, revoke(listed, public), "0644")
    later = "what the old key signed no longer verifies: sign it anew after looking at it"
    return Answer(observed=[later], evidence=[{"revoked": _old_id(ask), "list": path}])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The old lines back where they were missing, the new ones away."""
    snapshot, steps = ask.plan["snapshot"], []
    with reach(ask) as host:
        if snapshot["public"] and is_revoked(_revoked(host, ask), _public_of_old(ask)):
            raise Fail("conflict", "the old key is on the list of revoked keys: it stays there")
        text = before = _allowed(host, ask)
        if not entry(text, _old_id(ask)):
            for options, public, comment in snapshot["lines"]:
                text = with_line(text, f"{options}{_shown(public)} {comment}".rstrip())
            steps.append(f"{_old_id(ask)} is trusted again")
        if ask.new and entry(text, ask.new["id"]):
            text = without_key(text, ask.new["id"])
            steps.append(f"{ask.new['id']} is no longer trusted")
        if text != before:
            host.write(ask.target["allowed_signers"], text.encode())
    return Answer("done" if steps else "already", observed=steps)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which keys both files trust now. `disabled` is a key on the list of revoked keys."""
    with reach(ask) as host:
        text, listed = _allowed(host, ask), _revoked(host, ask)
    found = {one.id: "disabled" if is_revoked(listed, one.public) else "active"
             for one in entries(text)}  # fmt: skip
    old, public = _old_id(ask), _public_of_old(ask)
    if public and is_revoked(listed, public):
        found[old] = "disabled"
    label = {one.id: one.comment for one in entries(text)}
    state = {
        "old": found.get(old, "absent"),
        "new": found.get(ask.new["id"], "absent") if ask.new.get("id") else "unknown",
        "credentials": [
            {"id": one, "state": how, "label": label.get(one, "")} for one, how in found.items()
        ],
    }
    return Answer(more={"state": state})


# -- the plan


def _checks(host: Host, ask: Request, lines: list[Any]) -> list[dict[str, Any]]:
    path, krl = ask.target["allowed_signers"], ask.target["revoked_keys"]
    dated = [one for one in lines if one.options != _undated(one.options)]
    checks = [
        check("the leaked key is trusted", bool(lines), "it is in no line: was it removed?"),
        check(
            "allowed_signers can be changed",
            host.writable(path),
            f"act as owner: {path}",
            found=path,
        ),
        check(
            "the list of revoked keys can be changed", host.writable(krl), f"see {krl}", found=krl
        ),
        check(
            "the list of revoked keys can be read",
            _readable(_revoked(host, ask)),
            "it is neither a KRL nor a list of keys: verifiers refuse everybody",
            found=krl,
        ),
    ]
    if dated:
        why = "valid-before does not help: a signature may say any date; the key gets revoked"
        checks.append(check("the leaked key has no period", True, found=why))
    if ask.target.get("git_config"):
        checks.append(_git_check(host, ask))
    return checks


def _git_check(host: Host, ask: Request) -> dict[str, Any]:
    """git reads no list of revoked keys unless it is told to."""
    wanted = {
        "gpg.ssh.allowedSignersFile": ask.target["allowed_signers"],
        "gpg.ssh.revocationFile": ask.target["revoked_keys"],
    }
    wrong = [name for name, path in wanted.items() if _git_says(host, ask, name) != path]
    way = f"set {', '.join(wrong)} in {ask.target['git_config']}"
    return check("git reads both files", not wrong, way)


def _git_says(host: Host, ask: Request, name: str) -> str:
    ran = host.run(["git", "config", "--file", ask.target["git_config"], "--path", name])
    return ran.out.decode("utf-8", "replace").strip()


def _actions(target: dict[str, Any]) -> list[dict[str, Any]]:
    allowed, krl = target["allowed_signers"], target["revoked_keys"]
    rows = (
        ("create", "trust the new key in", allowed, "both keys are trusted", "remove its line"),
        ("disable_old", "remove the old key from", allowed, "it is not trusted", "put it back"),
        ("destroy_old", "revoke the old key in", krl,
         "nothing it ever signed verifies, whatever date it says", None),
    )  # fmt: skip
    return [action(*row) for row in rows]


# -- keys and files


def _old_id(ask: Request) -> str:
    known = ask.plan.get("old", {}).get("id") or ask.old.get("id")
    return str(known or fingerprint(public_half(ask.secret("old"))))


def _public_of_leaked(ask: Request) -> str:
    return public_half(ask.secrets["old"]) if "old" in ask.secrets else ""


def _public_of_old(ask: Request) -> str:
    return _shown(ask.plan.get("snapshot", {}).get("public", ""))


def _hidden(public: str) -> str:
    """A public key in hex: as text it is a part of the private one, and would be starred out."""
    kind, _, blob = public.partition(" ")
    return f"{kind} {base64.b64decode(blob).hex()}" if blob else ""


def _shown(hidden: str) -> str:
    kind, _, blob = hidden.partition(" ")
    return f"{kind} {base64.b64encode(bytes.fromhex(blob)).decode()}" if blob else ""


def _label(ask: Request) -> str:
    return f"leakguard-{ask.rotation}"


def _undated(options: str) -> str:
    """The options without a period; `principal ,rest` does not come out of it."""
    return re.sub(r"^(\S+\s+),", r"\1", DATED.sub("", options)).rstrip() + " "


def _allowed(host: Host, ask: Request) -> str:
    return host.read(ask.target["allowed_signers"]).decode()


def _revoked(host: Host, ask: Request) -> bytes:
    path = ask.target["revoked_keys"]
    return host.read(path) if host.exists(path) else b""


def _readable(listed: bytes) -> bool:
    """Whether ssh-keygen takes it: with a list that it cannot read nothing verifies."""
    if not listed.startswith(KRL_MAGIC):
        return all(entries(line) for line in listed.decode("utf-8", "replace").splitlines()
                   if line.strip() and line.strip()[0] != "#")  # fmt: skip
    Path("krl").write_bytes(listed)
    asked = subprocess.run(
        ["ssh-keygen", "-Q", "-l", "-f", "krl"], capture_output=True, check=False
    )
    return asked.returncode == 0


# -- signing and verifying


def _tried(ask: Request, slot: str) -> str:
    """What verifiers say of a signature that a slot's key makes now."""
    if slot not in ask.secrets:
        return "unknown"
    try:
        with reach(ask) as host:
            allowed, listed = _allowed(host, ask), _revoked(host, ask)
    except Fail as fail:
        return "unreachable" if fail.kind in ("network", "not_found") else "unknown"
    try:
        signature = _signed(ask, ask.secrets[slot])
    except Fail:
        return "unknown"  # a passphrase that nobody knows
    if not _readable(listed):
        return "unknown"  # everybody is refused: that says nothing of this key
    return _verified(ask, signature, allowed, listed)


def _signed(ask: Request, private: str) -> bytes:
    """A signature by the real program; the key only ever is in an agent's memory."""
    Path("signer.pub").write_text(f"{public_half(private)}\n", encoding="ascii")
    with agent(private) as socket:
        done = subprocess.run(
            ["ssh-keygen", "-Y", "sign", "-f", "signer.pub", "-n", ask.target["namespace"]],
            input=STATEMENT, capture_output=True, check=False,
            env={**os.environ, "SSH_AUTH_SOCK": socket},
        )  # fmt: skip
    if done.returncode:
        raise Fail("unsupported", "ssh-keygen could not sign with the key")
    return done.stdout


def _verified(ask: Request, signature: bytes, allowed: str, listed: bytes) -> str:
    Path("allowed").write_text(allowed, encoding="utf-8")
    Path("signature").write_bytes(signature)
    Path("listed").write_bytes(listed)
    words = ["-f", "allowed", "-r", "listed"] if listed else ["-f", "allowed"]
    words += ["-I", ask.target["principal"], "-n", ask.target["namespace"], "-s", "signature"]
    done = subprocess.run(
        ["ssh-keygen", "-Y", "verify", *words], input=STATEMENT, capture_output=True, check=False
    )
    if done.returncode == 0:
        return "accepted"
    return "refused" if b"Could not verify signature" in done.stdout + done.stderr else "unknown"


def _on_file(ask: Request) -> str:
    with reach(ask) as host:
        text, listed = _allowed(host, ask), _revoked(host, ask)
    public = _public_of_old(ask)
    if public and is_revoked(listed, public):
        return "refused"
    return "accepted" if entry(text, _old_id(ask)) else "refused"


if __name__ == "__main__":
    rotate.main()
