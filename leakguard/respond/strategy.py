"""In which order a leaked credential is cut over: cut first, block first, or both valid a while."""

from __future__ import annotations

from dataclasses import dataclass

from leakguard.facts import Facts
from leakguard.preset import Preset, Span

REVOKE_FIRST = "revoke-first"
OVERLAP = "overlap"
QUARANTINE_FIRST = "quarantine-first"

SIGNING = frozenset({"session-signing-key", "code-signing-key", "audit-ledger-key", "dkim-key"})
"""With these, accepting the old key a while longer means accepting forgeries (V-34, P-18)."""

WRAPPING = frozenset({"kek", "dek-passphrase"})
"""What they encrypted is lost if they are destroyed before it is encrypted again."""

NARROW = frozenset({"few", "internal", "partner", "none"})


@dataclass(frozen=True, slots=True)
class Strategy:
    """How to go, why, and the longest time that old and new may both work (None: not at all)."""

    name: str
    reasons: tuple[str, ...]
    overlap: Span | None = None


def choose(
    facts: Facts,
    preset: Preset,
    level: int,
    *,
    can_quarantine: bool | None = None,
    can_overlap: bool | None = None,
) -> Strategy:
    """The default for one credential. What the issuer can do is `None` where nobody knows.

    An unknown audience counts as public, an unknown environment as production.
    """
    urgent = _urgent(facts)
    if _is(facts, "class", WRAPPING):
        why = "what it encrypts has to be encrypted again before it may be destroyed"
        return Strategy(QUARANTINE_FIRST, (*urgent, why, "only that job may still use it"))
    if urgent:
        return _cut(urgent, can_quarantine)
    if can_overlap is False:
        return Strategy(REVOKE_FIRST, ("the issuer keeps one value at a time",))
    cap = preset.span("overlap", level)
    if cap is None:
        return Strategy(REVOKE_FIRST, ("the ladder allows no time in which both values work",))
    narrow = "few could have read it, and nothing shows that it was used"
    return Strategy(OVERLAP, (narrow, f"both values may work for {cap} at most"), cap)


def _urgent(facts: Facts) -> tuple[str, ...]:
    """Why the old value must stop working before the new one is everywhere."""
    found = []
    if "yes" in facts.get("evidence-of-use", ()):
        found.append("somebody used it")
    if _is(facts, "intrusion", {"vault", "server"}):
        found.append("somebody is or was inside")
    if _is(facts, "class", SIGNING):
        found.append("as long as the old key is accepted, so is what somebody else signs with it")
    if not _local(facts) and _public(facts):
        found.append("anybody could have read it")
    return tuple(found)


def _cut(reasons: tuple[str, ...], can_quarantine: bool | None) -> Strategy:
    if can_quarantine:
        why = "the issuer can block it and unblock it again"
        return Strategy(QUARANTINE_FIRST, (*reasons, why))
    known = "cannot block it reversibly" if can_quarantine is False else "may not know a block"
    why = f"the issuer {known}; an outage is accepted"
    return Strategy(REVOKE_FIRST, (*reasons, why))


def _is(facts: Facts, name: str, values: set[str] | frozenset[str]) -> bool:
    return bool(facts.get(name, frozenset()) & values)


def _public(facts: Facts) -> bool:
    """Whether the audience is not known to be a narrow one."""
    return (
        "unknown" in facts.get("surface", ())
        or not facts.get("audience", frozenset({"unknown"})) <= NARROW
    )


def _local(facts: Facts) -> bool:
    """Whether it never left the machine where it was committed."""
    only = facts.get("channel", frozenset()) == {"local-commit"}
    return only and "yes" not in facts.get("history-pushed", ())
