"""Message templates: the ones that ship, and a user's own from `.leakguard/templates`.

A file is `ID.md.j2`: between two lines of `---` what the message is, then its
words. An own template may say what a shipped one says in other words, in
another language; it cannot drop a fact, a gate or an order that the shipped one
has.

```
---
title: Declaration
audience: internal
subject: "{{ incident_id }}: leak declared, {{ level }}"
requires: [incident_id, level]
---
# {{ incident_id }}
```
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from leakguard.errors import ConfigError, Place, UsageError
from leakguard.load import inside
from leakguard.load.document import Document, Node, suggest
from leakguard.preset import TIMERS
from leakguard.respond.comms import AUDIENCES, GATES, INSIDE, PER, TLP, Ask, Template
from leakguard.respond.comms_facts import FACTS, unfit
from leakguard.respond.comms_order import RULES
from leakguard.respond.comms_sandbox import LARGEST, names, wrong

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data/templates")
OWN = os.path.join(".leakguard", "templates")
SUFFIX = ".md.j2"
CADENCES = (*TIMERS, "status-page")

_KEYS = (
    "number", "title", "audience", "subject", "requires", "uses", "tlp", "gate", "order", "per",
    "from_level", "cadence", "due",
)  # fmt: skip


@cache
def shipped() -> tuple[Template, ...]:
    """The templates of this version, in the order of their numbers."""
    found = []
    for name in os.listdir(FOLDER):
        if name.endswith(SUFFIX):
            path = os.path.join(FOLDER, name)
            with open(path, "rb") as file:
                found.append(read(path, file.read(), ours=True))
    return tuple(sorted(found, key=lambda one: int(one.number[1:])))


def templates(top: str | None = None) -> tuple[Template, ...]:
    """All templates, a repository's own in the place of shipped ones. Raises ConfigError."""
    found = {template.id: template for template in shipped()}
    folder = os.path.join(top, OWN) if top is not None else ""
    if top is not None and os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            if name.endswith(SUFFIX):
                path = os.path.join(OWN, name)
                raw = inside.read(top, path, LARGEST)
                if raw is not None:
                    own = read(path, raw)
                    found[own.id] = _as_strict(own, found.get(own.id))
    return tuple(found.values())


def template(name: str, top: str | None = None) -> Template:
    """The template `name`. Raises UsageError for one that is not there."""
    known = {one.id: one for one in templates(top)}
    if name not in known:
        raise UsageError(f"there is no message {name!r}", *suggest(name, list(known)))
    return known[name]


@cache
def asked() -> Mapping[str, str]:
    """What only people can say, by the name that `leakguard respond --fact` takes: what it is."""
    found = {}
    for ask in _asks().values():
        named = re.search(r"--fact ([a-z-]+)=", ask.command)
        if named:
            found[named[1]] = ask.what
    return found


def read(path: str, raw: bytes, *, ours: bool = False) -> Template:
    """A template from its file. Raises ConfigError at the first mistake, with its place."""
    if len(raw) > LARGEST:
        raise ConfigError(f"a template has at most {LARGEST} bytes", place=Place(path))
    lines = raw.decode("utf-8", "replace").splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if line.strip() == "---"]
    if len(ends) < 2 or ends[0] != 0:
        raise ConfigError("a template begins with its description between two lines of ---",
                          place=Place(path, 1))  # fmt: skip
    head = "\n" + "".join(lines[1 : ends[1]])  # an empty line keeps the numbers of the others
    doc = Document(path, head.encode(), ours=ours)
    body_line = ends[1] + 2
    return _template(doc, path, "".join(lines[ends[1] + 1 :]), body_line)


def _template(doc: Document, path: str, body: str, body_line: int) -> Template:
    if doc.root is None:
        raise ConfigError("the description is empty", place=Place(path, 1))
    entries = doc.mapping(doc.root, _KEYS, "a template")
    for needed in ("title", "audience", "subject", "requires"):
        if needed not in entries:
            doc.fail(doc.root, f"a template needs {needed!r}")
    made = Template(
        id=os.path.basename(path).removesuffix(SUFFIX),
        number=doc.text_of(entries["number"], "number") if "number" in entries else "",
        title=doc.text_of(entries["title"], "title"),
        audience=doc.choice(entries["audience"], AUDIENCES, "audience"),
        subject=doc.text_of(entries["subject"], "subject"),
        body=body,
        requires=tuple(_asks()[one] for one in _facts(doc, entries["requires"])),
        uses=tuple(_facts(doc, entries["uses"])) if "uses" in entries else (),
        tlp=_choice(doc, entries, "tlp", TLP, "AMBER"),
        gate=_choice(doc, entries, "gate", GATES, "none"),
        order=tuple(doc.choice(one, RULES, "order") for one in _list(doc, entries, "order")),
        per=_choice(doc, entries, "per", PER, "incident"),
        from_level=int(_choice(doc, entries, "from_level", ("0", "1", "2", "3"), "3")),
        cadence=_choice(doc, entries, "cadence", CADENCES, "cadence"),
        due=_choice(doc, entries, "due", TIMERS, ""),
        source=path,
        body_line=body_line,
    )
    _check_facts(doc, entries, made)
    _check_source(made, made.subject, entries["subject"].start_mark.line + 1)
    _check_source(made, made.body, body_line)
    return made


def _check_facts(doc: Document, entries: dict[str, Node], made: Template) -> None:
    for fact in made.facts:
        if unfit(fact, made.per):
            doc.fail(entries["requires"], f"{fact!r} is not known for a message per {made.per}",
                     f"one of: {', '.join(PER)}")  # fmt: skip
    if made.audience not in INSIDE and made.gate == "none" and made.audience != "reporter":
        doc.fail(entries["audience"], "a message to outsiders needs somebody who agrees",
                 "gate: approval", "gate: legal")  # fmt: skip


def _check_source(made: Template, source: str, first: int) -> None:
    problem = wrong(source)
    if problem is not None:
        raise ConfigError(problem[1], place=_place(made, source, problem[0], first))
    for name, line in names(source):
        if name not in made.facts:
            hints = suggest(name, list(FACTS))[:1] if name not in FACTS else ()
            raise ConfigError(
                f"the template shows {name!r}, which it does not require",
                *hints,
                "name it under `requires`, or under `uses` if it may be empty",
                place=_place(made, source, line, first),
            )


def _place(made: Template, source: str, line: int, first: int) -> Place:
    lines = source.splitlines()
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    return Place(made.source, first + line - 1, 1, text)


def _as_strict(own: Template, ours: Template | None) -> Template:
    """An own template keeps what the shipped one of its name asks for (G-40)."""
    if ours is None:
        return own
    lacks = [ask.fact for ask in ours.requires if ask.fact not in own.facts]
    kept = {"audience": ours.audience, "per": ours.per}
    changed = [name for name, value in kept.items() if getattr(own, name) != value]
    weaker = GATES.index(own.gate) < GATES.index(ours.gate)
    wider = TLP.index(own.tlp) < TLP.index(ours.tlp)
    problems = [f"lacks the fact {fact!r}" for fact in lacks]
    problems += [f"changes {name!r}" for name in changed]
    problems += ["weakens `gate`"] * weaker + ["widens `tlp`"] * wider
    if problems:
        raise ConfigError(
            f"{own.id} {', '.join(problems)}",
            "keep what the shipped template asks for, or choose another name",
            place=Place(own.source, 1),
        )
    requires = tuple(dict.fromkeys((*ours.requires, *own.requires)))
    order = tuple(dict.fromkeys((*ours.order, *own.order)))
    return replace(own, number=ours.number, requires=requires, order=order, due=ours.due)


@cache
def _asks() -> Mapping[str, Ask]:
    """What each fact is, and which command supplies it."""
    path = os.path.join(FOLDER, "facts.yml")
    with open(path, "rb") as file:
        doc = Document(path, file.read(), ours=True)
    found = {}
    for name, node in doc.mapping(doc.root, FACTS, "facts").items():  # type: ignore[arg-type]
        entry = doc.mapping(node, ("what", "command"), name)
        what, command = (doc.text_of(entry[key], key) for key in ("what", "command"))
        found[name] = Ask(name, what, command)
    return found


def _facts(doc: Document, node: Node) -> list[str]:
    return [doc.choice(one, FACTS, "fact") for one in doc.items(node, "facts")]


def _list(doc: Document, entries: dict[str, Node], key: str) -> list[Node]:
    return doc.items(entries[key], key) if key in entries else []


def _choice(
    doc: Document, entries: dict[str, Node], key: str, known: tuple[str, ...], otherwise: str
) -> str:
    return doc.choice(entries[key], known, key) if key in entries else otherwise
