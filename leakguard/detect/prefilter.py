"""A quick look at the bytes that says where a rule could match.

The prefilter is an optimisation and never changes a result: it looks for the
anchors of `detect.anchor`, and the exact pattern runs only on windows around
them. With Hyperscan two passes serve all rules: one for the constant anchors,
thousands of words, and one for the rest. That is no slower than one for both, and the
two compile beside each other. Without it a slower scan with `re` reports the same
places.

On the start-up path of every commit: it imports neither `typing` nor `re`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Hit = tuple[int, int]  # (number of the anchor, offset after the last byte of its match)
    Expression = tuple[int, str, bool]  # (number of the anchor, expression, whether caseless)
    Beside = Callable[[Callable[[], bytes]], Callable[[], bytes]]


def extension() -> Any | None:
    """Hyperscan's extension module, or None where it is not installed.

    Loaded past its package: `hyperscan/__init__.py` imports `typing`, which
    would cost every commit 9 ms.
    """
    loaded = sys.modules.get("hyperscan._hs_ext")
    if loaded is not None:
        return loaded
    from importlib.machinery import (
        EXTENSION_SUFFIXES,
        ExtensionFileLoader,
        FileFinder,
        PathFinder,
    )

    package = PathFinder.find_spec("hyperscan")
    if package is None or not package.submodule_search_locations:
        return None
    folder = package.submodule_search_locations[0]
    found = FileFinder(folder, (ExtensionFileLoader, EXTENSION_SUFFIXES)).find_spec("_hs_ext")
    if found is None or found.origin is None:
        return None
    from _imp import create_dynamic, exec_dynamic

    found.name = "hyperscan._hs_ext"
    try:
        module = create_dynamic(found)
        exec_dynamic(module)
    except ImportError:  # built for another machine or another Python
        return None
    sys.modules["hyperscan._hs_ext"] = module
    return module


class HyperscanPrefilter:
    """All anchors in what `compile_database` made of them."""

    def __init__(self, engine: Any, constants: bytes, others: bytes) -> None:
        """Raises the engine's `error` for what was made for another machine."""
        self._constant = _load(engine, constants) if constants else None
        self._others = _load(engine, others) if others else None

    def scan(self, data: bytes) -> list[Hit]:
        """All hits in order of their end."""
        hits: list[Hit] = []
        collect = _collector(hits)
        if self._constant is not None:
            self._constant.scan(data, match_event_handler=collect)
        first = len(hits)
        if self._others is not None:
            self._others.scan(data, match_event_handler=collect)
        if 0 < first < len(hits):
            hits.sort(key=_end)
        return hits


def _end(hit: Hit) -> int:
    return hit[1]


def _load(engine: Any, database: bytes) -> Any:
    loaded = engine.loadb(database, engine.HS_MODE_BLOCK)
    loaded.scratch = engine.Scratch(loaded)  # one thread's, and one process's
    return loaded


def _collector(hits: list[Hit]) -> Callable[[int, int, int, int, object], None]:
    add = hits.append

    def collect(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
        add((number, end))

    return collect


_CONSTANT = r"(?:[^\\.^$*+?{}()\[\]|]|\\(?:[^0-9A-Za-z]|x[0-9a-f]{2}))+"


def compile_database(
    engine: Any, expressions: Sequence[Expression], beside: Beside = lambda compiled: compiled
) -> tuple[bytes, bytes]:
    """Two serialised databases: of the constant expressions and of the others; either may be
    empty. An anchor may have several expressions.

    `beside` may begin to compile the first while we compile the other. Raises the engine's
    `error` for an expression it cannot take.
    """
    import re

    constant = re.compile(_CONSTANT).fullmatch
    parts: tuple[list[Expression], list[Expression]] = [], []
    for expression in expressions:
        parts[constant(expression[1]) is None].append(expression)
    begun = beside(lambda: _compile(engine, parts[0]))
    try:
        others = _compile(engine, parts[1])
    finally:
        first = begun()  # nobody is left behind
    return first, others


def _compile(engine: Any, expressions: Sequence[Expression]) -> bytes:
    if not expressions:
        return b""
    database = engine.Database()
    database.compile(
        expressions=[text.encode() for _, text, _ in expressions],
        ids=[number for number, _, _ in expressions],
        elements=len(expressions),
        flags=[engine.HS_FLAG_CASELESS if caseless else 0 for _, _, caseless in expressions],
    )
    serialised: bytes = engine.dumpb(database)
    return serialised


class PlainPrefilter:
    """The fallback: constant anchors are looked up by how they begin, the others tried with `re`
    one after the other, in texts that hold a word that they need.
    """

    def __init__(self, expressions: Sequence[Expression]) -> None:
        import re

        from leakguard import late
        from leakguard.detect.openings import needed

        constant = re.compile(_CONSTANT).fullmatch
        spelt = re.compile(r"\\(?:x(..)|(.))", re.DOTALL)
        self._constants: dict[bytes, list[tuple[int, bytes, bool]]] = {}
        self._others = []
        for number, text, caseless in expressions:
            if constant(text):
                word = spelt.sub(lambda one: one[2] or chr(int(one[1], 16)), text).encode("latin-1")
                if len(word) >= _HEAD:
                    begin = word[:_HEAD].lower()
                    word = word.lower() if caseless else word
                    self._constants.setdefault(begin, []).append((number, word, caseless))
                    continue
            pattern = late.pattern(f"(?=({text}))".encode(), re.IGNORECASE if caseless else 0)
            words = [word.encode("latin-1") for word in needed(text)]
            self._others.append((number, pattern, words))
        self._begins = re.compile(b"(?=%b)" % _any_of(sorted(self._constants)))

    def scan(self, data: bytes) -> list[Hit]:
        """All hits, every start tried, so that overlapping ones are seen."""
        small = data.lower()
        hits = []
        for begun in self._begins.finditer(small) if self._constants else ():
            start = begun.start()
            for number, word, caseless in self._constants[small[start : start + _HEAD]]:
                if (small if caseless else data).startswith(word, start):
                    hits.append((number, start + len(word)))
        for number, pattern, words in self._others:
            if not words or any(word in small for word in words):
                hits += ((number, match.end(1)) for match in pattern.finditer(data))
        hits.sort(key=_end)
        return hits


_HEAD = 4
"""So many bytes tell most constants apart."""


def _any_of(words: list[bytes]) -> bytes:
    """An expression for one of several sorted words of the same length."""
    from itertools import groupby
    from re import escape

    if not words or not words[0]:
        return b""
    groups = groupby(words, key=lambda word: word[:1])
    parts = (escape(head) + _any_of([word[1:] for word in group]) for head, group in groups)
    return b"(?:%b)" % b"|".join(parts)


if TYPE_CHECKING:
    Prefilter = HyperscanPrefilter | PlainPrefilter
