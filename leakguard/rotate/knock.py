"""Proving the end: both credentials knock, round after round, until it is a proof or hopeless."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from leakguard.errors import RefusedError
from leakguard.event import Event
from leakguard.rotate.answer import Reply
from leakguard.rotate.desk import PASSING, passes
from leakguard.rotate.order import Step
from leakguard.rotate.policy import End, Outcome
from leakguard.rotate.proof import Round, Verdict, judge, round_of, told
from leakguard.rotate.record import Decide

if TYPE_CHECKING:
    from leakguard.rotate.walk import Walk

MOST_ROUNDS = 200


def prove(walk: Walk, step: Step) -> Outcome | None:
    """Judge rounds that began after the last change had time to spread."""
    walk.rest(walk.runner.manifest.propagation_seconds)
    walk.intend(step)
    rounds, public, reply = _rounds(walk, step)
    walk.redo.discard(step.key)
    verdict = judge(rounds, walk.runner.manifest.rounds)
    if verdict is Verdict.DEAD and _doubted(walk) and rounds[-1].method != "metadata":
        verdict = Verdict.UNKNOWN
    walk.world.crash("after_effect", step.key)
    detail = f"{verdict.value}: {told(rounds)}{_doubt(walk)}"
    uses = walk.record.discovered(reply.more.get("used_by", ()))
    if verdict is Verdict.DEAD:
        final = step.key == walk.steps[-1].key
        dead = walk.record.dead(rounds, _doubt(walk), final=final, by_hand=walk.by_hand)
        walk.finish(step, "done", public, walk.told(step, "done", uses, dead, detail=detail))
        return None
    if verdict is Verdict.ALIVE:
        alive = walk.record.alive(rounds)
        events = walk.told(step, "failed", uses, alive, detail=detail)
        if walk.by_hand:
            walk.finish(step, "failed", public, events, end=End.WAITING)
            what = f"the leaked one still works ({told(rounds)})"
            return walk.outcome(End.WAITING, step, what, *_end_it(walk))
        walk.finish(step, "failed", public, events, end=End.FAILED)
        return walk.outcome(
            End.FAILED, step, f"the leaked one is NOT dead: {detail}",
            f"a further run ends it once more: {walk.resume}",
        )  # fmt: skip
    events = walk.told(step, "unknown", uses, detail=detail)
    walk.finish(step, "unknown", public, events, end=End.UNKNOWN)
    why = f"nothing proves it dead: {reply.message or detail}"
    return walk.outcome(End.UNKNOWN, step, why, *_hints(walk, rounds))


def again(walk: Walk) -> Outcome:
    """A proof on demand, of a rotation at any stage after the end of the old one began."""
    if walk.rotation.state == End.CLOSED:
        return _after_the_end(walk)
    _may_prove(walk)
    before = walk.rotation.state
    keys = [one.key for one in walk.steps if one.key.startswith("prove") and walk.begun(one.key)]
    step = Step(keys[-1] if keys else "prove", "probe")
    stop = prove(walk, step)
    if stop is not None:
        return stop
    if before == End.DEAD:
        walk.change(end=End.DEAD)
    over = before == End.DEAD or step.key == walk.steps[-1].key
    hints = () if over else (f"the rotation goes on: {walk.resume}",)
    message = "proven dead once more"
    return Outcome(walk.rotation.id, End.DEAD, message, hints, step.key, shown=True)


def _end_it(walk: Walk) -> tuple[str, ...]:
    """What a person has to do where the script cannot."""
    old = f" ({walk.plan.old['id']})" if walk.plan.old.get("id") else ""
    return (
        f"{walk.plan.script} cannot end it: end it{old} at the issuer yourself",
        f"then prove it dead: {walk.resume}",
    )


def _may_prove(walk: Walk) -> None:
    """Raises RefusedError while nothing was ended: a refusal would only show a wrong value."""
    if walk.rotation.state == End.ROLLED_BACK:
        raise RefusedError(
            f"{walk.rotation.id} was rolled back: the leaked one works",
            f"rotate again: leakguard rotate {walk.plan.incident} --secret {walk.plan.secret}",
        )
    if not walk.ended and not walk.by_hand:
        raise RefusedError(
            "the leaked one was not ended yet, so nothing can show it dead",
            f"go on: {walk.resume}",
            f"what is true now: leakguard rotate observe {walk.rotation.id}",
        )


def _after_the_end(walk: Walk) -> Outcome:
    """The new value is shredded by now: a refusal alone, or a resurrection, can be shown."""
    step = Step("prove-again", "probe")
    said = _round(walk.ask(step))
    alive = judge([said], 1) is Verdict.ALIVE
    refused = said.old == "refused" and (said.old_error == "auth" or said.by_metadata)
    shown = refused and not alive and (said.method == "metadata" or not _doubted(walk))
    status = "failed" if alive else "done" if shown else "unknown"
    noted = walk.record.noted(step.key, status, told([said]) + _doubt(walk))
    walk.change(noted, *([walk.record.alive([said])] if alive else []))
    end = End.FAILED if alive else End.CLOSED if shown else End.UNKNOWN
    hints = () if alive else _by_a_person(walk, "the new value is shredded, so it cannot knock")
    return Outcome(walk.rotation.id, end, told([said]), hints, step.key, shown=shown)


def _by_a_person(walk: Walk, why: str) -> tuple[str, ...]:
    """What to do where no program can prove it any more."""
    add = f"leakguard evidence add {walk.plan.incident} FILE --proves dead --of {walk.plan.secret}"
    return (f"{why}; what the issuer says proves it too: {add}",)


def now(walk: Walk) -> Reply:
    """What the script sees; users that nobody listed are recorded, and a resurrection."""
    reply = walk.ask(Step("observe", "observe"))
    parts: list[Event | Decide] = [walk.record.discovered(reply.more.get("used_by", ()))]
    alive = reply.ok and reply.more["state"].get("old") == "active"
    if alive and walk.rotation.state in ("closed", "dead"):
        parts.append(walk.record.alive([Round("unknown", "accepted", method="metadata")]))
    walk.change(*parts)
    return reply


def _rounds(walk: Walk, step: Step) -> tuple[list[Round], dict[str, Any], Reply]:
    manifest = walk.runner.manifest
    extra = int(walk.policy.patience / max(manifest.interval_seconds, 0.05))
    most = manifest.rounds + min(MOST_ROUNDS, extra)
    rounds: list[Round] = []
    evidence: list[Any] = []
    while True:
        reply = walk.ask(step)
        rounds.append(_round(reply))
        evidence += [dict(one) for one in reply.evidence]
        dead = judge(rounds, manifest.rounds) is Verdict.DEAD
        over = dead or (walk.by_hand and judge(rounds, 1) is Verdict.ALIVE)
        if over or len(rounds) >= most or _hopeless(rounds, reply, manifest.rounds):
            kept = {"rounds": [asdict(one) for one in rounds], "evidence": evidence[-MOST_ROUNDS:]}
            return rounds, kept | {"message": reply.message, "stderr": reply.stderr}, reply
        walk.rest(manifest.interval_seconds)


def _doubt(walk: Walk) -> str:
    """What makes a refusal prove less: the value given for the old one never worked here."""
    if not _refused_before(walk):
        return ""
    return "; it was refused before the rotation too: is it the value that leaked?"


def _refused_before(walk: Walk) -> bool:
    before = walk.rotation.step("baseline")
    return before is not None and before.public.get("old") == "refused"


def _doubted(walk: Walk) -> bool:
    """Whether a refusal proves nothing, and nobody answered for it since with evidence."""
    before = walk.rotation.step("baseline")
    if before is None or not _refused_before(walk):
        return False
    proofs = walk.incident().secrets[walk.plan.secret].proofs
    ends = [(at, one) for at, one in proofs if one.kind == "dead"]
    return not (ends and ends[-1][1].holds and ends[-1][0] >= before.at)


def _round(reply: Reply) -> Round:
    if reply.ok:
        return round_of(reply.more["probe"])
    gone = "unreachable" if reply.error in PASSING else "unknown"
    return Round(gone, gone)


def _hopeless(rounds: Sequence[Round], reply: Reply, needed: int) -> bool:
    """Whether further rounds would say the same: a definite error, or nobody can knock."""
    if not reply.ok:
        return not passes(reply)
    last = rounds[-needed:]
    return len(last) >= needed and all(
        one.new == "accepted" and one.old == "unknown" for one in last
    )


def _hints(walk: Walk, rounds: Sequence[Round]) -> list[str]:
    hints = [f"then a further run: {walk.resume}"]
    if "old" not in walk.secrets and rounds[-1].new == "accepted":
        hints.insert(0, "nobody could knock with the leaked value: give it again with --old")
    if _doubted(walk):
        hints = [*_by_a_person(walk, "the value given never worked here"), *hints]
    return hints
