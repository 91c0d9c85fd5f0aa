"""What the facts of a message are taken from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from leakguard.incident import Copy, Incident, LeakedSecret
from leakguard.preset import Preset
from leakguard.profile import Profile

Fact = str | tuple[str, ...] | tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """What facts are taken from. `subject` is the secret, copy or tenant the message is about."""

    incident: Incident
    preset: Preset
    profile: Profile
    now: datetime
    subject: str = ""
    cadence: str = ""

    @property
    def secret(self) -> LeakedSecret:
        """The secret it is about; for a message about a copy, the one that lies there."""
        if self.subject in self.incident.copies:
            return self.incident.secrets[self.copy.added.secret]
        return self.incident.secrets[self.subject]

    @property
    def copy(self) -> Copy:
        """The copy it is about."""
        return self.incident.copies[self.subject]


def open_steps(case: Case) -> list[str]:
    """What still has to be done, in the order of the checklist."""
    return [
        task.step.title
        for task in case.incident.tasks.values()
        if task.step.mandatory and not task.settled
    ]


def stated(name: str) -> Callable[[Case], str]:
    """A fact that only people can supply."""
    return lambda case: case.incident.fact(name)


def of_subject(name: str) -> Callable[[Case], str]:
    """The same, about the secret, copy or tenant of the message."""
    return lambda case: case.incident.fact(name, case.subject)
