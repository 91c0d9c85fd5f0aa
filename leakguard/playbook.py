"""A step of a response, and where it comes from. Text and order are data (leakguard/data)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from leakguard.facts import When


class Phase(StrEnum):
    """What a step is for; also the order in which people work."""

    CONTAIN = "contain"
    INVESTIGATE = "investigate"
    RECOVER = "recover"
    LEARN = "learn"


class Risk(StrEnum):
    """What doing it can cost."""

    NONE = "none"
    REVERSIBLE = "reversible"
    OUTAGE = "outage"
    IRREVERSIBLE = "irreversible"


PER = ("incident", "secret", "exposure", "consumer")
"""A step stands once in a checklist, or once for each secret, exposure or consumer."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. In a checklist `key` is unique: the id, and the subject where it has one.

    `due` names a timer of the preset (`first-response`, `contain`, `scope`,
    `recover`, `review`, ...), counted from the declaration. `when` says for
    which cases the step exists, `needs` which facts must hold before it may be
    done, `command` is an argv template without any secret, `sets` the state of
    the secret that doing it stands for, `proves` the kind of proof it asks for.
    """

    id: str
    title: str
    why: str
    source: tuple[str, ...]
    phase: Phase
    due: str = ""
    per: str = "incident"
    subject: str = ""
    depends_on: tuple[str, ...] = ()
    when: When = field(default_factory=dict)
    needs: When = field(default_factory=dict)
    command: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    risk: Risk = Risk.NONE
    undo: str = ""
    undo_step: str = ""
    verification: str = ""
    mandatory: bool = True
    destructive: bool = False
    automated_by: str = ""
    sets: str = ""
    proves: str = ""
    fragment: str = ""

    @property
    def key(self) -> str:
        """What people type: `rotate`, or `rotate:S2` where there are several."""
        return f"{self.id}:{self.subject}" if self.subject else self.id


@dataclass(frozen=True, slots=True)
class Fragment:
    """Steps that belong to one aspect of a case: a class, a channel, an audience, the closing."""

    id: str
    kind: str
    title: str
    when: When
    steps: tuple[Step, ...]
    reviewed: str = ""
    risk_statement: str = ""
    residual: tuple[str, ...] = ()
    questions: Mapping[str, str] = field(default_factory=dict)


def step(fields: dict[str, Any]) -> Step:
    """A step as an event keeps it."""
    made = dict(fields)
    made["phase"] = Phase(made["phase"])
    made["risk"] = Risk(made.get("risk", "none"))
    for name in ("source", "depends_on", "command", "inputs"):
        made[name] = tuple(made.get(name, ()))
    for name in ("when", "needs"):
        given = made.get(name, {})
        made[name] = MappingProxyType({key: tuple(values) for key, values in given.items()})
    return Step(**made)


def step_fields(kept: Step) -> dict[str, Any]:
    """A step ready for JSON, the counterpart of `step`; empty fields are left out."""
    fields: dict[str, Any] = {}
    for name in Step.__slots__:
        value = getattr(kept, name)
        if name in ("when", "needs"):
            value = {key: list(values) for key, values in value.items()}
        if value not in ("", (), {}, None) or name == "source":
            fields[name] = list(value) if isinstance(value, tuple) else value
    return fields
