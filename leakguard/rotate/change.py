"""Steps with an effect: each is done once, and again only when it is known not to have been."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leakguard.rotate import look, reconcile
from leakguard.rotate.answer import Reply
from leakguard.rotate.desk import why
from leakguard.rotate.order import Step
from leakguard.rotate.plan import shape_of
from leakguard.rotate.policy import Outcome
from leakguard.rotate.reconcile import Fate

if TYPE_CHECKING:
    from leakguard.rotate.walk import Walk

TRIES = 3
"""So often is a change made in one run that is known not to have happened."""

_MEANS = {
    Fate.HAPPENED: "it happened",
    Fate.AGAIN: "it may be done again",
    Fate.UNKNOWN: "nobody knows",
}


def change(walk: Walk, step: Step) -> Outcome | None:
    """Carry out a step, after finding out what an earlier attempt at it did."""
    unfit = _unfit(walk, step)
    if unfit:
        return walk.failed(step, Reply(ok=False, error="unsupported", message=unfit))
    last = walk.rotation.step(step.key)
    doubtful = last is not None and last.status in ("intent", "unknown")
    for _ in range(TRIES):
        if doubtful:
            fate, stop = _reconciled(walk, step)
            if fate is not Fate.AGAIN:
                return stop
        walk.intend(step)
        reply = _carried_out(walk, step)
        walk.world.crash("after_effect", step.key)
        if reply.ok:
            return _changed(walk, step, reply)
        if not reply.uncertain:
            return walk.failed(step, reply)
        told = walk.told(step, "unknown", detail=why(reply))
        walk.finish(step, "unknown", reply.public(), told)
        doubtful = True
    return walk.unknown(step, reply, "no answer came to any try")


def _unfit(walk: Walk, step: Step) -> str:
    """Why the value must not be handed to a consumer: it would break it."""
    if step.phase != "distribute":
        return ""
    if "new" not in walk.rotation.slots:
        return "there is no new value to hand over"
    shape = shape_of(walk.plan)
    if shape is None or shape.takes(walk.journal.unseal(walk.rotation.id, "new")):
        return ""
    return "the new value has characters or a length that the consumer cannot take"


def _carried_out(walk: Walk, step: Step) -> Reply:
    """The call, repeated while the script itself asks for that (`pending`)."""
    reply = walk.ask(step)
    secrets = dict(reply.secrets)
    polls = 0
    while reply.ok and reply.status == "pending" and polls < walk.policy.polls:
        polls += 1
        walk.rest(walk.policy.poll)
        reply = walk.ask(step)
        secrets |= reply.secrets
    if reply.ok and reply.status == "accepted" and not _came_true(walk, step):
        return replace(reply, ok=False, error="timeout", message="accepted, but not come true")
    if reply.ok and reply.status == "pending":
        return replace(reply, ok=False, error="timeout", message="it is still pending")
    return replace(reply, secrets=secrets)


def _came_true(walk: Walk, step: Step) -> bool:
    for _ in range(walk.policy.polls):
        if reconcile.accepted(step.phase, walk.ask(step, "observe")):
            return True
        walk.rest(walk.policy.poll)
    return False


def _changed(walk: Walk, step: Step, reply: Reply) -> Outcome | None:
    manifest = walk.runner_of(step).manifest
    issued = step.phase == "create" and manifest.secret_origin == "issuer"
    if issued and not manifest.guided and "new" not in reply.secrets:
        return walk.unknown(step, reply, "the issuer's new value did not come")
    walk.redo.discard(step.key)
    secrets = reply.secrets if step.phase == "create" else {}
    walk.finish(step, "done", reply.public(), walk.success(step, reply), secrets=secrets)
    return None


def _reconciled(walk: Walk, step: Step) -> tuple[Fate, Outcome | None]:
    """What an earlier attempt came to; what is known to have happened is recorded as done."""
    if walk.runner_of(step).manifest.guided:
        return Fate.AGAIN, None  # the person is asked again
    observed = look.observe(walk, step)
    fate = reconcile.fate(step.phase, observed)
    if fate is Fate.UNKNOWN and walk.again:
        fate = Fate.AGAIN
    if fate is Fate.AGAIN:
        return fate, None
    detail = f"observed: {_state(observed)}; {_MEANS[fate]}"
    if fate is Fate.UNKNOWN:
        return fate, walk.unknown(step, observed, f"nobody knows whether {step.key} happened")
    walk.redo.discard(step.key)
    walk.intend(step)
    told = walk.success(step, observed, detail)
    walk.finish(step, "done", {"reconciled": detail}, told)
    return fate, None


def _state(observed: Reply) -> str:
    if not observed.ok:
        return why(observed)
    state = observed.more["state"]
    return f"old {state.get('old', 'unknown')}, new {state.get('new', 'unknown')}"
