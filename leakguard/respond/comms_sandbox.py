"""Strangers' templates, filled in without trusting them.

A template is a program until it is checked: here it may show facts, ask
whether one is there and go through a list once. It cannot call, import, count
to a billion or see anything that is not a fact. What it shows is escaped, so
that a branch's name is never a heading, a link or a mention.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import SandboxedEnvironment

from leakguard.errors import ConfigError, Place, UsageError

LARGEST = 32 * 1024
"""Characters of a template, and of what comes out of it."""

LONGEST = 1000
"""Characters of one fact."""

MOST = 200
"""Entries of a list."""


class Ready(str):
    """Text that is harmless as it stands. Only filters of this file make it."""

    __slots__ = ()


def wrong(source: str) -> tuple[int, str] | None:
    """The line and the reason for which a template's source is refused, or None."""
    if len(source) > LARGEST:
        return 1, f"a template has at most {LARGEST} characters"
    try:
        tree = _ENVIRONMENT.parse(source)
        refused = next(_refused(tree), None)
        if refused is None:
            _ENVIRONMENT.compile(tree)
    except TemplateError as error:
        return getattr(error, "lineno", None) or 1, (error.message or "not a template").lower()
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError):
        return 1, "nested too deep"
    return refused


def names(source: str) -> list[tuple[str, int]]:
    """The facts that a source (one that is not `wrong`) shows, each with its first line."""
    tree = _ENVIRONMENT.parse(source)
    own = {one.name for one in tree.find_all(nodes.Name) if one.ctx == "store"} | {"loop"}
    found: dict[str, int] = {}
    for one in tree.find_all(nodes.Name):
        if one.name not in own:
            found.setdefault(one.name, one.lineno)
    return list(found.items())


def escape(text: str) -> str:
    """Foreign text for the middle of a line of Markdown: no structure, no link, no mention."""
    shown = _line(text)
    shown = re.sub(r"[\\`*\[\]<~|&^$#]|(?<!\w)@", r"\\\g<0>", shown)
    shown = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", shown)
    shown = shown.replace("://", ":\\//")
    return re.sub(r"^([-+=>]|[0-9]{1,9}(?=[.)] ))", _guarded, shown)


def plain(markdown: str) -> str:
    """Escaped text as it was before, for places that know no Markdown."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown)


def fill(source: str, facts: Mapping[str, Any], path: str = "") -> str:
    """A source with its facts. Raises ConfigError for a bad one; `path` is where it came from."""
    place = Place(path)
    problem = wrong(source)
    if problem is not None:
        raise ConfigError(problem[1], place=Place(path, problem[0]))
    given = {name: _bounded(value) for name, value in facts.items()}
    text = ""
    try:
        for piece in _ENVIRONMENT.from_string(source).generate(given):
            text += piece
            if len(text) > LARGEST:
                raise ConfigError(f"the message would be larger than {LARGEST}", place=place)
    except UsageError as error:
        raise ConfigError(error.message, *error.hints, place=place) from None
    except (TemplateError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError("the template fails", place=place, cause=str(error)[:200]) from None
    return text


def _bounded(value: Any) -> Any:
    """A fact of limited length: text, a number, or a list of them."""
    if isinstance(value, tuple):
        kept = tuple(_bounded(one) for one in value[:MOST])
        more = len(value) - MOST
        return (*kept, f"and {more} more") if more > 0 and isinstance(value[0], str) else kept
    if isinstance(value, Mapping):
        return {name: _bounded(one) for name, one in value.items()}
    return value[:LONGEST] if isinstance(value, str) else value


def _guarded(found: re.Match[str]) -> str:
    """A sign or a number that would begin a list at the start of a line."""
    sign = found[0]
    return f"{sign}\\" if sign.isdigit() else f"\\{sign}"


def _code(text: object) -> Ready:
    """A name, a path, an id: exactly as it is, and nothing but itself."""
    shown = _line(str(text))
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    pad = " " if "`" in shown else ""
    return Ready(f"{fence}{pad}{shown}{pad}{fence}")


def _link(text: object) -> Ready:
    """An address that people should follow; anything else comes out as code."""
    shown = str(text)
    if re.fullmatch(r"https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{1,500}", shown):
        return Ready(f"<{shown}>")
    return _code(shown)


def _join(entries: object, between: str = ", ") -> str:
    if not isinstance(entries, tuple) or len(between) > 10:
        raise UsageError("join takes a list of facts and a short separator")
    return between.join(str(one) for one in entries)


def _line(text: str) -> str:
    """One line without anything that does not print, of limited length."""
    shown = " ".join(text.split())
    shown = "".join(char if char.isprintable() else "?" for char in shown)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 3] + "..."


def _shown(value: object) -> str:
    """What stands where a template shows a fact."""
    if isinstance(value, Ready):
        return value
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, StrictUndefined):
        return str(value)  # raises, and names it
    raise UsageError("a template shows something that is no text", "show its entries one by one")


def _environment() -> SandboxedEnvironment:
    made = SandboxedEnvironment(
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # `finalize` escapes, for Markdown
        cache_size=0,
        extensions=(),
    )
    made.filters = {"code": _code, "link": _link, "join": _join, "length": len, "lower": _lower}
    made.tests = {}
    made.globals = {}
    return made


def _lower(text: object) -> str:
    return str(text).lower()


_ENVIRONMENT = _environment()

_PLAIN = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Name,
    nodes.Getattr, nodes.Filter, nodes.Const, nodes.Compare, nodes.Operand, nodes.And, nodes.Or,
    nodes.Not, nodes.CondExpr,
)  # fmt: skip
"""All that a template may consist of."""

_DEEPEST = 30


def _refused(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """What a template may not do; walked by hand, since depth itself is an attack."""
    waiting: list[tuple[nodes.Node, int, bool]] = [(tree, 0, False)]
    while waiting:
        node, depth, looping = waiting.pop()
        if depth > _DEEPEST:
            yield 1, "nested too deep"
            return
        if not isinstance(node, _PLAIN):
            what = type(node).__name__.lower()
            yield (
                node.lineno or 1,
                f"a template cannot use {what}: it shows facts, asks and repeats",
            )
        if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
            yield node.lineno or 1, f"a template cannot look at {node.attr!r}"
        if isinstance(node, nodes.For):
            if looping or node.recursive:
                yield node.lineno, "a loop cannot stand in another one"
            looping = True
        waiting += [(child, depth + 1, looping) for child in node.iter_child_nodes()]
