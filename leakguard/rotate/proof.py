"""Whether a credential is dead, judged by rounds in which the old and the new one knocked.

Changed is not dead: its sessions may live. Refused is not dead: a single refusal may be
a replica that is ahead of the others. Unreachable is not dead. That the issuer said yes to
a revocation is not dead either. Only this is: several rounds in a row, after the time
that the issuer needs, in each of which the new credential was let in and the old one
was refused as a credential.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What the rounds show. Only `dead` is a proof."""

    DEAD = "dead"
    NOT_YET = "not yet"
    ALIVE = "alive"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Round:
    """What one paired knock showed. `derived` is what the old one opened before: sessions."""

    new: str
    old: str
    old_error: str = ""
    derived: str = "unknown"
    method: str = "login"

    @property
    def proves(self) -> bool:
        """Whether this round speaks for death: new let in, old refused as a credential."""
        refused = self.old == "refused" and (self.old_error == "auth" or self.by_metadata)
        return self.new == "accepted" and refused and self.derived != "alive"

    @property
    def by_metadata(self) -> bool:
        """Whether the issuer's records answered, or a person; nobody knocked."""
        return self.method in ("metadata", "attestation")


def round_of(answer: Mapping[str, Any]) -> Round:
    """The round in a script's answer to `probe`."""
    found = {name: str(answer[name]) for name in Round.__slots__ if answer.get(name)}
    return Round(**({"new": "unknown", "old": "unknown"} | found))


def judge(rounds: Sequence[Round], needed: int) -> Verdict:
    """What rounds after the last change show; the newest decides, and the run that it ends."""
    if not rounds:
        return Verdict.NOT_YET
    last = rounds[-1]
    if last.old == "accepted" or last.derived == "alive":
        return Verdict.ALIVE
    if not last.proves:
        return Verdict.UNKNOWN
    return Verdict.DEAD if streak(rounds) >= max(1, needed) else Verdict.NOT_YET


def streak(rounds: Sequence[Round]) -> int:
    """How many rounds in a row, up to the newest, speak for death."""
    count = 0
    for one in reversed(rounds):
        if not one.proves:
            break
        count += 1
    return count


def told(rounds: Sequence[Round]) -> str:
    """The newest round in words, for evidence."""
    if not rounds:
        return "nobody knocked yet"
    last = rounds[-1]
    error = f" ({last.old_error})" if last.old_error and last.old == "refused" else ""
    return f"new {last.new}, old {last.old}{error}, sessions of the old: {last.derived}"
