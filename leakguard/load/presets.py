"""Severity ladders: the ones that ship, and an organisation's own, in the same form."""

from __future__ import annotations

import os
import re
from types import MappingProxyType

import yaml

from leakguard.errors import ConfigError, Place, UsageError
from leakguard.load.document import Document, Node, suggest
from leakguard.preset import LEVELS, TIMERS, Preset, Span

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data/presets")
DEFAULT = "strictest"
MAX_BYTES = 64 * 1024

_KEYS = ("name", "title", "labels", "page_levels", "close_without_review", "timers")
_SPAN = re.compile(r"([1-9][0-9]{0,4}) ?(min|h|d|bd)")
_UNIT = {"min": 60, "h": 3600, "d": 86400}


def names() -> tuple[str, ...]:
    """The presets that ship with leakguard."""
    return tuple(sorted(name[:-4] for name in os.listdir(FOLDER) if name.endswith(".yml")))


def preset(name: str = DEFAULT) -> Preset:
    """A preset that ships with leakguard. Raises UsageError for another name."""
    if name not in names():
        raise UsageError(f"there is no preset {name!r}", *suggest(name, list(names())))
    path = os.path.join(FOLDER, f"{name}.yml")
    with open(path, "rb") as file:
        return read(path, file.read(), ours=True)


def read(path: str, raw: bytes, *, ours: bool = False) -> Preset:
    """A preset from its YAML. Raises ConfigError at the first mistake."""
    doc = Document(path, raw, ours=ours)
    if doc.root is None:
        raise ConfigError("the preset is empty", place=Place(path))
    entries = doc.mapping(doc.root, _KEYS, "a preset")
    for needed in ("name", "labels", "timers"):
        if needed not in entries:
            doc.fail(doc.root, f"a preset needs {needed!r}")
    name = doc.text_of(entries["name"], "name")
    return Preset(
        name=name,
        title=doc.text_of(entries["title"], "title") if "title" in entries else name,
        labels=_labels(doc, entries["labels"]),
        timers=_timers(doc, entries["timers"]),
        page_levels=_levels(doc, entries, "page_levels", (0, 1)),
        close_without_review=_levels(doc, entries, "close_without_review", ()),
    )


def _labels(doc: Document, node: Node) -> tuple[str, ...]:
    labels = doc.texts(node, "labels")
    if len(labels) != LEVELS or len(set(labels)) != LEVELS:
        doc.fail(node, f"labels must be {LEVELS} different words, from level 0 to {LEVELS - 1}")
    return labels


def _levels(
    doc: Document, entries: dict[str, Node], key: str, otherwise: tuple[int, ...]
) -> tuple[int, ...]:
    if key not in entries:
        return otherwise
    known = [str(level) for level in range(LEVELS)]
    return tuple(int(doc.choice(one, known, "level")) for one in doc.items(entries[key], key))


def _timers(doc: Document, node: Node) -> MappingProxyType[str, tuple[Span | None, ...]]:
    entries = doc.mapping(node, TIMERS, "timers")
    for needed in TIMERS:
        if needed not in entries:
            doc.fail(node, f"timers lack {needed!r}", "write none where nothing is due")
    return MappingProxyType({key: _spans(doc, value, key) for key, value in entries.items()})


def _spans(doc: Document, node: Node, timer: str) -> tuple[Span | None, ...]:
    if isinstance(node, yaml.ScalarNode):
        return (_span(doc, node, timer),) * LEVELS
    spans = tuple(_span(doc, one, timer) for one in doc.items(node, timer))
    if len(spans) != LEVELS:
        doc.fail(node, f"{timer} needs one duration, or {LEVELS} from level 0 to {LEVELS - 1}")
    return spans


def _span(doc: Document, node: Node, timer: str) -> Span | None:
    text = doc.text_of(node, timer)
    if text == "none":
        return None
    match = _SPAN.fullmatch(text)
    if match is None:
        doc.fail(node, f"{text!r} is no duration", "write 15 min, 4 h, 7 d, 5 bd or none")
    number, unit = int(match[1]), match[2]
    return Span(business_days=number) if unit == "bd" else Span(seconds=number * _UNIT[unit])
