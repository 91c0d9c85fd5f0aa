"""What an incident still lacks before it may go on. Each gap comes with the command that fills it.

The ids (G-01 ...) are those of the catalogue in docs/guards.md. A status is never
claimed: it is reached when the record holds what it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from leakguard.incident import (
    PATH,
    PROVEN,
    STOPPED,
    Incident,
    LeakedSecret,
    SecretState,
    Status,
    StepState,
    Task,
)
from leakguard.playbook import Phase
from leakguard.respond.due import blocked_at


class Gap(NamedTuple):
    """One missing thing: the guard that asks for it, what it is, what supplies it."""

    guard: str
    what: str
    command: str


def next_status(incident: Incident) -> Status | None:
    """The status after the present one, or None at an end."""
    if incident.over:
        return None
    return PATH[PATH.index(incident.status) + 1]


def gaps(incident: Incident, status: Status, *, chain_intact: bool = True) -> list[Gap]:
    """Everything that keeps the incident from `status`; empty when it may go there.

    What an earlier status stood for is asked again: a proof may have been
    overtaken since.
    """
    if status not in PATH or incident.status not in PATH:
        return [Gap("G-01", f"a {incident.status} incident cannot become {status}",
                    f"leakguard reopen {incident.id} --reason ...")]  # fmt: skip
    here, there = PATH.index(incident.status), PATH.index(status)
    if there != here + 1:
        way = " -> ".join(PATH[here : here + 2])
        return [Gap("G-01", f"the next step is {way}", f"leakguard advance {incident.id}")]
    missing = [gap for one in PATH[2 : there + 1] for gap in _NEEDS[one](incident)]
    if status is Status.CLOSED and not chain_intact:
        missing.append(Gap("G-20", "the record's chain does not verify", "leakguard audit verify"))
    return list(dict.fromkeys(missing))


def told_nobody(incident: Incident) -> bool:
    """Whether the policy says that nobody has to be told, as for what never left the machine."""
    return incident.severity is not None and incident.severity.notification == "none"


def exposed(incident: Incident) -> bool:
    """Whether a copy may have been read by somebody."""
    return any(copy.added.channel != "local-commit" for copy in incident.copies.values())


def dead(incident: Incident, secret: str) -> bool:
    """Whether the last proof that came after the revocation shows it dead (G-02, G-22)."""
    kept = incident.secrets[secret]
    ended = [at for state, at in kept.moved.items() if state in (
        SecretState.REVOKED, SecretState.QUARANTINED)]  # fmt: skip
    proofs = [(at, proof) for at, proof in kept.proofs if proof.kind == "dead"]
    if not ended or not proofs:
        return False
    at, last = proofs[-1]
    return last.holds and at >= max(ended)


def was_sent(incident: Incident, template: str) -> bool:
    """Whether a message of this kind left."""
    return any(
        message.draft.template == template and message.state == "sent"
        for message in incident.messages.values()
    )


def _contained(incident: Incident) -> Iterator[Gap]:
    number = incident.id
    for secret in incident.secrets.values():
        if secret.state not in STOPPED:
            yield Gap("G-01", f"{secret.id} ({secret.name}) is {secret.state}, not yet revoked",
                      f"leakguard rotate {number} --secret {secret.id}")  # fmt: skip
    if not incident.secrets:
        yield Gap(
            "G-08",
            "nobody said which secret leaked",
            f"leakguard secret add {number} --class provider-api-key --label LABEL",
        )
    for copy in incident.copies.values():
        if copy.state == "found" and copy.added.channel != "local-commit":
            yield Gap(
                "G-28",
                f"nothing was done about {copy.id} ({copy.added.where})",
                f"leakguard exposure close {number} {copy.id} --state removal-requested",
            )
    if exposed(incident):
        if "commander" not in incident.roles:
            yield Gap("G-36", "nobody is in command",
                      f"leakguard assign {number} --role commander")  # fmt: skip
        if not incident.evidence:
            yield Gap("G-28", "no evidence was kept", f"leakguard evidence add {number} FILE")
    if not told_nobody(incident) and not was_sent(incident, "declaration"):
        yield Gap("G-04", "the declaration was not sent",
                  f"leakguard notice {number} declaration --send")  # fmt: skip
    yield from _unknown(incident)


def _eradicated(incident: Incident) -> Iterator[Gap]:
    number = incident.id
    for secret in incident.secrets.values():
        if secret.state not in PROVEN or not dead(incident, secret.id):
            yield Gap("G-02", f"nothing proves that {secret.id} ({secret.name}) is dead",
                      _proof_of_death(number, secret))  # fmt: skip
    for copy in incident.copies.values():
        if copy.state in ("found", "removal-requested"):
            yield Gap(
                "G-07",
                f"it is not known what became of {copy.id} ({copy.added.where})",
                f"leakguard exposure close {number} {copy.id} --state unverifiable",
            )
    yield from _open_steps(incident, Phase.CONTAIN)


def _recovered(incident: Incident) -> Iterator[Gap]:
    number = incident.id
    for consumer in incident.consumers.values():
        if not consumer.settled:
            name = f"{consumer.id} ({consumer.added.name})"
            yield Gap("G-03", f"nothing shows that {name} uses the new value",
                      f"leakguard consumers confirm {number} {consumer.id} --method probe "
                      "--detail SEEN")  # fmt: skip
    for secret in incident.secrets.values():
        if not secret.counted:
            yield Gap("G-03", f"nobody said whether all consumers of {secret.id} are listed",
                      f"leakguard consumers complete {number} {secret.id}")  # fmt: skip
    for key, task in incident.tasks.items():
        if task.step.id.startswith("undo-") and not task.settled and _is_set(incident, task):
            yield Gap("G-33", f"a temporary block is still there: {task.step.title}",
                      f"leakguard done {number} {key}")  # fmt: skip
    yield from _open_steps(incident, Phase.RECOVER)


def _reviewing(incident: Incident) -> Iterator[Gap]:
    number = incident.id
    if exposed(incident):
        for secret in incident.secrets.values():
            if not secret.reviews:
                yield Gap("G-15", f"the access logs of {secret.id} were not reviewed",
                          f"leakguard review add {number} {secret.id} --source LOG "
                          "--verdict cannot-determine")  # fmt: skip
    for name, (found, decided) in incident.anomalies.items():
        if decided is None:
            yield Gap(
                "G-15",
                f"{name} is undecided: {found.detail}",
                f"leakguard review decide {number} {name} --as cannot-determine --why ...",
            )
    yield from _open_steps(incident, Phase.INVESTIGATE)


def _closed(incident: Incident) -> Iterator[Gap]:
    number = incident.id
    if incident.post_mortem is None or incident.post_mortem.state not in ("published", "waived"):
        yield Gap("G-06", "the post-mortem is not published",
                  f"leakguard post-mortem {number} --published LINK")  # fmt: skip
    if not incident.mitigations:
        yield Gap("G-06", "nothing was done about the way it leaked",
                  f"leakguard mitigate {number} --vector source-code --with WHAT "
                  "--shipped COMMIT")  # fmt: skip
    for message in incident.messages.values():
        if message.state == "unknown":
            yield Gap("G-16", f"nobody knows whether {message.id} was sent (--sent, --not-sent)",
                      f"leakguard notice {number} --settle {message.id} --not-sent")  # fmt: skip
    if incident.hold:
        yield Gap("G-38", f"it waits for: {incident.hold}", f"leakguard hold {number} --off")
    yield from _open_steps(incident, Phase.LEARN)


_NEEDS: dict[Status, Callable[[Incident], Iterator[Gap]]] = {
    Status.CONTAINED: _contained,
    Status.ERADICATED: _eradicated,
    Status.RECOVERED: _recovered,
    Status.REVIEWING: _reviewing,
    Status.CLOSED: _closed,
}


def _unknown(incident: Incident) -> Iterator[Gap]:
    for key, task in incident.tasks.items():
        if task.state is StepState.UNKNOWN:
            yield Gap("G-16", f"the outcome of {key} is unknown; say succeeded or failed",
                      f"leakguard done {incident.id} {key} --outcome failed")  # fmt: skip


def _open_steps(incident: Incident, phase: Phase) -> Iterator[Gap]:
    yield from _unknown(incident)
    for key in _wanted(incident, phase):
        yield Gap("G-38", f"{key} is open: {incident.tasks[key].step.title}",
                  f"leakguard done {incident.id} {key}")  # fmt: skip


def _wanted(incident: Incident, phase: Phase) -> list[str]:
    """The open mandatory steps of a phase, and before each what it waits for, of any phase."""
    found: dict[str, None] = {}
    for key, task in incident.tasks.items():
        wanted = task.step.mandatory and task.step.phase is phase
        if wanted and not task.step.id.startswith("undo-"):
            _collect(incident, key, found, set())
    return list(found)


def _collect(incident: Incident, key: str, found: dict[str, None], seen: set[str]) -> None:
    task = incident.tasks.get(key)
    if task is None or task.settled or key in found or key in seen:
        return
    seen.add(key)  # ends a circle, should a store hold one
    for before in task.step.depends_on:
        _collect(incident, before, found, seen)
    found[key] = None


def _is_set(incident: Incident, task: Task) -> bool:
    """Whether the block that this step takes back was set, for the same subject."""
    return blocked_at(incident, task.step) is not None


def _proof_of_death(number: str, secret: LeakedSecret) -> str:
    """The rotation that was run knocks again; else somebody brings the evidence."""
    if secret.rotation:
        return f"leakguard rotate {number} --secret {secret.id} --probe"
    return f"leakguard evidence add {number} FILE --proves dead --of {secret.id} --method probe"
