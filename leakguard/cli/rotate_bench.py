"""What the commands of a rotation work with: the scripts, the journal, the engine."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from leakguard import event as ev
from leakguard.cli import console, rotate_inputs, spotless
from leakguard.cli.desk import Desk
from leakguard.errors import RefusedError
from leakguard.incident import Incident
from leakguard.keep.journal import Journal, Rotation
from leakguard.keep.store import Store, open_store
from leakguard.report.style import clean
from leakguard.rotate import script
from leakguard.rotate.engine import Engine
from leakguard.rotate.fleet import Pause
from leakguard.rotate.guided import Guided
from leakguard.rotate.names import without as bare_of
from leakguard.rotate.script import Runner, Script
from leakguard.rotate.world import World
from leakguard.secret import Secret


class Bench:
    """Opened once for each command. `attested` is what a person said beforehand, by phase."""

    def __init__(self, desk: Desk, attested: Mapping[str, str] | None = None) -> None:
        self.desk = desk
        self._attested = dict(attested or {})
        self._ids: set[str] = set()

    @functools.cached_property
    def scripts(self) -> dict[str, Script]:
        """Every script, ours and the user's own."""
        return script.catalogue()

    @functools.cached_property
    def runners(self) -> dict[str, Runner]:
        """Whoever carries out the phases of each script: its program, or a person."""
        return {
            name: Guided(one.manifest, self._ask) if one.manifest.guided else one
            for name, one in self.scripts.items()
        }

    @functools.cached_property
    def journal(self) -> Journal:
        """The journal beside the incidents."""
        return Journal(self.desk.store)

    def engine(self, store: Store | None = None, pause: Pause = lambda _: None) -> Engine:
        """An engine; with a store of its own for a thread, which `pause` makes wait."""
        journal = Journal(store) if store is not None else self.journal
        world = World(self.desk.now, time.sleep, tell=self._tell, follow=self._follow,
                      pause=pause, learn=self._ids.update)  # fmt: skip
        return Engine(store or self.desk.store, journal, self.runners, self.desk.actor, world)

    def own_store(self) -> Store:
        """A further connection, for a thread."""
        return open_store(os.environ.get("LEAKGUARD_STORE") or None)

    def slots_again(
        self, kept: Rotation, given: Sequence[str], old: Secret | None = None
    ) -> dict[str, Secret]:
        """The secrets for a rotation that was begun before: they are never kept."""
        found = self.slots(given, kept.secret)
        if old is not None:
            found["old"] = old
        found |= rotate_inputs.ask_for(self.scripts[kept.script].manifest, found)
        for one in kept.plan["deliveries"]:
            if one["script"]:
                manifest = self.scripts[one["script"]].manifest
                found |= rotate_inputs.ask_for(manifest, found, one["id"])
        return found

    def slots(self, given: Sequence[str], secret: str) -> dict[str, Secret]:
        """The secrets named on the command line, by slot."""
        named = rotate_inputs.of_subject(rotate_inputs.pairs(given, "--slot"), secret)
        named.pop("old", None)  # that one is checked to be what leaked
        return {name: rotate_inputs.read(source) for name, source in named.items()}

    def _follow(self, incident: Incident, events: Sequence[ev.Event]) -> Sequence[ev.Event]:
        from leakguard.respond.consequences import with_consequences

        known = self.desk.knowledge(incident.opened.preset)
        told = _spotless(events, self.desk.leaked(incident), self._ids)
        return with_consequences(incident, told, known, self.desk.now())

    def _tell(self, line: str) -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            console.show(f"  {clean(line)} ...\n", sys.stderr)

    def _ask(self, phase: str, text: str) -> str:
        """What a person says of a phase of theirs; nothing where nobody is."""
        if phase in self._attested:
            return self._attested[phase]
        if not sys.stdin.isatty():
            return ""
        console.show(f"\n{phase}: {clean(text)}\n", sys.stderr)
        said: str = click.prompt("What shows that it is done (empty: it is not)",
                                 default="", show_default=False, err=True)  # fmt: skip
        return said.strip()


PEOPLE = ("start", "defer", "reason")
"""Phases of which a person says something, before anything is done."""

TEXTS = ("detail", "why", "name", "where")
"""What a script may have said in an event."""

LEFT_OUT = "[left out: it looks like a secret]"


def _spotless(
    events: Sequence[ev.Event], leaked: spotless.Known, ids: Collection[str] = ()
) -> Sequence[ev.Event]:
    """The events without a secret. What a person wrote is refused.

    What a script said is left out: its step happened, and the new value that came with
    it must not be lost over a word. The `ids` of credentials are no secrets.
    """
    return [one if _by_a_person(one, leaked) else _without(one, ids) for one in events]


def _by_a_person(event: ev.Event, leaked: spotless.Known) -> bool:
    """Whether a person wrote it; then it was read, and RefusedError raised for a secret."""
    match event:
        case ev.RotationNoted(phase=phase) if phase in PEOPLE:
            spotless.check([event], leaked)
            return True
        case ev.ConsumerAdded(found_by="person"):
            spotless.check([event], leaked)
            return True
    return False


def _without(event: ev.Event, ids: Collection[str]) -> ev.Event:
    texts = {one: str(getattr(event, one, "")) for one in TEXTS}
    bare = {name: bare_of(ids, text) for name, text in texts.items() if text}
    told: Any = {name: text for name, text in bare.items() if text != texts[name]}
    try:
        spotless.check([replace(event, **told)])
    except RefusedError:
        left_out: Any = dict.fromkeys(bare, LEFT_OUT)
        return replace(event, **left_out)
    return event
