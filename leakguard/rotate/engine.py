"""Rotations from their plan to a dead credential, over a journal that survives being killed.

The rule: what is about to be done is committed, then done, then what came of it is
committed together with the sealed values and the incident's events. So whatever kills
us, the journal knows what may have happened, and a later run asks the script what did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from leakguard import event as ev
from leakguard.errors import RefusedError, UsageError
from leakguard.keep.journal import Journal, Lease, Rotation
from leakguard.rotate import knock, undo
from leakguard.rotate.answer import Reply
from leakguard.rotate.plan import Plan, from_json
from leakguard.rotate.policy import RUNNING, Outcome, Policy, policy_of
from leakguard.rotate.record import Record
from leakguard.rotate.script import Runner
from leakguard.rotate.walk import Walk
from leakguard.rotate.world import World
from leakguard.secret import Secret

if TYPE_CHECKING:
    from leakguard.keep.store import Store

WORST = 1
"""At this level and worse nobody does alone what cannot be undone."""

LEASE = 600.0
"""Seconds that a rotation stays ours without a sign of life; renewed before every call."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Begins, runs, resumes, observes and undoes rotations."""

    store: Store
    journal: Journal
    runners: Mapping[str, Runner]
    actor: str
    world: World

    def start(self, plan: Plan, policy: Policy, *, revoke_by: datetime | None = None) -> Rotation:
        """Write down what will be done. Raises RefusedError for what must not be begun."""
        self._may_begin(plan, policy)
        added = [
            ev.ConsumerAdded(one.id, plan.secret, one.name, "service", "", "person")
            for one in plan.deliveries
            if one.new
        ]
        approved = f"{plan.strategy}, approved by {policy.approver}" if policy.approver else ""
        told = approved or plan.strategy
        record = Record("", plan.secret, plan.script)
        self.world.look_at(self.store.load(plan.incident), record.noted("start", "begun", told))
        begun = self.journal.begin(
            plan.incident, plan.secret, plan.script,
            plan=plan.as_json(), policy=policy.as_json(), actor=self.actor, revoke_by=revoke_by,
            events=self.world.with_consequences(*added), alone=RUNNING,
        )  # fmt: skip
        noted = replace(record, rotation=begun.id).noted("start", "begun", told)
        return self.journal.change(
            begun.id, actor=self.actor, events=self.world.with_consequences(noted)
        )

    def run(self, rotation: str, secrets: Mapping[str, Secret], *, again: bool = False) -> Outcome:
        """Go as far as possible, from wherever it stands. Raises Held when somebody else does.

        With `again` a person answers for repeating a change whose outcome nobody could find out.
        """
        with self._walk(rotation, secrets) as walk:
            walk.again = again
            return walk.go()

    def probe(self, rotation: str, secrets: Mapping[str, Secret]) -> Outcome:
        """Knock once more with both, and record what that proves."""
        with self._walk(rotation, secrets) as walk:
            return knock.again(walk)

    def observe(self, rotation: str, secrets: Mapping[str, Secret]) -> Reply:
        """Ask the script what is true now. Nothing is changed; late users are recorded."""
        with self._walk(rotation, secrets) as walk:
            return knock.now(walk)

    def roll_back(
        self,
        rotation: str,
        secrets: Mapping[str, Secret],
        *,
        reason: str,
        break_glass: bool = False,
    ) -> Outcome:
        """Go back. Raises RefusedError once the old one was ended, unless the glass is broken."""
        with self._walk(rotation, secrets) as walk:
            undo.check(walk, reason, break_glass=break_glass)
            return undo.go(walk, reason, break_glass=break_glass)

    def defer(self, rotation: str, *, reason: str, until: datetime) -> Rotation:
        """Let the old one live longer than the deadline. Recorded with who and why."""
        kept = self.journal.load(rotation)
        if kept.state not in RUNNING:
            raise UsageError(f"{rotation} is over ({kept.state})")
        if until <= self.world.now():
            raise UsageError("the new deadline has passed already", "name an instant to come")
        if not reason.strip():
            raise UsageError("a deferral needs a reason", '--reason "why users need longer"')
        record = Record(rotation, kept.secret, kept.script)
        noted = record.noted("defer", "deferred", f"until {ev.stamp(until)}: {reason}")
        return self.journal.change(
            rotation, actor=self.actor, revoke_by=until,
            events=self.world.with_consequences(noted),
        )  # fmt: skip

    def open(self, incident: str, secret: str) -> Rotation | None:
        """The rotation of a secret that is under way."""
        found = self.journal.list(list(RUNNING), incident=incident)
        return next((one for one in reversed(found) if one.secret == secret), None)

    def _may_begin(self, plan: Plan, policy: Policy) -> None:
        if not plan.possible:
            lacking = next(check for check in plan.checks if not check.ok)
            raise RefusedError(
                f"not begun: {lacking.what} does not hold", lacking.detail or "see the plan"
            )
        under_way = self.open(plan.incident, plan.secret)
        if under_way is not None:
            raise RefusedError(
                f"{under_way.id} is under way ({under_way.state})",
                f"leakguard rotate {plan.incident} --secret {plan.secret} --resume",
            )
        if plan.irreversible and policy.level <= WORST:
            _second_person(policy, self.actor)

    @contextmanager
    def _walk(self, rotation: str, secrets: Mapping[str, Secret]) -> Iterator[Walk]:
        """A walk for as long as the rotation is ours."""
        seconds = LEASE + max(map(_longest, self.runners.values()), default=0.0)
        with self.journal.lease(rotation, self.actor, seconds) as lease:
            walk = self._made(self.journal.load(rotation), secrets, lease)
            walk.seconds = seconds
            yield walk

    def _made(self, rotation: Rotation, secrets: Mapping[str, Secret], lease: Lease) -> Walk:
        plan = from_json(rotation.plan)
        names = [plan.script, *(one.script for one in plan.deliveries if one.script)]
        lacking = [name for name in names if name not in self.runners]
        if lacking:
            raise UsageError(f"the script {lacking[0]!r} is gone", "leakguard rotate list")
        return Walk(
            self.journal, self.world, self.actor, lambda: self.store.load(rotation.incident),
            lambda: self.store.entries(rotation.incident), self.runners, plan,
            policy_of(rotation.policy), rotation, dict(secrets), lease,
        )  # fmt: skip


def _longest(runner: Runner) -> float:
    return max(runner.manifest.timeouts.values(), default=0.0)


def _second_person(policy: Policy, actor: str) -> None:
    if not policy.approver:
        raise RefusedError(
            "this cannot be undone, and the incident is too serious for one person",
            "--approver NAME names the second one",
        )
    if policy.approver == actor:
        raise RefusedError("the approver is you", "somebody else has to approve")
