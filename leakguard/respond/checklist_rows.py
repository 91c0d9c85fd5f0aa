"""A checklist as rows, before anybody decides whether it becomes text, Markdown, JSON or a page."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from leakguard.incident import STOPPED, Incident, StepState, Task
from leakguard.playbook import Phase, Step
from leakguard.preset import Preset, Span
from leakguard.report.escape import line
from leakguard.respond.due import Clocks, is_open, without_clocks

LIMITS = {
    Phase.CONTAIN: "contain",
    Phase.INVESTIGATE: "scope",
    Phase.RECOVER: "recover",
    Phase.LEARN: "publish",
}
"""The timer that says how long a phase may take."""


LOOKING = frozenset({"status", "timeline", "scan"})
"""Commands that show what a step is about; doing them settles nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """A step of an incident with everything that is known of it now."""

    key: str
    task: Task
    due: datetime | None
    late: bool
    waits: tuple[str, ...]
    command: tuple[str, ...]
    automated_by: str

    @property
    def step(self) -> Step:
        """What it says."""
        return self.task.step

    @property
    def mark(self) -> str:
        """`x` done, `-` left out, `!` late, failed or of unknown outcome, a space when open."""
        if self.task.state is StepState.DONE:
            return "x"
        if self.task.state is StepState.SKIPPED:
            return "-"
        return " " if self.task.state is StepState.OPEN and not self.late else "!"

    @property
    def ready(self) -> bool:
        """Whether it can be done now: it is open and waits for nothing."""
        return is_open(self.task) and not self.waits


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one phase, and how long it may take."""

    phase: Phase
    within: Span | None
    rows: tuple[Row, ...]

    @property
    def settled(self) -> int:
        """How many rows need nobody any more."""
        return sum(row.task.settled for row in self.rows)


def sections(incident: Incident, preset: Preset, now: datetime) -> tuple[Section, ...]:
    """The rows of an incident by phase, in the order of the checklist; no empty phases."""
    clocks = Clocks(incident, preset)
    rows = [
        _row(key, task, incident, clocks.due(task.step), now)
        for key, task in incident.tasks.items()
    ]
    found = (Section(phase, _within(phase, incident, preset), _of(phase, rows)) for phase in LIMITS)
    return tuple(one for one in found if one.rows)


def _of(phase: Phase, rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(row for row in rows if row.step.phase is phase)


def _within(phase: Phase, incident: Incident, preset: Preset) -> Span | None:
    return None if without_clocks(incident) else preset.span(LIMITS[phase], incident.level)


def _row(key: str, task: Task, incident: Incident, at: datetime | None, now: datetime) -> Row:
    step = task.step
    waits = tuple(
        one for one in step.depends_on if one in incident.tasks and not incident.tasks[one].settled
    )
    late = at is not None and at < now and is_open(task) and step.mandatory and not incident.over
    return Row(
        key=key,
        task=task,
        due=at,
        late=late,
        waits=waits,
        command=tuple(filled(one, step, incident) for one in step.command),
        automated_by=filled(step.automated_by, step, incident),
    )


def filled(text: str, step: Step, incident: Incident) -> str:
    """A command's word with what it leaves open; names that nobody knows stay words to replace."""
    secret = _secret(step.subject, incident)
    known = incident.secrets.get(secret)
    words = {
        "incident": incident.id,
        "secret": secret or "SECRET",
        "exposure": step.subject if step.subject in incident.copies else "EXPOSURE",
        "consumer": step.subject if step.subject in incident.consumers else "CONSUMER",
        "label": line(known.name) if known else "LABEL",
        "provider": (line(known.added.provider) if known else "") or "PROVIDER",
    }
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    return text


def _secret(subject: str, incident: Incident) -> str:
    """The secret that a subject belongs to, or the only one there is."""
    if subject in incident.secrets:
        return subject
    owned = incident.copies.get(subject) or incident.consumers.get(subject)
    if owned is not None:
        return owned.added.secret
    return next(iter(incident.secrets)) if len(incident.secrets) == 1 else ""


def subject_name(step: Step, incident: Incident) -> str:
    """What people call the subject of a step: a label, a place, a consumer."""
    if step.subject in incident.secrets:
        return incident.secrets[step.subject].name
    if step.subject in incident.copies:
        return incident.copies[step.subject].added.where
    if step.subject in incident.consumers:
        return incident.consumers[step.subject].added.name
    return ""


def shell(argv: Iterable[str]) -> str:
    """A command as a person types it; a foreign name in it cannot become a second command."""
    return shlex.join(line(word) for word in argv)


def next_row(found: Iterable[Section]) -> Row | None:
    """What to do first: of the mandatory steps that wait for nothing, the one due first.

    Where all else is equal the order of the checklist decides.
    """
    ready = [row for one in found for row in one.rows if row.ready and row.step.mandatory]
    ready = [row for row in ready if not row.step.id.startswith("undo-")] or ready
    first = next((one.step.phase for one in ready), None)
    return min(
        (row for row in ready if row.step.phase is first),
        key=lambda row: (row.due is None, row.due),
        default=None,
    )


def next_command(row: Row, incident: Incident) -> str:
    """The command that carries a step out, or that records it.

    What has an unknown outcome is looked into and settled, not done again. A rotation is not
    begun for a value that somebody has ended by hand.
    """
    if row.task.state is StepState.UNKNOWN:
        return f"leakguard done {incident.id} {row.key} --outcome failed"
    if row.automated_by and not _by_hand(row.step, incident):
        return f"{row.automated_by} --dry-run"
    if row.step.proves == "live-new":
        of = row.step.subject
        return f"leakguard evidence add {incident.id} FILE --of {of} --proves live-new"
    if row.command[:1] == ("leakguard",) and row.command[1] not in LOOKING:
        return shell(row.command)
    return f"leakguard done {incident.id} {row.key}"


def _by_hand(step: Step, incident: Incident) -> bool:
    """Whether the secret of a step was ended, and not by a rotation."""
    secret = incident.secrets.get(_secret(step.subject, incident))
    return secret is not None and not secret.rotation and secret.state in STOPPED
