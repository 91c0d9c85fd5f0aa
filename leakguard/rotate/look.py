"""Steps without an effect on the credential: making a value, logging in, asking consumers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leakguard.rotate.answer import Reply
from leakguard.rotate.desk import passes, pending, why
from leakguard.rotate.generate import make
from leakguard.rotate.order import CAPTURE, Step
from leakguard.rotate.plan import shape_of
from leakguard.rotate.policy import Outcome
from leakguard.rotate.record import Decide

if TYPE_CHECKING:
    from leakguard.rotate.walk import Walk

TRIES = 3
"""So often is a script asked that does not answer."""


def baseline(walk: Walk, step: Step) -> Outcome | None:
    """Knock once before anything is changed: a value that never worked proves nothing later."""
    walk.intend(step)
    reply = walk.ask(step)
    walk.world.crash("after_effect", step.key)
    said = reply.more["probe"].get("old", "unknown") if reply.ok else "unknown"
    told = walk.told(step, "done", detail=f"before anything was changed: old {said}")
    walk.finish(step, "done", reply.public() | {"old": said}, told)
    return None


def generate(walk: Walk, step: Step) -> Outcome | None:
    """A value of ours, sealed before anybody hears of it."""
    shape = shape_of(walk.plan)
    assert shape is not None
    walk.intend(step)
    value = make(shape, walk.world.choose)
    walk.world.crash("after_effect", step.key)
    walk.finish(step, "done", {}, walk.success(step, Reply(ok=True)), secrets={"new": value})
    return None


def look(walk: Walk, step: Step) -> Outcome | None:
    """A phase without effect: asked again while it says `pending` or does not answer."""
    walk.intend(step)
    reply = _patient(walk, step)
    walk.world.crash("after_effect", step.key)
    if not reply.ok:
        return walk.failed(step, reply)
    if reply.status in ("pending", "accepted"):
        return walk.unknown(step, reply, "it is still pending")
    if step.phase == "generate" and "new" not in reply.secrets:
        no_value = replace(reply, ok=False, error="bug", message="no new value came")
        return walk.failed(step, no_value)
    secrets = reply.secrets if step.phase == "generate" else {}
    walk.finish(step, "done", reply.public(), walk.success(step, reply), secrets=secrets)
    return None


def confirm(walk: Walk, step: Step) -> Outcome | None:
    """Whether a consumer uses the new one. It holds up the end of the old one, not others."""
    walk.intend(step)
    reply = walk.ask(step)
    polls = 0
    while pending(reply) and polls < walk.policy.polls and not walk.overdue():
        polls += 1
        walk.rest(walk.policy.poll)
        reply = walk.ask(step)
    walk.world.crash("after_effect", step.key)
    if reply.ok and reply.status in ("done", "already"):
        walk.finish(step, "done", reply.public(), walk.success(step, reply))
        return None
    walk.tried.add(step.key)
    status = "unknown" if pending(reply) else "failed"
    detail = reply.message or "it does not use the new one yet"
    walk.finish(step, status, reply.public(), walk.told(step, status, detail=detail))
    return None


def capture(walk: Walk) -> bool:
    """Keep what the issuer shows of the old one; whether it is kept. A person keeps it by hand."""
    if walk.done(CAPTURE):
        return True
    if walk.runner.manifest.guided:
        return False
    step = Step(CAPTURE, "observe")
    walk.intend(step)
    reply = observe(walk, step)
    walk.world.crash("after_effect", step.key)
    status = "done" if reply.ok else "failed"
    told = walk.told(step, status, *_users(walk, reply), detail=_shown(reply))
    walk.finish(step, status, reply.public(), told)
    return reply.ok


def _shown(reply: Reply) -> str:
    if not reply.ok:
        return f"nothing kept ({why(reply)})"
    listed = len(reply.more["state"].get("credentials", ()))
    old = reply.more["state"].get("old", "unknown")
    return f"kept before anything ends: old {old}, credentials listed: {listed}"


def _users(walk: Walk, reply: Reply) -> list[Decide]:
    return [walk.record.discovered(reply.more.get("used_by", ()))]


def observe(walk: Walk, step: Step) -> Reply:
    """What is true now, asked a few times if nobody answers."""
    reply = walk.ask(step, "observe")
    for _ in range(TRIES - 1):
        if not passes(reply):
            break
        walk.rest(walk.policy.poll)
        reply = walk.ask(step, "observe")
    return reply


def _patient(walk: Walk, step: Step) -> Reply:
    failures = polls = 0
    while True:
        reply = walk.ask(step)
        if reply.ok and reply.status == "pending" and polls < walk.policy.polls:
            polls += 1
        elif passes(reply) and failures < TRIES - 1:
            failures += 1
        else:
            return reply
        walk.rest(walk.policy.poll)
