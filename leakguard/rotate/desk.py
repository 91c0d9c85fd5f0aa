"""What every step of a running rotation works with: the journal, the scripts, the values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leakguard.event import Entry, Event
from leakguard.incident import Incident
from leakguard.keep.journal import NOTHING, Journal, Lease, Rotation
from leakguard.rotate.answer import Reply
from leakguard.rotate.order import ENDING, MUTATIONS, Step, endings, way
from leakguard.rotate.plan import Delivery, Plan, slots_of
from leakguard.rotate.policy import End, Policy
from leakguard.rotate.record import Decide, Record
from leakguard.rotate.script import Call, Runner, names
from leakguard.rotate.world import World
from leakguard.secret import Secret

PROOFS = ("prove", "prove-end")
"""Steps that show something of the changes before them, and nothing of later ones."""

BREATH = 10.0
"""Seconds of waiting after which whoever watches is told that it goes on."""

PASSING = ("network", "timeout")
"""Errors that may be gone a moment later. Only phases without effect are asked again for them."""


@dataclass(slots=True)
class Desk:
    """A rotation that is ours for a while."""

    journal: Journal
    world: World
    actor: str
    incident: Callable[[], Incident]
    history: Callable[[], Sequence[Entry]]
    runners: Mapping[str, Runner]
    plan: Plan
    policy: Policy
    rotation: Rotation
    secrets: dict[str, Secret] = field(repr=False)
    lease: Lease
    seconds: float = 600.0
    again: bool = False
    tried: set[str] = field(default_factory=set)
    redo: set[str] = field(default_factory=set)
    waited: float = 0.0

    @property
    def steps(self) -> list[Step]:
        """All steps in the order that is in force now."""
        consumers = [one.id for one in self.plan.deliveries if one.script]
        return way(self.runner.manifest, self.policy.strategy, self.overlap, consumers)

    @property
    def overlap(self) -> str:
        """Whether old and new can work at the same time."""
        return str(self.plan.capabilities["overlap"])

    @property
    def runner(self) -> Runner:
        """The issuer's script."""
        return self.runners[self.plan.script]

    @property
    def record(self) -> Record:
        """The events of this rotation."""
        return Record(self.rotation.id, self.plan.secret, self.plan.script)

    def runner_of(self, step: Step) -> Runner:
        """Whose script a step is: a consumer's, or the issuer's."""
        delivery = self.delivery(step.consumer)
        return self.runners[delivery.script] if delivery else self.runner

    def delivery(self, consumer: str) -> Delivery | None:
        """A consumer by its id."""
        return next((one for one in self.plan.deliveries if one.id == consumer), None)

    def now(self) -> datetime:
        """The time, which never runs backwards here."""
        return max(self.world.now(), self.rotation.updated_at)

    # What is known

    def done(self, key: str) -> bool:
        """Whether a step is known to have been carried out."""
        last = self.rotation.step(key)
        done = last is not None and last.status == "done" and key not in self.redo
        return done and not (key in PROOFS and self._outdated(key))

    def _outdated(self, proof: str) -> bool:
        """Whether something that belongs before a proof was carried out after it."""
        order = [one.key for one in self.steps]
        killing = {"create"} if self.overlap == "none" else set()
        if proof not in order:
            return False
        before = set(order[: order.index(proof)]) & ((set(ENDING) & MUTATIONS) | killing)
        tried = [one.key for one in self.rotation.steps if one.status != "failed"]
        since = tried[len(tried) - tried[::-1].index(proof) :]
        return not before.isdisjoint(since)

    def begun(self, *keys: str) -> bool:
        """Whether a step may have had an effect."""
        found = [self.rotation.step(key) for key in keys]
        return any(one is not None and one.status != "failed" for one in found)

    @property
    def by_hand(self) -> bool:
        """Whether the script cannot end the old one, so that a person has to."""
        return not endings(self.runner.manifest, self.overlap)

    @property
    def ended(self) -> bool:
        """Whether the old one may have been ended already."""
        if self.by_hand:
            return self.done("prove")
        return self.begun(*endings(self.runner.manifest, self.overlap))

    # What is written

    def intend(self, step: Step) -> None:
        """Commit that a step is about to be done."""
        last = self.rotation.step(step.key)
        attempt = last.attempt + 1 if last is not None else 1
        if last is not None and last.status == "intent":
            attempt = last.attempt
        self.world.crash("before_intent", step.key)
        self.journal.renew(self.lease, self.seconds)
        self.journal.intent(self.rotation.id, step.key, attempt, self.key(step), lease=self.lease)
        self.rotation = self.journal.load(self.rotation.id)
        self.world.crash("after_intent", step.key)

    def finish(
        self,
        step: Step,
        status: str,
        public: Mapping[str, Any],
        events: Decide,
        *,
        secrets: Mapping[str, Secret] = NOTHING,
        end: End | None = None,
    ) -> None:
        """Commit what came of it: result, sealed values and events, all at once."""
        state = end.value if end else "running"
        told = self.world.with_consequences(events)
        self.rotation = self.journal.finish(
            self.rotation.id, step.key, status, public, secrets, told,
            actor=self.actor, state=state, lease=self.lease,
        )  # fmt: skip
        self.world.crash("after_commit", step.key)

    def change(self, *events: Event | Decide, end: End | None = None) -> None:
        """Commit a change of the rotation itself, with what the incident shall know of it."""
        self.rotation = self.journal.change(
            self.rotation.id, actor=self.actor, lease=self.lease,
            state=end.value if end else None, policy=self.policy.as_json(),
            events=self.world.with_consequences(*events),
        )  # fmt: skip

    # What is asked

    def ask(self, step: Step, phase: str = "") -> Reply:
        """One call of a script; again, when it is told to come back later, and later is in time."""
        waited = 0.0
        while True:
            reply = self._call(step, phase or step.phase)
            if reply.retry_after is None:
                return reply
            self.world.pause(reply.retry_after)
            if not self._in_time(reply.retry_after, waited):
                return reply
            waited += reply.retry_after
            self.world.tell(f"{step.key}: asked to come back in {reply.retry_after:g} s")
            self.rest(reply.retry_after)

    def _in_time(self, seconds: float, waited: float) -> bool:
        """Whether a wait ends before our patience does, and before the old one has to end."""
        by = self.rotation.revoke_by
        left = (by - self.now()).total_seconds() if by and not self.ended else 0.0
        return waited + seconds <= self.policy.patience and (left <= 0 or seconds <= left)

    def _call(self, step: Step, phase: str) -> Reply:
        runner, delivery = self.runner_of(step), self.delivery(step.consumer)
        last = self.rotation.step(step.key)
        call = Call(
            phase,
            self.rotation.id,
            self.key(step, phase),
            last.attempt if last else 1,
            target=delivery.target if delivery else self.plan.target,
            old=self.plan.old,
            new=self.new(),
            plan=self.plan.answers.get(step.consumer, {}) if delivery else self.plan.answer,
            consumer=delivery.target if delivery else {},
            secrets=self._slots(runner, step.consumer),
        )
        reply = runner.call(call)
        self.world.learn(names(reply, call))
        return reply

    def key(self, step: Step, phase: str = "") -> str:
        """The same for every try, so that a script can tell a repetition."""
        return f"{self.rotation.id}:{phase or step.phase}:{step.consumer or self.plan.script}"

    def new(self) -> dict[str, Any]:
        """What the issuer calls the new one."""
        found: dict[str, Any] = {}
        for one in self.rotation.steps:
            if one.key in ("generate", "create") and one.status == "done":
                found |= one.public.get("new", {})
        return found

    def rest(self, seconds: float) -> None:
        """Wait, and stay the one who works on this; who watches hears of it now and then."""
        while seconds > 0:
            breath = min(seconds, BREATH)
            self.world.sleep(breath)
            self.journal.renew(self.lease, self.seconds)
            before, self.waited, seconds = self.waited, self.waited + breath, seconds - breath
            if before // BREATH != self.waited // BREATH:
                self.world.tell(f"waited {self.waited:.0f} s")

    def _slots(self, runner: Runner, consumer: str) -> dict[str, Secret]:
        """The values given now, and those sealed before. A script gets what it needs of them;
        all are known to what reads its answer.
        """
        given = slots_of(consumer, self.secrets)
        if not runner.manifest.guided:
            given.pop("new", None)
        return given | {
            name: self.journal.unseal(self.rotation.id, name) for name in self.rotation.slots
        }


def passes(reply: Reply) -> bool:
    """Whether asking again may help. The class decides, never the words."""
    return not reply.ok and (reply.retryable or reply.error in PASSING)


def pending(reply: Reply) -> bool:
    """Whether the answer may be another one later."""
    return reply.status in ("pending", "accepted") if reply.ok else passes(reply)


def why(reply: Reply) -> str:
    """What went wrong, in a line."""
    return f"{reply.error}: {reply.message}" if reply.error else reply.message
