"""A progress bar: only on a terminal, on stderr, and only when the work takes a while."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

PATIENCE = 1.0
"""Seconds before the bar shows itself."""


class Progress:
    """Counts towards a known total and shows it to a waiting person."""

    def __init__(self, total: int, label: str) -> None:
        self._began = time.monotonic()
        self._total = total if sys.stderr.isatty() else 0
        self._label = label
        self._bar: Any = None
        self._waiting = 0

    def __enter__(self) -> Progress:
        return self

    def advance(self, by: int) -> None:
        """`by` more are done."""
        if not self._total:
            return
        self._waiting += by
        if self._bar is None and time.monotonic() - self._began > PATIENCE:
            from click import progressbar  # only a person who waits sees it

            bar = progressbar(length=self._total, label=self._label, file=sys.stderr, width=30)
            self._bar = bar.__enter__()
        if self._bar is not None:
            self._bar.update(self._waiting)
            self._waiting = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)
