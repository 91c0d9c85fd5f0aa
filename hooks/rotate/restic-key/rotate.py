#!/usr/bin/env python3
"""Replaces a password of a restic repository: a key for the new one, the leaked one's removed.

A restic key only wraps the repository's master key, and that stays. Whoever copied the
repository, or only one key file, opens the copy with the leaked password for ever:
`restic copy` into a new repository is what helps then, and new values for all
secrets that the backups hold.

Passwords go to restic through pipes. The last key of a repository is never removed.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts.pipe import pipe

rotate = script()


WRONG_PASSWORD = 12
"""How newer versions of restic end at a wrong password; older ones end with 1 and say so."""

RESIDUAL = (
    "copies of the repository that were taken before still open with the old password:"
    " if one may be out, copy into a new repository and replace what the backups hold"
)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a repository says of a password: the key that it opens, and all keys by id."""

    said: str
    key: str = ""
    keys: tuple[dict[str, Any], ...] = ()


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which key the leaked password opens. Changes nothing, takes no lock."""
    repository = Repository(ask)
    found, other = repository.opened("old"), repository.opened("responder")
    if "unreachable" in (found.said, other.said):
        raise Fail("network", "the repository does not answer", retryable=True)
    old = found.key or str(ask.old.get("id", ""))
    checks = [
        check("the leaked password opens a key", bool(found.key), f"it is {found.said}", found=old),
        check("copies taken before are thought of", True, found=RESIDUAL),
    ]
    if "responder" in ask.secrets:
        apart = bool(other.key) and other.key != old
        checks.append(
            check("the responder's password is another one", apart, "it opens nothing else")
        )
    known = sorted(one["id"] for one in found.keys or other.keys)
    more = {"known": known, "old": {"id": old}, "checks": checks}
    return Answer(more={"actions": _actions(ask, old), **more})


@rotate.phase
def create(ask: Request) -> Answer:
    """Add a key for the new password, named after the rotation."""
    ask.secret("new")
    repository = Repository(ask)
    status = "already" if repository.opened("new").key else "done"
    if status == "done":
        repository.add("new")
    return Answer(status, new={"id": repository.opened("new").key, "label": ask.rotation})


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Open the repository with the new password."""
    ask.secret("new")
    found = Repository(ask).opened("new")
    if found.said == "accepted":
        return Answer(evidence=[{"key": found.key}])
    if found.said == "refused":
        raise Fail("auth", "the new password opens no key")
    raise Fail("network", "the repository does not answer", retryable=True)


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Remove every key that the leaked password opens."""
    repository = Repository(ask)
    known = "old" in ask.secrets
    removed = repository.remove_all("old") if known else repository.remove_named(_old(ask))
    observed = [f"key {one} was removed" for one in removed]
    return Answer("done" if removed else "already", observed=[*observed, RESIDUAL])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Try both passwords on the repository."""
    repository = Repository(ask)
    new, old = repository.opened("new"), repository.opened("old").said
    said = {"new": new.said, "old": old, "derived": "unknown"}
    if old == "unknown" and new.said == "accepted" and _old(ask):
        there = _old(ask) in [one["id"] for one in new.keys]
        said |= {"old": "accepted" if there else "refused", "method": "metadata"}
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    return Answer(more={"probe": said})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Nothing is left of a key that was removed; remove it when it was not."""
    return disable_old(ask)


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The leaked password opens the repository again, the new one no more."""
    repository, steps = Repository(ask), []
    if not repository.opened("old").key:
        ask.secret("old")
        repository.add("old")
        steps.append("a key was added for the old password")
    if "new" in ask.secrets:
        steps += [f"key {one} of the new one was removed" for one in repository.remove_all("new")]
    return Answer("done" if steps else "already", observed=steps)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which keys the repository has, seen with whatever password opens it."""
    repository = Repository(ask)
    tries = (repository.opened(slot) for slot in ("responder", "new", "old"))
    seen = next((one for one in tries if one.key), None)
    if seen is None:
        raise Fail("auth", "no password is known that opens the repository")
    there = {one["id"]: one for one in seen.keys}
    state: dict[str, Any] = {
        which: ("active" if known in there else "absent") if known else "unknown"
        for which, known in (("old", _old(ask)), ("new", ask.new.get("id", "")))
    }
    state["credentials"] = [
        {"id": name, "state": "active", "label": f"{one['userName']}@{one['hostName']}"}
        for name, one in sorted(there.items())
    ]
    return Answer(more={"state": state})


def _actions(ask: Request, old: str) -> list[dict[str, Any]]:
    where = ask.target["repository"]
    rows = (
        ("create", "add a key to", where, "both passwords open it", "remove it"),
        ("disable_old", f"remove key {old} of", where, RESIDUAL, "add the leaked password again"),
    )
    return [action(*row) for row in rows]


def _old(ask: Request) -> str:
    return str(ask.plan.get("old", {}).get("id") or ask.old.get("id") or "")


# -- the repository


@dataclass
class Repository:
    """A repository and what it said in this phase: each password costs it a second to try."""

    ask: Request
    _seen: dict[str, Opened] = field(default_factory=dict)

    def opened(self, slot: str) -> Opened:
        """What the password in a slot opens."""
        if slot not in self._seen:
            self._seen[slot] = self._try(slot)
        return self._seen[slot]

    def add(self, slot: str) -> None:
        """Add a key for the password in a slot."""
        words = ["key", "add", "--user", "leakguard", "--host", self.ask.rotation]
        code, _, _ = self._run(self._other_way_in(""), words, new=slot)
        self._seen.clear()
        if code:
            raise Fail("conflict", f"restic adds no key: it ended with {code}")

    def remove_all(self, slot: str) -> list[str]:
        """Remove keys until a password opens none; one may open several."""
        removed: list[str] = []
        while (key := self.opened(slot).key) and key not in removed:
            self._remove(key)
            removed.append(key)
        return removed

    def remove_named(self, key: str) -> list[str]:
        """Without the leaked value: remove the key that was named."""
        by = self._other_way_in(key)
        if key not in [one["id"] for one in self.opened(by).keys]:
            return []
        self._remove(key)
        return [key]

    def _remove(self, key: str) -> None:
        by = self._other_way_in(key)
        code, _, _ = self._run(by, ["key", "remove", key])
        self._seen = {slot: one for slot, one in self._seen.items() if slot == by}
        if code:
            raise Fail("conflict", f"restic does not remove key {key}: it ended with {code}")

    def _other_way_in(self, victim: str) -> str:
        """The slot of a secret that opens another key than the victim: it may act, and stays."""
        for slot in ("responder", "new", "old"):
            found = self.opened(slot).key
            if found and found != victim:
                return slot
        way = "no other password is known to open the repository: it would be lost"
        raise Fail("conflict", way)

    def _try(self, slot: str) -> Opened:
        if slot not in self.ask.secrets:
            return Opened("unknown")
        code, out, err = self._run(slot, ["--no-lock", "key", "list", "--json"])
        if code == 0:
            keys = tuple(json.loads(out))
            return Opened("accepted", next(one["id"] for one in keys if one["current"]), keys)
        wrong = code == WRONG_PASSWORD or "wrong password or no key found" in err
        return Opened("refused" if wrong else "unreachable")

    def _run(self, by: str, words: list[str], new: str = "") -> tuple[int, str, str]:
        with ExitStack() as pipes:
            values = [self.ask.secrets[slot] for slot in (by, new) if slot]
            fds = [pipes.enter_context(pipe(value)) for value in values]
            where = ["-r", self.ask.target["repository"], "--password-file", f"/dev/fd/{fds[0]}"]
            more = ["--new-password-file", f"/dev/fd/{fds[1]}"] if new else []
            try:
                done = subprocess.run(
                    ["restic", "--no-cache", *where, *words, *more], check=False, pass_fds=fds,
                    stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                )  # fmt: skip
            except FileNotFoundError:
                raise Fail("missing", "the program restic is not installed") from None
        return done.returncode, done.stdout, done.stderr


if __name__ == "__main__":
    rotate.main()
