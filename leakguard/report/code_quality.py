"""GitLab's code quality report: findings beside the changed lines of a merge request.

An array of issues, one for each place. GitLab stops reading at the first issue
that lacks a field, so every one has all of them.
https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

from leakguard.finding import Finding, Location, Outcome
from leakguard.report.advice import advise
from leakguard.report.encode import dump
from leakguard.report.escape import line
from leakguard.report.style import clean
from leakguard.report.wording import where

SEVERITIES = {
    "info": "info",
    "low": "minor",
    "medium": "major",
    "high": "critical",
    "critical": "blocker",
}
"""Our five words for harm in GitLab's."""


def render(outcome: Outcome) -> str:
    """Open findings and what was not scanned; allowed ones are no issue."""
    issues = [_unread(name, reason) for name, reason in outcome.unread]
    for found in (*outcome.blocking, *outcome.warnings):
        issues += _issues(found, outcome.mode)
    return "[" + ",\n".join(dump(issue).rstrip("\n") for issue in issues) + "]\n"


def _issues(found: Finding, mode: str) -> list[dict[str, object]]:
    """One issue for each place. Its fingerprint counts within a file and ignores the line:
    code that moves is not a new issue.
    """
    said = (
        f"{found.rule.name} {where(found, mode)} (confidence {found.confidence}, "
        f"{found.short_id}): {advise(found, mode).text}"
    )
    seen: Counter[str] = Counter()
    issues: list[dict[str, object]] = []
    for place in found.locations:
        seen[place.path] += 1
        issues.append({
            "type": "issue",
            "check_name": found.rule_id,
            "description": line(said),
            "categories": ["Security"],
            "severity": SEVERITIES[found.severity],
            "fingerprint": _digest(found.fingerprint, place.path, str(seen[place.path])),
            "location": _location(place),
        })  # fmt: skip
    return issues


def _location(place: Location) -> dict[str, object]:
    return {"path": _path(place.path), "lines": {"begin": place.start_line, "end": place.end_line}}


def _unread(name: str, reason: str) -> dict[str, object]:
    return {
        "type": "issue",
        "check_name": "not-scanned",
        "description": line(f"not scanned: {name}: {reason}"),
        "categories": ["Security"],
        "severity": "critical",
        "fingerprint": _digest("not-scanned", name, reason),
        "location": {"path": _path(name), "lines": {"begin": 1, "end": 1}},
    }


def _path(path: str) -> str:
    return clean(path) or "(unnamed)"


def _digest(*parts: str) -> str:
    whole = "\0".join(parts).encode("utf-8", "surrogatepass")
    return sha256(whole).hexdigest()
