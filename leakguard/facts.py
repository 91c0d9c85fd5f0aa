"""What is known of a case, as words: one mechanism for severity, playbooks and companions.

A case is a mapping of fact to the set of values that hold. A condition (`when`)
names facts and the values it accepts; it fits when every named fact has one of
them. So a policy or a playbook needs no language of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

Facts = Mapping[str, frozenset[str]]
When = Mapping[str, tuple[str, ...]]

CHANNELS = (
    "ci-log",
    "chat",
    "ticket",
    "public-repository",
    "private-repository",
    "error-tracker",
    "stack-trace",
    "screenshot",
    "package",
    "image-layer",
    "iac-module",
    "backup",
    "laptop",
    "process-memory",
    "paste-site",
    "transcript",
    "vendor",
    "wiki",
    "support-log",
    "agent-session",
    "local-commit",
    "unknown",
)
"""Where a secret got out. `unknown` counts as public; `local-commit` never left the machine."""

AUDIENCES = ("none", "few", "internal", "partner", "public", "unknown")
"""Who could have read it: nobody, at most five people, the organisation, partners, anybody."""

ENVIRONMENTS = ("production", "staging", "development", "unknown")
"""What the credential opens. `unknown` counts as production."""

ANSWERS = ("yes", "no", "unknown")
"""What a person says to a question of the triage."""


def fits(when: When, facts: Facts) -> bool:
    """Whether every named fact has one of the named values; an empty condition always fits."""
    return all(facts.get(name, frozenset()) & set(values) for name, values in when.items())
