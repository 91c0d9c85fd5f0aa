"""Companion sets: those that ship with leakguard, and an organisation's own in the same form."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from leakguard.errors import ConfigError, Place
from leakguard.load.document import Document, Node
from leakguard.preset import LEVELS
from leakguard.respond.companions import CompanionSet, Match, Member, words_of
from leakguard.rule import CLASSES

FOLDER = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data/companions"
)
MAX_BYTES = 256 * 1024
MOST_SHARES = 255
"""Shamir's scheme as vaults use it has no more."""

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_GLOB = re.compile(r"[a-z0-9*-]+")
_SET = ("id", "title", "members", "whole", "opens", "level", "production", "effect", "alone",
        "question", "source")  # fmt: skip
_MEMBER = ("id", "what", "match", "optional", "public", "count")
_MATCH = ("rules", "classes", "providers", "labels")


def companions(own: Iterable[tuple[str, bytes]] = ()) -> tuple[CompanionSet, ...]:
    """The sets that ship, then those of files of one's own (path, bytes).

    A set of one's own may not replace one that ships: it could take the danger
    out of it. Raises ConfigError at the first mistake.
    """
    found: dict[str, CompanionSet] = {}
    for name in sorted(os.listdir(FOLDER)):
        if name.endswith(".yml"):
            path = os.path.join(FOLDER, name)
            with open(path, "rb") as file:
                _read(Document(path, file.read(), ours=True), found)
    for path, raw in own:
        _read(Document(path, raw), found)
    return tuple(found.values())


def _read(doc: Document, found: dict[str, CompanionSet]) -> None:
    if doc.root is None:
        raise ConfigError("the file of companion sets is empty", place=Place(doc.path))
    entries = doc.mapping(doc.root, ("sets",), "a file of companion sets")
    if "sets" not in entries:
        doc.fail(doc.root, "a file of companion sets needs 'sets'")
    for node in doc.items(entries["sets"], "sets"):
        one = _set(doc, node)
        if one.id in found:
            doc.fail(node, f"there is a set {one.id!r} already", "choose another id")
        found[one.id] = one


def _set(doc: Document, node: Node) -> CompanionSet:
    entries = doc.mapping(node, _SET, "a companion set")
    _needed(doc, node, entries, ("id", "title", "members", "effect", "alone", "question"))
    level, production = (_level(doc, entries, key) for key in ("level", "production"))
    if production > level:
        doc.fail(entries["production"], "production cannot be milder than the rest")
    return CompanionSet(
        id=_id(doc, entries["id"]),
        title=_line(doc, entries["title"], "title"),
        members=_members(doc, entries["members"]),
        effect=_line(doc, entries["effect"], "effect"),
        alone=_line(doc, entries["alone"], "alone"),
        question=_line(doc, entries["question"], "question"),
        source=doc.texts(entries["source"], "source") if "source" in entries else (),
        whole=_matches(doc, entries["whole"]) if "whole" in entries else (),
        level=level,
        production=production,
        opens=_id(doc, entries["opens"]) if "opens" in entries else "",
    )


def _members(doc: Document, node: Node) -> tuple[Member, ...]:
    members = tuple(_member(doc, one) for one in doc.items(node, "members"))
    if len({one.id for one in members}) != len(members):
        doc.fail(node, "two members have the same id")
    if not any(not one.optional and not one.public for one in members):
        doc.fail(node, "a set needs a member that is required and secret",
                 "only those are found, and raise the question of the others")  # fmt: skip
    return members


def _member(doc: Document, node: Node) -> Member:
    entries = doc.mapping(node, _MEMBER, "a member")
    _needed(doc, node, entries, ("id", "what", "match"))
    count = doc.number(entries["count"], int, "count") if "count" in entries else 1
    if not 1 <= count <= MOST_SHARES:
        doc.fail(entries["count"], f"count must be from 1 to {MOST_SHARES}")
    return Member(
        id=_id(doc, entries["id"]),
        what=_line(doc, entries["what"], "what"),
        match=_matches(doc, entries["match"]),
        optional=_yes(doc, entries, "optional"),
        public=_yes(doc, entries, "public"),
        count=count,
    )


def _matches(doc: Document, node: Node) -> tuple[Match, ...]:
    matches = tuple(_match(doc, one) for one in doc.items(node, "match"))
    if not matches:
        doc.fail(node, "nothing would ever match", "name rules, classes, providers or labels")
    return matches


def _match(doc: Document, node: Node) -> Match:
    entries = doc.mapping(node, _MATCH, "a match")
    if not entries:
        doc.fail(node, "this would match every credential", f"name one of: {', '.join(_MATCH)}")
    for key, value in entries.items():
        if not doc.items(value, key):
            doc.fail(value, f"{key} is empty", "name one, or leave it out")
    return Match(
        rules=tuple(_glob(doc, one) for one in _listed(doc, entries, "rules")),
        classes=tuple(
            doc.choice(one, CLASSES, "class") for one in _listed(doc, entries, "classes")
        ),
        providers=tuple(_glob(doc, one) for one in _listed(doc, entries, "providers")),
        labels=tuple(_label(doc, one) for one in _listed(doc, entries, "labels")),
    )


def _listed(doc: Document, entries: dict[str, Node], key: str) -> list[Node]:
    return doc.items(entries[key], key) if key in entries else []


def _glob(doc: Document, node: Node) -> str:
    text = doc.text_of(node, "a rule or provider")
    if not _GLOB.fullmatch(text) or text.count("*") > 2 or not text.strip("*"):
        doc.fail(node, f"{text!r} names no rules", "lower case, digits and -, with * at most twice")
    return text


def _label(doc: Document, node: Node) -> str:
    text = doc.text_of(node, "label words")
    if not text or " ".join(words_of(text)) != text:
        doc.fail(node, f"{text!r} are no words of a label", "lower case words with one space")
    return text


def _needed(doc: Document, node: Node, entries: dict[str, Node], names: tuple[str, ...]) -> None:
    for name in names:
        if name not in entries:
            doc.fail(node, f"{name!r} is missing here", "see docs/severity.md")


def _id(doc: Document, node: Node) -> str:
    name = doc.text_of(node, "id")
    if not _ID.fullmatch(name):
        doc.fail(node, f"{name!r} is not an id", "use lower case, digits and -")
    return name


def _line(doc: Document, node: Node, what: str) -> str:
    text = doc.text_of(node, what)
    if not text.strip() or not text.isprintable() or len(text) > 300:
        doc.fail(node, f"{what} must be one printable line of at most 300 characters")
    return text


def _yes(doc: Document, entries: dict[str, Node], key: str) -> bool:
    known = ("yes", "no", "true", "false")
    return key in entries and doc.choice(entries[key], known, key) in ("yes", "true")


def _level(doc: Document, entries: dict[str, Node], key: str) -> int:
    if key not in entries:
        return 2
    return int(doc.choice(entries[key], [str(level) for level in range(LEVELS)], key))
