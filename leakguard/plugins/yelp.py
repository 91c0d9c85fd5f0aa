"""The plugins of Yelp's detect-secrets, run by its own code on one line after the other.

Its heuristic filters apply, its verification does not: `verify` of a plugin asks
the service whether a value is live, and a gate tells nobody what it found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from leakguard.detect.match import Match
from leakguard.errors import ConfigError
from leakguard.plugins import Detector
from leakguard.rule import Rule

PROVIDER = "detect-secrets"

LONGEST_LINE = 10_000
"""Longer lines are left to our own rules: its patterns are not bounded."""

_ASKS_A_SERVICE = "detect_secrets.filters.common.is_ignored_due_to_verification_policies"


def rules() -> list[Rule]:
    """A rule for each of its plugins. Raises ConfigError when the package is not installed."""
    return [
        Rule(
            id=rule_id(name),
            name=f"{kind} (plugin {name} of detect-secrets)",
            why="detect-secrets takes it for a secret, and whoever reads it could use it",
            provider=PROVIDER,
            secret_class="generic",  # noqa: S106 (a class of secrets)
            severity="medium",
            confidence="possible",
        )
        for kind, name in sorted(_plugins().items())
    ]


def rule_id(plugin: str) -> str:
    """`AWSKeyDetector` is `detect-secrets-aws-key`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+|[0-9]+", plugin.removesuffix("Detector"))
    return "-".join((PROVIDER, *words)).lower()


def _plugins() -> dict[str, str]:
    """Kind of secret and class of every plugin."""
    try:
        from detect_secrets.core.plugins import util
    except ImportError as error:
        raise ConfigError(
            "the detector detect-secrets is asked for, but its package is not installed",
            "pip install 'leakguard[detect-secrets]'",
            "or take it out of detectors: in .leakguard.yml",
            cause=str(error),
        ) from None
    found: dict[str, Any] = util.get_mapping_from_secret_type_to_class()
    return {kind: plugin.__name__ for kind, plugin in found.items()}


def detector(known: Sequence[Rule]) -> Detector:
    """Its plugins, as far as their rules are among the known ones."""
    by_id = {rule.id: rule for rule in known if rule.provider == PROVIDER}
    names = [name for name in _plugins().values() if rule_id(name) in by_id]
    from detect_secrets.settings import get_filters, get_plugins, get_settings

    settings = get_settings()
    settings.clear()
    settings.configure_plugins([{"name": name} for name in names])
    settings.disable_filters(_ASKS_A_SERVICE, *settings.DEFAULT_FILTERS)
    plugins = [(by_id[rule_id(type(one).__name__)], one) for one in get_plugins()]
    filters = _Filters(get_filters())

    def matches(data: bytes, path: str) -> Iterator[Match]:
        if b"\0" in data[:1024] or filters.drop({"filename": path}):
            return
        for start, line in _lines(data):
            for rule, plugin in plugins:
                for value in _values(plugin, path, line, filters):
                    yield from _places(rule, value, line, start)

    return matches


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    """(where it begins, text) of each line; a byte is a character, so that places stay true."""
    start = 0
    for line in data.splitlines(keepends=True):
        if len(line) <= LONGEST_LINE and len(line.strip()) >= 8:
            yield start, line.decode("latin-1").rstrip()
        start += len(line)


def _values(plugin: Any, path: str, line: str, filters: _Filters) -> list[str]:
    """What a plugin takes for a secret on a line, in a fixed order."""
    found = {one.secret_value for one in plugin.analyze_line(filename=path, line=line)}
    return sorted(
        value
        for value in found
        if value
        and not filters.drop({"filename": path, "line": line, "plugin": plugin, "secret": value})
    )


def _places(rule: Rule, value: str, line: str, start: int) -> Iterator[Match]:
    """Everywhere on its line that the value stands."""
    raw = value.encode("latin-1")
    for found in re.finditer(re.escape(value), line):
        span = start + found.start(), start + found.end()
        yield Match(rule, raw, span, span)


class _Filters:
    """Its heuristics: what looks like a secret and is none."""

    def __init__(self, filters: Iterable[Any]) -> None:
        self._by_subject: dict[str, list[tuple[Any, frozenset[str]]]] = {
            "filename": [],
            "secret": [],
        }
        for one in filters:
            wanted = frozenset(one.injectable_variables)
            subject = "secret" if "secret" in wanted else "filename"
            if wanted <= {"filename", "line", "plugin", "secret"} and subject in wanted:
                self._by_subject[subject].append((one, wanted))

    def drop(self, given: dict[str, Any]) -> bool:
        """Whether a file (without a secret) or a value is left out."""
        subject = "secret" if "secret" in given else "filename"
        return any(
            one(**{name: given[name] for name in wanted})
            for one, wanted in self._by_subject[subject]
            if wanted <= given.keys()
        )
