#!/usr/bin/env python3
"""Replaces a key-encryption key: every data key that it wraps is wrapped by the new one instead.

Each record names its KEK, so readers that have both find the right one while the
records move over one by one; a run that was interrupted goes on with those that are
left. A record is only replaced after the new wrapping was opened again and held the same
key.

This does nothing for copies that were taken earlier: whoever has an old copy of the store
and the old KEK still gets at the data keys. Where a copy may be out, the data keys
themselves have to be replaced, and what they encrypt encrypted anew.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from keys import Keys, keys
from store import Record, Store

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script

rotate = script()


RESIDUAL = (
    "copies of the store that were taken before still open with the old KEK:"
    " if one may be out, replace the data keys and encrypt the data anew"
)


@rotate.phase
def plan(ask: Request) -> Answer:
    """Which records are under the leaked KEK, and whether it opens all of them."""
    store = _store(ask)
    count = Counter(one.kek for one in store.records())
    old = _old_named(ask) or _old_found(ask, store)
    with keys(ask, _values(ask, old)) as held:
        closed = [one.name for one in store.records(old) if not _opens(held, old, one)]
    checks = [
        check(
            "records are under the leaked KEK", bool(count[old]), "none is", found=f"{count[old]}"
        ),
        check("it opens all of them", not closed, f"not {', '.join(closed[:5])}"),
        check("the store may be written", os.access(store.folder, os.W_OK), "act as owner"),
        check("copies taken before are thought of", True, found=RESIDUAL),
    ]
    return Answer(
        more={
            "actions": _actions(ask, old, count[old]),
            "known": sorted(count),
            "checks": checks,
            "old": {"id": old},
            "snapshot": {"records": count[old]},
        }
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """Make the new KEK in the token; one that is a value is already all there is."""
    new = _new(ask)
    if ask.target.get("backend") != "pkcs11":
        ask.secret("new")
    with keys(ask, _values(ask, _old(ask), new)) as held:
        made = held.make(new)
    return Answer("done" if made else "already", new={"id": new, "label": ask.rotation})


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Wrap a data key made for this, and open it again."""
    new = _new(ask)
    if ask.target.get("backend") != "pkcs11":
        ask.secret("new")
    with keys(ask, _values(ask, _old(ask), new)) as held:
        if not _works(held, new):
            raise Fail("auth", "the new KEK does not open what it wrapped")
    return Answer(observed=["a data key was wrapped and opened again"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Wrap every record's data key anew; `pending` when time runs out before the records do."""
    if not ask.new.get("id"):
        raise Fail("conflict", "there is no new KEK yet: a KEK ends after its successor took over")
    return _moved(ask, _old(ask), _new(ask))


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """Move what somebody still wrapped with the old KEK meanwhile."""
    return disable_old(ask)


@rotate.phase
def probe(ask: Request) -> Answer:
    """Open the records of the store with each KEK."""
    said: dict[str, str] = {"new": "unknown", "old": "unknown", "derived": "unknown"}
    try:
        records = _store(ask).records()
        with keys(ask, _values(ask, _old(ask), ask.new.get("id", ""))) as held:
            said["new"] = _said_of_new(held, ask.new.get("id", ""), records)
            said["old"] = _said_of_old(held, _old(ask), records)
    except Fail as fail:
        if fail.kind not in ("network", "not_found"):
            raise
        return Answer(more={"probe": {"new": "unreachable", "old": "unreachable"}})
    under = any(one.kek == _old(ask) for one in records)
    said["derived"] = "alive" if under else "none"
    if said["old"] == "unknown" and said["new"] == "accepted":
        said |= {"old": "accepted" if under else "refused", "method": "metadata"}
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    return Answer(more={"probe": said})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """End the old KEK in the token. Refused while a record is under it."""
    old = _old(ask)
    if left := len(_store(ask).records(old)):
        raise Fail("conflict", f"{left} records are under the old KEK: they would be lost")
    if ask.target.get("backend") != "pkcs11":
        kept = "delete the old KEK wherever a value of it is kept"
        return Answer("already", observed=[kept, RESIDUAL])
    with keys(ask, {}) as held:
        ended = held.destroy(old)
    return Answer("done" if ended else "already", observed=[f"the token has no {old}", RESIDUAL])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Every record under the old KEK again. The new one stays, as copies may need it."""
    if not ask.new.get("id"):
        return Answer("already")
    return _moved(ask, _new(ask), _old(ask))


@rotate.phase
def observe(ask: Request) -> Answer:
    """How many records are under which KEK."""
    count = Counter(one.kek for one in _store(ask).records())
    old, new = _old(ask), ask.new.get("id", "")
    idle = {name: _idle(ask, name) for name in (old, new) if name and not count[name]}
    state = {
        "old": "active" if count[old] else idle[old],
        "new": ("active" if count[new] or idle[new] == "disabled" else "absent")
        if new
        else "unknown",
        "credentials": [
            {"id": kek, "state": "active", "label": f"{number} records"}
            for kek, number in sorted(count.items())
        ],
    }
    return Answer(more={"state": state})


# -- the plan


def _actions(ask: Request, old: str, count: int) -> list[dict[str, Any]]:
    token = ask.target.get("backend") == "pkcs11"
    where = ask.target["token"] if token else "the store's readers"
    end = "older copies of the store cannot be opened any more, backups too" if token else RESIDUAL
    rows = (
        ("create", "make a KEK in", where, "readers have both", "leave it unused"),
        ("disable_old", f"wrap anew {count} data keys in", ask.target["store"], RESIDUAL,
         "wrap them with the old KEK again"),
        ("destroy_old", "destroy", old, end, None),
    )  # fmt: skip
    return [action(*row) for row in rows]


# -- KEKs


def _store(ask: Request) -> Store:
    names = ask.target.get("id_field") or "kek_id", ask.target.get("blob_field") or "wrapped"
    return Store(ask.target["store"], *names)


def _old_named(ask: Request) -> str:
    return str(ask.plan.get("old", {}).get("id") or ask.old.get("id") or "")


def _old(ask: Request) -> str:
    if named := _old_named(ask):
        return named
    raise Fail("missing", "which KEK leaked is not known: old.id")


def _old_found(ask: Request, store: Store) -> str:
    """The id under which the leaked value opens records."""
    if "old" not in ask.secrets or ask.target.get("backend") == "pkcs11":
        raise Fail("missing", "say which KEK leaked: old.id, as the records name it")
    names = {one.kek: ask.secrets["old"] for one in store.records()}
    with keys(ask, names) as held:
        found = {one.kek for one in store.records() if _opens(held, one.kek, one)}
    if len(found) != 1:
        raise Fail("missing", "the leaked value opens no record: name its id, old.id")
    return found.pop()


def _new(ask: Request) -> str:
    """The rotation names its KEK, so that a second call finds the first one's."""
    return str(ask.new.get("id") or f"kek-{ask.rotation}")


def _values(ask: Request, old: str, new: str = "") -> dict[str, str]:
    pairs = ((old, "old"), (new, "new"))
    if ask.secrets.get("new") and ask.secrets["new"] == ask.secrets.get("old"):
        raise Fail("conflict", "the new KEK is the old one")
    return {kek: ask.secrets[slot] for kek, slot in pairs if kek and slot in ask.secrets}


# -- wrapping


def _moved(ask: Request, start: str, goal: str) -> Answer:
    store, end = _store(ask), time.monotonic() + 0.7 * ask.deadline
    records, moved, closed = store.records(start), 0, []
    with keys(ask, _values(ask, _old(ask), _new(ask))) as held:
        for record in records:
            if time.monotonic() > end:
                break
            if _opens(held, start, record):
                moved += _rewrapped(held, store, record, goal)
            else:
                closed.append(record.name)
    left = len(store.records(start))
    evidence = [{"wrapped_anew": moved, "left": left}]
    if closed:
        names = ", ".join(closed[:5])
        raise Fail("conflict", f"{len(closed)} records do not open with {start}: {names}")
    status = "pending" if left else "done" if moved else "already"
    return Answer(status, observed=[f"{left} records are under {start}"], evidence=evidence)


def _rewrapped(held: Keys, store: Store, record: Record, goal: str) -> bool:
    key = held.unwrap(record.kek, record.blob)
    blob = held.wrap(goal, key)
    again = held.unwrap(goal, blob)
    if again is None or not held.same(key, again):
        raise Fail("conflict", f"the new wrapping of {record.name} does not hold the same key")
    return store.replace(record, goal, blob)


def _opens(held: Keys, kek: str, record: Record) -> bool:
    if not held.has(kek):
        raise Fail("missing", f"{kek} is not here: supply its value, or look into the token")
    return held.unwrap(kek, record.blob) is not None


def _works(held: Keys, kek: str) -> bool:
    key = held.fresh()
    again = held.unwrap(kek, held.wrap(kek, key))
    return again is not None and held.same(key, again)


def _said_of_new(held: Keys, new: str, records: list[Record]) -> str:
    if not new or not held.has(new):
        return "unknown"
    opened = all(_opens(held, new, one) for one in records if one.kek == new)
    return "accepted" if opened and _works(held, new) else "refused"


def _said_of_old(held: Keys, old: str, records: list[Record]) -> str:
    """Refused means: of the records that there are, it opens none, whatever they say."""
    if not held.has(old) or not records:
        return "unknown"
    return "accepted" if any(_opens(held, old, one) for one in records) else "refused"


def _idle(ask: Request, kek: str) -> str:
    """What a KEK is that no record names."""
    if ask.target.get("backend") != "pkcs11":
        return "absent"
    with keys(ask, {}) as held:
        return "disabled" if held.has(kek) else "absent"


if __name__ == "__main__":
    rotate.main()
