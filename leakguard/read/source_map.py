"""Source maps: a bundle's sources, which ship beside it, as the files that they are.

A map may carry the whole text of every source (`sourcesContent`), comments and
all that a minifier would have dropped. As one line of JSON they are hard to
find one's way in; here each is a member with its own name and its own lines.
What else stands in the map is a member too, under the name of the map.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from leakguard.read.source import StuckError, from_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakguard.blob import Origin
    from leakguard.read.members import Member
    from leakguard.read.source import Budget, Source

KIND = "source map"
_HEAD = 64


def begins(head: bytes) -> bool:
    """Whether a file that begins so is most likely a source map: every tool writes the version
    first, and other JSON of this version has no mappings, which `members` will see.
    """
    return head[:1] == b"{" and b'"version":3' in head[:_HEAD].translate(None, b" \t\r\n")


def members(source: Source, origin: Origin, budget: Budget, *, rest: bool) -> Iterator[Member]:
    """The sources in a map, and with `rest` what else it holds.

    What is no map, or too large to be held, gives itself alone, if there is `rest`.
    """
    data, whole = _held(source, budget.limits.held)
    parsed = _parsed(data) if whole else None
    if parsed is None:
        source.push(data)
        if rest:
            yield origin, source
        return
    for name, text in _sources(parsed, 0):
        budget.entry()
        budget.spend(len(text))
        inside = budget.inside(origin, name)
        yield inside, from_bytes(text, inside)
    if rest:
        yield origin, from_bytes(_without_sources(parsed), origin)


def _held(source: Source, most: int) -> tuple[bytes, bool]:
    """The bytes of a source up to a size, and whether those are all."""
    parts: list[bytes] = []
    size = 0
    try:
        while part := source.some():
            parts.append(part)
            size += len(part)
            if size > most:
                return b"".join(parts), False
    except StuckError:
        return b"".join(parts), False  # the source tells it again when it is read on
    return b"".join(parts), True


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    told = isinstance(found, dict) and ("mappings" in found or "sections" in found)
    return found if told else None


def _sources(found: dict[str, Any], depth: int) -> Iterator[tuple[str, bytes]]:
    """(name, text) of each source; a map in sections is made of maps."""
    names = _list(found.get("sources"))
    for number, text in enumerate(_list(found.get("sourcesContent"))):
        if isinstance(text, str) and text:
            name = names[number] if number < len(names) else None
            yield _shown(name, number), text.encode("utf-8", "surrogatepass")
    for section in _list(found.get("sections")):
        inner = section.get("map") if isinstance(section, dict) else None
        if isinstance(inner, dict) and not depth:  # the format allows one level
            yield from _sources(inner, depth + 1)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _shown(name: object, number: int) -> str:
    """`webpack://app/./src/a.ts` is src/a.ts of app."""
    if not isinstance(name, str) or not name:
        return f"source {number + 1}"
    path = name.partition("://")[2] if name.startswith("webpack://") else name
    return path.replace("/./", "/").removeprefix("./").lstrip("/") or f"source {number + 1}"


def _without_sources(found: dict[str, Any]) -> bytes:
    """The map without the texts that are members of their own, and without the table of places,
    which is numbers.
    """
    left = {key: value for key, value in found.items() if key not in _TOLD}
    return json.dumps(left, ensure_ascii=False).encode("utf-8", "surrogatepass")


_TOLD = ("sourcesContent", "mappings", "sections")
