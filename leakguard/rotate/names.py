"""What an issuer calls its credentials: ids of keys and accounts, which are no secrets.

An operator has to read them at 3 a.m., and rules take some of them for secrets (the id of
an AWS key). So rules read texts with stand-ins in place of the names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

SHORTEST = 6
"""A shorter name could stand in any text, and no rule takes it for a secret."""

_ALONE = r"(?<![A-Za-z0-9_+]){}(?![A-Za-z0-9_+])"


def around(names: Iterable[str], change: Callable[[str], str]) -> Callable[[str], str]:
    """`change`, that does not see these names where they stand as words of their own."""
    named = _pattern(names)

    def changed(text: str) -> str:
        hidden = [found[0] for found in named.finditer(text)] if named else []
        numbers = iter(range(len(hidden)))
        told = change(named.sub(lambda _: _stand_in(next(numbers)), text) if named else text)
        for number, name in enumerate(hidden):
            told = told.replace(_stand_in(number), name)
        return told

    return changed


def without(names: Iterable[str], text: str) -> str:
    """`text` with a stand-in for each of these names."""
    named = _pattern(names)
    return named.sub(_stand_in(0), text) if named else text


def _stand_in(number: int) -> str:
    return f"(id{number})"


def _pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    longest_first = sorted({one for one in names if len(one) >= SHORTEST}, key=len, reverse=True)
    if not longest_first:
        return None
    return re.compile(_ALONE.format("(?:" + "|".join(map(re.escape, longest_first)) + ")"))
