#!/usr/bin/env python3
"""Replaces a passphrase of a LUKS2 volume: a keyslot for the new one, the leaked one's wiped.

A keyslot only wraps the key of the volume, and that stays. Whoever copied the header (a
backup, a snapshot, a stolen disk) opens the copy with the leaked passphrase for ever,
and who opened the volume once may have its key: `cryptsetup reencrypt` is what helps then.

Passphrases go to cryptsetup through pipes. The last way into a volume is never wiped.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from contextlib import ExitStack
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts.pipe import pipe

rotate = script()


MAX_SLOTS = 32
BAD_PASSPHRASE, BAD_DEVICE = 2, 4
"""How cryptsetup ends, from its manual."""

RESIDUAL = (
    "copies of the header that were taken before still open with the old passphrase:"
    " if one may be out, run cryptsetup reencrypt, which makes a new volume key"
)


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which keyslot the leaked passphrase opens, and whether a free one is left."""
    slots = _slots(ask)
    said, slot = _opened(ask, "old")
    old = slots.get(slot, "") or str(ask.old.get("id", ""))
    checks = [
        check("the leaked passphrase opens a keyslot", bool(slot), f"it is {said}", found=old),
        check(
            "a keyslot is free", len(slots) < MAX_SLOTS, "free one", found=f"{len(slots)} in use"
        ),
        check("the header may be written", os.access(_device(ask), os.W_OK), "act as root"),
        check("copies taken before are thought of", True, found=RESIDUAL),
    ]
    if "responder" in ask.secrets:
        other = _opened(ask, "responder")[1]
        apart = bool(other) and other != slot
        checks.append(
            check("the responder's passphrase is another one", apart, "it opens nothing else")
        )
    return Answer(
        more={
            "actions": _actions(ask, old),
            "known": sorted(slots.values()),
            "checks": checks,
            "old": {"id": old},
            "snapshot": {"slot": slot},
        }
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """Add a keyslot for the new passphrase; one that it opens already is the one."""
    ask.secret("new")
    slot = _opened(ask, "new")[1]
    if slot:
        return Answer("already", new={"id": _slots(ask)[slot]})
    _add(ask, "new", by=_other_way_in(ask, ""))
    return Answer(new={"id": _slots(ask)[_opened(ask, "new")[1]]})


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Open the volume's key with the new passphrase; nothing is mapped."""
    ask.secret("new")
    said, slot = _opened(ask, "new")
    if said == "accepted":
        return Answer(evidence=[{"keyslot": slot}])
    if said == "refused":
        raise Fail("auth", "the new passphrase opens no keyslot")
    raise Fail("network", "the device cannot be read", retryable=True)


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Wipe every keyslot that the leaked passphrase opens."""
    wiped = _wipe(ask, "old") if "old" in ask.secrets else _wipe_known(ask)
    observed = [f"keyslot {slot} was wiped" for slot in wiped]
    return Answer("done" if wiped else "already", observed=[*observed, RESIDUAL])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Try both passphrases on the header."""
    new, old = _opened(ask, "new")[0], _opened(ask, "old")[0]
    said = {"new": new, "old": old, "derived": "unknown"}
    if old == "unknown" and new == "accepted" and _old(ask):
        there = _old(ask) in _slots(ask).values()
        said |= {"old": "accepted" if there else "refused", "method": "metadata"}
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    return Answer(more={"probe": said})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Nothing is left of a keyslot that was wiped; wipe it when it was not."""
    return disable_old(ask)


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The leaked passphrase opens the volume again, the new one no more."""
    steps = []
    if not _opened(ask, "old")[1]:
        ask.secret("old")
        _add(ask, "old", by=_other_way_in(ask, ""))
        steps.append("a keyslot was added for the old passphrase")
    if "new" in ask.secrets:
        steps += [f"keyslot {slot} of the new one was wiped" for slot in _wipe(ask, "new")]
    return Answer("done" if steps else "already", observed=steps)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which keyslots the header has."""
    there = sorted(_slots(ask).values())
    state = {
        which: ("active" if known in there else "absent") if known else "unknown"
        for which, known in (("old", _old(ask)), ("new", ask.new.get("id", "")))
    }
    found: dict[str, Any] = {**state, "credentials": []}
    found["credentials"] = [{"id": one, "state": "active", "label": ""} for one in there]
    return Answer(more={"state": found})


def _actions(ask: Request, old: str) -> list[dict[str, Any]]:
    device = _device(ask)
    rows = (
        ("create", "add a keyslot to", device, "both passphrases open it", "wipe it"),
        ("disable_old", f"wipe {old} of", device, RESIDUAL, "add the leaked passphrase again"),
    )
    return [action(*row) for row in rows]


def _device(ask: Request) -> str:
    return str(ask.target["device"])


def _old(ask: Request) -> str:
    return str(ask.plan.get("old", {}).get("id") or ask.old.get("id") or "")


# -- the header


def _slots(ask: Request) -> dict[str, str]:
    """Keyslots by number. A number is used again, so an id has a trace of the slot's salt."""
    if not os.path.exists(_device(ask)):
        raise Fail("not_found", f"there is no {_device(ask)}")
    code, out = _cryptsetup(["luksDump", "--dump-json-metadata", _device(ask)])
    if code:
        raise Fail("unsupported", f"{_device(ask)} has no LUKS2 header that can be read")
    slots = json.loads(out)["keyslots"].items()
    return {number: f"keyslot-{number}-{_trace(slot)}" for number, slot in slots}


def _trace(slot: dict[str, Any]) -> str:
    salt = str(slot.get("kdf", {}).get("salt", ""))
    return hashlib.sha256(salt.encode()).hexdigest()[:8]


def _opened(ask: Request, slot: str) -> tuple[str, str]:
    """What the header says of a passphrase, and the number of the keyslot that it opens."""
    if slot not in ask.secrets:
        return "unknown", ""
    with pipe(ask.secrets[slot]) as fd:
        words = ["luksOpen", "--test-passphrase", "-v", "--key-file", f"/dev/fd/{fd}"]
        code, out = _cryptsetup([*words, _device(ask)], fd)
    if code == 0 and (hit := re.search(r"Key slot (\d+) unlocked", out)):
        return "accepted", hit[1]
    return {BAD_PASSPHRASE: "refused", BAD_DEVICE: "unreachable"}.get(code, "unknown"), ""


def _other_way_in(ask: Request, victim: str) -> str:
    """The slot of a secret that opens another keyslot than the victim: it may act, and stays."""
    for slot in ("responder", "new", "old"):
        found = _opened(ask, slot)[1]
        if found and found != victim:
            return slot
    raise Fail("conflict", "no other passphrase is known to open the volume: it would be lost")


def _add(ask: Request, slot: str, *, by: str) -> None:
    how = ["--pbkdf", ask.target["pbkdf"]] if ask.target.get("pbkdf") else []
    if ask.target.get("iterations"):
        how += ["--pbkdf-force-iterations", str(ask.target["iterations"])]
    with ExitStack() as pipes:
        old, new = (pipes.enter_context(pipe(ask.secrets[one])) for one in (by, slot))
        words = ["luksAddKey", "-q", *how, "--key-file", f"/dev/fd/{old}"]
        code, _ = _cryptsetup([*words, _device(ask), f"/dev/fd/{new}"], old, new)
    if code:
        raise Fail("conflict", f"cryptsetup adds no keyslot: it ended with {code}")


def _wipe(ask: Request, slot: str) -> list[str]:
    """Wipe keyslots until a passphrase opens none; one may open several."""
    wiped: list[str] = []
    while (number := _opened(ask, slot)[1]) and len(wiped) < MAX_SLOTS:
        _kill(ask, number)
        wiped.append(number)
    return wiped


def _wipe_known(ask: Request) -> list[str]:
    """Without the leaked value: wipe the keyslot that was named."""
    numbers = [number for number, known in _slots(ask).items() if known == _old(ask)]
    for number in numbers:
        _kill(ask, number)
    return numbers


def _kill(ask: Request, number: str) -> None:
    by = _other_way_in(ask, number)
    with pipe(ask.secrets[by]) as fd:
        words = ["luksKillSlot", "-q", "--key-file", f"/dev/fd/{fd}", _device(ask), number]
        code, _ = _cryptsetup(words, fd)
    if code:
        raise Fail("conflict", f"cryptsetup does not wipe keyslot {number}: it ended with {code}")


def _cryptsetup(words: list[str], *fds: int) -> tuple[int, str]:
    search = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    try:
        done = subprocess.run(
            ["cryptsetup", *words], capture_output=True, check=False, pass_fds=fds,
            stdin=subprocess.DEVNULL, env={**os.environ, "PATH": search, "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError:
        raise Fail("missing", "the program cryptsetup is not installed") from None
    return done.returncode, done.stdout.decode("utf-8", "replace")


if __name__ == "__main__":
    rotate.main()
