"""A leaked credential of a real issuer, rotated by the scripts that ship, over a real store.

leak = Live(tmp_path, "postgresql", "database-password", target, slots)
leak.deliver("the app", "env-file", path=..., key="DB_PASSWORD")
leak.start()
outcome = leak.run()
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from leakguard import event as ev
from leakguard.incident import Incident, SecretState
from leakguard.keep.journal import Journal, Rotation
from leakguard.keep.store import Store, open_store
from leakguard.rotate.choose import check_target
from leakguard.rotate.engine import Engine
from leakguard.rotate.plan import Delivery, Plan, plan
from leakguard.rotate.policy import Outcome, Policy
from leakguard.rotate.script import catalogue
from leakguard.rotate.world import World
from leakguard.secret import Secret
from rotate.simulator.case import fork

QUICK = Policy(patience=10, poll=0.1, level=2)
SCRIPTS = catalogue({})


def now() -> datetime:
    """The real time."""
    return datetime.now(UTC)


class Live:
    """One leak, its consumers, and one rotation of it."""

    def __init__(
        self,
        folder: Path,
        script: str,
        secret_class: str,
        target: Mapping[str, Any],
        slots: Mapping[str, str],
        *,
        old: Mapping[str, Any] | None = None,
        store: str = "",
    ) -> None:
        self.folder, self.script, self.old = folder, script, dict(old or {})
        self.target = _target(script, target)
        self.slots = {name: Secret(value.encode()) for name, value in slots.items()}
        self.deliveries: list[Delivery] = []
        self.store = store or str(folder / "data" / "incidents.db")
        (folder / "data").mkdir(mode=0o700, exist_ok=True)
        events: list[ev.Event] = [
            ev.Opened("a value in a commit", "manual", ev.stamp(now())),
            ev.SecretAdded("S1", secret_class, label="the leaked one"),
            ev.SeverityJudged(2, "SEV-2", "", "", ()),
            ev.ConsumersCounted("S1", "yes"),
        ]
        with open_store(self.store) as kept:
            self.id = kept.create(events, actor="ada", at=now()).id
        self.rotation = ""

    def deliver(self, who: str, kind: str, slots: Mapping[str, str] = {}, /, **told: Any) -> str:
        """One more consumer; its id."""
        key = f"C{len(self.deliveries) + 1}"
        self.deliveries.append(Delivery(key, who, kind, _target(kind, told)))
        self.slots |= {f"{key}.{slot}": Secret(value.encode()) for slot, value in slots.items()}
        with open_store(self.store) as kept:
            kept.change(
                self.id, lambda _: [ev.ConsumerAdded(key, "S1", who)], actor="ada", at=now()
            )
        return key

    def plan(self) -> Plan:
        """What would be done."""
        return plan(
            self.incident(), "S1", SCRIPTS[self.script], self.target, secrets=self.slots,
            deliveries=self.deliveries, runners=SCRIPTS, old=self.old,
        )  # fmt: skip

    def engine(
        self, store: Store, actor: str = "ada", crash: Callable[[str, str], None] | None = None
    ) -> Engine:
        """An engine that does not wait for propagation."""
        world = World(now, lambda _: None)
        world = replace(world, crash=crash) if crash else world
        return Engine(store, Journal(store), SCRIPTS, actor, world)

    def start(self, policy: Policy = QUICK) -> Rotation:
        """Begin: nothing has happened yet."""
        found = self.plan()
        with open_store(self.store) as store:
            begun = self.engine(store).start(found, replace(policy, strategy=found.strategy))
        self.rotation = begun.id
        return begun

    def run(
        self, *, actor: str = "ada", crash: Callable[[str, str], None] | None = None
    ) -> Outcome:
        """One run, in this process."""
        with open_store(self.store) as store:
            return self.engine(store, actor, crash).run(self.rotation, self.slots)

    def run_until_killed(self, point: str, step: str) -> bool:
        """A run in a process of its own, killed with SIGKILL there; whether it came so far."""
        child = fork()
        if not child:
            self._die(point, step)
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    def _die(self, point: str, step: str) -> None:
        def crash(at: str, key: str) -> None:
            if (at, key) == (point, step):
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            self.run(crash=crash)
        finally:
            os._exit(0)

    def incident(self) -> Incident:
        """What the record says."""
        with open_store(self.store) as store:
            return store.load(self.id)

    def journal(self) -> Rotation:
        """What the journal says."""
        with open_store(self.store) as store:
            return Journal(store).load(self.rotation)

    def new_value(self) -> str:
        """The sealed new value."""
        with open_store(self.store) as store:
            return Journal(store).unseal(self.rotation, "new").reveal().decode()

    @property
    def recorded_dead(self) -> bool:
        """Whether the record claims that the leaked one is dead."""
        return self.incident().secrets["S1"].state is SecretState.DEAD


def _target(script: str, told: Mapping[str, Any]) -> dict[str, Any]:
    words = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in told.items()
    }
    return check_target(SCRIPTS[script].manifest, words)
