"""Whether one action may be recorded now: a step done or skipped, a proof, a role, a lower level.

Each check gives gaps (respond.guards), all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from leakguard import event as ev
from leakguard.facts import Facts, fits
from leakguard.incident import STOPPED, Incident, SecretState, Status, Task
from leakguard.playbook import Risk
from leakguard.respond.guards import Gap, dead

ORDER = tuple(SecretState)

WORKED_OUT = {
    "rotated": "leakguard rotate {incident}",
    "proven": "leakguard rotate {incident}",
    "evidence-captured": "leakguard evidence add {incident} FILE",
    "gate-installed": "leakguard install",
}
"""Facts that follow from the record, and what makes them true; nobody can just say them."""

SERIOUS = 1
"""Levels up to this one need a second person for what cannot be taken back."""

WAYS: dict[SecretState, tuple[SecretState, ...]] = {
    SecretState.IDENTIFIED: (
        SecretState.STAGED,
        SecretState.ISSUED,
        SecretState.QUARANTINED,
        SecretState.REVOKED,
    ),
    SecretState.STAGED: (SecretState.ISSUED, SecretState.QUARANTINED, SecretState.REVOKED),
    SecretState.ISSUED: (SecretState.DISTRIBUTED, SecretState.QUARANTINED, SecretState.REVOKED),
    SecretState.DISTRIBUTED: (SecretState.CUTOVER, SecretState.QUARANTINED, SecretState.REVOKED),
    SecretState.CUTOVER: (SecretState.QUARANTINED, SecretState.REVOKED),
    SecretState.QUARANTINED: (SecretState.REVOKED, SecretState.DEAD),
    SecretState.REVOKED: (SecretState.DEAD,),
    SecretState.DEAD: (SecretState.RETIRED, SecretState.REVOKED),
    SecretState.RETIRED: (SecretState.REVOKED,),
}
"""Which state may follow which. Back from dead to revoked: the proof was overtaken."""


def finish(
    incident: Incident, key: str, event: ev.StepDone, facts: Facts, second: bool = True
) -> list[Gap]:
    """What keeps a step from being recorded as done; `second`: somebody else agreed."""
    if event.outcome != "succeeded":
        return []
    task = incident.tasks[key]
    return [
        *_before(incident, task),
        *_facts(incident, task, facts),
        *_asks(incident, task, event),
        *([] if second else _alone(incident, task)),
    ]


def skip(incident: Incident, key: str, event: ev.StepSkipped, actor: str) -> list[Gap]:
    """A mandatory step is not skipped alone."""
    task = incident.tasks[key]
    if not task.step.mandatory or _second(event.approver, actor):
        return []
    return [
        Gap(
            "G-38",
            f"{key} is mandatory; somebody else has to agree",
            f"leakguard skip {incident.id} {key} --reason ... --approver NAME",
        )
    ]


def move(incident: Incident, event: ev.SecretMoved) -> list[Gap]:
    """Whether a credential may go to a state."""
    secret, state = incident.secrets[event.secret], SecretState(event.state)
    number = incident.id
    if state is secret.state:
        return []
    if state not in WAYS[secret.state]:
        if ORDER.index(state) < ORDER.index(secret.state):
            what = f"{secret.id} leaked; it is never put back in use"
            return [Gap("G-12", what, f"leakguard rotate {number} --secret {secret.id}")]
        what = f"{secret.id} is {secret.state}; {state} comes later"
        return [Gap("G-02", what, f"leakguard rotate {number} --secret {secret.id}")]
    if state is SecretState.DEAD and not dead(incident, event.secret):
        what = f"a claim is no proof that {secret.id} is dead"
        how = f"leakguard evidence add {number} FILE --proves dead --of {secret.id}"
        return [Gap("G-02", what, how)]
    return []


def prove(incident: Incident, event: ev.Proved, approver: str, actor: str) -> list[Gap]:
    """A proof of death, or that a copy is gone, comes after the revocation.

    Somebody's mere word needs a second person.
    """
    gaps = []
    if event.kind == "gone" and event.subject in incident.copies and event.holds:
        gaps += close_copy(incident, event.subject, "confirmed-gone")
    if event.kind == "dead" and event.subject in incident.secrets and event.holds:
        secret = incident.secrets[event.subject]
        if secret.state not in STOPPED:
            gaps.append(
                Gap(
                    "G-02",
                    f"{secret.id} was not revoked yet; what is refused today may work tomorrow",
                    f"leakguard rotate {incident.id} --secret {secret.id}",
                )
            )
    alone = event.method == "attestation" and not _second(approver, actor)
    if alone and incident.level <= SERIOUS and event.kind == "dead":
        gaps.append(
            Gap(
                "G-02",
                "somebody's word is the weakest proof; at this level a second person agrees",
                f"leakguard evidence add {incident.id} FILE --proves dead --of {event.subject} "
                "--approver NAME",
            )
        )
    return gaps


def close_copy(incident: Incident, copy: str, state: str) -> list[Gap]:
    """A copy is not called gone while what stood there still works."""
    if state in ("removal-requested", "persists", "unverifiable"):
        return []
    kept = incident.secrets[incident.copies[copy].added.secret]
    if kept.state in STOPPED:
        return []
    what = f"{kept.id} still works; removing a copy does not help"
    return [Gap("G-01", what, f"leakguard rotate {incident.id} --secret {kept.id}")]


def false_positive(incident: Incident, approver: str, actor: str) -> list[Gap]:
    """Not while the credential works, and not alone at a serious level."""
    gaps = []
    if _works(incident):
        gaps.append(
            Gap("G-01", "the credential was seen working", f"leakguard rotate {incident.id}")
        )
    if incident.level <= SERIOUS and not _second(approver, actor):
        how = f"leakguard dismiss {incident.id} --reason ... --approver NAME"
        gaps.append(_two("calling it false", "G-01", how))
    return gaps


def except_consumer(incident: Incident, consumer: str, approver: str, actor: str) -> list[Gap]:
    """At a serious level nobody accepts alone that a consumer stays unproven."""
    if incident.level > SERIOUS or _second(approver, actor):
        return []
    how = f"leakguard consumers except {incident.id} {consumer} --reason ... --approver NAME"
    return [_two("leaving a consumer unproven", "G-03", how)]


def lower(incident: Incident, level: int, approver: str, actor: str) -> list[Gap]:
    """The level goes down only when people decide so, two of them at a serious level."""
    if level <= incident.level or incident.level > SERIOUS or _second(approver, actor):
        return []
    how = f"leakguard lower {incident.id} --to {level} --reason ... --approver NAME"
    return [_two("lowering the level", "G-32", how)]


def take_role(incident: Incident, event: ev.RoleTaken) -> list[Gap]:
    """At the worst level the one who coordinates does not also fix."""
    pair = {"commander": "fixer", "fixer": "commander"}.get(event.role)
    if pair and incident.roles.get(pair) == event.who and incident.level == 0:
        if len(incident.people | set(incident.roles.values())) < 2:
            return []
        what = f"{event.who} is {pair} already; at this level two people share that"
        return [Gap("G-30", what, f"leakguard assign {incident.id} --role {event.role} --to OTHER")]
    return []


def review(event: ev.LogReviewed, number: str = "INCIDENT") -> list[Gap]:
    """A log that its reader could have edited proves no absence (G-09, V-17)."""
    clean = event.verdict == "no-unauthorised-access"
    if not clean or event.tamper_evident or event.cross_checked:
        return []
    return [
        Gap(
            "G-09",
            "that log can be edited by whoever writes it; alone it cannot show that nobody came",
            f"leakguard review add {number} {event.secret} --source LOG "
            f"--verdict {event.verdict} --cross-checked-with SOURCE",
        )
    ]


def reopenable(incident: Incident) -> bool:
    """Whether it is past the point where `reopen` means something."""
    return incident.status not in (Status.SUSPECTED, Status.DECLARED)


def _before(incident: Incident, task: Task) -> Iterator[Gap]:
    number = incident.id
    for key in task.step.depends_on:
        before = incident.tasks.get(key)
        if before is not None and not before.settled:
            yield Gap("G-01", f"{key} comes first: {before.step.title}",
                      f"leakguard done {number} {key}")  # fmt: skip
    if task.step.destructive and not incident.evidence:
        yield Gap("G-28", "this destroys evidence, and none was kept",
                  f"leakguard evidence add {number} FILE")  # fmt: skip
    if task.step.proves == "gone":
        for secret in incident.secrets.values():
            if secret.state not in STOPPED:
                yield Gap("G-01", f"{secret.id} still works; removing a copy does not help",
                          f"leakguard rotate {number} --secret {secret.id}")  # fmt: skip


def _facts(incident: Incident, task: Task, facts: Facts) -> Iterator[Gap]:
    for name, values in task.step.needs.items():
        if not fits({name: values}, facts):
            wanted = " or ".join(values)
            usual = f"leakguard respond {incident.id} --fact {name}={values[0]}"
            how = WORKED_OUT.get(name, usual).replace("{incident}", incident.id)
            yield Gap("G-14", f"{task.step.key} needs {name} to be {wanted}", how)


def _asks(incident: Incident, task: Task, event: ev.StepDone) -> Iterator[Gap]:
    step, number = task.step, incident.id
    what = f"{step.key} asks for proof: {step.verification}"
    if event.evidence:
        return
    if step.proves in ("dead", "live-new") and step.subject:
        yield Gap("G-02", what, f"leakguard evidence add {number} FILE --of {step.subject} "
                                f"--proves {step.proves}")  # fmt: skip
    elif step.proves == "switch":
        yield Gap("G-03", what, f"leakguard consumers confirm {number} {step.subject} "
                                "--method probe --detail SEEN")  # fmt: skip


def _second(approver: str, actor: str) -> bool:
    return bool(approver) and approver.casefold() != actor.casefold()


def _two(what: str, guard: str, how: str) -> Gap:
    return Gap(guard, f"{what} at this level takes a second person", how)


def _alone(incident: Incident, task: Task) -> list[Gap]:
    """What cannot be taken back is not done alone at a serious level (G-19)."""
    if task.step.risk is not Risk.IRREVERSIBLE or incident.level > SERIOUS:
        return []
    how = f"leakguard done {incident.id} {task.step.key} --approver NAME"
    return [_two(f"{task.step.key} cannot be taken back; doing it", "G-19", how)]


def _works(incident: Incident) -> bool:
    """Whether any of the credentials was seen working: said so, or its last proof failed."""
    if any(name == "validity" and told.value == "active"
           for (name, _), told in incident.stated.items()):  # fmt: skip
        return True
    proofs = [[one for _, one in kept.proofs if one.kind == "dead"]
              for kept in incident.secrets.values()]  # fmt: skip
    return any(one and not one[-1].holds for one in proofs)
