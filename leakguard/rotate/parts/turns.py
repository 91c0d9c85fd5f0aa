"""Users with one password each: a partner takes over, or the same user gets another one.

The target names the leaked user, a `mode` (alternating or single), the `partner` of mode
alternating, and who acts in `admin_user`. `word` is what such users are called there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, check


def single(ask: Request) -> bool:
    """Whether there is no partner."""
    mode = ask.target.get("mode") or "alternating"
    if mode not in ("single", "alternating"):
        raise Fail("unsupported", "mode is single or alternating")
    return bool(mode == "single")


def narrowed(ask: Request, **more: Any) -> dict[str, Any]:
    """What a plan says of its capabilities: with one user the passwords never overlap."""
    return {"overlap": "none", "max_active": 1, **more} if single(ask) else {}


def new_user(ask: Request, word: str = "user") -> str:
    """Who has the new password."""
    name: str = ask.target[word] if single(ask) else ask.target.get("partner", "")
    if not name:
        raise Fail("missing", f"mode alternating needs `partner`: the {word} that takes over")
    return name


def users(ask: Request, word: str = "user") -> list[str]:
    """The leaked one, and its partner if it has one."""
    return list(dict.fromkeys([ask.target[word], new_user(ask, word)]))


def acting(ask: Request) -> str:
    """Who acts; root, where the target does not say."""
    return ask.target.get("admin_user") or "root"


def acts_apart(ask: Request, word: str = "user") -> dict[str, Any]:
    """The check that who acts does not change its own password."""
    what = f"the acting {word} is not one that this rotation changes"
    way = f"admin_user is the leaked {word} or its partner: act as another one"
    return check(what, acting(ask) not in users(ask, word), way)


def apart(ask: Request, word: str = "user") -> None:
    """The same as a Fail, right before somebody acts."""
    said = acts_apart(ask, word)
    if not said["ok"]:
        raise Fail("permission", said["detail"])


def replaced(ask: Request, word: str = "user") -> Answer:
    """What there is to do to the old password once the only user has the new one: nothing."""
    if not ask.new:
        way = f"with one {word} the old password ends when the new one is set: not yet"
        raise Fail("conflict", way)
    return Answer("already", observed=["the new password replaced the old one"])


def verified(said: str, user: str, server: str, word: str = "user") -> Answer:
    """The answer of `verify_new`, from what a login said."""
    if said == "unreachable":
        raise Fail("network", f"{server} did not answer", retryable=True)
    if said != "accepted":
        raise Fail("auth", f"{server} does not let {user} in with the new password")
    return Answer(evidence=[{"login": "accepted", word: user}])


def login_with(
    login: Callable[[Request, str, str], str], ask: Request, slot: str, user: str
) -> str:
    """What a login with the value in a slot says; unknown when the value is not at hand."""
    return login(ask, user, ask.secrets[slot]) if slot in ask.secrets else "unknown"
