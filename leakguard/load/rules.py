"""Rule files into rules, with every mistake named at its place."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from leakguard.blob import SMALL
from leakguard.detect import anchor, block, danger, shape, syntax, whole
from leakguard.detect.checksum import CHECKSUMS
from leakguard.errors import ConfigError, Place
from leakguard.load import bundled
from leakguard.load.document import Document, Node
from leakguard.rule import CLASSES, SEVERITIES, TIERS, Companion, Revoke, Rule

_RULE_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_FILE_KEYS = ("provider", "title", "rules")
_NEEDED = ("id", "name", "why", "class", "severity", "confidence", "examples", "negatives")


def _companion(doc: Document, node: Node) -> Companion:
    entries = doc.mapping(node, ("rule", "within"), "a companion")
    if "rule" not in entries:
        doc.fail(node, "a companion needs the id of the other rule")
    within = doc.number(entries["within"], int, "within") if "within" in entries else 20
    return Companion(doc.text_of(entries["rule"], "rule"), within)


def _revoke(doc: Document, node: Node) -> Revoke:
    entries = doc.mapping(node, ("url", "how"), "revoke")
    return Revoke(**{key: doc.text_of(value, key) for key, value in entries.items()})


def _verify(doc: Document, node: Node) -> dict[str, object]:
    """Kept as it stands; a later release gives it meaning."""
    return {key: doc.plain(value) for key, value in doc.mapping(node, None, "verify").items()}


def _text(doc: Document, node: Node) -> str:
    return doc.text_of(node, "this field")


def _texts(doc: Document, node: Node) -> tuple[str, ...]:
    return doc.texts(node, "this field")


_READERS: dict[str, tuple[str, Callable[[Document, Node], Any]]] = {
    "id": ("id", _text),
    "name": ("name", _text),
    "why": ("why", _text),
    "fix": ("fix", _text),
    "class": ("secret_class", lambda doc, node: doc.choice(node, CLASSES, "class")),
    "severity": ("severity", lambda doc, node: doc.choice(node, SEVERITIES, "severity")),
    "confidence": ("confidence", lambda doc, node: doc.choice(node, TIERS[:2], "confidence")),
    "pattern": ("pattern", _text),
    "value": ("value", _text),
    "words": ("words", _texts),
    "keys": ("keys", _texts),
    "group": ("group", _text),
    "public_prefix": ("public_prefix", _text),
    "entropy": ("entropy", lambda doc, node: doc.number(node, float, "entropy")),
    "checksum": ("checksum", lambda doc, node: doc.choice(node, CHECKSUMS, "checksum")),
    "paths": ("paths", _texts),
    "companions": (
        "companions",
        lambda doc, node: tuple(_companion(doc, one) for one in doc.items(node, "companions")),
    ),
    "supersedes": ("supersedes", _texts),
    "each": ("each", _text),
    "decode": ("decode", lambda doc, node: doc.choice(node, tuple(block.DECODERS), "decode")),
    "finder": ("finder", lambda doc, node: doc.choice(node, ("workflow",), "finder")),
    "same_as": ("same_as", _text),
    "verify": ("verify", _verify),
    "revoke": ("revoke", _revoke),
    "references": ("references", _texts),
    "since": ("since", _text),
    "examples": ("examples", _texts),
    "negatives": ("negatives", _texts),
}


def read_file(path: str, raw: bytes, *, bundled_rules: bool = False) -> list[Rule]:
    """The rules of one file. Raises ConfigError at the first mistake."""
    doc = Document(path, raw, ours=bundled_rules)
    if doc.root is None:
        raise ConfigError("the rule file is empty", place=Place(path))
    top = doc.mapping(doc.root, _FILE_KEYS, "a rule file")
    for needed in ("provider", "rules"):
        if needed not in top:
            doc.fail(doc.root, f"a rule file needs {needed!r}")
    provider = doc.text_of(top["provider"], "provider")
    return [_rule(doc, node, provider, bundled_rules) for node in doc.items(top["rules"], "rules")]


def _rule(doc: Document, node: Node, provider: str, bundled_rules: bool) -> Rule:
    entries = doc.mapping(node, (*_READERS, "alone"), "a rule")
    for needed in _NEEDED:
        if needed not in entries:
            doc.fail(node, f"the rule lacks {needed!r}", "see docs/writing-rules.md")
    fields: dict[str, Any] = {"provider": provider, "bundled": bundled_rules}
    for key, value in entries.items():
        if key == "alone":
            alone = doc.mapping(value, ("severity", "confidence"), "alone")
            for part, known in (("severity", SEVERITIES), ("confidence", TIERS)):
                if part in alone:
                    fields[f"alone_{part}"] = doc.choice(alone[part], known, part)
        else:
            name, reader = _READERS[key]
            fields[name] = reader(doc, value)
    if fields.get("group", "").isdecimal():
        fields["group"] = int(fields["group"])
    rule = Rule(**fields)
    if not bundled_rules:  # ours are proven by their checks, and every first run would pay
        _sound(doc, entries, node, rule)
    return rule


def _sound(doc: Document, entries: dict[str, Node], node: Node, rule: Rule) -> None:
    """Everything a rule must be before its pattern may run on a stranger's bytes."""
    if not _RULE_ID.fullmatch(rule.id):
        doc.fail(entries["id"], f"{rule.id!r} is not a rule id", "use lower case, digits and -")
    if rule.finder:
        doc.fail(entries["finder"], f"rule {rule.id}: only leakguard's own rules have a finder")
    if bool(rule.pattern) == bool(rule.value):
        doc.fail(node, f"rule {rule.id} needs either a pattern or a value with words")
    if rule.value and not rule.words:
        doc.fail(entries["value"], f"rule {rule.id} has a value shape but no words")
    if not all(word.isprintable() and word.split() for word in rule.words):
        doc.fail(entries["words"], f"rule {rule.id} has an empty word")
    place = entries["pattern" if rule.pattern else "value"]
    try:
        text = rule.pattern or shape.pattern(rule.value)
        re.compile(rule.value[1:-1] if rule.value.startswith("/") else "")
        compiled = re.compile(text.encode())
        if whole.is_whole(rule):
            _named(rule)
        else:
            anchor.derive(text)
    except anchor.UnboundedPattern as error:
        doc.fail(place, f"rule {rule.id}: {error}", "write {n,m} where there is * or +")
    except ValueError as error:
        doc.fail(place, f"rule {rule.id}: {error}")
    except (re.error, RecursionError, OverflowError) as error:
        doc.fail(place, f"rule {rule.id}: not a usable pattern: {error}")
    trouble = danger.explosive(text)
    if trouble:
        doc.fail(
            place,
            f"rule {rule.id}: {trouble}",
            "in a repeat one character must decide how it goes on",
        )
    if rule.each or rule.decode:
        _picked(doc, entries, node, rule)
    if isinstance(rule.group, str) and rule.group and rule.group not in compiled.groupindex:
        doc.fail(entries["group"], f"rule {rule.id} has no group {rule.group!r}")
    if isinstance(rule.group, int) and rule.group > compiled.groups:
        doc.fail(entries["group"], f"rule {rule.id} has no group {rule.group}")


def _picked(doc: Document, entries: dict[str, Node], node: Node, rule: Rule) -> None:
    """What the expression for one value of a block must be."""
    if not rule.each or not rule.pattern or whole.is_whole(rule):
        doc.fail(
            node,
            f"rule {rule.id}: decode and each go with a pattern that frames a block",
            "see docs/writing-rules.md, several values in one block",
        )
    try:
        re.compile(rule.each.encode())
        width = syntax.parse(rule.each).getwidth()[1]
        trouble = danger.explosive(rule.each)
    except (re.error, RecursionError, OverflowError) as error:
        doc.fail(entries["each"], f"rule {rule.id}: each is no usable pattern: {error}")
    if trouble or width > anchor.MAX_WIDTH:
        doc.fail(
            entries["each"],
            f"rule {rule.id}: each: {trouble or 'a value could be without limit'}",
            "write {n,m} where there is * or +",
        )


def _named(rule: Rule) -> None:
    """What a rule of whole files must be. Raises ValueError."""
    if not rule.paths or not all(map(whole.ending, rule.paths)):
        raise ValueError("a pattern that begins with \\A needs paths, each with a constant end")
    if not rule.pattern.endswith("\\Z"):
        raise ValueError("a pattern that begins with \\A describes the whole file: end it with \\Z")
    if syntax.parse(rule.pattern).getwidth()[1] > SMALL:
        raise ValueError(f"a file that is nothing but a secret has at most {SMALL} bytes")


def bundled_files() -> list[str]:
    """The rule files that ship with leakguard, sorted."""
    folder = bundled.folder("rules")
    return sorted(
        entry.path for entry in os.scandir(folder) if entry.name.endswith((".yml", ".yaml"))
    )


def titles() -> dict[str, str]:
    """How a person writes the name of each provider that ships with leakguard."""
    found = {}
    for path in bundled_files():
        with open(path, encoding="utf-8") as file:
            head = [line.strip().partition(": ") for line in (file.readline(), file.readline())]
        said = {key: text.strip("'\"") for key, _, text in head}
        if "provider" in said and "title" in said:
            found[said["provider"]] = said["title"]
    return found


def read_bundled() -> list[Rule]:
    """Every rule that ships with leakguard."""
    rules: list[Rule] = []
    for path in bundled_files():
        with open(path, "rb") as file:
            rules += read_file(path, file.read(), bundled_rules=True)
    return rules


def named_rules(rule: Rule) -> tuple[str, ...]:
    """The ids of other rules that a rule speaks of."""
    same = (rule.same_as,) if rule.same_as else ()
    return (*(half.rule for half in rule.companions), *rule.supersedes, *same)


def unique(rules: list[Rule]) -> None:
    """Raises ConfigError when two rules share an id or a companion does not exist."""
    ids: set[str] = set()
    for rule in rules:
        if rule.id in ids:
            raise ConfigError(f"two rules have the id {rule.id!r}")
        ids.add(rule.id)
    for rule in rules:
        for named in named_rules(rule):
            if named not in ids:
                raise ConfigError(f"rule {rule.id} names a rule that does not exist: {named!r}")
