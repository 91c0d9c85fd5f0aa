"""Incidents for tests, told event by event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from leakguard import event as ev
from leakguard.event import Entry, Event
from leakguard.history import apply
from leakguard.incident import Incident
from leakguard.playbook import Phase, Step, step_fields

START = datetime(2026, 11, 21, 14, 9, tzinfo=UTC)


class Story:
    """An incident that grows; a minute passes with each event."""

    def __init__(self, *events: Event, confirmed: bool = True) -> None:
        self.entries: list[Entry] = []
        self.now: Incident | None = None
        self.tell(ev.Opened("a token in app.py", "finding", ev.stamp(START), confirmed=confirmed))
        self.tell(*events)

    def tell(self, *events: Event, actor: str = "ada", at: datetime | None = None) -> Story:
        """What happens next."""
        for event in events:
            number = len(self.entries) + 1
            when = at or START + timedelta(minutes=number)
            entry = Entry(number, "LG-2026-0001", when, actor, event)
            self.now = apply(self.now, entry)
            self.entries.append(entry)
        return self

    @property
    def incident(self) -> Incident:
        """As it is now."""
        assert self.now is not None
        return self.now


def secret(name: str = "S1", kind: str = "provider-api-key") -> ev.SecretAdded:
    """A credential."""
    return ev.SecretAdded(name, kind, label=f"TOKEN_{name}", environment="production")


def pushed(name: str = "X1", of: str = "S1") -> ev.ExposureAdded:
    """It stands in a repository that anybody can read."""
    return ev.ExposureAdded(name, of, "public-repository", "app.py:14", "public")


def judged(level: int = 0, notification: str = "now") -> ev.SeverityJudged:
    """A level."""
    return ev.SeverityJudged(level, f"SEV-{level + 1}", "now", notification, ())


def dead(of: str = "S1", *, holds: bool = True, method: str = "probe") -> ev.Proved:
    """A check whether the old value still opens anything."""
    return ev.Proved("dead", of, method, holds=holds, detail="old refused, new accepted")


def steps(*kept: Step) -> ev.ChecklistComposed:
    """A checklist."""
    return ev.ChecklistComposed(tuple(map(step_fields, kept)), "hash")


def step(name: str, phase: Phase = Phase.CONTAIN, **fields: object) -> Step:
    """A step; mandatory unless said otherwise."""
    return Step(name, f"do {name}", "because", ("V-01",), phase, **fields)  # type: ignore[arg-type]


def message(state: str = "sent", template: str = "declaration") -> tuple[Event, ...]:
    """A message that was drafted, and perhaps sent."""
    drafted = ev.MessageDrafted("M1", template, 1, "internal", "subject", "text", "0" * 64)
    sent = ev.MessageSent("M1", "ops")
    return (drafted, sent) if state == "sent" else (drafted,)


ENDED = (
    ev.SecretMoved("S1", "revoked"),
    dead(),
    ev.SecretMoved("S1", "dead"),
)
"""What kills a secret, with proof."""

TO_CONTAINED = (
    ev.SecretMoved("S1", "revoked"),
    ev.ExposureClosed("X1", "removed-claimed"),
    ev.RoleTaken("commander", "mara"),
    ev.EvidenceAdded("E1", "log", "0" * 64, 1),
    *message(),
)
TO_ERADICATED = (dead(), ev.SecretMoved("S1", "dead"))
TO_RECOVERED = (ev.ConsumersCounted("S1", "yes"),)
TO_REVIEWING = (
    ev.LogReviewed("S1", "trail", "", "", "no-unauthorised-access", tamper_evident=True),
)
TO_CLOSED = (
    ev.PostMortem("published", "wiki"),
    ev.MitigationSet("source-code", "gate", "shipped", "3f9169c"),
)
WAY = (
    ("contained", TO_CONTAINED),
    ("eradicated", TO_ERADICATED),
    ("recovered", TO_RECOVERED),
    ("reviewing", TO_REVIEWING),
    ("closed", TO_CLOSED),
)
"""What each status needs, beside what those before it needed."""
