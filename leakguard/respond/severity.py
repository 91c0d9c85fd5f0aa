"""How bad a leak is: what the policy says of a case, and why.

A policy is data (leakguard/data/severity). What is unknown counts as the worst
that it could be (assumptions); what makes a case milder must hold for all of it
(readings); what makes it worse needs to hold for a part of it (rules).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from leakguard.event import SeverityJudged
from leakguard.facts import Facts, When, fits
from leakguard.incident import Incident, Severity
from leakguard.preset import LEVELS, Preset
from leakguard.respond.companions import Result

URGENCIES = ("none", "low", "normal", "high", "immediate")
"""How soon a thing has to happen, from not at all. `high` and `immediate` page somebody."""

BY_LEVEL = ("immediate", "high", "normal", "low")
"""What a level asks for, from level 0 on, where a policy says nothing else."""

COMBINERS = ("max", "first_match")

READ: Mapping[str, tuple[str, ...]] = {
    "leaked": ("yes", "no", "suspected"),
    "live": ("yes", "no"),
    "narrow": ("no", "yes"),
}
"""Facts that only readings set; the first value holds where no reading speaks."""

MATTERS = ("environment", "audience")
"""Facts without which a case cannot be judged: absent means unknown."""

MILDEST = LEVELS - 1

Spoke = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class SeverityRule:
    """A level for the cases that `when` describes, by preset. A `floor` holds in any case."""

    id: str
    when: When
    levels: Mapping[str, int]
    why: str
    source: tuple[str, ...] = ()
    floor: bool = False
    on: bool = True
    rotation: str = ""
    notification: str = ""

    def level(self, preset: str) -> int:
        """The level under a preset; a ladder of one's own gets the default."""
        return self.levels.get(preset, self.levels["default"])


@dataclass(frozen=True, slots=True)
class Assumption:
    """What a case is taken for as long as nobody knows better."""

    id: str
    when: When
    adds: Mapping[str, str]
    why: str
    source: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What makes a case milder. Every value that is known of each named fact must be listed."""

    id: str
    only: When
    fact: str
    value: str
    why: str
    source: tuple[str, ...] = ()
    on: bool = True
    rotation: str = ""
    notification: str = ""


@dataclass(frozen=True, slots=True)
class SeverityPolicy:
    """Everything that decides a level. Urgencies are listed from level 0 to the mildest.

    `max` lets the worst rule decide, `first_match` the first that fits; a floor
    holds in both.
    """

    rules: tuple[SeverityRule, ...]
    assumptions: tuple[Assumption, ...] = ()
    readings: tuple[Reading, ...] = ()
    rotation: tuple[str, ...] = BY_LEVEL
    notification: tuple[str, ...] = BY_LEVEL
    combiner: str = "max"


class _Judged(NamedTuple):
    """One case, judged."""

    level: int
    rotation: str
    notification: str
    spoke: tuple[Spoke, ...]
    leaked: str


def judge(
    policy: SeverityPolicy, facts: Facts, preset: Preset, results: Sequence[Result] = ()
) -> SeverityJudged:
    """The level of one case; of `results`, those that are complete or may be raise it."""
    return judge_all(policy, (facts,), preset, results)


def judge_all(
    policy: SeverityPolicy, cases: Iterable[Facts], preset: Preset, results: Sequence[Result] = ()
) -> SeverityJudged:
    """The level of several cases together (each secret in each place): the worst of them.

    Cases are judged apart, so that a public test key and a private production
    key do not add up to a public production key.
    """
    judged = [_judge(policy, facts, preset) for facts in cases] or [_judge(policy, {}, preset)]
    if any(one.leaked == "yes" for one in judged):
        judged += [_complete(policy, one) for one in results if one.open]
    level = min(one.level for one in judged)
    return SeverityJudged(
        level=level,
        label=preset.label(level),
        rotation=_most(one.rotation for one in judged),
        notification=_most(one.notification for one in judged),
        rules=_merged(spoke for one in judged for spoke in one.spoke),
    )


def rejudge(
    before: Severity | None, judged: SeverityJudged, preset: Preset | None = None
) -> SeverityJudged | None:
    """What to record of a new judgement: nothing, or one that is nowhere milder than before.

    Once people have lowered the level, only a rule that did not speak then
    raises it again: they knew of the others. `preset` names the level then.
    """
    if before is None:
        return judged
    known = {rule: level for rule, level, _ in before.rules}
    fresh = [one for one in judged.rules if one[1] < known.get(one[0], LEVELS)]
    worst = min((level for _, level, _ in fresh), default=before.level)
    level = min(before.level, worst if before.lowered else judged.level)
    merged = replace(
        judged,
        level=level,
        label=_label(level, before, judged, preset),
        rotation=_most((before.rotation, judged.rotation)),
        notification=_most((before.notification, judged.notification)),
        rules=_merged((*before.rules, *judged.rules)),
    )
    same = (before.level, before.rotation, before.notification) == (
        merged.level, merged.rotation, merged.notification,
    )  # fmt: skip
    return None if same and not fresh else merged


def _label(level: int, before: Severity, judged: SeverityJudged, preset: Preset | None) -> str:
    if preset:
        return preset.label(level)
    return judged.label if level == judged.level else before.label


def explain(incident: Incident, preset: Preset | None = None) -> list[str]:
    """Why the incident has its level, for a terminal of 79 columns."""
    severity = incident.severity
    if severity is None:
        return [f"{incident.id} was not judged yet; until then it counts as level 0, the worst"]
    label = preset.label(severity.level) if preset else severity.label
    lines = [f"{incident.id} is {label} (level {severity.level} of 0 to {MILDEST}, 0 is worst)"]
    lines.append(f"rotation {severity.rotation}, notification {severity.notification}")
    if severity.lowered:
        why = f"lowered by {severity.lowered.approver}: {severity.lowered.reason}"
        lines += textwrap.wrap(why, 79, subsequent_indent="  ")
    for rule, level, why in sorted(severity.rules, key=lambda one: one[1]):
        name = preset.label(level) if preset else f"level {level}"
        lines.append(f"  {name}  {rule}")
        lines += textwrap.wrap(why, 79, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return lines


def _judge(policy: SeverityPolicy, facts: Facts, preset: Preset) -> _Judged:
    known = {**facts, **{name: facts.get(name) or frozenset({"unknown"}) for name in MATTERS}}
    assumed = _assume(policy, known)
    readings = _readings(policy, assumed)
    read = {name: frozenset({values[0]}) for name, values in READ.items()}
    read |= {one.fact: frozenset({one.value}) for one in readings}
    hits = _hits(policy, {**assumed, **read})
    spoke = tuple(
        (rule.id, rule.level(preset.name), _why(policy, rule, {**known, **read})) for rule in hits
    ) or (("no-rule", 0, "no rule of the policy speaks of this case; the worst counts"),)
    level = min(one[1] for one in spoke)
    leaked = next(iter(read["leaked"]))
    if leaked == "suspected":
        spoke = _if_real(policy, facts, preset, spoke)
    rotation, notification = _urgencies(policy, preset, level, hits, readings)
    return _Judged(level, rotation, notification, spoke, leaked)


def _assume(policy: SeverityPolicy, facts: Facts) -> Facts:
    """The facts, and what is assumed on top of them."""
    assumed = dict(facts)
    for one in policy.assumptions:
        if fits(one.when, facts):
            for name, value in one.adds.items():
                assumed[name] = assumed.get(name, frozenset()) | {value}
    return assumed


def _readings(policy: SeverityPolicy, facts: Facts) -> list[Reading]:
    """The readings that hold, the first for each fact."""
    found: dict[str, Reading] = {}
    for one in policy.readings:
        if one.on and one.fact not in found and holds_for_all(one.only, facts):
            found[one.fact] = one
    return list(found.values())


def holds_for_all(only: When, facts: Facts) -> bool:
    """Whether everything known of each named fact is listed; what is absent is `unknown`."""
    return all(
        (facts.get(name) or frozenset({"unknown"})) <= set(values) for name, values in only.items()
    )


def _hits(policy: SeverityPolicy, facts: Facts) -> list[SeverityRule]:
    hits = [rule for rule in policy.rules if rule.on and fits(rule.when, facts)]
    if policy.combiner == "max":
        return hits
    first = next((rule for rule in hits if not rule.floor), None)
    return [rule for rule in hits if rule.floor or rule is first]


def _why(policy: SeverityPolicy, rule: SeverityRule, known: Facts) -> str:
    """Why a rule spoke; where only an assumption made it fit, that too."""
    if fits(rule.when, known):
        return rule.why
    told = [
        one.why
        for one in policy.assumptions
        if fits(one.when, known) and any(value in rule.when.get(name, ())
                                         for name, value in one.adds.items())
    ]  # fmt: skip
    return "; ".join(dict.fromkeys((rule.why, *told)))


def _if_real(
    policy: SeverityPolicy, facts: Facts, preset: Preset, spoke: tuple[Spoke, ...]
) -> tuple[Spoke, ...]:
    """How sure we are does not say how bad it is: a suspicion tells its level if it is real."""
    real = _judge(policy, {**facts, "confidence": frozenset({"confirmed"})}, preset)
    doubted = {rule.id for rule in policy.rules if "suspected" in rule.when.get("leaked", ())}
    told = f"; if it is real, it is {preset.label(real.level)}"
    return tuple((rule, level, why + told * (rule in doubted)) for rule, level, why in spoke)


def _urgencies(
    policy: SeverityPolicy,
    preset: Preset,
    level: int,
    hits: list[SeverityRule],
    readings: list[Reading],
) -> tuple[str, str]:
    """What a reading says counts for a milder case, but never below what a floor asks for."""
    floor = min((rule.level(preset.name) for rule in hits if rule.floor), default=None)
    found = []
    for kind, by_level in (("rotation", policy.rotation), ("notification", policy.notification)):
        said = next((getattr(one, kind) for one in readings if getattr(one, kind)), "")
        least = [said or by_level[level], *(getattr(rule, kind) for rule in hits)]
        least += [by_level[floor]] if floor is not None else []
        found.append(_most(least))
    return found[0], found[1]


def _complete(policy: SeverityPolicy, result: Result) -> _Judged:
    """A credential whose other half leaked too, or may have."""
    return _Judged(
        result.level,
        policy.rotation[result.level],
        policy.notification[result.level],
        ((f"companion-{result.set}", result.level, result.why),),
        "yes",
    )


def _most(urgencies: Iterable[str]) -> str:
    """The most urgent; what this version does not know counts as most urgent."""
    order = {name: place for place, name in enumerate(("", *URGENCIES))}
    return max(urgencies, key=lambda one: order.get(one, len(order)))


def _merged(spoke: Iterable[Spoke]) -> tuple[Spoke, ...]:
    """Each rule once, at its worst, worst rules first."""
    found: dict[str, Spoke] = {}
    for one in spoke:
        if one[0] not in found or one[1] < found[one[0]][1]:
            found[one[0]] = one
    return tuple(sorted(found.values(), key=lambda one: one[1]))
