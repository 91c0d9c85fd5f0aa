"""The proof of a rule: its examples in every dress, its negatives, its worst case, its company."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from leakguard.blob import Blob, Origin
from leakguard.cli import rules_noise
from leakguard.cli.crew import MOST_TASKS, Suspect, share
from leakguard.cli.rules_dress import bare, dresses
from leakguard.cli.watchdog import Watchdog
from leakguard.detect import anchor, prefilter, shape
from leakguard.detect.checksum import CHECKSUMS
from leakguard.detect.judge import breadth
from leakguard.detect.match import Book, Row
from leakguard.detect.scanner import Scanner
from leakguard.detect.whole import is_whole
from leakguard.errors import ConfigError
from leakguard.finding import Candidate
from leakguard.load import body
from leakguard.load.rules import named_rules, read_bundled, read_file, unique
from leakguard.recipe import expand
from leakguard.rule import Rule

ROUNDS = 3
"""How many fakes are drawn of each example; the first wears every dress."""

SLOW_SECONDS = 0.5
"""A pattern may take this long on 64 KiB made to be hard for it."""

Scan = Callable[[bytes], list[tuple[int, int]]]

TOGETHER = 24
"""Rules that a reader proves before it asks for more."""


class Problem(NamedTuple):
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
    return Scanner(*_parts(rules), Watchdog().watch)


def _parts(rules: list[Rule]) -> tuple[Book, Scan]:
    table, expressions = body.tabulate(rules)
    engine = prefilter.extension()
    if engine is None:
        return Book(rules, table), prefilter.PlainPrefilter(expressions).scan
    databases = prefilter.compile_database(engine, expressions)
    return Book(rules, table), prefilter.HyperscanPrefilter(engine, *databases).scan


def check_rules(rules: list[Rule], chosen: list[Rule], seed: int, jobs: int = 1) -> list[Problem]:
    """Every problem of the chosen rules, in their order; `jobs` groups of them at a time."""
    book, scan = _parts(rules)
    proof = _Proof(book, scan, seed)
    size = max(TOGETHER, -(-len(chosen) // MOST_TASKS))
    groups = [chosen[at : at + size] for at in range(0, len(chosen), size)]
    said = [
        Problem(*json.loads(item.name))
        for item in share(groups, proof.of_group, jobs)
        if isinstance(item, Suspect)
    ]
    said += _often(book, scan, chosen)
    order = {rule.id: number for number, rule in enumerate(chosen)}
    return sorted(said, key=lambda problem: order[problem.rule_id])


def found(scanner: Scanner, data: bytes, path: str) -> set[str]:
    """The ids that explain something in `data`, alternatives included."""
    return {name for one in _look(scanner, data, path) for name in _names(one)}


def _look(scanner: Scanner, data: bytes, path: str) -> list[Candidate]:
    return scanner.look(Blob(Origin("tree", path), data))


def _names(one: Candidate) -> tuple[str, ...]:
    return (one.rule.id, *one.alternatives)


def path_for(rule: Rule, example: str) -> str:
    """A file name in which the rule looks."""
    if rule.paths:
        return rule.paths[0].strip("/").replace("**", "a").replace("*", "a") or "file"
    return "src/settings" + (".py" if "=" in example else ".yml")


def complete(rule: Rule) -> object:
    """What fills `{{checksum}}` in the rule's recipes."""
    return CHECKSUMS[rule.checksum].complete if rule.checksum else None


class _Proof:
    """What the proofs of all rules have in common."""

    def __init__(self, book: Book, scan: Scan, seed: int) -> None:
        self._rules = {rule.id: rule for rule in book.rules}
        self._everything = Scanner(book, scan, Watchdog().watch)
        self._book = book
        self._scan = scan
        self._seed = seed
        self._rows: dict[str, list[int]] = {}
        for row, (_, _, called, *_) in enumerate(book.table):
            for number in called:
                self._rows.setdefault(book.rules[number].id, []).append(row)

    def alone(self, rule: Rule) -> Scanner:
        """A scanner for one rule; to compile a database for each would take minutes."""
        rows = self._rows.get(rule.id, [])
        table: list[Row] = [
            (row[0], row[1], (), *row[3:]) if row[0] == "c" else row
            for row in self._book.table
            if row[0] != "f"
        ]
        for number in rows:
            found = self._book.table[number]
            row: Row = (found[0], found[1], (0,), *found[3:])
            if row[0] == "f":
                table.append(row)
            else:
                table[number] = row
        own = {*rows, *(number for number, row in enumerate(table) if row[0] == "d")}

        def scan(data: bytes) -> list[tuple[int, int]]:
            return [hit for hit in self._scan(data) if hit[0] in own]

        return Scanner(Book([rule], table), scan, Watchdog().watch)

    def of_group(self, group: list[Rule]) -> Iterator[Suspect]:
        """The problems of some rules, in a form that passes between processes."""
        for rule in group:
            for problem in self._of(rule):
                yield Suspect(json.dumps(problem))

    def _of(self, rule: Rule) -> list[Problem]:
        rng = Random(f"{self._seed} {rule.id}")
        try:
            examples = _draw(rule, rule.examples, "example", rng)
            slow = _speed(rule, [texts[0] for texts in examples])
            problems = slow or self._examples(rule, examples) + self._negatives(rule, rng)
        except ConfigError as error:
            problems = [Problem(rule.id, error.message)]
        return problems + _anchored(rule)

    def _examples(self, rule: Rule, examples: list[list[str]]) -> list[Problem]:
        """Whether every example is found, beside all rules and, by itself, in every dress."""
        problems = []
        alone = self.alone(rule)
        company: set[str] | None = None
        for number, (recipe, texts) in enumerate(zip(rule.examples, examples, strict=True), 1):
            path = path_for(rule, recipe)
            missed = []
            for text in texts:
                explained = _explained(_look(self._everything, text.encode(), path), rule)
                company = explained if company is None else company & explained
                missed += [] if rule.id in explained else ["beside the other rules"]
            for name, data in _worn(alone, rule, texts[0], path):
                missed += [] if rule.id in found(alone, data, path) else [name]
            if missed:
                what = f"example {number} is not found {', '.join(dict.fromkeys(missed))}"
                problems.append(Problem(rule.id, what))
        if not problems:
            problems += self._subsumed(rule, examples, company or set())
        return problems

    def _subsumed(self, rule: Rule, examples: list[list[str]], company: set[str]) -> list[Problem]:
        """Other rules of the class that find all that this one finds, so that it says nothing."""
        return [
            Problem(
                rule.id,
                f"{other.id} finds every example too: drop one of them, "
                "or say with supersedes which explains it better",
            )
            for other in (self._rules[name] for name in sorted(company - {rule.id}))
            if _alike(rule, other) and self._covers(other, rule, examples)
        ]

    def _covers(self, other: Rule, rule: Rule, examples: list[list[str]]) -> bool:
        """Whether `other`, by itself, finds the whole value of every example of `rule`."""
        own, theirs = self.alone(rule), self.alone(other)
        for recipe, texts in zip(rule.examples, examples, strict=True):
            path = path_for(rule, recipe)
            for data in (text.encode() for text in texts):
                spans = [one.span for one in _look(theirs, data, path)]
                for start, end in (one.span for one in _look(own, data, path)):
                    if not any(low <= start and end <= high for low, high in spans):
                        return False
        return True

    def _negatives(self, rule: Rule, rng: Random) -> list[Problem]:
        drawn = _draw(rule, rule.negatives, "negative", rng)
        return [
            Problem(rule.id, f"negative {number} is found")
            for number, (recipe, texts) in enumerate(zip(rule.negatives, drawn, strict=True), 1)
            if any(
                rule.id in found(self._everything, text.encode(), path_for(rule, recipe))
                for text in texts
            )
        ]


def _draw(rule: Rule, recipes: tuple[str, ...], what: str, rng: Random) -> list[list[str]]:
    """The fakes of each recipe; of one that draws nothing there is but one. Raises ConfigError."""
    drawn = []
    for number, recipe in enumerate(recipes, 1):
        try:
            texts = [expand(recipe, rng, complete(rule)) for _ in range(ROUNDS)]  # type: ignore[arg-type]
        except ValueError as error:
            raise ConfigError(f"{what} {number}: {error}") from None
        drawn.append(list(dict.fromkeys(texts)))
    return drawn


def _explained(candidates: list[Candidate], rule: Rule) -> set[str]:
    """The ids of all rules that explain what this one finds, it among them."""
    return {name for one in candidates if rule.id in _names(one) for name in _names(one)}


def _worn(alone: Scanner, rule: Rule, text: str, path: str) -> list[tuple[str, bytes]]:
    """Every dress of an example; more of one whose value is found without its surroundings."""
    if rule.finder:
        return []  # it is about a file of one form
    worn = dresses(text, context=bool(rule.value or rule.generic), whole=is_whole(rule))
    if rule.value or rule.generic or rule.paths or rule.each:
        return worn
    for one in _look(alone, text.encode(), path):
        value = one.secret.reveal()
        if not one.decoded and found(alone, value, path):
            worn += bare(value)
    return worn


def _alike(rule: Rule, other: Rule) -> bool:
    """Whether nothing that is said of two rules tells them apart."""
    spoken = {*named_rules(rule), *named_rules(other)}
    own_word = other.words and any(
        not any(theirs in own for theirs in other.words) for own in rule.words
    )
    return (
        rule.secret_class == other.secret_class
        and breadth(other) >= breadth(rule)
        and not {rule.id, other.id} & spoken
        and rule.family != other.family
        and not own_word
    )


def _anchored(rule: Rule) -> list[Problem]:
    """Whether the rule can be looked for without a pass of its own over every byte."""
    if rule.pattern and not is_whole(rule) and not anchor.derive(rule.pattern).telling:
        return [
            Problem(
                rule.id,
                "no two constant characters in a row: it would slow every scan; "
                "give it the words that stand near by, or a prefix",
            )
        ]
    return []


def _often(book: Book, scan: Scan, chosen: list[Rule]) -> list[Problem]:
    """The rules whose anchors ordinary source is full of; only generic ones have to look there."""
    ids = {rule.id for rule in chosen if not rule.generic}
    problems = []
    for number, count in sorted(rules_noise.hits(scan).items()):
        kind, what, called, *_ = book.table[number]
        if count <= rules_noise.OFTEN or kind in "dc":
            continue
        said = (
            f"the word {what!r} stands" if kind == "w" else "what the pattern must contain stands"
        )
        problems += [
            Problem(
                book.rules[rule].id,
                f"{said} in {count} of {rules_noise.LINES} lines of ordinary source, and each "
                "costs a look: make it two words, or let the pattern ask for more",
            )
            for rule in called
            if book.rules[rule].id in ids
        ]
    return problems


def _speed(rule: Rule, examples: list[str]) -> list[Problem]:
    """Whether the pattern stays quick on text made of its own beginning."""
    import re

    texts = [text.encode() for text in examples[:2]]
    units = {unit for raw in texts for unit in (raw, raw[: max(4, len(raw) // 2)], raw[:6])}
    valued = shape.pattern(rule.value) if rule.value else ""
    for source in filter(None, (rule.pattern or valued, rule.each)):
        pattern = re.compile(source.encode())
        for unit in sorted(units):
            data = (unit * (65_536 // len(unit) + 1))[:65_536]
            began = time.process_time()
            try:
                with Watchdog().watch(rule._replace(bundled=False)):
                    for _ in pattern.finditer(data):
                        pass
            except ConfigError:
                began -= SLOW_SECONDS
            if time.process_time() - began > SLOW_SECONDS:
                return [Problem(rule.id, f"takes over {SLOW_SECONDS} s on 64 KiB of hard text")]
    return []
