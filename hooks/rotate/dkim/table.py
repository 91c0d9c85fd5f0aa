"""opendkim's KeyTable as lines: `name domain:selector:path`."""

from __future__ import annotations

import re
from dataclasses import dataclass

LINE = re.compile(
    r"^(?P<name>\S+)(?P<gap>\s+)(?P<domain>[^:\s]+):(?P<selector>[^:\s]+):(?P<path>\S+)\s*$"
)


@dataclass(frozen=True, slots=True)
class Key:
    """One line that says which file signs for a domain."""

    name: str
    domain: str
    selector: str
    path: str


def keys(text: str, domain: str) -> list[Key]:
    """The keys that sign for a domain; `%` is opendkim's word for any."""
    found = (LINE.match(line) for line in text.splitlines())
    all_of = (Key(hit["name"], hit["domain"], hit["selector"], hit["path"]) for hit in found if hit)
    return [key for key in all_of if key.domain in (domain, "%")]


def key_of(text: str, domain: str, selector: str) -> Key | None:
    """The key behind a selector."""
    return next((key for key in keys(text, domain) if key.selector == selector), None)


def switched(text: str, domain: str, old: tuple[str, str], new: tuple[str, str]) -> str:
    """The table with one (selector, path) in the place of another."""

    def line(hit: re.Match[str]) -> str:
        same = hit["domain"] in (domain, "%") and (hit["selector"], hit["path"]) == old
        return f"{hit['name']}{hit['gap']}{hit['domain']}:{':'.join(new)}" if same else hit[0]

    return "".join(
        LINE.sub(line, one.rstrip("\n")) + one[len(one.rstrip("\n")) :]
        for one in text.splitlines(keepends=True)
    )
