"""A script's answer, believed only as far as it keeps to the protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from leakguard.rotate.kit import ANSWERS_TO_A_LOGIN, ERRORS, STATUSES
from leakguard.secret import MASK, Secret

MAX_DEPTH = 40
A_DAY = 86400
LEAST_PAUSE = 1.0
"""Seconds; an issuer that says 0 would be asked without end."""

STATES = ("active", "disabled", "absent", "unknown")
LONG = 6
"""Digits from which on a number is looked at as a text would be."""

_SLOT = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_WIRE = ("ok", "status", "new", "observed", "evidence", "secrets", "error")


class Garbage(Exception):
    """An answer that breaks the protocol; the text says how, and never quotes the answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one call. `lost`: no valid answer came, so nobody knows what it did."""

    ok: bool
    status: str = ""
    new: Mapping[str, Any] = field(default_factory=dict)
    observed: tuple[str, ...] = ()
    evidence: tuple[Mapping[str, Any], ...] = ()
    secrets: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    more: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    message: str = ""
    retryable: bool = False
    retry_after: float | None = None  # seconds; only with a quota that ends by itself
    lost: bool = False
    stderr: str = ""

    @property
    def uncertain(self) -> bool:
        """Whether a change may or may not have happened."""
        return self.lost or (not self.ok and self.error in ("network", "timeout", "bug"))

    def public(self) -> dict[str, Any]:
        """What may be stored: everything but the values."""
        kept = {
            "ok": self.ok,
            "status": self.status,
            "new": dict(self.new),
            "observed": list(self.observed),
            "evidence": [dict(one) for one in self.evidence],
            "more": dict(self.more),
            "error": self.error,
            "message": self.message,
            "stderr": self.stderr,
            "lost": self.lost,
        }
        return {name: value for name, value in kept.items() if value or name == "ok"}


def nothing(error: str, message: str, stderr: str = "") -> Reply:
    """The reply of a script that gave no valid answer."""
    return Reply(False, error=error, message=message, lost=True, stderr=stderr)


def parse(raw: bytes, phase: str) -> Reply:
    """The reply in what a script wrote. Raises Garbage for anything but one valid object."""
    found = _object(raw)
    if not isinstance(found.get("ok"), bool):
        raise Garbage("`ok` is neither true nor false")
    if not found["ok"]:
        return _failure(found)
    reply = Reply(
        True,
        status=_choice(found.get("status", "done"), STATUSES, "status"),
        new=_mapping(found.get("new", {}), "new"),
        observed=_texts(found.get("observed", []), "observed"),
        evidence=tuple(_mapping(one, "evidence") for one in _list(found, "evidence")),
        secrets=_secrets(found.get("secrets", {})),
        more={name: value for name, value in found.items() if name not in _WIRE},
    )
    _CHECKS.get(phase, _anything)(reply.more)
    return reply


def cleaned(reply: Reply, clean: Callable[[str], str], value_free: Callable[[str], str]) -> Reply:
    """The reply with its texts passed through filters.

    Words for people (`clean`) lose whatever looks like a secret; names and
    numbers that later phases need (`value_free`) lose only known values.
    """
    return replace(
        reply,
        new=_walk(reply.new, value_free),
        more=_walk(reply.more, value_free),
        observed=tuple(clean(one) for one in reply.observed),
        evidence=tuple(_walk(one, clean) for one in reply.evidence),
        message=clean(reply.message),
        stderr=clean(reply.stderr),
    )


def _walk(thing: Any, change: Callable[[str], str]) -> Any:
    if isinstance(thing, str):
        return change(thing)
    if isinstance(thing, Mapping):
        return {change(str(name)): _walk(value, change) for name, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [_walk(one, change) for one in thing]
    if _long(thing) and change(str(thing)) != str(thing):
        return MASK
    return thing


def _long(thing: Any) -> bool:
    """Whether it is a number that could be a secret of digits."""
    return isinstance(thing, (int, float)) and len(str(thing)) >= LONG


def _object(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Garbage("the answer is not UTF-8") from None
    try:
        found = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
    except RecursionError:
        raise Garbage("the answer is nested too deeply") from None
    except ValueError as error:
        extra = "Extra data" in str(error)
        what = "more than one object" if extra else "not one JSON object"
        raise Garbage(f"the answer is {what}") from None
    if not isinstance(found, dict):
        raise Garbage("the answer is not an object")
    _shallow(found, MAX_DEPTH)
    return found


def _no_constant(_: str) -> NoReturn:
    raise ValueError


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Garbage("a key stands twice in the answer")
    return made


def _shallow(thing: Any, left: int) -> None:
    if not left:
        raise Garbage("the answer is nested too deeply")
    inner = thing.values() if isinstance(thing, dict) else thing if isinstance(thing, list) else ()
    for one in inner:
        _shallow(one, left - 1)


def _failure(found: dict[str, Any]) -> Reply:
    error = _mapping(found.get("error"), "error")
    message = error.get("message", "")
    if not isinstance(message, str):
        raise Garbage("the message of the error is not text")
    return Reply(
        False,
        error=_choice(error.get("class"), ERRORS, "class of the error"),
        message=message,
        retryable=error.get("retryable") is True,
        retry_after=_retry_after(error),
    )


def _retry_after(error: Mapping[str, Any]) -> float | None:
    """When to come back, as a quota may say; none of the other classes is waited for like that."""
    said = error.get("retry_after")
    if said is None or error["class"] != "quota":
        return None
    if isinstance(said, bool) or not isinstance(said, (int, float)) or not 0 <= said <= A_DAY:
        raise Garbage("`retry_after` is no number of seconds up to a day")
    return max(float(said), LEAST_PAUSE)


def _choice(value: Any, known: tuple[str, ...], what: str) -> str:
    if value not in known:
        raise Garbage(f"the {what} is none of: {', '.join(known)}")
    return str(value)


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Garbage(f"`{what}` is not an object")
    return value


def _list(found: Mapping[str, Any], what: str) -> list[Any]:
    value = found.get(what, [])
    if not isinstance(value, list):
        raise Garbage(f"`{what}` is not a list")
    return value


def _texts(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Garbage(f"`{what}` is not a list of texts")
    return tuple(value)


def _secrets(value: Any) -> dict[str, Secret]:
    for name, one in _mapping(value, "secrets").items():
        if not _SLOT.fullmatch(name) or name == "old" or not isinstance(one, str) or not one:
            raise Garbage("`secrets` holds something that is no named value")
    return {name: Secret(one.encode()) for name, one in value.items()}


# What single phases have to say


def _anything(_: Mapping[str, Any]) -> None:
    pass


def _describe(more: Mapping[str, Any]) -> None:
    _mapping(more.get("capabilities"), "capabilities")


def _plan(more: Mapping[str, Any]) -> None:
    for action in _list(more, "actions"):
        _mapping(action, "actions")
        for part in ("phase", "verb", "target", "effect"):
            if not isinstance(action.get(part), str):
                raise Garbage(f"an action of the plan lacks `{part}`")
        if not isinstance(action.get("undo"), (str, type(None))):
            raise Garbage("`undo` of an action is neither text nor null")
    for check in _list(more, "checks"):
        _mapping(check, "checks")
        if not isinstance(check.get("what"), str) or not isinstance(check.get("ok"), bool):
            raise Garbage("a check of the plan lacks `what` or `ok`")
    _texts(more.get("known", []), "known")
    for part in ("old", "snapshot", "constraints", "capabilities"):
        _mapping(more.get(part, {}), part)


def _probe(more: Mapping[str, Any]) -> None:
    said = _mapping(more.get("probe"), "probe")
    for one in ("new", "old"):
        _choice(said.get(one), ANSWERS_TO_A_LOGIN, f"answer of the probe for the {one} one")
    _choice(said.get("derived", "unknown"), ("none", "alive", "unknown"), "answer for sessions")


def _observe(more: Mapping[str, Any]) -> None:
    state = _mapping(more.get("state"), "state")
    for one in ("new", "old"):
        _choice(state.get(one, "unknown"), STATES, f"state of the {one} one")
    for credential in _list(state, "credentials"):
        _mapping(credential, "credentials")


_CHECKS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "describe": _describe,
    "plan": _plan,
    "probe": _probe,
    "observe": _observe,
}
