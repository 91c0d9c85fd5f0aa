"""The pack's slow half: rules and policy as JSON, and how the prefilter is made from them."""

from __future__ import annotations

import json
from dataclasses import fields
from functools import cache
from typing import Any

from leakguard.detect import anchor, decode, prefilter, shape, syntax
from leakguard.detect.match import Book, Row
from leakguard.errors import ConfigError
from leakguard.policy import Policy
from leakguard.rule import Companion, Revoke, Rule


def build(engine: Any, top: str | None, files: list[tuple[str, bytes]]) -> tuple[bytes, bytes]:
    """(prefilter database, JSON body) for a repository's files; the database is empty without
    Hyperscan. Raises ConfigError.
    """
    from leakguard.load import config  # YAML and all; a pack that is loaded needs none of it

    resolved = config.resolve(top or "", files)
    table, expressions = tabulate(resolved.rules)
    database = b""
    if engine is not None:
        database = _compile(engine, resolved.rules, table, expressions)
    text = {
        "rules": [_plain(rule) for rule in resolved.rules],
        "policy": _plain(resolved.policy),
        "table": table,
        "expressions": expressions,
    }
    return database, json.dumps(text).encode()


def tabulate(
    rules: list[Rule],
) -> tuple[list[Row], list[tuple[str, bool]]]:
    """The rows behind the anchors' numbers, and the anchors: rules, words, decoders."""
    table: list[Row] = []
    expressions: list[tuple[str, bool]] = []

    def add(kind: str, what: int | str, found: anchor.Anchor) -> None:
        table.append((kind, what, found.left, found.near, found.width))
        expressions.append((found.expression, found.caseless))

    for number, rule in enumerate(rules):
        if rule.pattern:
            add("r", number, anchor.derive(rule.pattern, escaped=True))
    for word in sorted({word for rule in rules for word in rule.words}):
        widest = max(_width(shape.pattern(rule.value)) for rule in rules if word in rule.words)
        spelt = shape.word_pattern(word)
        back = _width(spelt) + shape.LEFT + widest + shape.AHEAD
        add("w", word, anchor.Anchor(spelt.removeprefix("(?i)"), True, back, widest))
    for how, expression in decode.ANCHORS.items():
        add("d", how, anchor.Anchor(expression, False, 0, 0))
    return table, expressions


@cache
def _width(pattern: str) -> int:
    """The greatest width of a match, bytes."""
    return int(syntax.parse(pattern).getwidth()[1])


def _compile(
    engine: Any,
    rules: list[Rule],
    table: list[Row],
    expressions: list[tuple[str, bool]],
) -> bytes:
    try:
        return prefilter.compile_database(engine, expressions)
    except engine.error:
        for row, expression in zip(table, expressions, strict=True):
            try:
                prefilter.compile_database(engine, [expression])
            except engine.error as error:
                name = rules[row[1]].id if isinstance(row[1], int) else row[1]
                raise ConfigError(
                    f"the pattern of {name} is too complex for the prefilter", cause=str(error)
                ) from None
        raise


def expressions(body: bytes) -> list[tuple[str, bool]]:
    """The anchors, for the prefilter that works without Hyperscan."""
    return [(text, bool(caseless)) for text, caseless in json.loads(body)["expressions"]]


def load(body: bytes) -> tuple[Book, Policy]:
    """What `build` wrote. Raises ValueError when it is damaged."""
    data = json.loads(body)
    table = [(kind, what, left, near, width) for kind, what, left, near, width in data["table"]]
    policy = Policy(**{**data["policy"], "exclude": tuple(data["policy"]["exclude"])})
    return Book([_rule(entry) for entry in data["rules"]], table), policy


def _plain(noun: Any) -> dict[str, Any]:
    """A noun as JSON holds it."""
    found = {name: getattr(noun, name) for name in noun.__slots__}
    if isinstance(noun, Rule):
        found["companions"] = [_plain(half) for half in noun.companions]
        found["revoke"] = _plain(noun.revoke)
    return found


_TUPLES = tuple(field.name for field in fields(Rule) if str(field.type).startswith("tuple"))


def _rule(entry: dict[str, Any]) -> Rule:
    for name in _TUPLES:
        entry[name] = tuple(entry[name])
    entry["companions"] = tuple(Companion(**half) for half in entry["companions"])
    entry["revoke"] = Revoke(**entry["revoke"])
    return Rule(**entry)
