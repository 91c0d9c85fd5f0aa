#!/usr/bin/env python3
"""Replaces a key of a TUF repository: root N+1 takes it out, signed by the old keys and the new.

Clients walk from root to root, so the next root is all that they need: it has the
signatures that the last one asks for and those that it asks for itself. Metadata of
other roles that the key signed gets the new signature first and loses the old one last,
so that no client ever finds a repository that does not fit.

A client that has not fetched the next root can still be given another one by whoever
holds the leaked key, where that key alone is enough: a threshold of two prevents it.
There is no way back: a client that has root N+1 takes none that does not follow it.
"""

from __future__ import annotations

import copy
import datetime as dt
import os
import sys
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from client import trusted
from repository import (
    file_of,
    fixed,
    id_in,
    newest_root,
    publish_root,
    read,
    roles_of,
    signers,
    write,
)

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script

rotate = script()


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which roles the leaked key signs for, and whether enough keys are here for the next root."""
    root = _root(ask)
    old = _old(ask, root)
    roles = roles_of(root, old)
    return Answer(
        more={
            "actions": _actions(root, roles),
            "known": sorted(root.signed.keys),
            "checks": _checks(ask, root, old, roles),
            "old": {"id": old},
            "snapshot": {"root": root.to_bytes().decode(), "roles": roles},
        }
    )


@rotate.phase
def generate(_: Request) -> Answer:
    """A fresh Ed25519 pair; only its public half leaves in the clear."""
    from securesystemslib.signer import CryptoSigner

    made = CryptoSigner.generate_ed25519()
    key = made.public_key
    new = {"id": key.keyid, "public": key.to_dict()}
    return Answer(new=new, secrets={"new": made.private_bytes.decode()})


@rotate.phase
def create(ask: Request) -> Answer:
    """Sign what the old key signed with the new one too, then publish the next root."""
    (signer,) = signers(ask.secret("new"))
    root, roles = _root(ask), ask.plan["snapshot"]["roles"]
    steps = [
        f"{role} has the new signature"
        for role in roles
        if role != "root" and _sign_too(file_of(_folder(ask), root, role), signer)
    ]
    if _old(ask, root) in root.signed.keys:
        following = _next_root(ask, root, signer)
        publish_root(_folder(ask), following)
        steps.append(f"root {following.signed.version} is published")
    return Answer("done" if steps else "already", new=ask.new, observed=steps)


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """A client that knows the last root has to end with one that lists the new key."""
    ask.secret("new")
    said = _new_said(ask)
    if said == "unreachable":
        raise Fail("network", "the repository does not answer", retryable=True)
    if said != "accepted":
        raise Fail("auth", "a client does not end with a root that lists the new key")
    return Answer(observed=["a client that knows the last root follows to the new key"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Nothing is left to do when the next root is out: it lists the old key no more."""
    root = _root(ask)
    if roles_of(root, _old(ask, root)):
        raise Fail("conflict", "the published root lists the old key: create comes first")
    return Answer("already", observed=[f"root {root.signed.version} does not list the old key"])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """Take the old key's signatures off the metadata, now that nobody asks for them."""
    root, steps = _root(ask), []
    old = _old(ask, root)
    if roles_of(root, old):
        raise Fail("conflict", "the published root lists the old key: create comes first")
    for role in [role for role in ask.plan["snapshot"]["roles"] if role != "root"]:
        path = file_of(_folder(ask), root, role)
        metadata = read(path)
        if metadata.signatures.pop(old, None):
            write(path, metadata)
            steps.append(f"{role} lost the old signature")
    return Answer("done" if steps else "already", observed=steps)


@rotate.phase
def probe(ask: Request) -> Answer:
    """Real clients, one with what is published, one that is handed forged metadata."""
    said: dict[str, str] = {"new": _new_said(ask), "old": "unknown"}
    if "old" in ask.secrets:
        said["old"] = _old_said(ask)
    elif said["new"] == "accepted":
        listed = roles_of(_root(ask), _old(ask, _root(ask)))
        said |= {"old": "accepted" if listed else "refused", "method": "metadata"}
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    # What it signed earlier is verified with the same root as what it signs now.
    said["derived"] = {"refused": "none", "accepted": "alive"}.get(said["old"], "unknown")
    return Answer(more={"probe": said})


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which keys the newest published root lists."""
    root = _root(ask)
    listed = sorted(root.signed.keys)
    new = ask.new.get("id")
    state = {
        "old": "active" if _old(ask, root) in listed else "absent",
        "new": ("active" if new in listed else "absent") if new else "unknown",
        "credentials": [
            {"id": one, "state": "active", "label": ", ".join(roles_of(root, one))}
            for one in listed
        ],
    }
    return Answer(more={"state": state})


# -- the plan


def _checks(ask: Request, root: Any, old: str, roles: list[str]) -> list[dict[str, Any]]:
    said = trusted(ask.target["url"], root.to_bytes())[0]
    held = {id_in(root, one) for one in _signers(ask)} & set(root.signed.roles["root"].keyids)
    threshold = root.signed.roles["root"].threshold
    more = max(0, threshold - len(held))
    stuck = fixed(_folder(ask), root, roles)
    return [
        check("the root lists the leaked key", bool(roles), "which is it?", found=", ".join(roles)),
        check("there are keys for the next root", not more, f"{more} more: slot signers"),
        check("the metadata may be written", os.access(_folder(ask), os.W_OK), "act as owner"),
        check("clients take what is published", said == "accepted", f"it is {said}"),
        check(
            "what it signed can be signed anew",
            not stuck,
            f"lengths or hashes of {', '.join(stuck)} are stated: use the repository's own tool",
        ),
        check("no delegation names it", not _delegated(ask, root, old), "replace it there"),
    ]


def _delegated(ask: Request, root: Any, old: str) -> bool:
    delegations = read(file_of(_folder(ask), root, "targets")).signed.delegations
    return delegations is not None and old in delegations.keys


def _actions(root: Any, roles: list[str]) -> list[dict[str, Any]]:
    following, again = root.signed.version + 1, ", ".join(set(roles) - {"root"}) or "nothing else"
    rows = (
        ("create", "sign too", again, "both keys have signed", None),
        ("create", "publish", f"root {following}",
         "clients that fetch it refuse the old key; others can be given another root by its holder",
         None),
        ("kill_derived", "take old signatures off", again, "nobody asks for them", None),
    )  # fmt: skip
    return [action(*row) for row in rows]


# -- keys and roots


def _folder(ask: Request) -> str:
    return str(ask.target["metadata_dir"])


def _root(ask: Request) -> Any:
    return newest_root(_folder(ask))


def _old(ask: Request, root: Any) -> str:
    if known := ask.plan.get("old", {}).get("id") or ask.old.get("id"):
        return str(known)
    (signer, *_) = signers(ask.secret("old")) or (None,)
    if signer is None:
        raise Fail("unsupported", "the leaked value is no private key in PEM")
    return id_in(root, signer)


def _signers(ask: Request) -> list[Any]:
    return signers(ask.secrets.get("old", ""), ask.secrets.get("signers", ""))


def _sign_too(path: str, signer: Any) -> bool:
    metadata = read(path)
    if signer.public_key.keyid in metadata.signatures:
        return False
    metadata.sign(signer, append=True)
    write(path, metadata)
    return True


def _next_root(ask: Request, root: Any, signer: Any) -> Any:
    """Root N+1, with the signatures that root N asks for and those that it asks for itself."""
    old, following = _old(ask, root), copy.deepcopy(root)
    for role in roles_of(root, old):
        following.signed.revoke_key(old, role)
        following.signed.add_key(signer.public_key, role)
    following.signed.version += 1
    following.signed.expires = _expiry(ask)
    _sign_root(following, root, [signer, *_signers(ask)])
    data = following.signed_bytes
    result = following.signed.get_root_verification_result(root.signed, data, following.signatures)
    if not result.verified:
        raise Fail("missing", "the next root needs signatures of more keys: slot signers")
    return following


def _sign_root(following: Any, root: Any, by: list[Any]) -> None:
    following.signatures.clear()
    wanted = {*root.signed.roles["root"].keyids, *following.signed.roles["root"].keyids}
    for one in by:
        key = id_in(root, one)
        if key in wanted:
            signature = one.sign(following.signed_bytes)
            signature.keyid = key
            following.signatures[key] = signature


def _expiry(ask: Request) -> dt.datetime:
    days = dt.timedelta(days=ask.target.get("root_days") or 365)
    return dt.datetime.now(dt.UTC).replace(microsecond=0) + days


# -- clients


def _new_said(ask: Request) -> str:
    new, known = ask.new.get("id"), ask.plan.get("snapshot", {}).get("root")
    if not new or not known:
        return "unknown"
    said, root = trusted(ask.target["url"], known.encode())
    if said == "accepted" and not roles_of(root, new):
        return "refused"
    return said


def _old_said(ask: Request) -> str:
    """What a client says that gets metadata which only those sign who could with the old key."""
    root = _root(ask)
    known = ask.plan.get("snapshot", {})
    start = known.get("root", root.to_bytes().decode()).encode()
    roles = known.get("roles") or roles_of(root, _old(ask, root))
    said = {trusted(ask.target["url"], start, _forged(ask, root, role))[0] for role in roles}
    order = ("accepted", "unreachable", "unknown", "refused")
    return next((state for state in order if state in said), "unknown")


def _forged(ask: Request, root: Any, role: str) -> dict[str, bytes]:
    """A file of a role, signed as the holder of the old key can: with as many as are asked for."""
    if role == "root":
        name, forged = f"{root.signed.version + 1}.root.json", copy.deepcopy(root)
        forged.signed.version += 1
    else:
        path = file_of(_folder(ask), root, role)
        name, forged = os.path.basename(path), read(path)
    forged.signatures.clear()
    threshold, allowed = root.signed.roles[role].threshold, root.signed.roles[role].keyids
    by = signers(ask.secret("old"))
    others = signers(ask.secrets.get("signers", ""))
    by += [one for one in others if id_in(root, one) in allowed][: threshold - 1]
    for one in by:
        signature = one.sign(forged.signed_bytes)
        signature.keyid = _old(ask, root) if one is by[0] else id_in(root, one)
        forged.signatures[signature.keyid] = signature
    return {name: forged.to_bytes()}


if __name__ == "__main__":
    rotate.main()
