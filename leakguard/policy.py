"""What one repository decided: which findings block, where not to look, under which salt."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import date

DEFAULT_SALT = "leakguard"
"""Fingerprints must be the same on every machine of a team, so the salt is not random."""


class Policy(NamedTuple):
    """The resolved `.leakguard.yml`; rule overrides are already in the rules."""

    block_severity: str = "low"
    block_confidence: str = "likely"
    exclude: tuple[str, ...] = ()
    salt: str = DEFAULT_SALT
    source: str = ""
    detectors: tuple[str, ...] = ()


class Allowance(NamedTuple):
    """A decision that one value is not a problem: who reads it must see why.

    `path` is where it holds, "" for anywhere; `until` is its last day.
    """

    fingerprint: str
    rule_id: str
    until: date | None
    path: str
    reason: str

    def expired(self, today: date) -> bool:
        """Whether its last day has passed."""
        return self.until is not None and today > self.until

    def covers(self, fingerprint: str, path: str) -> bool:
        """Whether it speaks of this value at this place."""
        return self.fingerprint == fingerprint and self.path in ("", path)
