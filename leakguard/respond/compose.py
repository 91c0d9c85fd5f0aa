"""The checklist of a case: every step that fits its facts, once for each subject, in order.

A step that waits for another stands after it, and never in an earlier phase; so
a checklist can be worked from top to bottom. What the case does not hold is not
waited for. Two orders do not depend on any playbook: a copy is removed only
after the credential was revoked, and nothing is destroyed before evidence was
kept.
"""

from __future__ import annotations

import graphlib
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from leakguard.errors import ConfigError
from leakguard.facts import Facts, fits
from leakguard.playbook import PER, Fragment, Phase, Step
from leakguard.respond.compose_vocabulary import CAUTIOUS, VOCABULARY

__all__ = ["CAUTIOUS", "VOCABULARY", "Checklist", "compose"]

PHASES = tuple(Phase)
URGENCY = (
    ("suspicion",),
    ("first-response", "rotate"),
    ("vault", "contain"),
    ("overlap", "scope"),
    ("recover", "tell", "undo"),
    ("draft", "review"),
    ("mitigate", "publish"),
)
"""Which timers come first within a phase; the others, and no timer, come after them."""

EVIDENCE = "preserve"
REVOKED = "revoke"
"""The steps that what destroys, and what removes a copy, wait for in any case."""

_SKELETON = 3
_PRECEDENCE = {"companion": 0, "class": 1, "channel": 1, "environment": 2, "skeleton": _SKELETON}
"""Which words stand when two fragments say the same step: the more special ones."""


@dataclass(frozen=True, slots=True)
class Checklist:
    """What to do in a case, in order, and what to know of it."""

    steps: tuple[Step, ...]
    questions: tuple[tuple[str, str], ...] = ()
    risk_statements: tuple[str, ...] = ()
    residual: tuple[str, ...] = ()
    playbooks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Case:
    """The subjects of a case: (kind, id, facts), and which secret each belongs to."""

    facts: Facts
    subjects: Mapping[str, tuple[tuple[str, Facts], ...]]
    owners: Mapping[str, str]

    def of(self, per: str) -> tuple[tuple[str, Facts], ...]:
        return (("", self.facts),) if per == "incident" else self.subjects[per]


class _Placed(NamedTuple):
    """A step of a fragment that stands in this case, for one subject."""

    step: Step
    subject: str
    fragment: str
    scripted: bool
    rank: int
    place: tuple[int, int, int, int]

    @property
    def key(self) -> str:
        return f"{self.step.id}:{self.subject}" if self.subject else self.step.id

    def standing(self, depends_on: tuple[str, ...]) -> Step:
        """The step of the checklist."""
        return replace(
            self.step,
            subject=self.subject,
            fragment=self.fragment,
            depends_on=depends_on,
            automated_by=self.step.automated_by if self.scripted else "",
        )


def compose(
    fragments: Sequence[Fragment],
    incident_facts: Facts,
    secrets: Sequence[tuple[str, Facts]],
    exposures: Sequence[tuple[str, Facts]],
    consumers: Sequence[str],
    *,
    owners: Mapping[str, str] | None = None,
) -> Checklist:
    """The checklist of one case. `owners` says which secret an exposure or consumer belongs to.

    Raises ConfigError when steps of foreign packs wait for each other.
    """
    case = _case(incident_facts, secrets, exposures, consumers, owners or {})
    standing = [
        (number, one, where)
        for number, one in enumerate(fragments)
        if any((where := _where(one, case)).values())
    ]
    placed = _merged(found for one in standing for found in _fitting(*one))
    waiting = {key: _waits(one, placed, case) for key, one in placed.items()}
    order = _sorted(placed, waiting)
    used = [one for _, one, _ in standing]
    return Checklist(
        steps=tuple(placed[key].standing(waiting[key]) for key in order),
        questions=_questions(used, case.facts),
        risk_statements=_unique(one.risk_statement for one in used if one.risk_statement),
        residual=_unique(text for one in used for text in one.residual),
        playbooks=_unique(one.title for one in used if one.kind not in ("base", "skeleton")),
    )


def _case(
    facts: Facts,
    secrets: Sequence[tuple[str, Facts]],
    exposures: Sequence[tuple[str, Facts]],
    consumers: Sequence[str],
    owners: Mapping[str, str],
) -> _Case:
    whole = _whole(facts, [own for _, own in (*secrets, *exposures)])
    of_secret = dict(secrets)
    return _Case(
        whole,
        {
            "secret": tuple((name, {**whole, **own}) for name, own in secrets),
            "exposure": tuple(
                (name, {**whole, **of_secret.get(owners.get(name, ""), {}), **own})
                for name, own in exposures
            ),
            "consumer": tuple(
                (name, {**whole, **of_secret.get(owners.get(name, ""), {})}) for name in consumers
            ),
        },
        owners,
    )


def _whole(facts: Facts, of_subjects: Iterable[Facts]) -> Facts:
    """The facts of the incident; where it says nothing, what its subjects say together."""
    together: dict[str, frozenset[str]] = {}
    for own in of_subjects:
        for name, values in own.items():
            together[name] = together.get(name, frozenset()) | values
    return {**CAUTIOUS, **together, **facts}


def _where(fragment: Fragment, case: _Case) -> dict[str, list[tuple[str, Facts]]]:
    """The subjects that a fragment speaks of, by kind, each with its facts."""
    return {per: [one for one in case.of(per) if fits(fragment.when, one[1])] for per in PER}


def _fitting(
    number: int, fragment: Fragment, where: Mapping[str, Sequence[tuple[str, Facts]]]
) -> Iterator[_Placed]:
    """Every step that fits, once for each subject that it fits; of variants the first."""
    rank = _PRECEDENCE.get(fragment.kind, 2)
    for per, subjects in where.items():
        steps = [(n, step) for n, step in enumerate(fragment.steps) if step.per == per]
        for subject, facts in subjects if steps else ():
            scripted = "yes" in facts.get("rotation-script", ())
            seen: set[str] = set()
            for index, step in steps:
                if step.id not in seen and (not step.when or fits(step.when, facts)):
                    seen.add(step.id)
                    place = (*_urgency(step), number, index)
                    yield _Placed(step, subject, fragment.id, scripted, rank, place)


def _urgency(step: Step) -> tuple[int, int]:
    rank = next((n for n, timers in enumerate(URGENCY) if step.due in timers), len(URGENCY))
    return PHASES.index(step.phase), rank


def _merged(found: Iterable[_Placed]) -> dict[str, _Placed]:
    """One step for each key: the words of the most special one, the sources and waits of all."""
    kept: dict[str, _Placed] = {}
    for one in found:
        before = kept.get(one.key)
        kept[one.key] = one if before is None else _both(before, one)
    return kept


def _both(one: _Placed, other: _Placed) -> _Placed:
    """One step of two fragments. A skeleton's waits count only where nothing is more exact."""
    first, second = sorted((one, other), key=lambda placed: placed.rank)
    added = () if second.rank == _SKELETON and first.rank < _SKELETON else second.step.depends_on
    step = replace(
        first.step,
        source=_unique((*first.step.source, *second.step.source)),
        depends_on=_unique((*first.step.depends_on, *added)),
        mandatory=one.step.mandatory or other.step.mandatory,
        destructive=one.step.destructive or other.step.destructive,
    )
    place = (*_urgency(step), *min(one.place[2:], other.place[2:]))
    return first._replace(step=step, place=place)


def _waits(one: _Placed, placed: Mapping[str, _Placed], case: _Case) -> tuple[str, ...]:
    """The keys that a step waits for, of those that are in this case."""
    named = list(one.step.depends_on)
    if one.step.destructive:
        named.append(EVIDENCE)
    if one.step.proves == "gone":
        named.append(REVOKED)
    if not named:
        return ()
    subjects = ["", *_beside(one, case)]
    keys = (f"{name}:{subject}" if subject else name for name in named for subject in subjects)
    return _unique(key for key in keys if key in placed and key != one.key)


def _beside(one: _Placed, case: _Case) -> Iterator[str]:
    """The subjects whose steps a step may wait for: its own, and those of the same secret.

    An incident's step waits for all; so does one whose secret nobody knows.
    """
    known = {name for name, _ in case.subjects["secret"]}
    own = case.owners.get(one.subject, one.subject)
    for per, subjects in case.subjects.items():
        for subject, _ in subjects:
            theirs = case.owners.get(subject, subject)
            unsaid = own not in known or theirs not in known
            other = per == one.step.per and subject != one.subject
            if not one.subject or (not other and (unsaid or own == theirs)):
                yield subject


def _sorted(placed: Mapping[str, _Placed], waiting: Mapping[str, tuple[str, ...]]) -> list[str]:
    """By phase, what waits for what, what is due first, and then as the playbooks say it."""
    sorter = graphlib.TopologicalSorter(waiting)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        round_ = ", ".join(dict.fromkeys(error.args[1]))
        raise ConfigError(
            f"steps wait for each other: {round_}", "look at depends_on in your own playbooks"
        ) from None
    ready: list[tuple[tuple[int, int, int, int], int, str]] = []
    numbers = {key: number for number, key in enumerate(placed)}
    order: list[str] = []
    while sorter.is_active():
        for key in sorter.get_ready():
            heapq.heappush(ready, (placed[key].place, numbers[key], key))
        _, _, key = heapq.heappop(ready)
        order.append(key)
        sorter.done(key)
    return order


def _questions(used: Iterable[Fragment], facts: Facts) -> tuple[tuple[str, str], ...]:
    """What nobody answered yet."""
    asked = {name: text for one in used for name, text in one.questions.items()}
    return tuple(
        (name, text)
        for name, text in asked.items()
        if not facts.get(name) or "unknown" in facts[name]
    )


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
