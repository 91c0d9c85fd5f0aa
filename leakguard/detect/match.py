"""Exact matching on the windows that the prefilter points at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from leakguard.detect import shape
from leakguard.detect.window import (
    Barren,
    Exact,
    Hints,
    Shape,
    Window,
    surroundings,
    windows,
)
from leakguard.globs import matcher
from leakguard.rule import Rule

MAX_DEPTH = 4
"""How many encodings may be nested."""


class Match(NamedTuple):
    """A value that a rule's pattern accepts, in some text (decoded or not)."""

    rule: Rule
    value: bytes
    span: tuple[int, int]
    outer: tuple[int, int]
    name: bytes = b""
    service: str = ""
    weak: bool = False  # the service's word stands there, but none that says what it is
    decoded: tuple[str, ...] = ()
    line: bytes = b""

    def __repr__(self) -> str:
        return f"Match({self.rule.id}, {self.span})"  # never the value


Row = tuple[str, str, tuple[int, ...], int, int, int, int, Sequence[Any]]
"""(kind, what, rules, left, near, width, span, hints): kind `r` with the id of a rule, `w` with a
service's word, `d` with the name of a decoder, `c` with that of code of ours, and without an
anchor `f` with a rule of whole files; the numbers of the rules that it calls for; where a match
begins, how long it is and how much of it the anchor takes up, see `Anchor`; the fields of its
`Hints`."""


Outline = tuple[int, int, Sequence[int], Sequence[tuple[int, Sequence[int]]]]
"""What there is to know of all rows: (no anchor takes up more bytes, the greatest `near`, the
rules of whole files, the numbers of the rows of code with the rules that they call for)."""


def outline(table: Sequence[Row]) -> Outline:
    """What a table holds, so that nobody needs to read all of it."""
    return (
        max((row[6] for row in table), default=0),
        max((row[4] for row in table), default=0),
        [rules[0] for kind, _, rules, *_ in table if kind == "f"],
        [(number, row[2]) for number, row in enumerate(table) if row[0] == "c"],
    )


class Book:
    """The rules behind the anchors' numbers."""

    __slots__ = (
        "_code", "_eaches", "_files", "_patterns", "_shaped", "_words",
        "nearest", "rules", "span", "table",
    )  # fmt: skip

    def __init__(
        self, rules: Sequence[Rule], table: Sequence[Row], known: Outline | None = None
    ) -> None:
        """`known` is the table's outline, where its rows are not worth reading for it."""
        self.rules = rules
        self.table = table
        self.span, self.nearest, self._files, self._code = known or outline(table)
        self._patterns: dict[int, Exact] = {}
        self._eaches: dict[int, re.Pattern[bytes]] = {}
        self._shaped: dict[str, list[tuple[Shape, Rule]]] = {}
        self._words: dict[str, re.Pattern[bytes]] = {}

    def of_whole_files(self) -> list[Rule]:
        """The rules that a file's name calls for."""
        return [self.rules[number] for number in self._files]

    def of_code(self) -> dict[int, dict[str, Rule]]:
        """The rules whose secrets no pattern finds, by their anchor's number and their ids."""
        return {
            number: {rule.id: rule for rule in (self.rules[one] for one in rules)}
            for number, rules in self._code
        }

    def pattern(self, rule: int, hints: Sequence[Any]) -> Exact:
        """A rule's exact pattern, compiled at its first hit."""
        if rule not in self._patterns:
            self._patterns[rule] = Exact(self.rules[rule].pattern, Hints(*hints))
        return self._patterns[rule]

    def each(self, rule: int) -> re.Pattern[bytes]:
        """What one value in a rule's block looks like."""
        if rule not in self._eaches:
            self._eaches[rule] = re.compile(self.rules[rule].each.encode())
        return self._eaches[rule]

    def shaped(self, word: str, rules: tuple[int, ...]) -> list[tuple[Shape, Rule]]:
        """The rules that a service's word calls for, with the shapes of their values."""
        if word not in self._shaped:
            self._shaped[word] = [
                (Shape(rule.value_pattern or shape.pattern(rule.value), rule.made_of), rule)
                for rule in (self.rules[number] for number in rules)
            ]
        return self._shaped[word]

    def word(self, word: str) -> re.Pattern[bytes]:
        """How a service's word is spelt, compiled when a value of the right shape stands near."""
        if word not in self._words:
            self._words[word] = re.compile(shape.word_pattern(word).encode())
        return self._words[word]


Guard = Callable[[Rule], AbstractContextManager[object]]
"""Bounds the time of a stranger's pattern; a no-op for rules that were proven here."""


class Matcher:
    """Runs the exact patterns of a book; knows nothing about files."""

    def __init__(
        self,
        book: Book,
        scan: Callable[[bytes], list[tuple[int, int]]],
        guard: Guard = lambda _: nullcontext(),
    ) -> None:
        self._book = book
        self._scan = scan
        self._guard = guard
        self._barren = Barren()

    def matches(
        self, data: bytes, hits: list[tuple[int, int]] | None = None, path: str = ""
    ) -> Iterator[Match]:
        """Every match in `data` and in the texts encoded in it, to a depth.

        Rules that look only in some files are tried if `path` is one of them or unknown ("").
        """
        yield from self._matches(data, self._scan(data) if hits is None else hits, path, 0)

    def _matches(
        self, data: bytes, hits: list[tuple[int, int]], path: str, depth: int
    ) -> Iterator[Match]:
        ends: dict[int, list[int]] = {}
        for number, end in hits:
            ends.setdefault(number, []).append(end)
        for number, where in ends.items():
            kind, what, rules, left, near, width, _, hints = self._book.table[number]
            if kind == "d":
                if depth < MAX_DEPTH:
                    yield from self._encoded(what, data, where, path, depth)
            elif kind == "c":
                continue  # it looks at the whole text
            elif kind == "w":
                shaped = self._book.shaped(what, rules)
                shaped = [entry for entry in shaped if looks_in(entry[1], path)]
                for window in windows([end + shape.AHEAD for end in where], left, 0, width):
                    yield from self._near(what, shaped, data, window)
            elif looks_in(self._book.rules[rules[0]], path):
                for window in windows(where, left, near, width):
                    yield from self._exact(rules[0], hints, data, window)

    def _exact(
        self, number: int, hints: Sequence[Any], data: bytes, window: Window
    ) -> Iterator[Match]:
        rule = self._book.rules[number]
        exact = self._book.pattern(number, hints)
        text = surroundings(data, window, exact.behind)
        if text and self._barren.knows(number, text):
            return
        with self._guard(rule):
            found = list(exact.within(data, window))
        if text and not found:
            self._barren.add(number, text)
        for match in found:
            group = value_group(rule, match)
            if rule.each:
                yield from self._each(number, data, match.span(group))
            else:
                yield Match(rule, match[group], match.span(group), match.span(), _name(match))

    def _each(self, number: int, data: bytes, span: tuple[int, int]) -> Iterator[Match]:
        """The values of a block."""
        from leakguard.detect import block  # few rules have one

        rule = self._book.rules[number]
        each = self._book.each(number)
        with self._guard(rule):
            found = list(block.entries(each, rule.decode, data, span))
        for value, match, decoded in found:
            yield Match(
                rule,
                value,
                match.span(block.value_group(each)),
                match.span(),
                _name(match),
                decoded=(rule.decode,) if decoded else (),
                line=block.line(match, value) if decoded else b"",
            )

    def _near(
        self,
        word: str,
        shaped: list[tuple[Shape, Rule]],
        data: bytes,
        window: Window,
    ) -> Iterator[Match]:
        """Values of the right shape around a service's word."""
        for form, rule in shaped:
            with self._guard(rule):
                values = list(form.within(data, window))
            for match in values:
                start, end = span = match.span("secret")
                spelt = self._book.word(word)
                told = shape.Surroundings(data, start, end).tells(spelt, word, rule.keys)
                if told:
                    weak = told == shape.NAMED
                    yield Match(rule, match["secret"], span, span, service=word, weak=weak)

    def _encoded(
        self, how: str, data: bytes, ends: list[int], path: str, depth: int
    ) -> Iterator[Match]:
        from leakguard.detect import decode  # little is encoded, and its patterns take time

        done = 0
        for end in ends:
            if end <= done:
                continue
            text = decode.decode(how, data, end)
            if text is None:
                continue
            done = text.span[1]
            for match in self._matches(text.text, self._scan(text.text), path, depth + 1):
                yield Match(
                    match.rule,
                    match.value,
                    text.source(*match.span),
                    text.source(*match.outer),
                    match.name,
                    match.service,
                    match.weak,
                    (how, *match.decoded),
                    match.line or line_around(text.text, match.span[0]),
                )


def looks_in(rule: Rule, path: str) -> bool:
    """Whether a rule looks in this file; without globs, or where the path is unknown, it does."""
    return not rule.paths or not path or matcher(rule.paths, rule.paths_expression)(path)


def value_group(rule: Rule, match: re.Match[bytes]) -> int | str:
    """The group that holds the value; the whole match where that group took no part in it."""
    group: int | str = rule.group
    if not group:
        group = "secret" if "secret" in match.re.groupindex else int(match.re.groups > 0)
    return group if match.start(group) >= 0 else 0


_IN_NAME = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz.-$/")


def _name(match: re.Match[bytes]) -> bytes:
    """The group `name` with what stands before it in the same identifier.

    A pattern that began with that itself would be tried at every byte.
    """
    if not match.re.groupindex.get("name"):
        return b""
    start, end = match.span("name")
    low = max(0, start - 40)
    at = start
    while at > low and match.string[at - 1] in _IN_NAME:
        at -= 1
    return match.string[at:end]


def line_around(data: bytes, offset: int, reach: int = 400) -> bytes:
    """The line that `offset` stands in, at most `reach` bytes either way."""
    start = data.rfind(b"\n", max(0, offset - reach), offset) + 1 or max(0, offset - reach)
    stop = data.find(b"\n", offset, offset + reach)
    return data[start : stop if stop >= 0 else offset + reach]
