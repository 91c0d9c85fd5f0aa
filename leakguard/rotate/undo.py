"""The way back: before the leaked credential ended, and, behind glass, after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakguard.errors import RefusedError
from leakguard.rotate.order import Step
from leakguard.rotate.policy import End, Outcome
from leakguard.rotate.record import together

if TYPE_CHECKING:
    from leakguard.rotate.walk import Walk


def check(walk: Walk, reason: str, *, break_glass: bool) -> None:
    """Raises RefusedError for a way back that must not be taken, or does not exist."""
    if not reason.strip():
        raise RefusedError(
            "going back needs a reason", '--reason "what broke, and what happens next"'
        )
    if walk.rotation.state in ("closed", "rolled-back"):
        raise RefusedError(f"{walk.rotation.id} is over ({walk.rotation.state})")
    if walk.begun("destroy_old"):
        raise RefusedError(
            "the leaked one is destroyed, or may be: there is no way back", "go on: --resume"
        )
    if walk.ended and not break_glass:
        raise RefusedError(
            "the leaked one was ended: going back would arm it again",
            "go on instead: --resume",
            "if an outage is worse than the leak: --break-glass-restore-leaked --reason ...",
        )
    if not walk.runner.manifest.has("rollback"):
        raise RefusedError(
            f"{walk.plan.script} knows no way back", "undo by hand what the plan lists"
        )


def go(walk: Walk, reason: str, *, break_glass: bool) -> Outcome:
    """Put things back. Where the old one still works its users leave the new one first."""
    walk.world.look_at(walk.incident(), walk.record.noted("reason", "given", reason))
    issuer = Step("rollback", "rollback")
    handed = [
        Step(f"rollback:{one.id}", "rollback", one.id)
        for one in walk.plan.deliveries
        if walk.begun(f"distribute:{one.id}") and walk.runners[one.script].manifest.has("rollback")
    ]
    for step in [issuer, *handed] if walk.ended else [*handed, issuer]:
        stop = _back(walk, step)
        if stop is not None:
            return stop
    return _over(walk, reason, break_glass=break_glass)


def _back(walk: Walk, step: Step) -> Outcome | None:
    if walk.done(step.key):
        return None
    walk.intend(step)
    reply = walk.ask(step)
    walk.world.crash("after_effect", step.key)
    if reply.ok and reply.status in ("done", "already"):
        noted = together(walk.record.noted(step.key, "done", "; ".join(reply.observed)))
        walk.finish(step, "done", reply.public(), noted)
        return None
    status = "unknown" if reply.uncertain or reply.ok else "failed"
    why = f"{reply.error}: {reply.message}" if reply.error else "it is still pending"
    walk.finish(step, status, reply.public(), together(walk.record.noted(step.key, status, why)))
    end = End.UNKNOWN if status == "unknown" else End.FAILED
    return walk.stop(end, step, f"going back failed at {step.key}: {why}",
                     "leakguard rotate observe tells what is true now")  # fmt: skip


def _off_the_new_one(walk: Walk) -> list[str]:
    """The consumers that may have been shown on a new one which is gone now."""
    return [
        one.id
        for one in walk.plan.deliveries
        if not one.script or walk.begun(f"distribute:{one.id}")
    ]


def _over(walk: Walk, reason: str, *, break_glass: bool) -> Outcome:
    what = "break-glass" if break_glass else "rollback"
    why = f"restored by {walk.actor}: {reason}" if break_glass else f"rolled back: {reason}"
    walk.change(
        walk.record.noted(what, "done", why),
        walk.record.revived(why),
        *(walk.record.went_back(one) for one in _off_the_new_one(walk)),
        end=End.ROLLED_BACK,
    )
    walk.journal.shred(walk.rotation.id)
    hint = "the leaked one works again: whoever has it can use it" if break_glass else (
        "the leaked one was never revoked: rotate again soon"
    )  # fmt: skip
    return Outcome(walk.rotation.id, End.ROLLED_BACK, why, (hint,))
