"""Which credentials are dangerous together: halves, pairs, shares.

A set is data (leakguard/data/companions). What was found in one place is a dump.
The order in which things are found never matters, and more of them never makes
a result milder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

STATES = ("absent", "half", "unknown", "complete")
"""From harmless to worst. `unknown` (nobody has answered yet) is handled as complete."""

APART = ".together"
"""The answer `<set>.together`: whether halves of different dumps belong to each other."""

ALL = "*"
"""The answer for every set that has none of its own."""

NO_FLOOR = 3


@dataclass(frozen=True, slots=True)
class Item:
    """A credential that was found. `fingerprint` tells that two findings are the same value."""

    secret: str
    secret_class: str
    rule_id: str = ""
    provider: str = ""
    label: str = ""
    environment: str = "unknown"
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Dump:
    """What was found together: one file, commit, log, message, environment.

    `linked` names other dumps that somebody said are the same leak.
    """

    id: str
    items: tuple[Item, ...]
    linked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """Which items fit: every kind of word that is given must fit; rules and the like are globs."""

    rules: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()  # words that all stand in the label

    def fits(self, item: Item) -> bool:
        """Whether an item is meant."""
        words = set(words_of(item.label))
        return (
            _any(self.rules, item.rule_id)
            and _any(self.classes, item.secret_class)
            and _any(self.providers, item.provider)
            and (not self.labels or any(words.issuperset(one.split()) for one in self.labels))
        )


@dataclass(frozen=True, slots=True)
class Member:
    """One part of a set.

    A `public` one is no secret, or means nothing by itself: nobody reports it,
    so a person has to say whether it was there.
    """

    id: str
    what: str
    match: tuple[Match, ...] = ()
    optional: bool = False
    public: bool = False
    count: int = 1

    def fits(self, item: Item) -> bool:
        """Whether an item is this part."""
        return any(one.fits(item) for one in self.match)


@dataclass(frozen=True, slots=True)
class CompanionSet:
    """Parts that open something together. `whole` items are complete by themselves.

    `level` and `production` are the least level of a complete set, outside of
    production and in it. `opens` names the kind of container, if it is one.
    """

    id: str
    title: str
    members: tuple[Member, ...]
    effect: str
    alone: str
    question: str
    source: tuple[str, ...] = ()
    whole: tuple[Match, ...] = ()
    level: int = 2
    production: int = 2
    opens: str = ""

    @property
    def required(self) -> tuple[Member, ...]:
        """The parts without which it opens nothing."""
        return tuple(one for one in self.members if not one.optional)

    def part(self, item: Item) -> bool:
        """Whether an item has to do with this set."""
        whole = any(one.fits(item) for one in self.whole)
        return whole or any(one.fits(item) for one in self.members)

    def speaks(self, item: Item) -> bool:
        """Whether finding an item raises the question of the others."""
        whole = any(one.fits(item) for one in self.whole)
        return whole or any(one.fits(item) for one in self.members if not one.public)


@dataclass(frozen=True, slots=True)
class Result:
    """What is known of one set. `found` and `missing` name parts; `level` is a floor."""

    set: str
    state: str
    found: tuple[tuple[str, tuple[str, ...]], ...] = ()
    missing: tuple[str, ...] = ()
    level: int = NO_FLOOR
    effect: str = ""
    opens: str = ""
    apart: bool = False
    title: str = ""
    question: str = ""

    @property
    def open(self) -> bool:
        """Whether it is handled as if everything had leaked (V-02)."""
        return self.state in ("complete", "unknown")

    @property
    def secrets(self) -> frozenset[str]:
        """The credentials that have to do with it."""
        return frozenset(secret for _, several in self.found for secret in several)

    @property
    def why(self) -> str:
        """Its effect, and whether somebody still has to say that it is so."""
        if self.state != "unknown":
            return self.effect
        if self.apart:
            return f"{self.effect}; the parts were found apart, and nobody ruled out that they fit"
        parts = ", ".join(self.missing)
        return f"{self.effect}; nobody ruled out that {parts} leaked with it"


def evaluate(
    sets: Iterable[CompanionSet], dumps: Sequence[Dump], answers: Mapping[str, str] | None = None
) -> tuple[Result, ...]:
    """The state of every set, in the order of `sets`.

    An answer `no` for a set says that what is missing did not leak with the
    rest. What was found is stronger than any answer, and parts that turn up in
    another dump are a new question (`<set>.together`).
    """
    groups = _groups(dumps)
    return tuple(_result(one, groups, answers or {}) for one in sets)


def words_of(text: str) -> tuple[str, ...]:
    """The words of a name: `dbPassword`, `DB_PASSWORD` and `db-password` are db, password."""
    return tuple(word.lower() for word in _WORD.findall(text))


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def _any(globs: tuple[str, ...], word: str) -> bool:
    return not globs or any(fnmatchcase(word, glob) for glob in globs)


def _groups(dumps: Sequence[Dump]) -> list[tuple[Item, ...]]:
    """The items of each dump, linked dumps as one; each value once, in an order of its own."""
    groups: list[set[str]] = []
    for dump in dumps:
        joined = {dump.id, *dump.linked}
        apart = []
        for group in groups:
            if group & joined:
                joined |= group
            else:
                apart.append(group)
        groups = [*apart, joined]
    return [_distinct(one for dump in dumps if dump.id in group for one in dump.items)
            for group in groups]  # fmt: skip


def _distinct(items: Iterable[Item]) -> tuple[Item, ...]:
    """The items in an order that does not depend on when they came."""
    return tuple(sorted(set(items), key=lambda one: (one.secret, repr(one))))


def _result(
    one: CompanionSet, groups: list[tuple[Item, ...]], answers: Mapping[str, str]
) -> Result:
    parts = [tuple(filter(one.part, group)) for group in groups]
    items = _distinct(item for group in parts for item in group)
    if not any(map(one.speaks, items)):
        return Result(one.id, "absent", missing=_ids(one.required))
    missing = min((_missing(one, group) for group in parts), key=len)
    spread = _missing(one, items)
    state = _state(one, missing, spread, answers)
    production = any(item.environment in ("production", "unknown") for item in items)
    opened = state in ("complete", "unknown")
    return Result(
        set=one.id,
        state=state,
        found=_found(one, items),
        missing=_ids(spread),
        level=(one.production if production else one.level) if opened else NO_FLOOR,
        effect=one.effect if opened else one.alone,
        opens=one.opens,
        apart=bool(missing) and not spread,
        title=one.title,
        question=one.question,
    )


def _state(
    one: CompanionSet,
    missing: tuple[Member, ...],
    spread: tuple[Member, ...],
    answers: Mapping[str, str],
) -> str:
    """Complete where it was found so; otherwise what somebody answered, and unknown without."""
    if not missing:
        return "complete"
    told = answers.get(one.id, answers.get(ALL, "unknown"))
    if told == "yes":
        return "complete"
    answer = told if spread else answers.get(one.id + APART, "unknown")
    return {"yes": "complete", "no": "half"}.get(answer, "unknown")


def _missing(one: CompanionSet, items: tuple[Item, ...]) -> tuple[Member, ...]:
    """The required parts that no item of their own stands for."""
    if any(match.fits(item) for match in one.whole for item in items):
        return ()
    places = [member for member in one.required for _ in range(member.count)]
    by_value: dict[str, list[Item]] = {}
    for item in items:
        by_value.setdefault(item.fingerprint or item.secret, []).append(item)
    taken: dict[str, int] = {}
    unfilled = [
        place for place in range(len(places)) if not _place(place, places, by_value, taken, set())
    ]
    return tuple(dict.fromkeys(places[place] for place in unfilled))


def _place(
    place: int,
    places: list[Member],
    by_value: Mapping[str, list[Item]],
    taken: dict[str, int],
    tried: set[str],
) -> bool:
    """Give a part an item of its own, moving others aside where they have another choice."""
    for value, seen in by_value.items():
        if value in tried or not any(map(places[place].fits, seen)):
            continue
        tried.add(value)
        if value not in taken or _place(taken[value], places, by_value, taken, tried):
            taken[value] = place
            return True
    return False


def _found(one: CompanionSet, items: tuple[Item, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Which credentials stand for which part."""
    whole = [item.secret for item in items if any(match.fits(item) for match in one.whole)]
    parts = [("whole", whole)] + [
        (member.id, [item.secret for item in items if member.fits(item)]) for member in one.members
    ]
    return tuple((name, tuple(dict.fromkeys(found))) for name, found in parts if found)


def _ids(members: Iterable[Member]) -> tuple[str, ...]:
    return tuple(member.id for member in members)
