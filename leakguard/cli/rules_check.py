"""The proof of a rule: its examples in every dress, its negatives, its worst case."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, replace
from random import Random

from leakguard.blob import Blob, Origin
from leakguard.cli.watchdog import Watchdog
from leakguard.detect import anchor, prefilter, shape
from leakguard.detect.checksum import CHECKSUMS
from leakguard.detect.match import Book
from leakguard.detect.scanner import Scanner
from leakguard.errors import ConfigError
from leakguard.load import body
from leakguard.load.rules import read_bundled, read_file, unique
from leakguard.recipe import expand
from leakguard.rule import Rule

ROUNDS = 3
"""How many fakes are drawn of each example."""

SLOW_SECONDS = 0.5
"""A pattern may take this long on 64 KiB made to be hard for it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule gets wrong."""

    rule_id: str
    what: str


def load(files: tuple[str, ...]) -> tuple[list[Rule], list[Rule]]:
    """(all rules, the ones to check). Raises ConfigError."""
    bundled = read_bundled()
    if not files:
        unique(bundled)
        return bundled, bundled
    chosen: list[Rule] = []
    for path in files:
        with open(path, "rb") as file:
            chosen += read_file(path, file.read())
    ids = {rule.id for rule in chosen}
    rules = [rule for rule in bundled if rule.id not in ids] + chosen
    unique(rules)
    return rules, chosen


def scanner(rules: list[Rule]) -> Scanner:
    """A scanner for exactly these rules."""
    table, expressions = body.tabulate(rules)
    engine = prefilter.extension()
    if engine is None:
        scan = prefilter.PlainPrefilter(expressions).scan
    else:
        database = prefilter.compile_database(engine, expressions)
        scan = prefilter.HyperscanPrefilter(engine, database).scan
    return Scanner(Book(rules, table), scan, Watchdog().watch)


def check_rules(rules: list[Rule], chosen: list[Rule], seed: int) -> list[Problem]:
    """Every problem of the chosen rules."""
    everything = scanner(rules)
    problems: list[Problem] = []
    for rule in chosen:
        rng = Random(f"{seed} {rule.id}")
        slow = _speed(rule)
        problems += slow or _behaviour(everything, rule, rng)
        problems += _anchored(rule)
    return problems


def _behaviour(scanner: Scanner, rule: Rule, rng: Random) -> list[Problem]:
    """What it finds and what it leaves alone."""
    try:
        return _examples(scanner, rule, rng) + _negatives(scanner, rule, rng)
    except ConfigError as error:
        return [Problem(rule.id, error.message)]


def found(scanner: Scanner, data: bytes, path: str) -> set[str]:
    """The ids that explain something in `data`, alternatives included."""
    candidates = scanner.look(Blob(Origin("tree", path), data))
    return {name for one in candidates for name in (one.rule.id, *one.alternatives)}


def path_for(rule: Rule, example: str) -> str:
    """A file name in which the rule looks."""
    if rule.paths:
        last = rule.paths[0].rstrip("/").rsplit("/", 1)[-1]
        return last.replace("**", "a").replace("*", "a") or "file"
    return "src/settings" + (".py" if "=" in example else ".yml")


def complete(rule: Rule) -> object:
    """What fills `{{checksum}}` in the rule's recipes."""
    return CHECKSUMS[rule.checksum].complete if rule.checksum else None


def _examples(scanner: Scanner, rule: Rule, rng: Random) -> list[Problem]:
    problems = []
    for number, example in enumerate(rule.examples, 1):
        for _ in range(ROUNDS):
            try:
                text = expand(example, rng, complete(rule))  # type: ignore[arg-type]
            except ValueError as error:
                return [Problem(rule.id, f"example {number}: {error}")]
            path = path_for(rule, example)
            missed = [
                dress
                for dress, data in dresses(text, context=bool(rule.value or rule.generic))
                if rule.id not in found(scanner, data, path)
            ]
            if missed:
                problems.append(
                    Problem(rule.id, f"example {number} is not found {', '.join(missed)}")
                )
                break
    return problems


def dresses(text: str, *, context: bool) -> list[tuple[str, bytes]]:
    """(name, bytes): an example at every place and in every encoding that it may stand in.

    A rule that lives on its surroundings is not taken out of them.
    """
    raw = text.encode()
    filler = b"the quick brown fox jumps over the lazy dog\n"
    found = [
        ("alone", raw),
        ("at the start", raw + b"\n" + filler),
        ("at the end", filler + raw),
        ("in the middle", filler * 40 + raw + b"\n" + filler * 40),
        ("with CRLF", raw.replace(b"\n", b"\r\n") + b"\r\n"),
        ("in UTF-16", text.encode("utf-16")),
        ("repeated", raw + b"\n" + raw + b"\n" + raw + b"\n"),
        ("in base64", b"data: " + base64.b64encode(b"# settings for the app\n" + raw) + b"\n"),
    ]
    if not context:
        found += [
            ("quoted", b'x = "' + raw + b'"\n'),
            ("in JSON", json.dumps({"config": text}).encode()),
            ("in YAML", b"config: |\n  " + raw.replace(b"\n", b"\n  ") + b"\n"),
        ]
    return found


def _negatives(scanner: Scanner, rule: Rule, rng: Random) -> list[Problem]:
    problems = []
    for number, negative in enumerate(rule.negatives, 1):
        for _ in range(ROUNDS):
            try:
                text = expand(negative, rng, complete(rule))  # type: ignore[arg-type]
            except ValueError as error:
                return [Problem(rule.id, f"negative {number}: {error}")]
            if rule.id in found(scanner, text.encode(), path_for(rule, negative)):
                problems.append(Problem(rule.id, f"negative {number} is found"))
                break
    return problems


def _anchored(rule: Rule) -> list[Problem]:
    """Whether the rule can be looked for without a pass of its own over every byte."""
    if rule.pattern and not anchor.derive(rule.pattern).telling:
        return [
            Problem(
                rule.id,
                "no two constant characters in a row: it would slow every scan; "
                "give it the words that stand near by, or a prefix",
            )
        ]
    return []


def _speed(rule: Rule) -> list[Problem]:
    """Whether the pattern stays quick on text made of its own beginning."""
    import re

    too_slow = Problem(rule.id, f"takes over {SLOW_SECONDS} s on 64 KiB of hard text")
    pattern = re.compile((rule.pattern or shape.pattern(rule.value)).encode())
    rng = Random(rule.id)
    seeds = [expand(example, rng, complete(rule)) for example in rule.examples]  # type: ignore[arg-type]
    for seed in seeds:
        for unit in (seed.encode(), seed.encode()[: max(4, len(seed) // 2)], seed.encode()[:6]):
            data = (unit * (65_536 // len(unit) + 1))[:65_536]
            began = time.process_time()
            try:
                with Watchdog().watch(replace(rule, bundled=False)):
                    for _ in pattern.finditer(data):
                        pass
            except ConfigError:
                return [too_slow]
            if time.process_time() - began > SLOW_SECONDS:
                return [too_slow]
    return []
