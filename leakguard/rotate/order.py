"""The steps of a rotation and their order. Pure: the engine asks, and walks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leakguard.rotate.manifest import Manifest

MUTATIONS = frozenset(
    {"create", "distribute", "disable_old", "kill_derived", "destroy_old", "rollback"}
)
"""Phases that change something; none of them is ever repeated blindly."""

ENDING = ("disable_old", "kill_derived", "prove", "destroy_old", "prove-end")
"""What must not happen in `overlap` before every consumer is confirmed."""


DESTROYING = ("disable_old", "kill_derived", "destroy_old")
"""After these the issuer may have forgotten what it knows of the old one and its sessions."""

CAPTURE = "capture"
"""Keeping what the issuer shows, just before the first of these; never a reason to wait."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the journal remembers: a phase, for a consumer where there is one."""

    key: str
    phase: str
    consumer: str = ""

    @property
    def mutates(self) -> bool:
        """Whether a repetition could do harm."""
        return self.phase in MUTATIONS


def endings(manifest: Manifest, overlap: str) -> tuple[str, ...]:
    """The phases with which a script ends the old one. None: only a person can."""
    named = tuple(one for one in ("disable_old", "destroy_old") if manifest.has(one))
    return ("create", *named) if overlap == "none" else named


def way(manifest: Manifest, strategy: str, overlap: str, consumers: Sequence[str]) -> list[Step]:
    """Every step, in order. With `contain` the old one ends before the new one is anywhere."""
    ends = endings(manifest, overlap)
    first = "destroy_old" if ends[:1] == ("destroy_old",) else "disable_old"
    ending = [Step(one, one) for one in (first, "kill_derived") if manifest.has(one)]
    making = [Step("create", "create"), Step("verify_new", "verify_new")]
    if manifest.secret_origin == "client":
        making.insert(0, Step("generate", "generate"))
    handing = [
        Step(f"{phase}:{one}", phase, one)
        for phase in ("distribute", "confirm")
        for one in consumers
    ]
    if overlap == "none":  # creating is ending
        at = len(making) - 1
        steps = [*making[:at], *ending, *making[at:], *handing]
    elif strategy == "contain":
        steps = [*ending, *making, *handing]
    else:
        steps = [*making, *handing, *ending]
    if not manifest.guided:
        steps.insert(0, Step("baseline", "probe"))
    steps.append(Step("prove", "probe"))
    if manifest.has("destroy_old") and first != "destroy_old":
        steps += [Step("destroy_old", "destroy_old"), Step("prove-end", "probe")]
    return steps
