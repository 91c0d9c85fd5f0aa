#!/usr/bin/env python3
"""Replaces an OpenPGP key that signs: a new key, new signatures, trust shipped, the old revoked.

`gpg --verify` ends with 0 for a signature of a revoked key; only its status line
REVKEYSIG tells. A key that is merely deleted comes back with the next key file that
somebody imports, so the proof is that every home that verifies says REVKEYSIG.

A signature vouches for what lies there: with `digests` from before the leak nothing is
signed anew that was changed since.
"""

from __future__ import annotations

import os
import sys
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import artefacts
from gpg import fresh, home
from trust import (
    STATEMENT,
    certificate,
    forget,
    is_revoked,
    new_of,
    old_of,
    publish,
    revive,
    revoke,
    sample,
    ship,
    snapshot_of,
)

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script

rotate = script()


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which key leaked, who verifies with it, and whether it can be revoked. Changes nothing."""
    old = old_of(ask)
    with home(ask.target["signer_home"]) as signer:
        known, user = list(signer.held(secret=True)), signer.held().get(old)
    snapshot: dict[str, Any] = {"user": user.user if user else "", "sample": sample(ask, old)}
    snapshot["homes"] = {path: _trust(path, old, snapshot["sample"]) for path in _homes(ask)}
    more = {
        "actions": _actions(ask, old),
        "known": known,
        "checks": [*_checks(ask, old, snapshot), *artefacts.checks(ask.target, _verdicts(ask))],
        "old": {"id": old},
        "snapshot": snapshot,
    }
    return Answer(more=more)


@rotate.phase
def generate(ask: Request) -> Answer:
    """A new pair, made in a home of its own that is gone afterwards."""
    user = ask.target.get("user_id") or ask.plan.get("snapshot", {}).get("user", "")
    if not user:
        raise Fail("missing", "nobody says what the new key is called: user_id")
    word = ask.secrets.get("passphrase", "")
    how = [ask.target.get("algorithm") or "ed25519", "sign", ask.target.get("expires") or "2y"]
    with fresh() as made:
        made.run("--quick-generate-key", user, *how, passphrase=word)
        key = next(iter(made.held()), "")
        if not key:
            raise Fail("unsupported", "gpg makes no key of this algorithm")
        private = made.private(key, word)
    return Answer(new={"id": key}, secrets={"new": private})


@rotate.phase
def create(ask: Request) -> Answer:
    """The new key signs, verifiers trust it like the old one, signatures are made anew."""
    new, steps = new_of(ask), []
    with home(ask.target["signer_home"]) as signer:
        if new not in signer.held(secret=True):
            if not signer.take(ask.secret("new")):
                raise Fail("conflict", "the signer's home does not take the new key")
            steps.append("the signer has the new key")
        public = signer.public(new)
    steps += [f"trusted in {path}" for path in _homes(ask) if ship(ask, path, public)]
    steps += [f"signed anew: {path}" for path in _sign_anew(ask)]
    if publish(ask, [public]):
        steps.append(f"published in {ask.target['published']}")
    return Answer("done" if steps else "already", new=ask.new, observed=steps)


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Sign with the new key; every home has to verify it, with the trust the old one had."""
    ask.secret("new")
    said = _new_judged(ask)
    for path, (state, _, trusted) in said.items():
        if state != "good":
            raise Fail("auth", f"a signature of the new key is not good in {path}: {state}")
        if snapshot_of(ask)["homes"].get(path, {}).get("trusted") and not trusted:
            raise Fail("auth", f"{path} trusts the new key less than the old one: "
                               f"gpg --homedir {path} --quick-lsign-key {new_of(ask)}")  # fmt: skip
    return Answer(observed=[f"good in {len(said)} homes"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Revoke the old key in every home that verifies; `rollback` can take that back there."""
    old = old_of(ask)
    paths = [path for path in _homes(ask) if not is_revoked(path, old)]
    if not paths:
        return Answer("already", observed=[f"{old} is revoked everywhere"])
    proof = certificate(ask, old)
    for path in paths:
        revoke(ask, path, proof)
    return Answer(observed=[f"revoked in {path}" for path in paths])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """Replace signatures of the old key that lie beside artefacts after all."""
    old = old_of(ask)
    if not ask.new.get("id"):
        return Answer("already", observed=["artefacts are signed anew when there is a new key"])
    again = _sign_anew(ask)
    left = [one for one, (_, key) in artefacts.signers(ask.target, _verdicts(ask)).items()
            if key == old]  # fmt: skip
    evidence = [{"signed_anew": len(again), "left": len(left)}]
    kept = [f"not signed anew, it was changed since: {path}" for path in left]
    return Answer("done" if again else "already", observed=kept, evidence=evidence)


@rotate.phase
def probe(ask: Request) -> Answer:
    """What every home says of a signature of each key: the liveliest answer counts."""
    said: dict[str, str] = {"new": "unknown", "old": "unknown"}
    if ask.new.get("id"):
        said["new"] = _or_unreachable(_new_said, ask)
    said["old"] = _or_unreachable(_old_said, ask)
    if not snapshot_of(ask)["sample"] and said["old"] != "unreachable":
        said |= {"old": _old_listed(ask), "method": "metadata"}
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    # What it signed earlier stands and falls with what it signs now.
    said["derived"] = {"refused": "none", "accepted": "alive"}.get(said["old"], "unknown")
    return Answer(more={"probe": said})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Publish the revocation, and let the signer refuse the old key as well."""
    old, steps = old_of(ask), []
    proof = ""
    for path in [ask.target["signer_home"], *_homes(ask)]:
        if not is_revoked(path, old):
            proof = proof or certificate(ask, old)
            revoke(ask, path, proof)
            steps.append(f"revoked in {path}")
    with home(ask.target["signer_home"]) as signer:
        public = signer.public(old)
    if publish(ask, [public]):
        steps.append(f"the revocation is published in {ask.target['published']}")
    # It may still be needed to decrypt: the private half stays where it is.
    return Answer("done" if steps else "already", observed=steps)


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The old key good again in every home that verifies, and beside the artefacts."""
    old, new = old_of(ask), ask.new.get("id", "")
    if is_revoked(ask.target["signer_home"], old):
        raise Fail("conflict", "the revocation is published: it cannot be taken back")
    homes = snapshot_of(ask)["homes"].items()
    steps = [f"{old} is good again in {path}" for path, was in homes if revive(path, old, was)]
    if new:
        steps += [f"signed with the old key: {one}" for one in _sign_anew(ask, by=old, of=new)]
        steps += [f"{new} is no longer in {path}" for path, _ in homes if forget(path, new)]
    return Answer("done" if steps else "already", observed=steps)


@rotate.phase
def observe(ask: Request) -> Answer:
    """What the homes that verify hold now; the old one is active while one of them takes it."""
    old, new = old_of(ask), ask.new.get("id", "")
    held: list[dict[str, Any]] = []
    for path in _homes(ask):
        with home(path) as one:
            held.append(one.held())
    with home(ask.target["signer_home"]) as signer:
        ours = signer.held(secret=True)
    names = sorted({name for keys in held for name in keys})
    there = bool(new) and new in ours and all(new in keys for keys in held)
    state = {
        "old": _state_of_old(held, old),
        "new": ("active" if there else "absent") if new else "unknown",
        "credentials": [{"id": name, "state": _state(held, name), "label": ""} for name in names],
    }
    return Answer(more={"state": state})


# -- the plan


def _checks(ask: Request, old: str, snapshot: dict[str, Any]) -> list[dict[str, Any]]:
    has = [path for path, was in snapshot["homes"].items() if was["public"]]
    lacks = sorted(set(_homes(ask)) - set(has))
    return [
        check(
            "homes that verify know the leaked key", bool(has), "none has it", found=f"{len(has)}"
        ),
        check("every home is there to be written", _writable(ask), "act as their owners"),
        check(
            "the leaked key can be revoked",
            bool(certificate(ask, old, needed=False)),
            "supply the leaked key and old_passphrase, or name revocation_certificate",
            found=f"without it so far: {', '.join(lacks)}" if lacks else "",
        ),
    ]


def _writable(ask: Request) -> bool:
    return all(os.access(path, os.W_OK) for path in [ask.target["signer_home"], *_homes(ask)])


def _actions(ask: Request, old: str) -> list[dict[str, Any]]:
    homes, published = ask.target["consumer_homes"], ask.target.get("published") or "nowhere"
    rows = (
        ("create", "trust the new key in", homes, "both keys verify", "delete it there"),
        ("create", "sign anew", ask.target.get("artefacts") or "nothing",
         "signatures are the new key's", "none: the old signatures are gone"),
        ("disable_old", "revoke", f"{old} in {homes}", "its signatures say REVKEYSIG",
         "delete the key there and import it again"),
        ("destroy_old", "publish the revocation in", published, "it is revoked for good", None),
    )  # fmt: skip
    return [action(*row) for row in rows]


def _trust(path: str, old: str, sample: str) -> dict[str, Any]:
    """What a home has of the key, in hex: armour has lines in common with the private half's,
    and would be starred out of the plan as if it were secret.
    """
    with home(path) as one:
        was = {
            "public": one.public(old).hex(),
            "owner_trust": one.owner_trust(old),
            "trusted": False,
        }
        if sample:
            was["trusted"] = one.judge(bytes.fromhex(sample), STATEMENT)[2]
    return was


# -- signatures


def _homes(ask: Request) -> list[str]:
    return [one.strip() for one in ask.target["consumer_homes"].split(",") if one.strip()]


def _verdicts(ask: Request) -> Any:
    """How homes that verify judge a signature: the first that knows the key."""

    def judge(signature: bytes, data: bytes) -> tuple[str, str]:
        for path in _homes(ask):
            with home(path) as one:
                said = one.judge(signature, data)[:2]
            if said[0] != "no key":
                break
        return said

    return judge


def _sign_anew(ask: Request, by: str = "", of: str = "") -> list[str]:
    """Replace signatures of the old key with the new one's, or as `by` and `of` say."""
    by, of = by or new_of(ask), of or old_of(ask)
    slot = "passphrase" if by == ask.new.get("id") else "old_passphrase"
    with home(ask.target["signer_home"]) as signer:
        return artefacts.sign_anew(
            ask.target, _verdicts(ask), of,
            lambda data, armour: signer.sign(by, data, ask.secrets.get(slot, ""), armour=armour),
        )  # fmt: skip


def _new_judged(ask: Request) -> dict[str, tuple[str, str, bool]]:
    with home(ask.target["signer_home"]) as signer:
        made = signer.sign(new_of(ask), STATEMENT, ask.secrets.get("passphrase", ""))
    return _judged(ask, made)


def _judged(ask: Request, signature: bytes) -> dict[str, tuple[str, str, bool]]:
    said = {}
    for path in _homes(ask):
        with home(path) as one:
            said[path] = one.judge(signature, STATEMENT)
    return said


def _or_unreachable(look: Any, ask: Request) -> str:
    try:
        return str(look(ask))
    except Fail as fail:
        return "unreachable" if fail.kind == "not_found" else "unknown"


def _new_said(ask: Request) -> str:
    states = {state for state, _, _ in _new_judged(ask).values()}
    if states == {"good"}:
        return "accepted"
    return "refused" if states & {"no key", "revoked", "expired"} else "unknown"


def _old_said(ask: Request) -> str:
    """Only REVKEYSIG is a refusal: a home without the key takes it when somebody brings it."""
    sample = snapshot_of(ask)["sample"]
    states = {state for state, _, _ in _judged(ask, bytes.fromhex(sample)).values()}
    if "good" in states:
        return "accepted"
    return "refused" if states == {"revoked"} else "unknown"


def _old_listed(ask: Request) -> str:
    said = [is_revoked(path, old_of(ask)) for path in _homes(ask)]
    return "refused" if all(said) else "accepted"


def _state_of_old(held: list[dict[str, Any]], old: str) -> str:
    """It has not ended before every home knows the revocation, also one that lacks the key."""
    if any(old in keys for keys in held) and not all(old in keys for keys in held):
        return "active"
    return _state(held, old)


def _state(held: list[dict[str, Any]], name: str) -> str:
    found = [keys[name] for keys in held if name in keys]
    if not found:
        return "absent"
    return "disabled" if all(key.revoked for key in found) else "active"


if __name__ == "__main__":
    rotate.main()
