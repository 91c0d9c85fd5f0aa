"""The severity policy: what ships with leakguard, and what an organisation adds to it.

A file of one's own may choose the combiner and the urgencies, add rules,
replace or disable those that are no floor, make floors worse, and switch
readings. It can take away neither an assumption nor a floor.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import yaml

from leakguard.errors import ConfigError, Place
from leakguard.facts import When
from leakguard.load.document import Document, Node, suggest
from leakguard.preset import LEVELS
from leakguard.respond.classify import VALUES
from leakguard.respond.severity import (
    BY_LEVEL,
    COMBINERS,
    MATTERS,
    READ,
    URGENCIES,
    Assumption,
    Reading,
    SeverityPolicy,
    SeverityRule,
)

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data/severity")
MAX_BYTES = 256 * 1024

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_OWN = ("combiner", "enable", "disable", "rules", "rotation", "notification")
_OURS = (*_OWN, "assumptions", "readings")
_RULE = ("id", "when", "level", "why", "source", "floor", "on", "rotation", "notification")
_READING = ("id", "only", "sets", "why", "source", "on", "rotation", "notification")
_KNOWN = {**VALUES, **READ}


@dataclass(slots=True)
class _Draft:
    """A policy while its files are read."""

    rules: dict[str, SeverityRule] = field(default_factory=dict)
    assumptions: list[Assumption] = field(default_factory=list)
    readings: dict[str, Reading] = field(default_factory=dict)
    combiner: str = "max"
    rotation: tuple[str, ...] = BY_LEVEL
    notification: tuple[str, ...] = BY_LEVEL


def policy(own: Iterable[tuple[str, bytes]] = ()) -> SeverityPolicy:
    """The policy that ships, changed by files of one's own (path, bytes) in their order.

    Rules of one's own come first, which counts when the first match decides.
    Raises ConfigError at the first mistake.
    """
    draft = _Draft()
    for name in sorted(os.listdir(FOLDER)):
        if name.endswith(".yml"):
            path = os.path.join(FOLDER, name)
            with open(path, "rb") as file:
                _read(Document(path, file.read(), ours=True), draft, ours=True)
    for path, raw in own:
        _read(Document(path, raw), draft, ours=False)
    return SeverityPolicy(
        tuple(draft.rules.values()), tuple(draft.assumptions), tuple(draft.readings.values()),
        draft.rotation, draft.notification, draft.combiner,
    )  # fmt: skip


def _read(doc: Document, draft: _Draft, *, ours: bool) -> None:
    if doc.root is None:
        raise ConfigError("the severity policy is empty", place=Place(doc.path))
    entries = doc.mapping(doc.root, _OURS if ours else _OWN, "a severity policy")
    for node in _listed(doc, entries, "assumptions"):
        draft.assumptions.append(_assumption(doc, node))
    for node in _listed(doc, entries, "readings"):
        reading = _reading(doc, node)
        draft.readings[reading.id] = reading
    if "rules" in entries:
        _rules(doc, entries["rules"], draft, ours=ours)
    if "combiner" in entries:
        draft.combiner = doc.choice(entries["combiner"], COMBINERS, "combiner")
    for kind in ("rotation", "notification"):
        if kind in entries:
            setattr(draft, kind, _by_level(doc, entries[kind], kind))
    for key, on in (("enable", True), ("disable", False)):
        for node in _listed(doc, entries, key):
            _switch(doc, node, draft, on=on)


def _listed(doc: Document, entries: dict[str, Node], key: str) -> list[Node]:
    return doc.items(entries[key], key) if key in entries else []


def _rules(doc: Document, node: Node, draft: _Draft, *, ours: bool) -> None:
    added: dict[str, SeverityRule] = {}
    for one in doc.items(node, "rules"):
        rule = _rule(doc, one)
        before = draft.rules.get(rule.id)
        if rule.id in added or (ours and before):
            doc.fail(one, f"two rules have the id {rule.id!r}")
        if rule.id in draft.readings:
            doc.fail(one, f"{rule.id!r} is a reading already", "choose another id")
        if before and before.floor:
            _only_worse(doc, one, before, rule)
        added[rule.id] = rule
    if ours:
        draft.rules |= added
        return
    draft.rules = {**added, **{key: kept for key, kept in draft.rules.items() if key not in added}}


def _only_worse(doc: Document, node: Node, before: SeverityRule, rule: SeverityRule) -> None:
    """A floor may be raised, and may hold for more cases; nothing else."""
    wider = all(
        name in before.when and set(before.when[name]) <= set(values)
        for name, values in rule.when.items()
    )
    presets = {*before.levels, *rule.levels}
    worse = all(rule.level(preset) <= before.level(preset) for preset in presets)
    urgent = all(
        _rank(getattr(rule, kind)) >= _rank(getattr(before, kind))
        for kind in ("rotation", "notification")
    )
    if not (rule.floor and rule.on and wider and worse and urgent):
        doc.fail(node, f"the floor {rule.id!r} can only be made worse",
                 "keep floor: yes, its conditions or fewer, and a level that is not milder",
                 "people can lower the level of one incident, with a reason")  # fmt: skip


def _rank(urgency: str) -> int:
    return ("", *URGENCIES).index(urgency)


def _switch(doc: Document, node: Node, draft: _Draft, *, on: bool) -> None:
    name = doc.text_of(node, "an id")
    if name in draft.readings:
        draft.readings[name] = replace(draft.readings[name], on=on)
        return
    if name not in draft.rules:
        known = [*draft.rules, *draft.readings]
        doc.fail(node, f"there is no rule or reading {name!r}", *suggest(name, known)[:1])
    if draft.rules[name].floor and not on:
        doc.fail(node, f"the floor {name!r} cannot be disabled",
                 "people can lower the level of one incident, with a reason")  # fmt: skip
    draft.rules[name] = replace(draft.rules[name], on=on)


def _rule(doc: Document, node: Node) -> SeverityRule:
    entries = doc.mapping(node, _RULE, "a severity rule")
    _needed(doc, node, entries, ("id", "when", "level", "why"))
    return SeverityRule(
        id=_id(doc, entries["id"]),
        when=_when(doc, entries["when"], _KNOWN),
        levels=_levels(doc, entries["level"]),
        why=_why(doc, entries["why"]),
        source=doc.texts(entries["source"], "source") if "source" in entries else (),
        floor=_yes(doc, entries, "floor", otherwise=False),
        on=_yes(doc, entries, "on", otherwise=True),
        rotation=_urgency(doc, entries, "rotation"),
        notification=_urgency(doc, entries, "notification"),
    )


def _assumption(doc: Document, node: Node) -> Assumption:
    entries = doc.mapping(node, ("id", "when", "adds", "why", "source"), "an assumption")
    _needed(doc, node, entries, ("id", "when", "adds", "why"))
    adds = {
        name: doc.choice(value, VALUES[name], name)
        for name, value in doc.mapping(entries["adds"], MATTERS, "adds").items()
    }
    return Assumption(
        _id(doc, entries["id"]), _when(doc, entries["when"], VALUES), adds,
        _why(doc, entries["why"]), doc.texts(entries["source"], "source"),
    )  # fmt: skip


def _reading(doc: Document, node: Node) -> Reading:
    entries = doc.mapping(node, _READING, "a reading")
    _needed(doc, node, entries, ("id", "only", "sets", "why", "source"))
    sets = doc.mapping(entries["sets"], READ, "sets")
    if len(sets) != 1:
        doc.fail(entries["sets"], "a reading sets one fact")
    ((fact, value),) = sets.items()
    return Reading(
        id=_id(doc, entries["id"]),
        only=_when(doc, entries["only"], VALUES),
        fact=fact,
        value=doc.choice(value, READ[fact], fact),
        why=_why(doc, entries["why"]),
        source=doc.texts(entries["source"], "source"),
        on=_yes(doc, entries, "on", otherwise=True),
        rotation=_urgency(doc, entries, "rotation"),
        notification=_urgency(doc, entries, "notification"),
    )


def _needed(doc: Document, node: Node, entries: dict[str, Node], names: tuple[str, ...]) -> None:
    for name in names:
        if name not in entries:
            doc.fail(node, f"{name!r} is missing here", "see docs/severity.md")


def _id(doc: Document, node: Node) -> str:
    name = doc.text_of(node, "id")
    if not _ID.fullmatch(name):
        doc.fail(node, f"{name!r} is not an id", "use lower case, digits and -")
    return name


def _why(doc: Document, node: Node) -> str:
    text = doc.text_of(node, "why")
    if not text.strip() or not text.isprintable() or len(text) > 300:
        doc.fail(node, "why must be one printable line of at most 300 characters")
    return text


def _when(doc: Document, node: Node, known: Mapping[str, tuple[str, ...]]) -> When:
    """A condition, with every word of it known."""
    when = {}
    for name, values in doc.mapping(node, known, "a condition").items():
        options = known[name]
        words = tuple(
            doc.choice(one, options, name) if options else doc.text_of(one, name)
            for one in doc.items(values, name)
        )
        if not words:
            doc.fail(values, f"no value of {name!r} would ever fit", "name one, or leave it out")
        when[name] = words
    return MappingProxyType(when)


def _levels(doc: Document, node: Node) -> Mapping[str, int]:
    """One level, or one for each preset with a `default` for all others."""
    known = [str(level) for level in range(LEVELS)]
    if isinstance(node, yaml.ScalarNode):
        return MappingProxyType({"default": int(doc.choice(node, known, "level"))})
    entries = doc.mapping(node, None, "level")
    if "default" not in entries:
        doc.fail(node, "level needs a default, for ladders that it does not name")
    levels = {name: int(doc.choice(one, known, "level")) for name, one in entries.items()}
    return MappingProxyType(levels)


def _yes(doc: Document, entries: dict[str, Node], key: str, *, otherwise: bool) -> bool:
    if key not in entries:
        return otherwise
    return doc.choice(entries[key], ("yes", "no", "true", "false"), key) in ("yes", "true")


def _urgency(doc: Document, entries: dict[str, Node], key: str) -> str:
    return doc.choice(entries[key], URGENCIES, key) if key in entries else ""


def _by_level(doc: Document, node: Node, kind: str) -> tuple[str, ...]:
    """Four urgencies, from level 0 on. Nothing that leaked is without any (G-04)."""
    found = tuple(doc.choice(one, URGENCIES[1:], kind) for one in doc.items(node, kind))
    ranks = [_rank(one) for one in found]
    if len(found) != LEVELS or ranks != sorted(ranks, reverse=True):
        doc.fail(node, f"{kind} needs {LEVELS} urgencies, from level 0 on, never rising")
    return found
