"""A YAML file read strictly: unknown keys, wrong types and doubles are errors with their place."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

import yaml

from leakguard.errors import ConfigError, Place

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without libyaml: slower, the same result
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

T = TypeVar("T")
Node = yaml.nodes.Node

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 12


class Document:
    """One YAML file and the places of everything in it."""

    def __init__(self, path: str, raw: bytes, *, ours: bool = False) -> None:
        """Raises ConfigError when it is not YAML, not UTF-8, too large or uses aliases.

        A file of `ours` was checked here, and is not checked again for what only harms.
        """
        self.path = path
        if len(raw) > MAX_BYTES:
            raise ConfigError(f"larger than {MAX_BYTES} bytes", place=Place(path))
        try:
            self.text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise ConfigError("not UTF-8 text", place=Place(path, line)) from None
        self._lines = self.text.splitlines()
        self.root = self._compose(ours=ours)

    def _compose(self, *, ours: bool) -> Node | None:
        try:
            if not ours:
                self._check_depth()
            return yaml.compose(self.text, Loader=_Loader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "not valid YAML"
            self._at(mark, f"not valid YAML: {problem}")

    def _check_depth(self) -> None:
        """A stranger's file may not nest deeply: composing is recursive, in C."""
        depth = 0
        for event in yaml.parse(self.text, Loader=_Loader):
            if isinstance(event, yaml.events.AliasEvent):
                self._at(event.start_mark, "YAML aliases are not accepted here")
            depth += isinstance(event, yaml.events.CollectionStartEvent)
            depth -= isinstance(event, yaml.events.CollectionEndEvent)
            if depth > MAX_DEPTH:
                self._at(event.start_mark, f"nested more than {MAX_DEPTH} deep")

    def _at(self, mark: Any, message: str, *hints: str) -> NoReturn:
        line = mark.line if mark else 0
        text = self._lines[line] if line < len(self._lines) else ""
        place = Place(self.path, line + 1, (mark.column if mark else 0) + 1, text)
        raise ConfigError(message, *hints, place=place) from None

    def fail(self, node: Node, message: str, *hints: str) -> NoReturn:
        """Stop with `message` at the place of `node`."""
        self._at(node.start_mark, message, *hints)

    def mapping(self, node: Node, keys: Iterable[str] | None, what: str) -> dict[str, Node]:
        """The entries of a mapping; with `keys`, any other key is an error."""
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, f"{what} must be a mapping of keys to values")
        found: dict[str, Node] = {}
        known = None if keys is None else list(keys)
        for key_node, value in node.value:
            key = self.text_of(key_node, f"a key of {what}")
            if key in found:
                self.fail(key_node, f"{key!r} stands twice in {what}")
            if known is not None and key not in known:
                self.fail(key_node, f"unknown key {key!r} in {what}", *suggest(key, known))
            found[key] = value
        return found

    def items(self, node: Node, what: str) -> list[Node]:
        """The entries of a list."""
        if not isinstance(node, yaml.SequenceNode):
            self.fail(node, f"{what} must be a list")
        return list(node.value)

    def text_of(self, node: Node, what: str) -> str:
        """A string; numbers and words such as `yes` count as what they spell."""
        if not isinstance(node, yaml.ScalarNode):
            self.fail(node, f"{what} must be text")
        return str(node.value)

    def texts(self, node: Node, what: str) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(self.text_of(item, what) for item in self.items(node, what))

    def choice(self, node: Node, known: Iterable[str], what: str) -> str:
        """A string out of `known`."""
        value = self.text_of(node, what)
        options = list(known)
        if value not in options:
            self.fail(node, f"unknown {what} {value!r}", *suggest(value, options))
        return value

    def plain(self, node: Node) -> object:
        """Any value as text, lists and dicts."""
        if isinstance(node, yaml.MappingNode):
            entries = self.mapping(node, None, "this field")
            return {key: self.plain(value) for key, value in entries.items()}
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item) for item in node.value]
        return self.text_of(node, "this field")

    def number(self, node: Node, kind: Callable[[str], T], what: str) -> T:
        """A number of `kind` (int, float)."""
        value = self.text_of(node, what)
        try:
            return kind(value)
        except ValueError:
            self.fail(node, f"{what} must be a number, not {value!r}")


def suggest(value: str, known: list[str]) -> tuple[str, ...]:
    """Hints for a word we do not know."""
    close = difflib.get_close_matches(value, known, 1, 0.5)
    listed = f"one of: {', '.join(known)}"
    return (f"did you mean {close[0]!r}?", listed) if close else (listed,)
