"""One run of one rotation: from step to step, each committed before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from leakguard import event as ev
from leakguard.event import Event
from leakguard.incident import PROVEN, STOPPED, SecretState
from leakguard.rotate import change, knock, look
from leakguard.rotate.answer import Reply
from leakguard.rotate.desk import Desk, why
from leakguard.rotate.order import DESTROYING, ENDING, Step, endings
from leakguard.rotate.policy import End, Outcome
from leakguard.rotate.record import Decide, together

Take = Callable[["Walk", Step], Outcome | None]


class Walk(Desk):
    """The way through the steps, its gates, and where it stops."""

    __slots__ = ()

    def go(self) -> Outcome:
        """Step after step until nothing is left, or something stands in the way."""
        if self.rotation.state in ("closed", "rolled-back"):
            return self._over()
        self._distrust()
        while (step := self._next()) is not None:
            self.world.tell(step.key)
            self.waited = 0.0
            stop = self._gate(step) or self._preserve(step) or self._how(step)(self, step)
            if stop is not None:
                return stop
        return self._close()

    def _distrust(self) -> None:
        """After a sign of life, ending the old one counts as not done, whatever was answered."""
        order = [one.key for one in self.steps]
        for key in ("prove", "prove-end"):
            last = self.rotation.step(key)
            if last is None or not (last.status == "failed" or self._back_to_life(key)):
                continue
            self.redo |= {*order[: order.index(key)]} & {*DESTROYING}
            if self.by_hand:
                self.redo.add(key)
            if self.overlap == "none" and self.runner.manifest.secret_origin == "client":
                self.redo.add("create")

    def _back_to_life(self, proof: str) -> bool:
        """Whether it was seen alive after it had been shown dead."""
        return self.done(proof) and self._state() not in STOPPED

    def _state(self) -> SecretState:
        return self.incident().secrets[self.plan.secret].state

    def _next(self) -> Step | None:
        if self.overdue():
            self._force()
        for step in self.steps:
            if self.done(step.key) or step.key in self.tried:
                continue
            if step.phase == "confirm" and not self.done(f"distribute:{step.consumer}"):
                continue
            return step
        return None

    def _how(self, step: Step) -> Take:
        if step.key == "baseline":
            return look.baseline
        if step.phase == "generate" and not self.runner.manifest.has("generate"):
            return look.generate
        if step.mutates:
            return change.change
        return {"probe": knock.prove, "confirm": look.confirm}.get(step.phase, look.look)

    # The deadline and the gate

    def overdue(self) -> bool:
        """Whether the old one has to end now, whoever still uses it."""
        by = self.rotation.revoke_by
        if by is None or self.policy.strategy != "overlap" or self.now() < by:
            return False
        return not self.ended and self._somebody_is_in_the_way()

    def _somebody_is_in_the_way(self) -> bool:
        """Whether the gate would wait: for a step, for a person, or for a complete list."""
        if any(not self.done(one.key) for one in self.steps if one.key not in ENDING):
            return True
        return not self._counted() or bool(self.unconfirmed())

    def _counted(self) -> bool:
        return bool(self.incident().secrets[self.plan.secret].counted)

    def _force(self) -> None:
        late = self.unconfirmed()
        reason = f"the deadline passed; not confirmed: {', '.join(late) or 'nobody'}"
        if not self._counted():
            reason += "; nobody said whether all users are listed"
        self.policy = replace(self.policy, strategy="contain", forced=reason)
        self.tried.clear()
        self.change(self.record.noted("deadline", "forced", reason))
        self.world.tell(reason)

    def unconfirmed(self) -> list[str]:
        """The consumers of which nothing shows that they use the new one.

        The new one of this rotation: what was shown in an earlier one says nothing of it.
        """
        known = self.incident().consumers
        excepted = {key for key, one in known.items() if one.exception is not None}
        by_hand = self._switched_by_hand()
        return [
            one.id
            for one in self.plan.deliveries
            if one.id not in excepted
            and not (self.done(f"confirm:{one.id}") if one.script else one.id in by_hand)
        ]

    def _switched_by_hand(self) -> set[str]:
        """The consumers shown on the new one since this rotation's new one was let in."""
        found: set[str] = set()
        let_in = False
        for entry in self.history():
            match entry.event:
                case ev.RotationNoted(phase="verify_new", status="done", rotation=rotation):
                    let_in = let_in or rotation == self.rotation.id
                case ev.Proved(kind="switch", subject=subject, holds=holds) if let_in:
                    (found.add if holds else found.discard)(subject)
        return found

    def _gate(self, step: Step) -> Outcome | None:
        """In `overlap` the old one ends when everybody is known to be on the new one."""
        if self.policy.strategy != "overlap" or step.key not in ENDING or self.ended:
            return None
        if not self._counted():
            return self.stop(
                End.WAITING, step, "nobody said whether all users of the old one are listed",
                f"leakguard consumers complete {self.plan.incident} {self.plan.secret}",
            )  # fmt: skip
        late = self.unconfirmed()
        if not late:
            return None
        by = self.rotation.revoke_by
        hints = [f"at {by:%Y-%m-%d %H:%M} UTC and later a run ends it even so"] if by else []
        hints.append(f"when they are ready: {self.resume}")
        stop = self.stop(End.WAITING, step, f"not confirmed: {', '.join(late)}", *hints)
        return replace(stop, unconfirmed=tuple(late))

    def _preserve(self, step: Step) -> Outcome | None:
        """Keep what the issuer shows, before it forgets (G-28). Revoking never waits for that;
        deleting what is shown dead already does.
        """
        forgets = step.key in DESTROYING or step.key in endings(self.runner.manifest, self.overlap)
        if not forgets or look.capture(self):
            return None
        if step.key != "destroy_old" or not self.done("prove") or self.incident().evidence:
            return None
        return self.stop(
            End.WAITING, step, "deleting it destroys evidence, and none was kept [G-28]",
            f"keep what its logs say: leakguard evidence add {self.plan.incident} FILE",
            f"then, or when {self.plan.script} can look again: {self.resume}",
        )  # fmt: skip

    # Where it stops

    def _close(self) -> Outcome:
        late = self.unconfirmed()
        if late:
            stop = self.stop(
                End.DEAD, self.steps[-1], f"proven dead, but not confirmed: {', '.join(late)}",
                f"the new value stays sealed for them; {self.resume}",
            )  # fmt: skip
            return replace(stop, unconfirmed=tuple(late))
        if self._state() not in PROVEN:
            return self.stop(
                End.UNKNOWN, self.steps[-1], f"the record calls it {self._state()}, not dead",
                f"a further run ends it once more: {self.resume}",
            )  # fmt: skip
        detail = "proven dead; every consumer is confirmed"
        self.change(self.record.noted("close", "done", detail), end=End.CLOSED)
        self.world.crash("after_commit", "close")
        return self._over()

    def _over(self) -> Outcome:
        end = End(self.rotation.state)
        gone = self.journal.shred(self.rotation.id)
        hints = () if gone else ("sealed values may linger in free pages; run this again",)
        words = "the leaked one is proven dead" if end is End.CLOSED else "it was rolled back"
        return Outcome(self.rotation.id, end, words, hints)

    def stop(self, end: End, step: Step, message: str, *hints: str) -> Outcome:
        """Stop here; the journal knows why."""
        self.change(self.record.noted(step.key, end.value, message), end=end)
        return self.outcome(end, step, message, *hints)

    def failed(self, step: Step, reply: Reply) -> Outcome | None:
        """A definite no. One consumer's failure stops nobody else's; the gate sees it."""
        last = self.rotation.step(step.key)
        if last is None or last.status != "intent":
            self.intend(step)
        events = self.told(step, "failed", detail=why(reply))
        end = None if step.consumer else End.FAILED
        self.finish(step, "failed", reply.public(), events, end=end)
        self.tried.add(step.key)
        if end is None:
            return None
        hint = f"{self._when(reply)}: {self.resume}"
        return self.outcome(end, step, f"{step.key} failed: {why(reply)}", hint)

    def _when(self, reply: Reply) -> str:
        if reply.retry_after is None:
            return "when its cause is gone"
        at = self.now() + timedelta(seconds=reply.retry_after)
        return f"not before {at:%Y-%m-%d %H:%M:%S} UTC"

    def unknown(self, step: Step, reply: Reply, reason: str) -> Outcome | None:
        """Nobody knows, so nothing goes on that stands on it."""
        detail = f"{reason} ({why(reply)})" if reply.message else reason
        last = self.rotation.step(step.key)
        if last is not None and last.status == "intent":
            events = self.told(step, "unknown", detail=detail)
            self.finish(step, "unknown", reply.public(), events)
        self.tried.add(step.key)
        if step.consumer:
            return None
        return self.stop(End.UNKNOWN, step, detail, f"when it answers again: {self.resume}")

    def outcome(self, end: End, step: Step, message: str, *hints: str) -> Outcome:
        """What a run came to, with what is true of both credentials by then."""
        return Outcome(self.rotation.id, end, message, (self._situation(), *hints), step.key)

    def _situation(self) -> str:
        if self.done(self.steps[-1].key):
            return "the leaked one is proven dead"
        failed = self.rotation.step("prove-end") or self.rotation.step("prove")
        if failed is not None and failed.status == "failed":
            return "the leaked one, or a session of it, still works"
        if self.ended:
            return "the leaked one was ended, or may have been; that it is dead is not proven"
        both = "both work now; " if self.done("verify_new") else ""
        return f"{both}the leaked one is NOT revoked yet"

    @property
    def resume(self) -> str:
        """The command that goes on."""
        return f"leakguard rotate {self.plan.incident} --secret {self.plan.secret} --resume"

    # What the incident is told

    def told(self, step: Step, status: str, *parts: Event | Decide, detail: str = "") -> Decide:
        """A step's line in the record, and what else it means."""
        return together(self.record.noted(step.key, status, detail), *parts)

    def success(self, step: Step, reply: Reply, detail: str = "") -> Decide:
        """What a step that was carried out means for the incident."""
        detail = detail or "; ".join(reply.observed)
        discovered = self.record.discovered(reply.more.get("used_by", ()))
        return self.told(step, "done", *self._meaning(step, reply, detail), discovered,
                         detail=detail)  # fmt: skip

    def _meaning(self, step: Step, reply: Reply, detail: str) -> list[Event | Decide]:
        record, last = self.record, self._last_of_its_kind(step)
        match step.phase:
            case "generate":
                return [record.moved(SecretState.STAGED)]
            case "create":
                replaced = self.overlap == "none" and not self.runner.manifest.has("disable_old")
                ended = [record.moved(SecretState.REVOKED, "the new one replaced it")]
                return [record.moved(SecretState.ISSUED)] if not replaced else list(ended)
            case "verify_new":
                attested = self.runner.manifest.guided
                return [record.live_new(detail or "let in", attested=attested)]
            case "distribute":
                return [record.moved(SecretState.DISTRIBUTED)] if last else []
            case "confirm":
                switched = record.switched(step.consumer, reply.more, detail or "seen with it")
                return [switched, *([record.moved(SecretState.CUTOVER)] if last else [])]
            case "disable_old" | "destroy_old":
                return [record.moved(SecretState.REVOKED, detail)]
        return []

    def _last_of_its_kind(self, step: Step) -> bool:
        """Whether every other consumer has come as far."""
        return all(
            one.key == step.key or self.done(one.key)
            for one in self.steps
            if one.phase == step.phase
        )
