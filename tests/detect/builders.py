"""Rules of an invented provider, and a scan with just these."""

from __future__ import annotations

from leakguard.blob import Blob, Origin
from leakguard.cli.rules_check import scanner
from leakguard.detect.match import Match
from leakguard.finding import Candidate
from leakguard.rule import Rule

LIVE = r"\b(?P<secret>acme_live_[0-9A-Za-z]{32})\b"
TOKEN = "acme_live_{{alnum:32}}"
"""The recipe of what `LIVE` accepts."""


def acme(name: str = "acme-live-key", pattern: str = LIVE, **fields: object) -> Rule:
    """A rule of nobody's; with `value` in place of `pattern` where that is given."""
    given = {
        "name": "ACME live API key", "why": "it opens doors", "provider": "acme",
        "secret_class": "provider-api-key", "severity": "high", "confidence": "likely",
        "pattern": "" if "value" in fields else pattern,
        "public_prefix": "acme_live_" if pattern == LIVE and "value" not in fields else "",
    }  # fmt: skip
    return Rule(id=name, **given | fields)  # type: ignore[arg-type]


def scan(
    text: str | bytes, *rules: Rule, path: str = "app/settings.py", **blob: object
) -> list[Candidate]:
    """The candidates of a text under these rules (by default the live key's)."""
    data = text.encode() if isinstance(text, str) else text
    found = scanner(list(rules) or [acme()])
    return found.look(Blob(Origin("tree", path), data, **blob))  # type: ignore[arg-type]


def match(rule: Rule, data: bytes, value: bytes) -> Match:
    """A match of `value` where it first stands in `data`."""
    start = data.index(value)
    span = (start, start + len(value))
    return Match(rule, value, span, span)
