"""A `manifest.yml` on its way from YAML to the noun: every mistake is shown where it stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leakguard.errors import ConfigError, Place
from leakguard.load.document import Document, Node
from leakguard.rotate.generate import ALPHABETS, Constraints
from leakguard.rotate.kit import PHASES, PROTOCOL
from leakguard.rotate.manifest import (
    BUILT_IN_SLOTS,
    CONSUMER_PHASES,
    DRY_RUNS,
    KINDS,
    LONGEST_TIMEOUT,
    NEEDED,
    ORIGINS,
    OVERLAPS,
    TIERS,
    TYPES,
    Manifest,
    Parameter,
    Rate,
    Requires,
    Slot,
    typed,
)
from leakguard.rule import CLASSES

FASTEST = 6000
"""Rotations a minute that a manifest may allow."""

_KEYS = (
    "protocol", "name", "kind", "title", "classes", "providers", "tier", "run", "phases",
    "secret_origin", "overlap", "max_active", "reversible_disable", "kills_sessions",
    "label_support", "dry_run", "propagation_seconds", "proof", "target", "slots", "needs",
    "constraints", "timeouts", "requires", "rate", "irreversible", "guide",
)  # fmt: skip


def manifest_of(path: str, raw: bytes, folder: str) -> Manifest:
    """The manifest in a file. Raises ConfigError."""
    return _Reader(Document(path, raw)).manifest(folder)


class _Reader:
    """One manifest on its way from YAML to the noun."""

    def __init__(self, doc: Document) -> None:
        if doc.root is None:
            raise ConfigError("the manifest is empty", place=Place(doc.path))
        self._doc = doc
        self._root = doc.root
        self._found = doc.mapping(doc.root, _KEYS, "a manifest")

    def manifest(self, folder: str) -> Manifest:
        doc = self._doc
        if self._int("protocol", -1, needed=True) != PROTOCOL:
            doc.fail(self._found["protocol"], f"this leakguard speaks protocol {PROTOCOL}")
        kind = doc.choice(self._need("kind"), KINDS, "kind")
        guide = self._texts_of("guide", PHASES)
        made = Manifest(
            name=self._name(folder),
            kind=kind,
            title=doc.text_of(self._need("title"), "title"),
            classes=self._choices("classes", CLASSES),
            providers=self._texts("providers"),
            tier=self._choice("tier", TIERS, "service"),
            run=self._run(guided=bool(guide)),
            phases=self._phases(kind),
            secret_origin=self._choice("secret_origin", ORIGINS, "client"),
            overlap=self._choice("overlap", OVERLAPS, "none"),
            max_active=self._int("max_active", 0),
            reversible_disable=self._flag("reversible_disable"),
            kills_sessions=self._flag("kills_sessions"),
            label_support=self._flag("label_support"),
            dry_run=self._choice("dry_run", DRY_RUNS, "none"),
            propagation_seconds=self._seconds("propagation_seconds", 0.0),
            target=self._target(),
            slots=self._slots(),
            constraints=self._constraints(),
            timeouts=self._timeouts(),
            requires=self._requires(),
            rate=self._rate(),
            irreversible=self._choices("irreversible", PHASES),
            guide=guide,
            **self._proof(),
        )
        return self._with_needs(made)

    # Pieces

    def _name(self, folder: str) -> str:
        name = self._doc.text_of(self._need("name"), "name")
        if not name.replace("-", "").isalnum() or not name.isascii() or name != name.lower():
            self._doc.fail(self._found["name"], "a name is lower-case letters, digits and hyphens")
        if folder and name != folder:
            self._doc.fail(self._found["name"], f"the name must be that of the folder, {folder!r}")
        return name

    def _run(self, *, guided: bool) -> tuple[str, ...]:
        if guided:
            if "run" in self._found:
                self._doc.fail(self._found["run"], "a guided script runs nothing")
            return ()
        words = self._doc.texts(self._need("run"), "run")
        if not words:
            self._doc.fail(self._found["run"], "run names no program")
        for node, word in zip(self._doc.items(self._found["run"], "run"), words, strict=True):
            if "{" in word and word != "{python}":
                hint = "argv is constant: parameters and secrets come on standard input"
                self._doc.fail(node, f"{word!r} is filled in by nobody", hint)
            if ".." in word.split("/"):
                self._doc.fail(node, f"{word!r} leads out of the script's folder")
        return words

    def _phases(self, kind: str) -> tuple[str, ...]:
        phases = self._choices("phases", PHASES, needed=True)
        lacking = [phase for phase in NEEDED[kind] if phase not in phases]
        if lacking:
            self._doc.fail(self._found["phases"], f"a script of kind {kind} needs {lacking[0]!r}")
        if kind == "consumer":
            odd = [phase for phase in phases if phase not in CONSUMER_PHASES]
            if odd:
                self._doc.fail(self._found["phases"], f"a consumer has no phase {odd[0]!r}")
        return phases

    def _target(self) -> dict[str, Parameter]:
        return {name: self._parameter(name, node) for name, node in self._entries("target")}

    def _parameter(self, name: str, node: Node) -> Parameter:
        doc = self._doc
        keys = ("type", "required", "default", "help", "choices")
        found = doc.mapping(node, keys, f"the parameter {name}")
        if "help" not in found:
            doc.fail(node, f"the parameter {name} needs `help`")
        kind = doc.choice(found["type"], TYPES, "type") if "type" in found else "string"
        default = found.get("default")
        return Parameter(
            name,
            kind,
            doc.text_of(found["help"], "help"),
            required=self._bool(found.get("required"), "required"),
            default=None if default is None else self._typed(kind, default),
            choices=doc.texts(found["choices"], "choices") if "choices" in found else (),
        )

    def _typed(self, kind: str, node: Node) -> str | int | bool:
        text = self._doc.text_of(node, "default")
        try:
            return typed(kind, text)
        except ValueError as error:
            self._doc.fail(node, f"default {error}")

    def _slots(self) -> dict[str, Slot]:
        slots = {}
        for name, node in self._entries("slots"):
            found = self._doc.mapping(node, ("help", "required"), f"the slot {name}")
            if name in BUILT_IN_SLOTS:
                self._doc.fail(node, f"the slot {name!r} exists by itself")
            if "help" not in found:
                self._doc.fail(node, f"the slot {name} needs `help`")
            text = self._doc.text_of(found["help"], "help")
            slots[name] = Slot(name, text, self._bool(found.get("required"), "required"))
        return slots

    def _with_needs(self, made: Manifest) -> Manifest:
        known = (*BUILT_IN_SLOTS, *made.slots)
        needs = {}
        for phase, node in self._entries("needs"):
            if phase not in made.phases:
                self._doc.fail(node, f"needs names {phase!r}, which is not in `phases`")
            needs[phase] = tuple(self._slot(one, known) for one in self._doc.items(node, "needs"))
        return replace(made, needs=needs)

    def _slot(self, node: Node, known: tuple[str, ...]) -> str:
        name = self._doc.text_of(node, "slot")
        if name.startswith(("new-", "new_")):  # a further value that `create` answers with
            return name
        return self._doc.choice(node, known, "slot")

    def _constraints(self) -> Constraints:
        if "constraints" not in self._found:
            return Constraints()
        node = self._found["constraints"]
        return constraints_of(self._doc, node)

    def _timeouts(self) -> dict[str, float]:
        found = {}
        for phase, node in self._entries("timeouts"):
            if phase not in PHASES:
                self._doc.fail(node, f"timeouts names {phase!r}, which is no phase")
            seconds = self._doc.number(node, float, "a time-out")
            if not 0 < seconds <= LONGEST_TIMEOUT:
                self._doc.fail(node, f"a time-out is at most {LONGEST_TIMEOUT:.0f} seconds")
            found[phase] = seconds
        return found

    def _requires(self) -> Requires:
        if "requires" not in self._found:
            return Requires()
        keys = ("python", "programs", "extra")
        found = self._doc.mapping(self._found["requires"], keys, "requires")
        return Requires(
            self._doc.texts(found["python"], "python") if "python" in found else (),
            self._doc.texts(found["programs"], "programs") if "programs" in found else (),
            self._doc.text_of(found["extra"], "extra") if "extra" in found else "",
        )

    def _rate(self) -> Rate:
        if "rate" not in self._found:
            return Rate()
        doc, made = self._doc, Rate()
        found = doc.mapping(self._found["rate"], ("per_minute", "per"), "rate")
        if "per_minute" in found:
            made = replace(made, per_minute=doc.number(found["per_minute"], float, "per_minute"))
            if not 0 < made.per_minute <= FASTEST:
                doc.fail(found["per_minute"], f"per_minute is at most {FASTEST}, and more than 0")
        if "per" in found:
            known = tuple(name for name, _ in self._entries("target"))
            per = tuple(doc.choice(one, known, "per") for one in doc.items(found["per"], "per"))
            made = replace(made, per=per)
        return made

    def _proof(self) -> dict[str, Any]:
        if "proof" not in self._found:
            return {}
        found = self._doc.mapping(self._found["proof"], ("rounds", "interval_seconds"), "proof")
        made: dict[str, Any] = {}
        if "rounds" in found:
            made["rounds"] = self._doc.number(found["rounds"], int, "rounds")
            if not 1 <= made["rounds"] <= 100:
                self._doc.fail(found["rounds"], "rounds is a number from 1 to 100")
        if "interval_seconds" in found:
            made["interval_seconds"] = self._doc.number(found["interval_seconds"], float, "seconds")
        return made

    # Words

    def _need(self, key: str) -> Node:
        if key not in self._found:
            self._doc.fail(self._root, f"a manifest needs {key!r}")
        return self._found[key]

    def _entries(self, key: str) -> list[tuple[str, Node]]:
        if key not in self._found:
            return []
        return list(self._doc.mapping(self._found[key], None, key).items())

    def _texts(self, key: str) -> tuple[str, ...]:
        return self._doc.texts(self._found[key], key) if key in self._found else ()

    def _texts_of(self, key: str, known: tuple[str, ...]) -> dict[str, str]:
        if key not in self._found:
            return {}
        found = self._doc.mapping(self._found[key], known, key)
        return {name: self._doc.text_of(node, key) for name, node in found.items()}

    def _choice(self, key: str, known: tuple[str, ...], default: str) -> str:
        return self._doc.choice(self._found[key], known, key) if key in self._found else default

    def _choices(
        self, key: str, known: tuple[str, ...], *, needed: bool = False
    ) -> tuple[str, ...]:
        if key not in self._found and not needed:
            return ()
        return tuple(
            self._doc.choice(one, known, key) for one in self._doc.items(self._need(key), key)
        )

    def _int(self, key: str, default: int, *, needed: bool = False) -> int:
        if key not in self._found and not needed:
            return default
        return self._doc.number(self._need(key), int, key)

    def _seconds(self, key: str, default: float) -> float:
        return self._doc.number(self._found[key], float, key) if key in self._found else default

    def _flag(self, key: str) -> bool:
        return self._bool(self._found.get(key), key)

    def _bool(self, node: Node | None, what: str) -> bool:
        return node is not None and self._doc.choice(node, ("true", "false"), what) == "true"


def constraints_of(doc: Document, node: Node) -> Constraints:
    """The `constraints` of a manifest."""
    found = doc.mapping(node, ("alphabet", "min_length", "max_length", "forbidden"), "constraints")
    made: dict[str, Any] = {}
    if "alphabet" in found:
        made["alphabet"] = doc.choice(found["alphabet"], ALPHABETS, "alphabet")
    for key in ("min_length", "max_length"):
        if key in found:
            made[key] = doc.number(found[key], int, key)
    if "forbidden" in found:
        made["forbidden"] = doc.text_of(found["forbidden"], "forbidden")
    return Constraints(**made)
