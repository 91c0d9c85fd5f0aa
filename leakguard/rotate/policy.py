"""How a rotation is to be done, as decided before it began; and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

PATIENCE = 120.0
"""Seconds that something may stay pending before it counts as unknown."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Kept in the journal beside the plan.

    `limits` bound polling by what was waited, not by the clock, which may jump.
    """

    strategy: str = "overlap"
    patience: float = PATIENCE
    poll: float = 2.0
    approver: str = ""
    level: int = 0
    forced: str = ""  # why the old one had to end before everybody was ready

    @property
    def polls(self) -> int:
        """How often something pending is asked again."""
        return max(1, int(self.patience / max(self.poll, 0.001)))

    def as_json(self) -> dict[str, Any]:
        """For the journal."""
        return asdict(self)


def policy_of(kept: Mapping[str, Any]) -> Policy:
    """The policy as it was kept."""
    known = {one.name for one in fields(Policy)}
    return Policy(**{name: value for name, value in kept.items() if name in known})


class End(StrEnum):
    """How a run of a rotation ended; also the state that the journal keeps."""

    CLOSED = "closed"  # dead, proven, every consumer confirmed, sealed values shredded
    DEAD = "dead"  # proven, but a consumer is not confirmed
    WAITING = "waiting"  # for a consumer, a person or a decision; nothing was ended
    FAILED = "failed"  # a step was refused; run again when its cause is gone
    UNKNOWN = "unknown"  # nobody knows what a step did
    ROLLED_BACK = "rolled-back"


RUNNING = ("planned", "running", "waiting", "failed", "unknown", "dead")
"""States of a rotation that can be resumed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to, for people and for exit codes. Holds no value."""

    rotation: str
    end: End
    message: str
    hints: tuple[str, ...] = ()
    step: str = ""
    unconfirmed: tuple[str, ...] = ()
    shown: bool = False  # it was asked whether the old one is dead, and it is

    @property
    def good(self) -> bool:
        """Whether nothing is left to do or to find out, or what was asked for is shown."""
        return self.shown or self.end in (End.CLOSED, End.ROLLED_BACK)
