"""The reports of one run in a pipeline, several at once: files, the job's summary, annotations.

`leakguard ci` and `leakguard logs` share their options and words.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from leakguard.ci.event import Service
from leakguard.cli import console
from leakguard.errors import UnreadError, UsageError
from leakguard.finding import Outcome, Scanned
from leakguard.report import FORMATS
from leakguard.report.encode import dump
from leakguard.report.escape import markdown
from leakguard.report.style import Style
from leakguard.report.wording import HISTORY
from leakguard.rule import SEVERITIES, TIERS

FILES = {
    "sarif": "SARIF 2.1.0",
    "gitlab": "GitLab's secret detection report",
    "code-quality": "GitLab's code quality report",
    "junit": "JUnit",
    "json": "leakguard's own JSON",
    "csv": "CSV",
    "html": "a page for people",
}
"""Reports that go to a file, by the name of their format and option."""

COMMANDS = ("github", "azure", "teamcity")
"""Formats that are commands to a service's runner."""

NEVER = "never"

_PLAIN = Style(colour=False, links=False)


Command = Callable[..., int]


def options(*, without: str = "") -> Callable[[Command], Command]:
    """The options for all of them but one, as a decorator."""

    def dressed(command: Command) -> Command:
        for name, what in reversed(FILES.items()):
            if name != without:
                command = click.option(f"--{name}", name.replace("-", "_"), metavar="FILE",
                                       help=f"Write {what} there.")(command)  # fmt: skip
        command = click.option("--summary", metavar="FILE", help="The job's summary, in Markdown.")(
            command
        )
        return click.option(
            "--annotations",
            type=click.Choice(["auto", *COMMANDS, "none"]),
            default="auto",
            show_default=True,
            help="Marks beside the code, in the service's own form.",
        )(command)

    return dressed


fail_on = click.option(
    "--fail-on",
    type=click.Choice([*SEVERITIES, *TIERS, NEVER]),
    help="The least severity or confidence that fails; default: what the policy says.",
)


def with_threshold(outcome: Outcome, word: str | None) -> Outcome:
    """The outcome with the threshold that `--fail-on` asks for; `never` changes none."""
    if word in SEVERITIES:
        return outcome._replace(block_severity=word)
    if word in TIERS:
        return outcome._replace(block_confidence=word)
    return outcome


def unread(problem: UnreadError, mode: str, what: str) -> Outcome:
    """An outcome for the reports of a run that could not look: they must not be missing, or old."""
    why = "; ".join(said.replace("; ", ", ") for said in (problem.message, *problem.hints[:1]))
    return Outcome(mode, (), Scanned(what), unread=((HISTORY, why),), ended=time.time())


class Outlets:
    """Where one run's reports go."""

    def __init__(
        self, service: Service | None, files: Mapping[str, str | None], *, summary: str | None,
        annotations: str, explain: bool,
    ) -> None:  # fmt: skip
        """`files` are the paths by option, `summary` and `annotations` the options' values."""
        self._files = {name: path for name in FILES if (path := files.get(name.replace("-", "_")))}
        self._explain = explain
        self._summary = summary
        if summary is None and service is not None and service.summary:
            self._summary = os.environ.get(service.summary)
        self._mode = "a" if summary is None else "w"
        self._commands = annotations
        self._automatic = annotations == "auto"
        if self._automatic:
            self._commands = service.annotations if service else ""

    def hush(self) -> None:
        """No annotations unless they were asked for by name: a program reads standard output."""
        if self._automatic:
            self._commands = ""

    def write(self, outcome: Outcome, extra: Mapping[str, Any] | None = None) -> None:
        """The files. Raises UsageError. `extra` stands in JSON as `log`."""
        for name, path in self._files.items():
            text = FORMATS[name](outcome, _PLAIN, self._explain)
            save(path, with_extra(text, extra) if name == "json" else text)

    def summarise(self, outcome: Outcome, notes: Sequence[str]) -> None:
        """The job's summary, which other steps may have begun. Raises UsageError."""
        if self._summary:
            text = FORMATS["summary"](outcome, _PLAIN, self._explain).rstrip("\n")
            said = "".join(f"- {markdown(note)}\n" for note in notes)
            save(self._summary, f"{text}\n\n{said}\n" if said else f"{text}\n\n", self._mode)

    def annotate(self, outcome: Outcome) -> None:
        """The service's own commands; the sentence that ends them was told already."""
        if self._commands in COMMANDS:
            lines = FORMATS[self._commands](outcome, _PLAIN, False).splitlines(True)
            console.show("".join(line for line in lines if line.startswith(("::", "##"))))


def with_extra(text: str, extra: Mapping[str, Any] | None) -> str:
    """A report in JSON, with what a log's origin adds to it."""
    return dump({**json.loads(text), "log": extra}) if extra else text


def save(path: str, text: str, mode: str = "w") -> None:
    """Write, or append with mode `a`; folders are made. Raises UsageError."""
    folder = os.path.dirname(path)
    try:
        if folder:
            os.makedirs(folder, exist_ok=True)
        with open(path, mode, encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write {path!r}", cause=error.strerror or "") from None
