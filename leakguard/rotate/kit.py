"""What a rotation script written in Python stands on: one request in, one answer out.

A script in another language speaks the same JSON (docs/rotation-scripts.md); this
module only spares Python scripts the reading, the writing and the error classes.

    from leakguard.rotate.kit import Answer, Fail, Request, script

    rotate = script()

    @rotate.phase
    def verify_new(ask: Request) -> Answer: ...

    if __name__ == "__main__":
        rotate.main()

A script without a `describe` of its own answers what the manifest beside it says.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

PROTOCOL = 1

PHASES = (
    "describe",
    "plan",
    "generate",
    "create",
    "verify_new",
    "distribute",
    "confirm",
    "disable_old",
    "kill_derived",
    "probe",
    "destroy_old",
    "rollback",
    "observe",
)
"""In the order in which a rotation meets them; `observe` and `rollback` may come at any time."""

STATUSES = ("done", "already", "pending", "accepted")
"""`pending`: ask again. `accepted`: taken, not yet true; ask `observe` or `probe`."""

ERRORS = (
    "auth",
    "permission",
    "network",
    "quota",
    "conflict",
    "not_found",
    "timeout",
    "unsupported",
    "missing",
    "bug",
)
"""Classes of failure. The engine decides on the class alone, never on the message."""

ANSWERS_TO_A_LOGIN = ("accepted", "refused", "unreachable", "unknown")
"""What a probe may say of one credential. Only an auth-class refusal is `refused`."""


class Fail(Exception):
    """A phase that could not do what it was asked, with the class the engine acts on."""

    def __init__(
        self, kind: str, message: str, *, retryable: bool = False, retry_after: float | None = None
    ) -> None:
        """`retry_after`: seconds, with a quota that ends by itself."""
        super().__init__(message)
        self.kind = kind if kind in ERRORS else "bug"
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Request:
    """One call of one phase. `secrets` holds only the slots that the manifest names for it."""

    phase: str
    rotation: str
    idempotency_key: str
    attempt: int
    deadline: float  # seconds
    dry_run: bool
    target: dict[str, Any]
    old: dict[str, Any]
    new: dict[str, Any]
    plan: dict[str, Any]
    consumer: dict[str, Any]
    secrets: dict[str, str] = field(repr=False)

    def secret(self, slot: str) -> str:
        """The value in a slot. Raises Fail(missing) when nobody supplied it."""
        try:
            return self.secrets[slot]
        except KeyError:
            raise Fail("missing", f"the secret in slot {slot!r} was not supplied") from None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a phase found or did. `evidence` never holds a value; `secrets` is sealed at once."""

    status: str = "done"
    new: dict[str, Any] = field(default_factory=dict)
    observed: list[str] = field(default_factory=list)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    more: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The wire form; empty parts are left out."""
        parts = {
            "new": self.new,
            "observed": self.observed,
            "evidence": self.evidence,
            "secrets": self.secrets,
        }
        return {"ok": True, "status": self.status, **{k: v for k, v in parts.items() if v}} | (
            self.more
        )


Phase = Callable[[Request], Answer]


def check(what: str, ok: object, otherwise: str = "", *, found: str = "") -> dict[str, Any]:
    """A check of a plan: what has to hold, and where to look or what to do `otherwise`."""
    return {"what": what, "ok": bool(ok), "detail": found if ok else otherwise}


def unless(what: str, wrong: str = "") -> dict[str, Any]:
    """A check that holds unless something is `wrong`: what, and what to do."""
    return check(what, not wrong, wrong)


def action(
    phase: str, verb: str, target: str, effect: str, undo: str | None = None
) -> dict[str, Any]:
    """An action of a plan; without an `undo` it cannot be taken back."""
    return {"phase": phase, "verb": verb, "target": target, "effect": effect, "undo": undo}


def state_by(held: str | None, given: Mapping[str, str]) -> dict[str, Any]:
    """What a consumer that holds a value says of the two it may be, as far as we have them."""
    compared = {slot: "active" if held == value else "absent" for slot, value in given.items()}
    return {slot: compared.get(slot, "unknown") for slot in ("old", "new")}


class Script:
    """The phases of one script, and how failures of its libraries are classed."""

    def __init__(self, classes: dict[type[BaseException], str]) -> None:
        self._phases: dict[str, Phase] = {"describe": _as_the_manifest_says}
        self._classes = classes

    def phase(self, function: Phase) -> Phase:
        """Serve the phase that the function is named after."""
        if function.__name__ not in PHASES:
            raise ValueError(f"{function.__name__} is no phase")
        self._phases[function.__name__] = function
        return function

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request; never raises."""
        try:
            ask = _request(request)
            return self._phases.get(ask.phase, _unserved)(ask).as_json()
        except Fail as fail:
            return _failure(fail)
        except ImportError as error:
            return _failure(Fail("missing", f"the Python package {error.name} is not installed"))
        except Exception as error:  # noqa: BLE001 - its text might quote a secret: only its type
            return _failure(self._classed(error))

    def main(self) -> None:
        """Read the request on stdin, write the answer on stdout."""
        request = json.load(sys.stdin)
        json.dump(self.answer(request), sys.stdout)
        sys.stdout.write("\n")

    def _classed(self, error: BaseException) -> Fail:
        for kind, name in self._classes.items():
            if isinstance(error, kind):
                retryable = name in ("network", "timeout")
                return Fail(name, type(error).__name__, retryable=retryable)
        if isinstance(error, TimeoutError):
            return Fail("timeout", type(error).__name__, retryable=True)
        if isinstance(error, OSError):
            return Fail("network", type(error).__name__, retryable=True)
        return Fail("bug", type(error).__name__)


def script(classes: dict[type[BaseException], str] | None = None) -> Script:
    """A script without phases yet. `classes` maps exception types to error classes."""
    return Script(classes or {})


def _request(raw: dict[str, Any]) -> Request:
    if raw.get("protocol") != PROTOCOL:
        raise Fail("unsupported", f"this script speaks protocol {PROTOCOL}")
    return Request(
        phase=raw["phase"],
        rotation=raw.get("rotation", ""),
        idempotency_key=raw.get("idempotency_key", ""),
        attempt=raw.get("attempt", 1),
        deadline=raw.get("deadline", 30.0),
        dry_run=raw.get("dry_run", False),
        target=raw.get("target", {}),
        old=raw.get("old", {}),
        new=raw.get("new", {}),
        plan=raw.get("plan", {}),
        consumer=raw.get("consumer", {}),
        secrets=raw.get("secrets", {}),
    )


def _as_the_manifest_says(_: Request) -> Answer:
    from leakguard.rotate import manifest

    beside = os.path.dirname(os.path.abspath(sys.argv[0]))
    return Answer(more={"capabilities": manifest.read(beside).capabilities()})


def _unserved(ask: Request) -> Answer:
    raise Fail("unsupported", f"this script has no phase {ask.phase!r}")


def _failure(fail: Fail) -> dict[str, Any]:
    said = {"class": fail.kind, "message": fail.message, "retryable": fail.retryable}
    if fail.retry_after is not None:
        said["retry_after"] = fail.retry_after
    return {"ok": False, "error": said}
