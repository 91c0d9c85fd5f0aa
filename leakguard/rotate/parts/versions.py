"""A secret store that adds a version for each value and can disable the older ones.

A script says how its store does the five things of `Store`; the phases are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from leakguard.rotate.kit import Answer, Fail, Request, Script, action, state_by
from leakguard.rotate.parts.holder import read_by, right_one


class Store(Protocol):
    """One secret in such a store."""

    def may(self) -> list[dict[str, Any]]:
        """Checks of what we are allowed to do."""

    def latest(self) -> tuple[str, str]:
        """The last version, and its value."""

    def value(self, version: str) -> str:
        """What a version holds."""

    def add(self, value: str) -> str:
        """The version that was added."""

    def enabled(self) -> set[str]:
        """The versions that are handed out."""

    def switch(self, version: str, *, on: bool) -> None:
        """Enable a version, or disable it."""


def serve(rotate: Script, store: Callable[[Request], Store]) -> None:
    """Serve all phases of a consumer for the store that a request is about."""
    for phase in (plan, distribute, confirm, observe, rollback):
        rotate.phase(_on(store, phase))


def _on(
    store: Callable[[Request], Store], phase: Callable[[Request, Store], Answer]
) -> Callable[[Request], Answer]:
    def served(ask: Request) -> Answer:
        return phase(ask, store(ask))

    served.__name__ = phase.__name__
    return served


def plan(ask: Request, store: Store) -> Answer:
    """Whether the secret is there, holds what leaked, and we may. Changes nothing."""
    checks = store.may()
    more: dict[str, Any] = {"actions": _actions(ask), "known": [], "checks": checks}
    if all(one["ok"] for one in checks):
        version, held = store.latest()
        checks.append(right_one(ask, held, "secret"))
        more |= {"known": sorted(store.enabled()), "snapshot": {"version": version}}
    return Answer(more=more)


def distribute(ask: Request, store: Store) -> Answer:
    """Add a version, if the one of the plan is still the last, and disable older ones."""
    version, held = store.latest()
    if held == ask.secret("new"):
        ended = _disable_others(ask, store, version)
        return Answer("done" if ended else "already", observed=[f"version {version}", *ended])
    if version != ask.plan.get("snapshot", {}).get("version", version):
        raise Fail("conflict", f"somebody added version {version} after the plan: plan again")
    if ask.dry_run:
        return Answer(observed=["a version would be added"])
    made = store.add(ask.secret("new"))
    return Answer(observed=[f"added version {made}", *_disable_others(ask, store, made)])


def confirm(ask: Request, store: Store) -> Answer:
    """Read it back; with `health_url`, ask who reads it which version that was."""
    version, held = store.latest()
    if held != ask.secret("new"):
        raise Fail("conflict", f"version {version} holds another value than the new one")
    return read_by(ask, version)


def observe(ask: Request, store: Store) -> Answer:
    """Which value the last version holds, as far as we were given values to compare with."""
    _, held = store.latest()
    listed = [{"id": one, "state": "active", "label": ""} for one in sorted(store.enabled())]
    return Answer(more={"state": state_by(held, ask.secrets) | {"credentials": listed}})


def rollback(ask: Request, store: Store) -> Answer:
    """Add the old value as another version, out of the one that held it; disable the new one."""
    version, held = store.latest()
    if held == ask.secrets.get("old"):
        return Answer("already", observed=[f"version {version} holds the old value"])
    if held != ask.secret("new"):
        raise Fail("conflict", f"version {version} holds neither the old value nor the new one")
    if ask.dry_run:
        return Answer(observed=["a version with the old value would be added"])
    made = store.add(_old_value(ask, store))
    store.switch(version, on=False)
    return Answer(observed=[f"added the old value as version {made}; disabled version {version}"])


def _old_value(ask: Request, store: Store) -> str:
    before = ask.plan.get("snapshot", {}).get("version", "")
    if before:
        store.switch(before, on=True)
    value = ask.secrets.get("old") or (store.value(before) if before else "")
    if not value:
        raise Fail("missing", "neither the old value nor its version is known")
    return value


def _disable_others(ask: Request, store: Store, last: str) -> list[str]:
    """Older versions would go on handing out what leaked; says which were ended."""
    if ask.target.get("old_versions") == "keep" or ask.dry_run:
        return []
    others = sorted(store.enabled() - {last})
    ended = [one for one in others if store.value(one) != ask.secret("new")]
    for version in ended:
        store.switch(version, on=False)
    return [f"disabled version {', '.join(ended)}"] if ended else []


def _actions(ask: Request) -> list[dict[str, Any]]:
    where, how = ask.target["secret"], ask.target.get("old_versions") or "disable"
    effect = f"it is the latest; {how} older ones"
    return [
        action("distribute", "add a version", where, effect, "add the old value again"),
        action("confirm", "ask", ask.target.get("health_url") or where, "nothing changes"),
    ]
