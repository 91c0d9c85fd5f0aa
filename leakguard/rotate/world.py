"""What a rotation needs of the world, so that a test can hold its clock and its luck."""

from __future__ import annotations

import secrets as random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from leakguard.event import Event
from leakguard.incident import Incident
from leakguard.rotate.generate import Choose
from leakguard.rotate.record import Decide, together

Crash = Callable[[str, str], None]
"""Told (point, step) at every instruction after which a kill would matter."""


Follow = Callable[[Incident, Sequence[Event]], Sequence[Event]]
"""Adds to events what follows from them: a checklist, a level. Must not use the store."""


def _nothing(_incident: Incident, events: Sequence[Event]) -> Sequence[Event]:
    """Nothing follows."""
    return events


def _go_on(_point: str, _step: str) -> None:
    """Nobody crashes us on purpose outside of tests."""


def _silent(_line: str) -> None:
    """Nobody is watching."""


def _alone(_seconds: float) -> None:
    """Nobody else asks the same issuer."""


def _forget(_names: Iterable[str]) -> None:
    """Nobody has to tell an id from a secret."""


@dataclass(frozen=True, slots=True)
class World:
    """Time, rest, chance, and whoever watches."""

    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    choose: Choose = random.choice
    tell: Callable[[str], None] = _silent
    crash: Crash = _go_on
    follow: Follow = _nothing
    pause: Callable[[float], None] = _alone
    """Told for how many seconds an issuer wants to be left alone."""
    learn: Callable[[Iterable[str]], None] = _forget
    """Told the ids that scripts speak of, which look like secrets and are none."""

    def look_at(self, incident: Incident, *events: Event) -> None:
        """Raises what recording these would raise, before anything is done for them."""
        self.follow(incident, events)

    def with_consequences(self, *parts: Event | Decide) -> Decide:
        """Events, or decisions about them, and everything that follows from them."""
        decide = together(*parts)
        return lambda incident: self.follow(incident, decide(incident))
