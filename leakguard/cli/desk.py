"""What every command of the response stands on: the record, the knowledge, who acts, the time."""

from __future__ import annotations

import functools
import getpass
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from leakguard import event as ev
from leakguard.cli import console, spotless
from leakguard.errors import RefusedError
from leakguard.facts import Facts
from leakguard.incident import Incident
from leakguard.report.layout import WIDTH
from leakguard.respond.guards import Gap

if TYPE_CHECKING:
    from leakguard.keep.store import Store
    from leakguard.keep.summary import SummaryFields
    from leakguard.preset import Preset
    from leakguard.respond.compose import Checklist
    from leakguard.respond.consequences import Knowledge
    from leakguard.respond.opening import Reported

R = TypeVar("R")

WHERE = "LEAKGUARD_STORE"
WHO = "LEAKGUARD_ACTOR"

NARROWEST = 40
"""Columns that a text is given even where the terminal has fewer."""

RECENT = 60
"""So many incidents are searched for the other half of a new one."""

RETENTION = timedelta(days=90)
"""So long a half that leaked alone is remembered as one."""


class Desk:
    """Opens the record when it is first needed."""

    @functools.cached_property
    def store(self) -> Store:
        """The record: SQLite in the user's data folder, or what LEAKGUARD_STORE says."""
        from leakguard.keep.store import open_store

        return open_store(os.environ.get(WHERE) or None, summarise=self._summary)

    def _summary(self, incident: Incident) -> SummaryFields:
        from leakguard.keep.summary import SummaryFields
        from leakguard.respond.due import next_due

        coming = next_due(incident, self.preset(incident))
        return SummaryFields(coming[1] if coming else None)

    @functools.cached_property
    def actor(self) -> str:
        """Who acts: LEAKGUARD_ACTOR, else the user of this machine."""
        said = os.environ.get(WHO)
        if said:
            return said
        try:
            return getpass.getuser()
        except (OSError, KeyError):
            return f"uid {os.getuid()}" if hasattr(os, "getuid") else "somebody"

    def now(self) -> datetime:
        """The time of this machine, UTC."""
        return datetime.now(UTC)

    @functools.cache  # noqa: B019 - a desk lives as long as its command
    def knowledge(self, preset: str) -> Knowledge:
        """Playbooks, severity policy and companion sets, ours and the user's own."""
        from leakguard.keep.place import data_folder
        from leakguard.load.knowledge import knowledge

        return knowledge(preset, data_folder())

    def preset(self, incident: Incident) -> Preset:
        """The names of levels and the times that an incident was opened with."""
        from leakguard.load.presets import preset

        return preset(incident.opened.preset)

    def incident(self, number: str) -> Incident:
        """The incident that a person named. Raises UsageError with the candidates."""
        return self.store.load(self.store.resolve(number))

    def change(
        self, number: str, decide: Callable[[Incident], Sequence[ev.Event]], *, found: bool = False
    ) -> Incident:
        """Record what `decide` says, and everything that follows from it, at once.

        A secret in what a person says is refused; in what was `found` it is masked.
        """

        def decided(now: Incident) -> Sequence[ev.Event]:
            from leakguard.respond.consequences import with_consequences

            known = self.leaked(now)
            events = decide(now)
            if found:
                events = spotless.masked(events, known)
            spotless.check(events, known)
            return with_consequences(now, events, self.knowledge(now.opened.preset), self.now())

        return self.store.change(self.store.resolve(number), decided, actor=self.actor, at=self.now)

    def open(self, events: Sequence[ev.Event], preset: str) -> Incident:
        """A new incident, with everything that follows from what is known.

        What completes a half that leaked earlier goes on in the earlier incident, also when
        that was closed.
        """
        from leakguard.respond.consequences import opening
        from leakguard.respond.late import joined

        known = self._known(one for one in events if isinstance(one, ev.SecretAdded))
        events = spotless.masked(events, known)
        spotless.check(events, known)
        earlier = self._other_half(events, preset)
        if earlier:
            return self.change(earlier, lambda now: joined(now, events), found=True)
        every = opening(events, self.knowledge(preset), self.now())
        return self.store.create(every, actor=self.actor, at=self.now())

    def knows(self, report: Reported) -> tuple[str, str] | None:
        """The incident that goes on with a secret that turned up again, and its name there.

        An open one before one that is over; a drill never takes a real leak in, nor the other way
        round; what was merged goes on where it was merged into.
        """
        if not report.leak.fingerprint:
            return None
        keyed = report.keyed(report.leak.fingerprint)
        found: list[tuple[Incident, str]] = []
        for number, _ in self.store.known(keyed):
            incident = self.store.load(number)
            while incident.merged_into:
                incident = self.store.load(incident.merged_into)
            names = [one.id for one in incident.secrets.values() if one.added.fingerprint == keyed]
            if names and incident.opened.drill == report.drill:
                found.append((incident, names[0]))
        if not found:
            return None
        incident, name = min(found, key=lambda one: (one[0].over, -one[0].opened_at.timestamp()))
        return incident.id, name

    def again(self, report: Reported, known: tuple[str, str]) -> Incident:
        """The incident that knows a secret, with what is new about it now."""
        from leakguard.respond.opening import occurrence

        number, secret = known
        return self.change(number, lambda now: occurrence(now, secret, report), found=True)

    def leaked(self, incident: Incident) -> spotless.Known:
        """What recognises the values that leaked, wherever a person types them."""
        return self._known(one.added for one in incident.secrets.values())

    def _known(self, secrets: Iterable[ev.SecretAdded]) -> spotless.Known:
        told = [(one.rule_id, one.fingerprint) for one in secrets]
        return spotless.Known(told, self.store.keyed)

    def _other_half(self, events: Sequence[ev.Event], preset: str) -> str:
        """The incident of the last months whose half these events complete, if there is one."""
        from leakguard.respond.consequences import provisional
        from leakguard.respond.late import completed

        new, now = provisional(events, self.now()), self.now()
        fresh = [
            row.id
            for row in self.store.listing(limit=RECENT)
            if now - row.opened_at <= RETENTION and row.drill == new.opened.drill
        ]
        earlier = [self.store.load(name) for name in fresh]
        open_ones = [one for one in earlier if not one.merged_into]
        found = completed(open_ones, new, self.knowledge(preset).sets)
        return found.id if found else ""

    def facts(self, incident: Incident, key: str) -> Facts:
        """What is known, for one step."""
        from leakguard.respond.consequences import facts_for

        known = self.knowledge(incident.opened.preset)
        return facts_for(incident, incident.tasks[key].step.subject, known)

    def intact(self) -> bool:
        """Whether the record's chain verifies."""
        return not self.store.verify()

    def told(self, incident: Incident) -> Checklist:
        """What the playbooks say of it beside the steps: risks, what stays, what to ask."""
        from leakguard.respond.consequences import checklist, companions

        known = self.knowledge(incident.opened.preset)
        return checklist(incident, known, companions(incident, known))

    def tell(self, incident: Incident) -> None:
        """Say where the incident stands."""
        from leakguard.respond.checklist import status_text

        console.show(status_text(incident, self.preset(incident), self.now(), width()))


def pass_desk(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command its desk."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> R:
        return function(Desk(), *args, **kwargs)

    return wrapped


def width() -> int:
    """How many columns a text may have: 79, or those of a narrower terminal."""
    if not sys.stdout or not sys.stdout.isatty():
        return WIDTH
    return max(NARROWEST, min(WIDTH, shutil.get_terminal_size((WIDTH + 1, 24)).columns - 1))


def refuse(what: str, gaps: Sequence[Gap]) -> None:
    """Raise RefusedError naming everything that is missing; nothing when nothing is."""
    if not gaps:
        return
    many = f"{len(gaps)} things are missing" if len(gaps) > 1 else "something is missing"
    hints = [f"{gap.what} [{gap.guard}]: {gap.command}" for gap in gaps]
    raise RefusedError(f"{what}: {many}", *hints)
