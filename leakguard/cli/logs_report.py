"""The reports of `leakguard logs`: the one that is printed, those in files, and what a log adds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from leakguard.cli import console, outlets
from leakguard.errors import UnreadError
from leakguard.finding import Outcome
from leakguard.read import ci_log_dump
from leakguard.report import FORMATS
from leakguard.report.layout import fold
from leakguard.report.style import defused, words


def tell(lines: Iterable[str]) -> None:
    """Say it on standard error, each line folded."""
    text = ""
    for line in lines:
        lead = line[: len(line) - len(line.lstrip())]
        text += "\n".join(fold(lead, words(line), 2)) + "\n"
    console.show(text, sys.stderr)


class Report:
    """Where the reports go, and what a log adds to them."""

    def __init__(
        self, shape: str, output: str | None, explain: bool, color: str, out: outlets.Outlets
    ) -> None:
        self.shape = shape
        self.output = output
        self.extra: dict[str, Any] = {}
        self._explain = explain
        self._color = color
        self._out = out
        if not output and shape != "text":
            out.hush()  # commands to a runner would stand in the middle of it

    @contextmanager
    def told_of_failure(self) -> Iterator[None]:
        """What could not be read stands in the reports too: they must not be missing, or old."""
        try:
            yield
        except UnreadError as problem:
            self.keep(outlets.unread(problem, "logs", "log"))
            raise

    def show(self, outcome: Outcome) -> None:
        """Print the one report, or write it to its file."""
        look = console.style(
            None if self.output else sys.stdout, "never" if self.output else self._color
        )
        text = FORMATS[self.shape](outcome, look, self._explain)
        if self.shape == "text":
            text = defused(_places(outcome) + text)
        elif self.shape.startswith("json"):
            text = outlets.with_extra(text, self.extra)
        if not self.output:
            console.show(text)
            return
        outlets.save(self.output, text)

    def files(self, outcome: Outcome) -> None:
        """Write the others that go to files."""
        self._out.write(outcome, self.extra)

    def keep(self, outcome: Outcome) -> None:
        """Write the others, and tell the service."""
        self.files(outcome)
        self._out.summarise(outcome, [])
        self._out.annotate(outcome)


def _places(outcome: Outcome) -> str:
    """Job, step and dump of each finding, and how it stands there if a reader would not see it:
    a file and a line alone do not say them.
    """
    lines = []
    for found in (*outcome.blocking, *outcome.warnings):
        said = [seen.detail for seen in found.evidence
                if seen.term in (ci_log_dump.LOG, ci_log_dump.VIEW, ci_log_dump.DUMP)]  # fmt: skip
        if said:
            lines += fold(f"{found.short_id}: ", words("; ".join(said)), 2)
    return "\n".join(lines) + "\n\n" if lines else ""
