"""GitLab's secret detection report (`gl-secret-detection-report.json`), schema 15.2.1.

It is the newest that we have read whole; GitLab knows it since about 17.4. The
field `raw_source_code_extract` is never written: it would quote the source.
https://docs.gitlab.com/development/integrations/secure/
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from leakguard import __version__
from leakguard.finding import Exposure, Finding, Location, Outcome
from leakguard.report.advice import advise
from leakguard.report.encode import dump
from leakguard.report.escape import clip, code, is_address, line, markdown
from leakguard.report.style import clean
from leakguard.report.wording import plural, where

VERSION = "15.2.1"
SCHEMA = (
    "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/"
    f"v{VERSION}/dist/secret-detection-report-format.json"
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that nobody told; the schema asks for one."""

NO_COMMIT = "0000000"
"""The schema asks for a commit even where a folder was scanned."""

SEVERITIES = {
    "info": "Info",
    "low": "Low",
    "medium": "Medium",
    "high": "High",
    "critical": "Critical",
}

_MOST_PLACES = 50


def render(outcome: Outcome) -> str:
    """One report."""
    who = {
        "id": "leakguard",
        "name": "leakguard",
        "version": __version__,
        "vendor": {"name": "leakguard"},
    }
    ended = datetime.fromtimestamp(outcome.ended, UTC)
    return dump({
        "version": VERSION,
        "schema": SCHEMA,
        "scan": {
            "type": "secret_detection",
            "analyzer": who,
            "scanner": who,
            "start_time": _time(max(EPOCH, ended - timedelta(seconds=outcome.seconds))),
            "end_time": _time(ended),
            "status": "failure" if outcome.unread else "success",
            "messages": _messages(outcome),
        },
        "vulnerabilities": [
            _vulnerability(found, places, outcome.mode)
            for found in (*outcome.blocking, *outcome.warnings)
            for places in _by_file(found.locations)
        ],
    })  # fmt: skip


def _time(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(timespec="seconds")


def _messages(outcome: Outcome) -> list[dict[str, object]]:
    """What the findings do not say: what was not scanned, and how much was allowed."""
    said: list[dict[str, object]] = [
        {"level": "warn", "value": line(f"not scanned: {name}: {reason}")}
        for name, reason in outcome.unread
    ]
    if outcome.allowed:
        seen = plural(len(outcome.allowed), "allowed secret")
        said.append({"level": "info", "value": f"{seen} seen, not reported"})
    return said


def _by_file(places: Iterable[Location]) -> list[list[Location]]:
    """GitLab counts a value once a file, wherever it stands there."""
    files: dict[str, list[Location]] = {}
    for place in places:
        files.setdefault(place.path, []).append(place)
    return list(files.values())


def _vulnerability(found: Finding, places: list[Location], mode: str) -> dict[str, object]:
    first = places[0]
    signature = _digest(found.fingerprint, first.path)
    return {
        "id": _identifier(signature),
        "name": line(found.rule.name, 255),
        "description": _description(found, mode),
        "severity": SEVERITIES[found.severity],
        "solution": line(advise(found, mode).text, 7000),
        "identifiers": _identifiers(found),
        "links": [{"url": url} for url in _addresses(found)],
        "details": _details(found, places),
        "location": {
            "file": clean(first.path),
            "start_line": first.start_line,
            "end_line": first.end_line,
            "commit": _commit(first),
        },
        "tracking": {
            "type": "source",
            "items": [
                {
                    "file": clean(first.path),
                    "start_line": first.start_line,
                    "end_line": first.end_line,
                    "signatures": [{"algorithm": "rule_value", "value": signature}],
                }
            ],
        },
    }


def _commit(place: Location) -> dict[str, object]:
    commit: dict[str, object] = {"sha": place.commit or NO_COMMIT}
    if place.author_date:
        commit["date"] = line(place.author_date, 40)
    return commit


def _description(found: Finding, mode: str) -> str:
    """GitLab takes it for Markdown."""
    said = (
        f"{markdown(line(found.rule.name))} {where(found, mode)}: {code(found.preview)}\n\n"
        f"Why: {markdown(line(found.rule.why))}."
    )
    how = line(found.rule.revoke.how)
    return clip(said + (f"\n\nTo rotate: {markdown(how)}." if how else ""), 10_000)


def _identifiers(found: Finding) -> list[dict[str, object]]:
    """Our rule first, which tells findings apart; then the weakness that everybody knows."""
    number = 532 if found.exposure is Exposure.LOGGED else 798
    return [
        {
            "type": "leakguard_rule_id",
            "name": f"leakguard rule {found.rule_id}",
            "value": found.rule_id,
        },
        {
            "type": "cwe",
            "name": f"CWE-{number}",
            "value": str(number),
            "url": f"https://cwe.mitre.org/data/definitions/{number}.html",
        },
    ]


def _addresses(found: Finding) -> list[str]:
    return [url for url in (found.rule.revoke.url, *found.rule.references) if is_address(url)]


def _details(found: Finding, places: list[Location]) -> dict[str, object]:
    """Fields that GitLab shows as they are, and has no place of its own for."""
    texts = {
        "finding": ("Finding", found.short_id),
        "confidence": ("Confidence", found.confidence),
        "validity": ("Validity", found.validity.value),
        "exposure": ("Exposure", found.exposure.value),
    }
    details: dict[str, object] = {
        key: {"type": "text", "name": name, "value": value} for key, (name, value) in texts.items()
    }
    details["places"] = {
        "type": "list",
        "name": "Places in this file",
        "items": [_file_location(place) for place in places[:_MOST_PLACES]],
    }
    total = len(found.locations) + found.more_places
    details["total"] = {"type": "value", "name": "Places in all files", "value": total}
    return details


def _file_location(place: Location) -> dict[str, object]:
    return {
        "type": "file-location",
        "file_name": clean(place.path) or "(unnamed)",
        "line_start": place.start_line,
        "line_end": place.end_line,
    }


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _identifier(digest: str) -> str:
    """A UUID of the free form (RFC 9562, version 8), the same for the same value and file."""
    return f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}-8{digest[15:18]}-{digest[18:30]}"
