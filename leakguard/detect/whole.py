r"""Rules of whole files: the file's name calls for them, and their value is all it holds.

A file such as `config/master.key` has nothing constant in it, so no anchor could
point at it. Its name does: a pattern that begins with `\A` is tried once, at the
start of every small file that its `paths` name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from leakguard import late
from leakguard.detect.match import Guard, Match, looks_in, value_group
from leakguard.rule import Rule

_BEGINS = late.pattern(r"(?:\(\?[a-z]+\))?\\A")
_WILD = late.pattern(r"[*?\[\]!\\]")


def is_whole(rule: Rule) -> bool:
    """Whether the rule is about files as a whole."""
    return _BEGINS.match(rule.pattern) is not None


def ending(glob: str) -> str:
    """What every path that fits `glob` ends with, with a slash before a whole name."""
    name = glob.rpartition("/")[2]
    wild = [found.end() for found in _WILD.finditer(name)]
    return name[wild[-1] :] if wild else f"/{name}"


def endings(rules: Iterable[Rule]) -> list[str]:
    """What the paths of all files that call for one of these rules end with."""
    return sorted({ending(glob) for rule in rules for glob in rule.paths})


class Whole:
    """The rules of whole files, ready to be tried."""

    def __init__(self, rules: Iterable[Rule], guard: Guard) -> None:
        self._rules = list(rules)
        self._endings = tuple(endings(self._rules))
        self._guard = guard
        self._patterns: dict[str, re.Pattern[bytes]] = {}

    def called(self, path: str) -> bool:
        """Whether a file of this name is looked at; one without a name may be any."""
        return not path or f"/{path}".endswith(self._endings)

    def matches(self, data: bytes, path: str) -> Iterator[Match]:
        """What the rules say of a file that holds `data`."""
        for rule in self._rules:
            if not looks_in(rule, path):
                continue
            with self._guard(rule):
                found = self._pattern(rule).match(data)
            if found is not None:
                group = value_group(rule, found)
                yield Match(rule, found[group], found.span(group), found.span())

    def _pattern(self, rule: Rule) -> re.Pattern[bytes]:
        if rule.id not in self._patterns:
            self._patterns[rule.id] = re.compile(rule.pattern.encode())
        return self._patterns[rule.id]
