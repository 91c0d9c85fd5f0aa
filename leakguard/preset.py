"""A ladder of severity: what its levels are called, and how long each thing may take there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEVELS = 4
"""Level 0 is worst."""

TIMERS = (
    "first-response",
    "rotate",
    "contain",
    "scope",
    "recover",
    "tell",
    "draft",
    "review",
    "publish",
    "mitigate",
    "suspicion",
    "overlap",
    "cadence",
    "undo",
    "destroy",
    "vault",
    "acknowledge",
    "remediate",
)
"""What can be due. All count from the declaration of the incident, but for these:
`suspicion` from the report, `acknowledge` and `remediate` from a report from outside,
`overlap` from the new value, `cadence` from the last message, `undo` from the block
that has to be undone, `destroy` from the deactivation."""


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time: seconds, or whole business days."""

    seconds: int = 0
    business_days: int = 0

    def __str__(self) -> str:
        """As a person says it: `15 min`, `4 h`, `7 days`, `5 business days`."""
        if self.business_days:
            return _count(self.business_days, "business day")
        for size, unit in ((86400, "day"), (3600, "h"), (60, "min")):
            least = 2 * size if unit == "day" else size  # a day is said as 24 h
            if self.seconds >= least and self.seconds % size == 0:
                return _count(self.seconds // size, unit)
        return f"{self.seconds} s"


def _count(number: int, unit: str) -> str:
    plural = "s" if number != 1 and unit.endswith("day") else ""
    return f"{number} {unit}{plural}"


@dataclass(frozen=True, slots=True)
class Preset:
    """Labels by level, and for each timer a span by level; None where nothing is due."""

    name: str
    title: str
    labels: tuple[str, ...]
    timers: Mapping[str, tuple[Span | None, ...]]
    page_levels: tuple[int, ...] = (0, 1)
    close_without_review: tuple[int, ...] = ()

    def label(self, level: int) -> str:
        """What people call a level, such as `SEV-1`."""
        return self.labels[level]

    def span(self, timer: str, level: int) -> Span | None:
        """How long `timer` runs at `level`; None when nothing is due. KeyError for no timer."""
        return self.timers[timer][level]
