"""Candidates into findings: one secret, any number of places, allowances applied."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from leakguard.finding import (
    Candidate,
    Exposure,
    Finding,
    Location,
    Suppression,
    SuppressionKind,
    preview,
)
from leakguard.policy import Allowance
from leakguard.rule import SEVERITIES, TIERS

MAX_PLACES = 50
"""Places that a finding lists; the rest is a count."""

_EXPOSURE = {"commit": Exposure.COMMITTED, "ci_log": Exposure.LOGGED}


class Grouper:
    """Collects candidates and makes findings of them."""

    def __init__(self, salt: str, allowances: Iterable[Allowance], today: date) -> None:
        """`today` decides which allowances have expired."""
        self._salt = salt.encode()
        self._today = today
        self._allowances: dict[str, list[Allowance]] = {}
        for allowance in allowances:
            self._allowances.setdefault(allowance.fingerprint, []).append(allowance)
        self._groups: dict[tuple[str, bytes], list[Candidate]] = {}
        self.used: set[Allowance] = set()
        self.expired: set[Allowance] = set()

    def add(self, candidate: Candidate) -> None:
        """Put a candidate to the others of the same rule and value."""
        key = (candidate.rule.family, candidate.secret.reveal())
        self._groups.setdefault(key, []).append(candidate)

    def findings(self, exposure: Exposure | None = None) -> list[Finding]:
        """Worst first, then by place. `exposure` overrides what the origins say."""
        found = [
            finding for group in self._groups.values() for finding in self._split(group, exposure)
        ]
        return sorted(
            found,
            key=lambda one: (
                one.suppression is not None,
                -TIERS.index(one.confidence),
                -SEVERITIES.index(one.severity),
                one.locations[0],
            ),
        )

    def _split(self, group: list[Candidate], exposure: Exposure | None) -> list[Finding]:
        """One finding for the places that nobody allowed and one for those somebody did."""
        first = group[0]
        fingerprint = first.secret.fingerprint(
            first.rule.family, self._salt, guessable=first.rule.guessable
        )
        by_reason: dict[Suppression | None, list[Candidate]] = {}
        for candidate in group:
            reason = self._suppression(fingerprint, candidate)
            by_reason.setdefault(reason, []).append(candidate)
        return [
            _finding(fingerprint, members, reason, exposure)
            for reason, members in by_reason.items()
        ]

    def _suppression(self, fingerprint: str, candidate: Candidate) -> Suppression | None:
        for allowance in self._allowances.get(fingerprint, ()):
            if not allowance.covers(fingerprint, candidate.location.path):
                continue
            if allowance.expired(self._today):
                self.expired.add(allowance)
                continue
            self.used.add(allowance)
            return Suppression(SuppressionKind.EXTERNAL, allowance.reason)
        return candidate.inline_allow


def _finding(
    fingerprint: str,
    members: list[Candidate],
    suppression: Suppression | None,
    exposure: Exposure | None,
) -> Finding:
    best = max(
        members, key=lambda one: (TIERS.index(one.confidence), SEVERITIES.index(one.severity))
    )
    places: dict[Location, Candidate] = {}
    for member in members:
        places.setdefault(member.location, member)
    locations = sorted(places)
    return Finding(
        fingerprint=fingerprint,
        rule=best.rule,
        severity=best.severity,
        confidence=best.confidence,
        preview=preview(best.rule, best.secret),
        locations=tuple(locations[:MAX_PLACES]),
        exposure=exposure or _EXPOSURE.get(best.origin.kind, Exposure.LOCAL),
        evidence=best.evidence,
        alternatives=tuple(sorted({name for one in members for name in one.alternatives})),
        suppression=suppression,
        excerpt=places[locations[0]].line_text,
        more_places=max(0, len(locations) - MAX_PLACES),
    )
