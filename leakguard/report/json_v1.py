"""The report for programs: `leakguard/1`, described by docs/schema/leakguard-1.json.

Within a version fields are added, never renamed or removed.
"""

from __future__ import annotations

from leakguard import __version__
from leakguard.finding import Finding, Location, Outcome, Suppression
from leakguard.report import next_steps
from leakguard.report.encode import dump, plain

SCHEMA = "leakguard/1"


def render(outcome: Outcome) -> str:
    """Exactly one object. Allowed findings are listed too, with their `suppression`."""
    open_findings = (*outcome.blocking, *outcome.warnings)
    report: dict[str, object] = {
        "schema": SCHEMA,
        "version": __version__,
        "mode": outcome.mode,
        "outcome": verdict(outcome),
        "scanned": {
            "what": outcome.scanned.what,
            "files": outcome.scanned.items,
            "commits": outcome.scanned.commits,
            "bytes": outcome.scanned.bytes,
            "scope": plain(outcome.scanned.scope),
            "seconds": round(outcome.seconds, 3),
        },
        "block": {"severity": outcome.block_severity, "confidence": outcome.block_confidence},
        "findings": [_finding(found, outcome) for found in outcome.findings],
        "unread": [
            {"name": plain(name), "reason": plain(reason)} for name, reason in outcome.unread
        ],
        "allowed": len(outcome.allowed),
        "unused_allowances": list(map(plain, outcome.unused)),
        "expired_allowances": list(map(plain, outcome.expired)),
        "next": list(map(plain, next_steps.commands(open_findings))),
    }
    return dump(report)


def verdict(outcome: Outcome) -> str:
    """One word, in the order of the exit codes: a leak is told even where something is unread."""
    if outcome.blocking:
        return "found"
    if outcome.unread:
        return "unread"
    return "warned" if outcome.warnings else "clean"


def _finding(found: Finding, outcome: Outcome) -> dict[str, object]:
    return {
        "fingerprint": found.fingerprint,
        "id": found.short_id,
        "rule_id": found.rule_id,
        "rule_name": plain(found.rule.name),
        "provider": plain(found.rule.provider),
        "class": found.rule.secret_class,
        "severity": found.severity,
        "confidence": found.confidence,
        "validity": found.validity.value,
        "exposure": found.exposure.value,
        "preview": plain(found.preview),
        "blocking": found.blocks(outcome.block_severity, outcome.block_confidence),
        "locations": [_location(place) for place in found.locations],
        "places": len(found.locations) + found.more_places,
        "evidence": [
            {"term": plain(seen.term), "detail": plain(seen.detail)} for seen in found.evidence
        ],
        "alternatives": list(found.alternatives),
        "suppression": _suppression(found.suppression),
    }


def _location(place: Location) -> dict[str, object]:
    return {
        "path": plain(place.path),
        "start_line": place.start_line,
        "start_column": place.start_column,
        "end_line": place.end_line,
        "end_column": place.end_column,
        "commit": place.commit or None,
        "author_date": plain(place.author_date) or None,
    }


def _suppression(reason: Suppression | None) -> dict[str, object] | None:
    if reason is None:
        return None
    return {
        "kind": reason.kind.value,
        "justification": plain(reason.justification),
        "status": reason.status,
    }
