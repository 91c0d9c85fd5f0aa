"""What a rotation script says of itself in `manifest.yml`, read strictly."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leakguard.load import inside
from leakguard.rotate.generate import Constraints

FILE = "manifest.yml"
MAX_BYTES = 256 * 1024

KINDS = ("issuer", "consumer")
TIERS = ("infrastructure", "service", "integration", "human")
"""The order in which many are rotated: what others stand on goes first."""

TYPES = ("string", "integer", "boolean")
OVERLAPS = ("native", "alternating", "none")
ORIGINS = ("client", "issuer")
DRY_RUNS = ("real", "simulated", "none")
BUILT_IN_SLOTS = ("old", "new")
CAPABILITIES = (
    "secret_origin",
    "overlap",
    "max_active",
    "reversible_disable",
    "kills_sessions",
    "label_support",
    "dry_run",
)
"""What `describe` repeats, and what a plan may narrow for its target."""

PER_MINUTE = 30.0
"""Rotations that an issuer is asked to begin in a minute, where its manifest says nothing."""

TIMEOUT = 30.0
LONGEST_TIMEOUT = 3600.0

NEEDED = {
    "issuer": ("describe", "plan", "create", "verify_new", "probe", "observe"),
    "consumer": ("describe", "plan", "distribute", "confirm", "observe"),
}
"""Phases without which a script of a kind is no use; `observe` is how a crash is survived."""

CONSUMER_PHASES = ("describe", "plan", "distribute", "confirm", "observe", "rollback")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a target."""

    name: str
    type: str
    help: str
    required: bool = False
    default: str | int | bool | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """A secret that the script needs, under a name."""

    name: str
    help: str
    required: bool


@dataclass(frozen=True, slots=True)
class Requires:
    """What has to be installed, and the extra of leakguard that brings the Python part."""

    python: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many rotations an issuer is asked to begin in a minute; `per` names parameters of
    the target that tell one issuer from another (without: all that use the script are one).
    """

    per_minute: float = PER_MINUTE
    per: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that the engine believes of a script before it has run it."""

    name: str
    kind: str
    title: str
    classes: tuple[str, ...]
    tier: str
    run: tuple[str, ...]
    phases: tuple[str, ...]
    providers: tuple[str, ...] = ()
    secret_origin: str = "client"
    overlap: str = "none"
    max_active: int = 0
    reversible_disable: bool = False
    kills_sessions: bool = False
    label_support: bool = False
    dry_run: str = "none"
    propagation_seconds: float = 0.0
    rounds: int = 3
    interval_seconds: float = 1.0
    target: Mapping[str, Parameter] = field(default_factory=dict)
    slots: Mapping[str, Slot] = field(default_factory=dict)
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    constraints: Constraints = field(default_factory=Constraints)
    timeouts: Mapping[str, float] = field(default_factory=dict)
    requires: Requires = Requires()
    rate: Rate = Rate()
    irreversible: tuple[str, ...] = ()
    guide: Mapping[str, str] = field(default_factory=dict)

    @property
    def guided(self) -> bool:
        """Whether a person does the work, phase by phase, and no program runs."""
        return bool(self.guide)

    def has(self, phase: str) -> bool:
        """Whether the script serves a phase."""
        return phase in self.phases

    def timeout(self, phase: str) -> float:
        """Seconds that a phase may take."""
        return self.timeouts.get(phase, TIMEOUT)

    def issuer(self, target: Mapping[str, Any]) -> str:
        """What may not be overrun when this target is asked."""
        return " ".join([self.name, *(f"{one}={target.get(one, '')}" for one in self.rate.per)])

    def capabilities(self) -> dict[str, Any]:
        """What `describe` has to answer."""
        return {name: getattr(self, name) for name in CAPABILITIES}


def read(folder: str) -> Manifest:
    """The manifest of a script's folder. Raises ConfigError with the place of what is wrong."""
    path = os.path.join(folder, FILE)
    return parse(path, inside.read_file(path, path, MAX_BYTES), os.path.basename(folder))


def parse(path: str, raw: bytes, folder: str = "") -> Manifest:
    """A manifest; `folder` is the name that it has to have. Raises ConfigError."""
    from leakguard.rotate.manifest_file import manifest_of

    return manifest_of(path, raw, folder)


def typed(kind: str, text: str) -> str | int | bool:
    """A parameter's value out of its spelling. Raises ValueError with what it must be."""
    if kind == "integer":
        try:
            return int(text)
        except ValueError:
            raise ValueError("must be a whole number") from None
    if kind == "boolean":
        if text not in ("true", "false"):
            raise ValueError("must be true or false")
        return text == "true"
    return text
