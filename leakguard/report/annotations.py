"""Notes that a CI service shows beside the code: commands to its runner, one a line.

GitHub: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
Azure: https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
TeamCity: https://www.jetbrains.com/help/teamcity/service-messages.html

Buildkite and GitLab have no such commands: the one takes the job summary
(`report/summary.py`), the other the code quality report.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from leakguard import late
from leakguard.finding import Exposure, Finding, Outcome
from leakguard.report.advice import advise
from leakguard.report.escape import clip, line
from leakguard.report.style import clean
from leakguard.report.wording import NO_FILES, clean_line, plural, verdict, where

LIMIT = 10
"""How many errors, and how many warnings, GitHub and Azure show of one step."""

_MOST = 1000
"""Characters of a message; GitHub's runner cuts at 4096."""

_NAMED = 3
"""How many unread inputs are named."""


class Note(NamedTuple):
    """One annotation. Without a `path` it belongs to the run, without a `line` to the file."""

    blocks: bool
    title: str
    about: str
    text: str
    path: str = ""
    line: int = 0
    column: int = 0
    end_column: int = 0


def github(outcome: Outcome) -> str:
    """`::error file=...::...`, read at the start of a line."""
    return _page(map(_github, _shown(outcome)), outcome)


def azure(outcome: Outcome) -> str:
    """`##vso[task.logissue type=error;...]...`."""
    return _page(map(_azure, _shown(outcome)), outcome)


def teamcity(outcome: Outcome) -> str:
    """`##teamcity[inspection ...]`, all of them; each kind is described once, before."""
    notes = list(chain.from_iterable(_notes(outcome)))
    kinds = {note.title: note for note in notes}
    return _page(chain(map(_teamcity_kind, kinds.values()), map(_teamcity, notes)), outcome)


def _page(commands: Iterable[str], outcome: Outcome) -> str:
    """The commands, and a last line for people."""
    quiet = not (outcome.blocking or outcome.warnings or outcome.unread)
    return "\n".join([*commands, clean_line(outcome) if quiet else verdict(outcome)]) + "\n"


def _notes(outcome: Outcome) -> tuple[list[Note], list[Note]]:
    """(errors, warnings), the worst first; what was not scanned leads."""
    errors = _unread(outcome.unread)
    errors += [_note(found, outcome.mode, True) for found in outcome.blocking]
    return errors, [_note(found, outcome.mode, False) for found in outcome.warnings]


def _shown(outcome: Outcome) -> list[Note]:
    """As many as the service shows of each kind; the last of them counts the rest."""
    return [note for notes in _notes(outcome) for note in _limited(notes)]


def _limited(notes: list[Note]) -> list[Note]:
    if len(notes) <= LIMIT:
        return notes
    shown = notes[: LIMIT - 1]
    more = f"and {len(notes) - len(shown)} more; the log and the reports name them all"
    return [*shown, Note(notes[0].blocks, "leakguard", "", more)]


def _note(found: Finding, mode: str, blocks: bool) -> Note:
    first = found.locations[0]
    beside = _beside_code(found)
    others = len(found.locations) - 1 + found.more_places
    said = [
        f"{line(found.rule.name)} {where(found, mode)}",
        "" if beside else f"at {clip(clean(first.path), 300)}:{first.start_line}",
        f"also in {plural(others, 'more place')}" if others else "",
        f"confidence {found.confidence}",
    ]
    text = ", ".join(filter(None, said)) + f"; {line(advise(found, mode).text)}"
    note = Note(blocks, found.rule_id, line(found.rule.name, 255),
                f"{clip(text, _MOST)} ({found.short_id})")  # fmt: skip
    if not beside:
        return note
    outer, archive, _ = first.path.partition("!")
    note = note._replace(path=clean(outer))
    if archive:  # its lines are those of a file inside
        return note
    note = note._replace(line=first.start_line, column=first.start_column)
    same = first.start_line == first.end_line
    return note._replace(end_column=first.end_column) if same else note


def _beside_code(found: Finding) -> bool:
    """Whether it stands in a file that the service can show."""
    path = found.locations[0].path
    return found.exposure is not Exposure.LOGGED and not (
        path in NO_FILES or path.startswith("/") or not path.partition("!")[0]
    )


def _unread(unread: Sequence[tuple[str, str]]) -> list[Note]:
    """One note for all: it must not be crowded out, and must not crowd out."""
    if not unread:
        return []
    named = "; ".join(
        f"{clip(clean(name), 200)}: {line(reason, 200)}" for name, reason in unread[:_NAMED]
    )
    rest = f"; and {len(unread) - _NAMED} more" if len(unread) > _NAMED else ""
    text = f"not scanned, which is not clean: {named}{rest}"
    return [Note(True, "not-scanned", "what could not be looked at", text)]


def _github(note: Note) -> str:
    properties = {
        "file": note.path,
        "line": note.line,
        "endLine": note.line if note.end_column else 0,
        "col": note.column if note.end_column else 0,
        "endColumn": note.end_column,
        "title": f"leakguard {note.title}" if note.title != "leakguard" else note.title,
    }
    said = ",".join(
        f"{key}={_github_property(str(value))}" for key, value in properties.items() if value
    )
    return f"::{'error' if note.blocks else 'warning'} {said}::{_github_data(note.text)}"


def _github_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(text: str) -> str:
    return _github_data(text).replace(":", "%3A").replace(",", "%2C")


def _azure(note: Note) -> str:
    properties = {
        "type": "error" if note.blocks else "warning",
        "sourcepath": note.path,
        "linenumber": note.line,
        "columnnumber": note.column,
        "code": note.title,
    }
    said = "".join(
        f"{key}={_azure_data(str(value))};" for key, value in properties.items() if value
    )
    return f"##vso[task.logissue {said}]{_azure_data(note.text)}"


_AZURE = {"%": "%AZP25", ";": "%3B", "\r": "%0D", "\n": "%0A", "]": "%5D"}


def _azure_data(text: str) -> str:
    return "".join(_AZURE.get(char, char) for char in text)


def _teamcity_kind(note: Note) -> str:
    return _teamcity_message(
        "inspectionType",
        id=_kind(note),
        name=note.about or note.title,
        category="Secrets",
        description=note.about or note.title,
    )


def _teamcity(note: Note) -> str:
    """A file is asked for, also where there is none."""
    number = {"line": str(note.line)} if note.line else {}
    return _teamcity_message(
        "inspection",
        typeId=_kind(note),
        message=note.text,
        file=clip(note.path, 3000) or "(no file)",
        **number,
        SEVERITY="ERROR" if note.blocks else "WARNING",
    )


def _kind(note: Note) -> str:
    return f"leakguard-{note.title}"[:255]


def _teamcity_message(name: str, /, **properties: str) -> str:
    said = " ".join(f"{key}='{_teamcity_value(value)}'" for key, value in properties.items())
    return f"##teamcity[{name} {said}]"


_TEAMCITY = late.pattern(r"[|'\[\]\r\n]|[^\x00-\x7f]")


def _teamcity_value(text: str) -> str:
    return _TEAMCITY.sub(_teamcity_escape, text)


def _teamcity_escape(found: re.Match[str]) -> str:
    """A bar before it, or its number in units of UTF-16."""
    char = found[0]
    if char in "\r\n":
        return {"\r": "|r", "\n": "|n"}[char]
    if char.isascii():
        return f"|{char}"
    units = char.encode("utf-16-be")
    return "".join(f"|0x{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


SERVICES: dict[str, Callable[[Outcome], str]] = {
    "github": github,
    "azure": azure,
    "teamcity": teamcity,
}
"""Services that take annotations from a log."""
