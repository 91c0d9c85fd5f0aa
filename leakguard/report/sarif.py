"""SARIF 2.1.0, for code scanning and every viewer that reads it.

Nothing here quotes a line of the source: a snippet is how reports leak.
"""

from __future__ import annotations

from urllib.parse import quote

from leakguard import __version__
from leakguard.finding import Finding, Location, Outcome
from leakguard.report.advice import PRACTICE, advise
from leakguard.report.encode import dump, plain
from leakguard.report.escape import is_address, markdown
from leakguard.report.style import clean
from leakguard.report.wording import NO_FILES, where
from leakguard.rule import SEVERITIES, TIERS, Rule

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
HOME: str = ""
"""The project's public address, once it has one: `informationUri`."""

ROOT = "SRCROOT"

_SCORES = {"info": "0.1", "low": "2.0", "medium": "5.5", "high": "8.0", "critical": "9.5"}
"""Code scanning reads severity as a score: over 9 critical, 7 high, 4 medium, 0.1 low."""

_RANKS = {"possible": 30.0, "likely": 70.0, "confirmed": 100.0}
"""Confidence as SARIF's rank, by which viewers sort."""

_PRECISION = {"possible": "medium", "likely": "high", "confirmed": "very-high"}


def render(outcome: Outcome) -> str:
    """One log with one run."""
    return dump({"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(outcome)]})


def _run(outcome: Outcome) -> dict[str, object]:
    rules = list({found.rule_id: found.rule for found in outcome.findings}.values())
    index = {rule.id: number for number, rule in enumerate(rules)}
    driver: dict[str, object] = {
        "name": "leakguard",
        "semanticVersion": __version__,
        "isComprehensive": False,  # only the rules that found something
        "rules": [_rule(rule, outcome) for rule in rules],
    }
    if HOME:
        driver["informationUri"] = HOME
    return {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"leakguard/{outcome.mode}/"},
        "invocations": [_invocation(outcome)],
        "originalUriBaseIds": {ROOT: {"description": {"text": "what paths are relative to"}}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(found, index[found.rule_id], outcome) for found in outcome.findings],
        "properties": {"partial": bool(outcome.unread)},
    }


def _invocation(outcome: Outcome) -> dict[str, object]:
    """Not scanned is not a success, whatever else was found."""
    return {
        "executionSuccessful": not outcome.unread,
        "toolExecutionNotifications": [
            {
                "level": "error",
                "message": {"text": _text(f"not scanned: {name}: {reason}")},
                "locations": [{"physicalLocation": {"artifactLocation": _artifact(name)}}],
            }
            for name, reason in outcome.unread
        ],
    }


def _rule(rule: Rule, outcome: Outcome) -> dict[str, object]:
    described: dict[str, object] = {
        "id": rule.id,
        "name": _text(rule.name),
        "shortDescription": {"text": _text(rule.name)},
        "fullDescription": {"text": _text(rule.why)},
        "help": {"text": _text(_help(rule)), "markdown": _markdown(rule)},
        "defaultConfiguration": {"level": _default_level(rule, outcome)},
        "properties": {
            "tags": ["security", "secret", rule.secret_class],
            "security-severity": _SCORES[rule.severity],
            "precision": _PRECISION[rule.confidence],
        },
    }
    pages = [url for url in (*rule.references, rule.revoke.url) if is_address(url)]
    if pages:
        described["helpUri"] = pages[0]
    return described


_PUSHED = "rotate it first; deleting it does not help"


def _help(rule: Rule) -> str:
    said = [
        f"{rule.name}: {rule.why}.",
        f"Fix: {rule.fix or 'load it when the program runs'}.",
        f"If it was pushed or logged, {_PUSHED}." if rule.provider != PRACTICE else "",
        f"To rotate: {rule.revoke.how}." if rule.revoke.how else "",
        f"Where: {rule.revoke.url}" if rule.revoke.url else "",
    ]
    return " ".join(filter(None, said))


def _markdown(rule: Rule) -> str:
    rows = [
        ("Why", rule.why),
        ("Fix", rule.fix or "load it when the program runs"),
        ("Pushed or logged", _PUSHED if rule.provider != PRACTICE else ""),
        ("Rotate", rule.revoke.how),
        ("Where", f"<{rule.revoke.url}>" if is_address(rule.revoke.url) else ""),
        ("See", ", ".join(f"<{url}>" for url in rule.references if is_address(url))),
    ]
    return "\n".join(f"- **{label}**: {_text(said)}" for label, said in rows if said)


def _default_level(rule: Rule, outcome: Outcome) -> str:
    severe = SEVERITIES.index(rule.severity) >= SEVERITIES.index(outcome.block_severity)
    sure = TIERS.index(rule.confidence) >= TIERS.index(outcome.block_confidence)
    return "error" if severe and sure else "warning"


def _result(found: Finding, rule_index: int, outcome: Outcome) -> dict[str, object]:
    would_block = found._replace(suppression=None).blocks(
        outcome.block_severity, outcome.block_confidence
    )
    said = f"{found.rule.name} {where(found, outcome.mode)}. "
    said = _text(said + f"Fix: {advise(found, outcome.mode).text}.")
    return {
        "ruleId": found.rule_id,
        "ruleIndex": rule_index,
        "kind": "fail",
        "level": "error" if would_block else "warning",
        "message": {"text": said, "markdown": _with_reasons(said, found)},
        "locations": [_location(place) for place in found.locations],
        "occurrenceCount": len(found.locations) + found.more_places,
        "fingerprints": {"leakguard/v1": found.fingerprint},
        "partialFingerprints": {"leakguard/v1": found.fingerprint},
        "rank": _RANKS[found.confidence],
        "suppressions": _suppressions(found),
        "properties": {
            "severity": found.severity,
            "confidence": found.confidence,
            "validity": found.validity.value,
            "exposure": found.exposure.value,
            "preview": plain(found.preview),
            "commit": found.locations[0].commit,
            "alternatives": list(found.alternatives),
            "evidence": [
                {"term": _text(seen.term), "detail": _text(seen.detail)} for seen in found.evidence
            ],
            "partial": bool(found.more_places),
        },
    }


def _with_reasons(said: str, found: Finding) -> str:
    """The message with what decided the confidence, the chain of encodings among it."""
    reasons = (f"- {markdown(one.term)}: {markdown(_text(one.detail))}" for one in found.evidence)
    return "\n".join([markdown(said), "", *reasons]).rstrip()


def _suppressions(found: Finding) -> list[dict[str, object]]:
    """Empty says that nobody allowed it; SARIF 3.27.23 takes a missing list for "not known"."""
    if found.suppression is None:
        return []
    return [
        {
            "kind": found.suppression.kind.value,
            "status": found.suppression.status,
            "justification": plain(found.suppression.justification),
        }
    ]


def _location(place: Location) -> dict[str, object]:
    located: dict[str, object] = {
        "physicalLocation": {
            "artifactLocation": _artifact(place.path),
            "region": {
                "startLine": place.start_line,
                "startColumn": place.start_column,
                "endLine": place.end_line,
                "endColumn": place.end_column,
            },
        }
    }
    if place.commit:
        located["properties"] = {"commit": place.commit, "authorDate": plain(place.author_date)}
    return located


def _artifact(path: str) -> dict[str, object]:
    """A file by its percent-encoded bytes; what is not a file has no root."""
    encoded = quote(_bytes(path), safe="/")
    if path.startswith("/"):
        return {"uri": f"file://{encoded}"}
    if path in NO_FILES:
        return {"uri": encoded}
    return {"uri": encoded, "uriBaseId": ROOT}


def _bytes(path: str) -> bytes:
    """The bytes of a name as the file system holds them."""
    try:
        return path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a half character, which only Windows lets into a name
        return path.encode("utf-8", "surrogatepass")


def _text(said: str) -> str:
    """Prose on one line, harmless wherever a viewer prints it."""
    return clean(" ".join(said.split()))
