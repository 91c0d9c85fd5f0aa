"""Patterns that are compiled when they are first used.

A module of the judge has a dozen; of the eighty that a commit's second look imports it uses
fifteen, and each costs a third of a millisecond to compile.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Late:
    """Stands in for a compiled pattern; each attribute is looked up there once."""

    def __init__(self, source: Any, flags: int) -> None:
        self._given = source, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._given), name)  # `re` keeps what it compiled
        setattr(self, name, found)
        return found


def pattern(source: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What `re.compile` gives, compiled at first use; an error in `source` shows only then."""
    return cast("re.Pattern[AnyStr]", _Late(source, flags))
