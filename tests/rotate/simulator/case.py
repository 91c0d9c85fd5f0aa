"""A leaked credential at the simulator, its incident, and a rotation of it over a real store."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from leakguard import event as ev
from leakguard.incident import Incident, SecretState
from leakguard.keep.journal import Journal, Rotation
from leakguard.keep.store import open_store
from leakguard.rotate.engine import Engine
from leakguard.rotate.plan import Delivery, Plan, plan
from leakguard.rotate.policy import Outcome, Policy
from leakguard.rotate.world import Crash, World
from leakguard.secret import Secret
from rotate.simulator import Simulator

QUICK = Policy(patience=0.05, poll=0.01, level=2)
Now = Callable[[], datetime]


def today() -> datetime:
    """The real time; tests that need another pass their own."""
    return datetime.now(UTC)


def fork() -> int:
    """A child that is us; what newer Pythons warn of does not matter to one that is killed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


class Case:
    """Everything that a test of the engine starts from."""

    def __init__(self, folder: Path, **mode: Any) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.sim = Simulator(folder, **mode)
        self.place = str(folder / "data" / "incidents.db")
        (folder / "data").mkdir(mode=0o700)
        with open_store(self.place) as store:
            self.id = store.create(_leak(self.sim), actor="ada", at=today()).id
        self.rotation = ""

    # Doing

    def plan(self, strategy: str = "", **parts: Any) -> Plan:
        """What would be done, for all consumers of the simulator."""
        deliveries = [
            Delivery(f"C{number}", name, "simulated-consumer",
                     {"state": str(self.sim.state_file), "who": name})
            for number, name in enumerate(self.sim.state["consumers"], 1)
        ]  # fmt: skip
        return plan(
            self.incident(), "S1", self.sim.script, {"state": str(self.sim.state_file)},
            secrets=self.sim.slots, deliveries=parts.pop("deliveries", deliveries),
            runners=self.sim.runners, strategy=strategy, **parts,
        )  # fmt: skip

    def start(
        self, policy: Policy = QUICK, *, strategy: str = "", revoke_by: datetime | None = None
    ) -> Rotation:
        """Begin: nothing has happened yet."""
        found = self.plan(strategy)
        policy = replace(policy, strategy=found.strategy)
        with open_store(self.place) as store:
            begun = self.engine(store).start(found, policy, revoke_by=revoke_by)
        self.rotation = begun.id
        return begun

    def engine(
        self, store: Any, *, actor: str = "ada", now: Now = today, crash: Crash | None = None,
        **world_of: Any,
    ) -> Engine:  # fmt: skip
        """An engine over the store, without patience."""
        world = World(now, **({"sleep": lambda _: None} | world_of))
        if crash is not None:
            world = replace(world, crash=crash)
        return Engine(store, Journal(store, clock=now), self.sim.runners, actor, world)

    def run(
        self, *, now: Now = today, crash: Crash | None = None, slots: dict[str, Secret] | None = None,
        again: bool = False, actor: str = "ada", **world_of: Any,
    ) -> Outcome:  # fmt: skip
        """One run, in this process."""
        with open_store(self.place) as store:
            engine = self.engine(store, now=now, crash=crash, actor=actor, **world_of)
            return engine.run(
                self.rotation, self.sim.slots if slots is None else slots, again=again
            )

    def run_until_killed(self, point: str, step: str, *, now: Now = today) -> bool:
        """A run in a process of its own, killed with SIGKILL there; whether it came so far."""
        child = fork()
        if not child:
            self._die(point, step, now)
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    def _die(self, point: str, step: str, now: Now) -> None:
        def crash(at: str, key: str) -> None:
            if (at, key) == (point, step):
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            self.run(now=now, crash=crash)
        finally:
            os._exit(0)

    # Looking

    def incident(self) -> Incident:
        """What the record says."""
        with open_store(self.place) as store:
            return store.load(self.id)

    def journal(self) -> Rotation:
        """What the journal says."""
        with open_store(self.place) as store:
            return Journal(store).load(self.rotation)

    def problems(self) -> list[str]:
        """What is wrong with the store's chain."""
        with open_store(self.place) as store:
            return [str(one) for one in store.verify()]

    @property
    def recorded_dead(self) -> bool:
        """Whether the record claims that the leaked one is dead."""
        return self.incident().secrets["S1"].state is SecretState.DEAD

    def new_value(self) -> Secret | None:
        """The sealed new value, while there is one."""
        with open_store(self.place) as store:
            journal = Journal(store)
            if "new" not in journal.load(self.rotation).slots:
                return None
            return journal.unseal(self.rotation, "new")

    def files_that_tell(self, *values: Secret) -> list[str]:
        """The files below the test's folder in which a value can be read."""
        told = []
        for path in self.folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                told += [path.name for value in values if value.reveal() in content]
        return told


def _leak(sim: Simulator) -> list[ev.Event]:
    consumers = [
        ev.ConsumerAdded(f"C{number}", "S1", name)
        for number, name in enumerate(sim.state["consumers"], 1)
    ]
    return [
        ev.Opened("a token in a log", "manual", ev.stamp(today() - timedelta(hours=1))),
        ev.SecretAdded("S1", "provider-api-key", provider="simulator", label="deploy token"),
        ev.SeverityJudged(2, "SEV-2", "", "", ()),
        *consumers,
        ev.ConsumersCounted("S1", "yes"),
    ]
