"""What leaks with a container: a vault, a backup, a scope of a pipeline, and those inside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Content:
    """A credential inside a container; `opens` names the container that it opens in turn."""

    id: str
    name: str
    secret_class: str = "generic"
    provider: str = ""
    environment: str = "unknown"
    opens: str = ""


class Contained(NamedTuple):
    """A content, the container it lies in, and how deep (1 is what lies in the first)."""

    within: str
    content: Content
    depth: int


class Expansion(NamedTuple):
    """Everything that leaked with a container; `enumerate_first` blocks until it is listed."""

    contents: tuple[Contained, ...]
    enumerate_first: tuple[tuple[str, str], ...]  # (container, why its contents are unknown)


def expand(
    inventory: Mapping[str, tuple[Content, ...]], start: str, depth_limit: int = 8
) -> Expansion:
    """What opening `start` gives away, containers within it included, each once.

    A container that the inventory does not list, or that lies too deep, is not
    empty: it stands in `enumerate_first`.
    """
    contents: list[Contained] = []
    unknown: list[tuple[str, str]] = []
    level, opened = [start], {start}
    for depth in range(1, depth_limit + 1):
        inside = []
        for container in level:
            if container not in inventory:
                unknown.append((container, "its contents are not in the inventory"))
            for content in inventory.get(container, ()):
                contents.append(Contained(container, content, depth))
                if content.opens and content.opens not in opened:
                    opened.add(content.opens)
                    inside.append(content.opens)
        level = inside
    unknown += [(container, f"more than {depth_limit} deep") for container in level]
    return Expansion(tuple(contents), tuple(unknown))
