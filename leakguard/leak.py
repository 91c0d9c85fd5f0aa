"""A leak as it is reported: by our own gate, by another scanner, or by a person."""

from __future__ import annotations

from dataclasses import dataclass, field

from leakguard.secret import Secret


@dataclass(frozen=True, slots=True, order=True)
class Sighting:
    """One place where it was seen. `line` from 1, 0 when nobody knows; `date` as git writes it."""

    path: str
    line: int = 0
    commit: str = ""
    date: str = ""
    column: int = 0


@dataclass(frozen=True, slots=True)
class Leak:
    """One secret that got out, before it is an incident.

    `id` is what people type to choose it; `fingerprint` the finding's own, empty
    where no rule of ours knows the value. `value` is there only while a foreign
    report is being matched with our rules.
    """

    id: str
    rule_id: str
    secret_class: str
    places: tuple[Sighting, ...]
    fingerprint: str = ""
    name: str = ""
    provider: str = ""
    severity: str = ""
    confidence: str = "likely"
    validity: str = "unknown"
    exposure: str = "local"
    preview: str = ""
    tool: str = "leakguard"
    value: Secret | None = field(default=None, repr=False)
    context: Secret | None = field(default=None, repr=False)
