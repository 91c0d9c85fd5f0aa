"""One playbook file into fragments, with every mistake named at its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import yaml

from leakguard.errors import ConfigError, Place
from leakguard.facts import When
from leakguard.incident import SecretState
from leakguard.load.document import Document, Node
from leakguard.load.playbook_checks import command_problem
from leakguard.playbook import PER, Fragment, Phase, Risk, Step
from leakguard.preset import TIMERS
from leakguard.respond.compose import VOCABULARY

KINDS = (
    "base",
    "companion",
    "environment",
    "skeleton",
    "class",
    "channel",
    "audience",
    "closing",
    "pack",
)
"""What a fragment is about, in the order in which their steps stand beside each other."""

PROOFS = ("dead", "switch", "live-new", "gone")

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_FILE_KEYS = ("kind", "fragments")
_FRAGMENT_KEYS = (
    "id", "title", "when", "reviewed", "refines", "source", "risk_statement", "residual",
    "questions", "steps",
)  # fmt: skip
_STEP_KEYS = (
    "id", "title", "why", "source", "phase", "due", "per", "depends_on", "when", "needs",
    "command", "inputs", "risk", "undo", "undo_step", "verification", "mandatory", "destructive",
    "automated_by", "sets", "proves", "variants",
)  # fmt: skip
_NEEDED = ("title", "why", "source", "phase")


class _Reader:
    """One playbook file on its way to fragments."""

    def __init__(self, doc: Document, skeletons: Mapping[str, Fragment]) -> None:
        self.doc = doc
        self.skeletons = skeletons
        self.places: dict[tuple[str, str], Node] = {}

    def fragments(self) -> list[Fragment]:
        if self.doc.root is None:
            raise ConfigError("the playbook is empty", place=Place(self.doc.path))
        top = self.doc.mapping(self.doc.root, _FILE_KEYS, "a playbook")
        for needed in _FILE_KEYS:
            if needed not in top:
                self.doc.fail(self.doc.root, f"a playbook needs {needed!r}")
        kind = self.doc.choice(top["kind"], KINDS, "kind")
        nodes = self.doc.items(top["fragments"], "fragments")
        return [self._fragment(node, kind) for node in nodes]

    def _fragment(self, node: Node, kind: str) -> Fragment:
        doc, entries = self.doc, self.doc.mapping(node, _FRAGMENT_KEYS, "a fragment")
        for needed in ("id", "title"):
            if needed not in entries:
                doc.fail(node, f"a fragment needs {needed!r}")
        name = self._id(entries["id"])
        self.places[name, ""] = entries["id"]
        if "source" in entries:
            doc.texts(entries["source"], "source")
        return Fragment(
            id=name,
            kind=kind,
            title=_line(doc, entries["title"]),
            when=_when(doc, entries["when"]) if "when" in entries else MappingProxyType({}),
            steps=tuple(self._steps(entries, name)),
            reviewed=doc.text_of(entries["reviewed"], "reviewed") if "reviewed" in entries else "",
            risk_statement=_words(doc, entries["risk_statement"])
            if "risk_statement" in entries
            else "",
            residual=_statements(doc, entries["residual"]) if "residual" in entries else (),
            questions=_questions(doc, entries["questions"]) if "questions" in entries else {},
        )

    def _id(self, node: Node) -> str:
        text = self.doc.text_of(node, "id")
        if not _ID.fullmatch(text):
            self.doc.fail(node, f"{text!r} is no id", "use lower case, digits and -")
        return text

    def _steps(self, entries: dict[str, Node], fragment: str) -> Iterable[Step]:
        refined = self._refined(entries)
        for node in self.doc.items(entries["steps"], "steps") if "steps" in entries else ():
            yield from self._step(node, fragment, refined)

    def _refined(self, entries: dict[str, Node]) -> dict[str, list[Step]]:
        """The steps of the fragment that this one says more exactly."""
        if "refines" not in entries:
            return {}
        name = self.doc.choice(entries["refines"], self.skeletons, "fragment to refine")
        found: dict[str, list[Step]] = {}
        for step in self.skeletons[name].steps:
            found.setdefault(step.id, []).append(step)
        return found

    def _step(self, node: Node, fragment: str, refined: Mapping[str, list[Step]]) -> list[Step]:
        """A step and its variants, the special ones first."""
        doc, entries = self.doc, self.doc.mapping(node, _STEP_KEYS, "a step")
        if "id" not in entries:
            doc.fail(node, "a step needs 'id'")
        name = self._id(entries["id"])
        if (fragment, name) in self.places:
            doc.fail(entries["id"], f"the step {name!r} stands twice in {fragment}", "use variants")
        self.places[fragment, name] = entries["id"]
        below = refined.get(name, [])
        for needed in () if below else _NEEDED:
            if needed not in entries:
                doc.fail(node, f"the step {name!r} lacks {needed!r}", "see docs/playbooks.md")
        given = self._given(entries)
        made = [_over(one, given) for one in below] or [Step(id=name, **given)]
        variants = doc.items(entries["variants"], "variants") if "variants" in entries else []
        return [*(self._variant(one, made[-1]) for one in variants), *made]

    def _given(self, entries: dict[str, Node]) -> dict[str, Any]:
        skipped = ("id", "variants")
        return {
            key: _FIELDS[key](self.doc, node) for key, node in entries.items() if key not in skipped
        }

    def _variant(self, node: Node, base: Step) -> Step:
        known = [key for key in _STEP_KEYS if key not in ("id", "per", "phase", "variants")]
        entries = self.doc.mapping(node, known, "a variant")
        if "when" not in entries:
            self.doc.fail(node, "a variant needs 'when'")
        return _over(base, self._given(entries))


def _over(below: Step, given: dict[str, Any]) -> Step:
    """A step that takes what it does not say from the one below; both conditions hold."""
    when = MappingProxyType({**below.when, **given.get("when", {})})
    source = tuple(dict.fromkeys((*below.source, *given.get("source", ()))))
    return replace(below, **{**given, "when": when, "source": source})


def _line(doc: Document, node: Node) -> str:
    text = doc.text_of(node, "title").strip()
    if not text or len(text) > 70 or not text.isprintable():
        doc.fail(node, "a title is one line of at most 70 characters")
    return text


def _words(doc: Document, node: Node) -> str:
    text = " ".join(doc.text_of(node, "this field").split())
    if not text.isprintable():
        doc.fail(node, "a character here cannot be printed")
    return text


def _statements(doc: Document, node: Node) -> tuple[str, ...]:
    """Sentences, each plain or with the requirements that it comes from."""
    return tuple(_statement(doc, one) for one in doc.items(node, "residual"))


def _statement(doc: Document, node: Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return _words(doc, node)
    entries = doc.mapping(node, ("text", "source"), "a statement")
    if "text" not in entries:
        doc.fail(node, "a statement needs 'text'")
    return _words(doc, entries["text"])


def _questions(doc: Document, node: Node) -> Mapping[str, str]:
    asked = doc.mapping(node, None, "questions")
    for name, value in asked.items():
        if name not in VOCABULARY and not _ID.fullmatch(name):
            doc.fail(value, f"{name!r} is no name of a fact")
    return MappingProxyType({name: _statement(doc, value) for name, value in asked.items()})


def _when(doc: Document, node: Node) -> When:
    entries = doc.mapping(node, VOCABULARY, "a condition")
    return MappingProxyType({name: _values(doc, name, one) for name, one in entries.items()})


def _values(doc: Document, name: str, node: Node) -> tuple[str, ...]:
    values = doc.texts(node, name)
    if not values:
        doc.fail(node, f"{name} needs at least one value")
    if VOCABULARY[name]:
        for one in doc.items(node, name):
            doc.choice(one, VOCABULARY[name], name)
    return values


def _command(doc: Document, node: Node) -> tuple[str, ...]:
    argv = doc.texts(node, "command")
    problem = command_problem(argv)
    if problem:
        doc.fail(node, *problem)
    return argv


def _automated(doc: Document, node: Node) -> str:
    text = _words(doc, node)
    problem = command_problem(tuple(text.split()))
    if problem:
        doc.fail(node, *problem)
    return text


def _yes(doc: Document, node: Node) -> bool:
    return doc.choice(node, ("true", "false"), "true or false") == "true"


def _one_of(known: Iterable[str], what: str) -> Callable[[Document, Node], str]:
    options = tuple(known)
    return lambda doc, node: doc.choice(node, options, what)


def _plain(doc: Document, node: Node) -> tuple[str, ...]:
    return doc.texts(node, "this field")


_FIELDS: Mapping[str, Callable[[Document, Node], Any]] = {
    "title": _line,
    "why": _words,
    "source": _plain,
    "phase": lambda doc, node: Phase(doc.choice(node, [one.value for one in Phase], "phase")),
    "due": _one_of(TIMERS, "timer"),
    "per": _one_of(PER, "per"),
    "depends_on": _plain,
    "when": _when,
    "needs": _when,
    "command": _command,
    "inputs": _plain,
    "risk": lambda doc, node: Risk(doc.choice(node, [one.value for one in Risk], "risk")),
    "undo": _words,
    "undo_step": lambda doc, node: doc.text_of(node, "undo_step"),
    "verification": _words,
    "mandatory": _yes,
    "destructive": _yes,
    "automated_by": _automated,
    "sets": _one_of([one.value for one in SecretState], "state"),
    "proves": _one_of(PROOFS, "proof"),
}


def read(
    path: str, raw: bytes, *, ours: bool = False, skeletons: Mapping[str, Fragment] | None = None
) -> list[Fragment]:
    """The fragments of one file. Raises ConfigError at the first mistake."""
    reader = _Reader(Document(path, raw, ours=ours), skeletons or {})
    found = reader.fragments()
    _own_soundness(reader, found)
    return found


def _own_soundness(reader: _Reader, found: Sequence[Fragment]) -> None:
    ids: set[str] = set()
    for fragment in found:
        if fragment.id in ids:
            node = reader.places[fragment.id, ""]
            reader.doc.fail(node, f"two fragments have the id {fragment.id!r}")
        ids.add(fragment.id)
        for step in fragment.steps:
            problem = _unsound(step)
            if problem:
                reader.doc.fail(reader.places[fragment.id, step.id], f"{step.id}: {problem}")


def _unsound(step: Step) -> str:
    if step.mandatory and not step.source:
        return "a mandatory step says where it comes from"
    if step.undo_step and not step.undo_step.startswith("undo-"):
        return "the step that undoes it has an id that begins with undo-"
    if step.risk is Risk.IRREVERSIBLE and step.undo:
        return "what cannot be undone has no undo"
    if step.proves and not step.verification:
        return "a step that proves something says how it is verified"
    return ""
