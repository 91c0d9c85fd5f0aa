"""A progress bar: only on a terminal, on stderr, and only when the work takes a while."""

from __future__ import annotations

import sys
import time
from types import TracebackType

import click

PATIENCE = 1.0
"""Seconds before the bar shows itself."""


class Progress:
    """Counts towards a known total and shows it to a waiting person."""

    def __init__(self, total: int, label: str) -> None:
        self._began = time.monotonic()
        self._bar = (
            click.progressbar(length=total, label=label, file=sys.stderr, width=30)
            if total and sys.stderr.isatty()
            else None
        )
        self._shown = False
        self._waiting = 0

    def __enter__(self) -> Progress:
        return self

    def advance(self, by: int) -> None:
        """`by` more are done."""
        if self._bar is None:
            return
        self._waiting += by
        if not self._shown and time.monotonic() - self._began > PATIENCE:
            self._bar.__enter__()
            self._shown = True
        if self._shown:
            self._bar.update(self._waiting)
            self._waiting = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None and self._shown:
            self._bar.__exit__(kind, error, trace)
