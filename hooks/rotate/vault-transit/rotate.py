#!/usr/bin/env python3
"""Rotates a Vault transit key, wraps what it wrapped anew, and closes the older versions.

Rotating alone ends nothing: Vault goes on unwrapping with every older version. So each
value below `wrapped` is rewrapped (with check-and-set, and from where it stopped after a
crash), and when none is left of an older version `min_decryption_version` is raised,
which can be taken back; trimming, which cannot, is the end. Copies that somebody took
while the old version was open stay readable with it: change what they protected, too.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import quote

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts import vault

rotate = script()

CANARY = base64.b64encode(b"leakguard").decode()
WRAPPED = re.compile(r"vault:v([0-9]+):")
TOO_OLD = "too old"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which versions are open, how much is wrapped with them, and whether we may."""
    checks = vault.may(ask, ask.secret("admin"), _needed(ask))
    if not all(one["ok"] for one in checks):
        return Answer(more={"known": [], "checks": checks, "actions": []})
    key = _key(ask)
    latest, least = key["latest_version"], key["min_decryption_version"]
    left = _left(ask, latest + 1)
    covered = bool(ask.target.get("wrapped")) or bool(ask.target.get("elsewhere"))
    why = "say where it is: wrapped=..., or elsewhere=true when nothing is left to wrap anew"
    checks += [check("what the key wrapped is known", covered, why), _writable(ask, left)]
    name = ask.target["key"]
    closed, undo = "older versions open nothing", f"lower it to {least} again"
    actions = [
        action("create", "rotate", name, f"version {latest + 1} wraps from then on", "not needed"),
        action(
            "disable_old", "rewrap", f"{len(left)} values", "the new one opens them", "not needed"
        ),
        action("disable_old", "raise min_decryption_version", name, closed, undo),
        action("destroy_old", "trim", name, "older versions are gone"),
    ]
    snapshot = {"latest": latest, "least": least, "canary": _wrap(ask, latest)}
    known = {"known": [str(latest)], "old": {"id": str(latest)}, "snapshot": snapshot}
    return Answer(more={"actions": actions, "checks": checks} | known)


@rotate.phase
def create(ask: Request) -> Answer:
    """Make the next version, unless an earlier try did."""
    planned = _planned(ask)
    latest = _key(ask)["latest_version"]
    if latest > planned + 1:
        raise Fail("conflict", f"somebody else made version {latest}: plan again")
    done = latest == planned + 1
    if ask.dry_run:
        return Answer(observed=[f"version {planned + 1} would be made"])
    if not done:
        vault.must(_admin(ask, "POST", f"{_path(ask)}/rotate", {}))
    version = planned + 1
    return Answer(
        "already" if done else "done",
        new={"id": str(version)},
        secrets={"new": _wrap(ask, version)},
        observed=[f"version {version} wraps from now on"],
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Open the canary that the new version wrapped."""
    match = WRAPPED.match(ask.secret("new"))
    if match is None or match[1] != str(ask.new["id"]):
        raise Fail("conflict", "the canary was wrapped by another version")
    if _open(ask, ask.secret("new")) != "accepted":
        raise Fail("auth", "the new version does not open what it wrapped")
    return Answer(observed=[f"version {ask.new['id']} opens what it wrapped"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Rewrap what older versions wrapped; when nothing is left, close them."""
    version = _new(ask)
    if _key(ask)["min_decryption_version"] >= version:
        return Answer("already", observed=[f"versions before {version} are closed"])
    left = _left(ask, version)
    if ask.dry_run:
        return Answer(observed=[f"{len(left)} values would be wrapped anew"])
    for path in sorted({path for path, _ in left}):
        _rewrap(ask, path, version)
    again = _left(ask, version)
    evidence = [{"rewrapped": len(left) - len(again), "left": len(again)}]
    if again:
        return Answer("pending", evidence=evidence, observed=[f"{len(again)} values are left"])
    _configure(ask, version)
    return Answer(evidence=evidence, observed=[f"versions before {version} are closed"])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Wrap and open with the present version, and try to open what the leaked one wrapped."""
    said: dict[str, Any] = {"method": "login", "derived": "unknown", "old": "unknown"}
    try:
        key = _key(ask)
        said["new"] = _open(ask, _wrap(ask, key["latest_version"]))
        if canary := ask.plan.get("snapshot", {}).get("canary"):
            said["old"] = _open(ask, canary)
        if said["new"] == "accepted" and ask.new.get("id"):
            said["derived"] = "alive" if _left(ask, _new(ask)) else "none"
    except Fail as fail:
        if fail.kind != "network":
            raise
        said |= {"new": "unreachable", "old": "unreachable"}
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    return Answer(more={"probe": said})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Trim the older versions away. Nothing that they wrapped will ever open again."""
    version = _new(ask)
    key = _key(ask)
    if key.get("min_available_version", 0) >= version:
        return Answer("already", observed=[f"versions before {version} are gone"])
    if key["min_decryption_version"] < version:
        raise Fail("conflict", "older versions are not closed yet")
    if not ask.dry_run:
        if key.get("min_encryption_version", 0) < version:
            vault.must(
                _admin(ask, "POST", f"{_path(ask)}/config", {"min_encryption_version": version})
            )
        vault.must(_admin(ask, "POST", f"{_path(ask)}/trim", {"min_available_version": version}))
    return Answer(observed=[f"versions before {version} are gone"])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Open the older versions again. The new version stays: what it wrapped needs it."""
    key, least = _key(ask), ask.plan.get("snapshot", {}).get("least", 1)
    if key.get("min_available_version", 0) > least:
        raise Fail("conflict", "the older versions are gone")
    if key["min_decryption_version"] <= least:
        return Answer("already", observed=["the older versions are open"])
    if not ask.dry_run:
        _configure(ask, least)
    return Answer(observed=[f"versions from {least} on are open again; the newest still wraps"])


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which versions are open now."""
    key = _key(ask)
    least, latest = key["min_decryption_version"], key["latest_version"]
    gone, planned = key.get("min_available_version", 0), _planned(ask)
    old = "absent" if gone > planned else "disabled" if least > planned else "active"
    listed = [{"id": str(one), "state": "active", "label": ""} for one in range(least, latest + 1)]
    state = {"old": old, "new": "active" if latest > planned else "absent", "credentials": listed}
    return Answer(more={"state": state})


# The key


def _path(ask: Request) -> str:
    return f"{_mount(ask)}/keys/{quote(ask.target['key'], safe='')}"


def _mount(ask: Request) -> str:
    return str(ask.target.get("mount") or "transit").strip("/")


def _key(ask: Request) -> dict[str, Any]:
    return vault.data(_admin(ask, "GET", _path(ask)))


def _planned(ask: Request) -> int:
    known = ask.plan.get("snapshot", {}).get("latest")
    if known is None:
        raise Fail("missing", "the plan says not which version leaked: plan first")
    return int(known)


def _new(ask: Request) -> int:
    version = int(ask.new.get("id") or 0)
    if version <= _planned(ask):
        raise Fail("conflict", "there is no new version yet")
    return version


def _wrap(ask: Request, version: int) -> str:
    """A canary, wrapped with one version; nothing secret is in it, and nothing is stored."""
    path = f"{_mount(ask)}/encrypt/{quote(ask.target['key'], safe='')}"
    body = {"plaintext": CANARY, "key_version": version}
    return str(vault.data(_admin(ask, "POST", path, body))["ciphertext"])


def _open(ask: Request, wrapped: str) -> str:
    path = f"{_mount(ask)}/decrypt/{quote(ask.target['key'], safe='')}"
    try:
        said = _admin(ask, "POST", path, {"ciphertext": wrapped})
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"
    if said.status_code == 200 and said.json()["data"]["plaintext"] == CANARY:
        return "accepted"
    return "refused" if said.status_code == 400 and TOO_OLD in said.text else "unknown"


def _configure(ask: Request, least: int) -> None:
    vault.must(_admin(ask, "POST", f"{_path(ask)}/config", {"min_decryption_version": least}))


# What it wrapped


def _kv(ask: Request, what: str, path: str) -> str:
    mount = (ask.target.get("wrapped_mount") or "secret").strip("/")
    return f"{mount}/{what}/{quote(path, safe='/')}"


def _paths(ask: Request, folder: str) -> list[str]:
    said = _admin(ask, "GET", f"{_kv(ask, 'metadata', folder)}?list=true")
    if said.status_code == 404:
        return []
    found = []
    for name in vault.data(said)["keys"]:
        path = f"{folder}{name}"
        found += _paths(ask, path) if name.endswith("/") else [path]
    return found


def _read(ask: Request, path: str) -> tuple[int, dict[str, Any]]:
    said = _admin(ask, "GET", _kv(ask, "data", path))
    if said.status_code == 404:
        return 0, {}  # deleted since it was listed, or only its history is left
    data = vault.data(said)
    return data["metadata"]["version"], data["data"]


def _left(ask: Request, version: int) -> list[tuple[str, str]]:
    """The fields that a version before this one wrapped."""
    if not ask.target.get("wrapped"):
        return []
    folder = ask.target["wrapped"].strip("/") + "/"
    return [
        (path, field)
        for path in _paths(ask, folder)
        for field, value in _read(ask, path)[1].items()
        if _older(value, version)
    ]


def _older(value: Any, version: int) -> bool:
    match = WRAPPED.match(value) if isinstance(value, str) else None
    return match is not None and int(match[1]) < version


def _rewrap(ask: Request, path: str, version: int) -> None:
    """Each field of one secret. Somebody else's write in between is left for the next round."""
    at, data = _read(ask, path)
    made = {
        field: _anew(ask, value) if _older(value, version) else value
        for field, value in data.items()
    }
    body = {"options": {"cas": at}, "data": made}
    said = _admin(ask, "POST", _kv(ask, "data", path), body)
    if not (said.status_code == 400 and vault.STALE in said.text):
        vault.must(said)


def _anew(ask: Request, wrapped: str) -> str:
    path = f"{_mount(ask)}/rewrap/{quote(ask.target['key'], safe='')}"
    said = _admin(ask, "POST", path, {"ciphertext": wrapped})
    if said.status_code == 400:
        raise Fail("conflict", "a value below `wrapped` was wrapped by another key")
    return str(vault.data(said)["ciphertext"])


def _admin(ask: Request, method: str, path: str, body: Any = None) -> Any:
    return vault.call(ask, method, path, body, token=ask.secret("admin"))


# What has to hold before


def _needed(ask: Request) -> dict[str, set[str]]:
    name, mount = quote(ask.target["key"], safe=""), _mount(ask)
    paths = {_path(ask): {"read"}}
    paths |= {f"{_path(ask)}/{one}": {"update"} for one in ("rotate", "config", "trim")}
    paths |= {f"{mount}/{one}/{name}": {"update"} for one in ("encrypt", "decrypt", "rewrap")}
    return paths


def _writable(ask: Request, left: list[tuple[str, str]]) -> dict[str, Any]:
    """Whether what is to be wrapped anew can be written, said in one line for all of it."""
    needed = {_kv(ask, "data", path): {"read", "update"} for path, _ in left}
    may = vault.may(ask, ask.secret("admin"), needed) if needed else []
    closed = [path for path, one in zip(needed, may, strict=True) if not one["ok"]]
    why = f"allow read, update: {', '.join(closed[:5])}"
    return check("the acting token may write what the key wrapped", not closed, why)


if __name__ == "__main__":
    rotate.main()
