"""The pack's slow half: rules and policy as JSON, and how the prefilter is made from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

from leakguard import globs
from leakguard.detect.match import Book, Row, outline
from leakguard.errors import ConfigError
from leakguard.load import scorer as _scorer  # noqa: F401 (hands the scorer's model to detect)
from leakguard.load.cache import Parts
from leakguard.policy import Policy
from leakguard.rule import Companion, Revoke, Rule

if TYPE_CHECKING:
    from leakguard.detect import anchor
    from leakguard.detect.prefilter import Expression


def build(
    engine: Any, top: str | None, files: list[tuple[str, bytes]], known: Parts | None = None
) -> Parts:
    """The parts of a pack for a repository's files; the databases are empty without Hyperscan, and
    those of a `known` pack where it has the same anchors. Raises ConfigError.

    The head's lines: what the names of files end with that call for a rule by themselves; the
    anchors that count in some files only. The body's: policy and the rest as JSON; the anchors'
    expressions; each row of the table; each rule.
    """
    # YAML and all; a pack that is loaded needs none of it.
    from leakguard.detect.whole import endings, is_whole
    from leakguard.load import config

    resolved = config.resolve(top or "", files)
    table, expressions = tabulate(resolved.rules)
    anchors = json.dumps(expressions)
    databases = b"", b""
    if engine is not None and known and known.body.split(b"\n", 2)[1] == anchors.encode():
        databases = known.constants, known.others
    elif engine is not None:
        databases = _compile(engine, table, expressions)
    names = "\0".join(endings(rule for rule in resolved.rules if is_whole(rule)))
    head = f"{names}\n{_limits(resolved.rules, table)}"
    rest = {
        "policy": resolved.policy._asdict(),
        "outline": outline(table),
        "rows": len(table),
        "bundled": all(rule.bundled for rule in resolved.rules),
        "prefixes": sorted({rule.public_prefix for rule in resolved.rules} - {""}),
    }
    lines = [json.dumps(rest), anchors]
    lines += map(json.dumps, table)
    lines += (json.dumps(_plain(rule)) for rule in resolved.rules)
    return Parts(*databases, head.encode(), "\n".join(lines).encode())


_ROWS = 2
"""The number of the line with the table's first row."""


def _limits(rules: Sequence[Rule], table: list[Row]) -> str:
    """The anchors of rules that look in some files only, with what the names of these files begin
    or end with; see `Pack.concerns`.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for number, (kind, _, called, *_) in enumerate(table):
        paths = rules[called[0]].paths if kind == "r" else ()
        if paths:
            groups.setdefault(paths, []).append(str(number))
    found = []
    for paths, numbers in groups.items():
        names = [path.rpartition("/")[2] for path in paths if not path.startswith("!")]
        ends = [name[1:] for name in names if name.startswith("*")]
        begins = [name.removesuffix("*") for name in names if not name.startswith("*")]
        if not any(set("*?[\\") & set(part) or not part for part in (*ends, *begins)):
            found.append("\t".join((" ".join(numbers), "\0".join(begins), "\0".join(ends))))
    return "\1".join(found)


def tabulate(rules: list[Rule]) -> tuple[list[Row], list[Expression]]:
    """The rows behind the anchors' numbers, and the anchors: rules, words, code, decoders; the rows
    of whole files, which have no anchor, come last.
    """
    from leakguard.detect import anchor, decode, shape, workflow
    from leakguard.detect.openings import hints
    from leakguard.detect.whole import is_whole

    table: list[Row] = []
    expressions: list[Expression] = []

    def add(
        kind: str,
        what: str,
        called: Sequence[int],
        found: anchor.Anchor,
        *also: str,
        known: Sequence[Any] = (),
    ) -> None:
        texts = (found.expression, *also)
        expressions.extend((len(table), text, found.caseless) for text in texts)
        table.append(
            (kind, what, tuple(called), found.left, found.near, found.width, found.span, known)
        )

    whole: list[Row] = []
    found_by_code: dict[str, list[int]] = {}
    words: dict[str, list[int]] = {}
    for number, rule in enumerate(rules):
        if rule.pattern and is_whole(rule):
            whole.append(("f", rule.id, (number,), 0, 0, 0, 0, ()))
        elif rule.finder:
            found_by_code.setdefault(rule.finder, []).append(number)
        elif rule.pattern:
            derived = anchor.derive(rule.pattern, escaped=True)
            add("r", rule.id, [number], derived, known=hints(rule.pattern))
        for word in rule.words:
            words.setdefault(word, []).append(number)
    for word, called in sorted(words.items()):
        widest = max(_width(shape.pattern(rules[number].value)) for number in called)
        span = shape.word_width(word)
        back = span + shape.LEFT + widest + shape.AHEAD
        first, *also = shape.spellings(word)
        add("w", word, called, anchor.Anchor(first, True, back, widest, span=span), *also)
    for finder, called in sorted(found_by_code.items()):
        text = workflow.ANCHORS[finder]
        add("c", finder, called, anchor.Anchor(text, False, 0, 0, span=len(text)))
    for how, expression in decode.ANCHORS.items():
        add("d", how, (), anchor.Anchor(expression, False, 0, 0, span=_width(expression)))
    return table + whole, expressions


@cache
def _width(pattern: str) -> int:
    """The greatest width of a match, bytes."""
    from leakguard.detect import syntax

    return int(syntax.parse(pattern).getwidth()[1])


def _compile(
    engine: Any,
    table: list[Row],
    expressions: list[Expression],
) -> tuple[bytes, bytes]:
    from leakguard.detect.prefilter import compile_database
    from leakguard.load.beside import beside

    try:
        return compile_database(engine, expressions, beside)
    except engine.error:
        for expression in expressions:
            try:
                compile_database(engine, [expression])
            except engine.error as error:
                name = table[expression[0]][1]
                raise ConfigError(
                    f"the pattern of {name} is too complex for the prefilter", cause=str(error)
                ) from None
        raise


def expressions(body: bytes) -> list[Expression]:
    """The anchors, for the prefilter that works without Hyperscan."""
    return [tuple(entry) for entry in json.loads(body.split(b"\n", _ROWS)[_ROWS - 1])]


class Loaded(NamedTuple):
    """What a hit needs of a pack."""

    book: Book
    policy: Policy
    bundled: bool  # whether all rules are ours
    prefixes: tuple[str, ...]  # the public beginnings of all rules' values


def load(body: bytes) -> Loaded:
    """What `build` wrote. Raises ValueError when it is damaged."""
    lines = body.split(b"\n")
    data = json.loads(lines[0])
    first = _ROWS + data["rows"]
    decided: dict[str, Any] = data["policy"]
    for name, value in decided.items():
        decided[name] = tuple(value) if isinstance(value, list) else value
    policy = Policy(**decided)
    table: Sequence[Row] = _Lazy(lines[_ROWS:first], _row)
    book = Book(_Lazy(lines[first:], _rule), table, data["outline"])
    return Loaded(book, policy, data["bundled"], tuple(data["prefixes"]))


T = TypeVar("T")


class _Lazy(Sequence[T]):
    """Rules, or rows, each read when it is first needed: a hit needs one or two of a thousand."""

    def __init__(self, texts: list[bytes], read: Callable[[Any], T]) -> None:
        self._texts = texts
        self._of = read
        self._read: dict[int, T] = {}

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> list[T]: ...
    def __getitem__(self, at: int | slice) -> T | list[T]:
        if isinstance(at, slice):
            return [self[index] for index in range(*at.indices(len(self)))]
        if at not in self._read:
            self._read[at] = self._of(json.loads(self._texts[at]))
        return self._read[at]


def _plain(rule: Rule) -> dict[str, Any]:
    """A rule as JSON holds it, its paths ready to be matched, without what only its checks need."""
    from leakguard.detect import openings, shape

    valued = shape.pattern(rule.value) if rule.value else ""
    return {
        **rule._asdict(),
        "companions": [half._asdict() for half in rule.companions],
        "revoke": rule.revoke._asdict(),
        "verify": dict(rule.verify),
        "examples": (),
        "negatives": (),
        "paths_expression": globs.expression(rule.paths) if rule.paths else "",
        "value_pattern": valued,
        "made_of": openings.made_of(valued) if valued else ("", 0),
    }


def _row(fields: list[Any]) -> Row:
    kind, what, called, *rest = fields
    return (kind, what, tuple(called), *rest)


def _rule(entry: dict[str, Any]) -> Rule:
    for name, value in entry.items():
        if isinstance(value, list):
            entry[name] = tuple(value)
    entry["companions"] = tuple(Companion(**half) for half in entry["companions"])
    entry["revoke"] = Revoke(**entry["revoke"])
    return Rule(**entry)
