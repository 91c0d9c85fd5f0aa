"""A rotation that a person carries out: the same phases, the same record, no program.

What a person says is kept as an attestation: it moves the rotation on and is marked
as the weakest of all proofs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from leakguard.rotate.answer import Reply
from leakguard.rotate.manifest import Manifest
from leakguard.rotate.redact import Redactor
from leakguard.rotate.script import Call
from leakguard.secret import Secret

Ask = Callable[[str, str], str]
"""Asks a person about (phase, what to do); the evidence they gave, or nothing if not done."""

_UNDO = {
    "create": "delete the new one again",
    "disable_old": "enable the old one again",
}


@dataclass(frozen=True, slots=True)
class Guided:
    """A manifest with a guide instead of a program."""

    manifest: Manifest
    ask: Ask

    def call(self, call: Call) -> Reply:
        """Carry out one phase by asking. Nobody there, or not done: `missing`."""
        if call.phase == "describe":
            return Reply(True, "done", more={"capabilities": self.manifest.capabilities()})
        if call.phase == "plan":
            return Reply(True, "done", more=self._plan(call))
        said = self.ask(call.phase, _filled(self._guide(call.phase), call.target))
        if not said:
            return Reply(False, error="missing", message=f"a person has to attest {call.phase!r}")
        said = Redactor(call.secrets.values()).clean(said)
        evidence = ({"attested": said},)
        if call.phase == "probe":
            return Reply(True, "done", evidence=evidence, more={"probe": _PROBE})
        if call.phase == "observe":
            return Reply(True, "done", evidence=evidence, more={"state": {}})
        return Reply(True, "done", evidence=evidence, secrets=_handed_over(call))

    def _guide(self, phase: str) -> str:
        return self.manifest.guide.get(phase, phase.replace("_", " "))

    def _plan(self, call: Call) -> Mapping[str, Any]:
        listed = [phase for phase in self.manifest.phases if phase not in ("describe", "plan")]
        return {
            "actions": [
                {
                    "phase": phase,
                    "verb": "you",
                    "target": "",
                    "effect": _filled(self._guide(phase), call.target),
                    "undo": None if phase in self.manifest.irreversible else _UNDO.get(phase),
                }
                for phase in listed
                if phase in self.manifest.guide and phase != "observe"
            ],
            "checks": [],
            "known": [],
        }


_PROBE = {
    "new": "accepted",
    "old": "refused",
    "old_error": "auth",
    "derived": "unknown",
    "method": "attestation",
}


def _filled(text: str, target: Mapping[str, Any]) -> str:
    """The guide's words with the target's name and address in them."""
    for name, value in target.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def _handed_over(call: Call) -> dict[str, Secret]:
    """The new value, when the person gave it along for the consumers."""
    if call.phase == "create" and "new" in call.secrets:
        return {"new": call.secrets["new"]}
    return {}
