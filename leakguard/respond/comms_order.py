"""In which order messages may leave, who has to agree, and when the next one is due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from leakguard.incident import STOPPED, Incident, Message, SecretState, Status
from leakguard.preset import Preset, Span
from leakguard.respond import comms_state as state
from leakguard.respond.actions import SERIOUS
from leakguard.respond.comms import Template, seal
from leakguard.respond.guards import Gap, dead, told_nobody, was_sent

STATUS_PAGE = (timedelta(minutes=20), timedelta(hours=2))
"""While the public waits: an update at least this often, for this long; then the ladder's own."""


class Update(NamedTuple):
    """A promise to say something."""

    at: datetime
    overdue: bool


def may_send(
    incident: Incident, template: Template, message: Message | None = None, subject: str = ""
) -> list[Gap]:
    """Everything that keeps a message from leaving, all at once; empty when it may.

    Without `message` only what does not depend on the draft is looked at.
    """
    found = list(_always(incident, template))
    for rule in template.order:
        found += RULES[rule](incident, subject)
    if message is not None:
        found += [*_agreed(incident, template, message), *_fresh(incident, template, message)]
    return found


def next_update(
    incident: Incident, preset: Preset, now: datetime, timer: str = "cadence"
) -> Update | None:
    """When people were promised to hear again, and whether that is past.

    Counts from the last message inside (for `status-page`, on that page), else
    from the declaration. None when nothing is due any more, or in a drill.
    """
    if incident.over or incident.opened.drill or told_nobody(incident):
        return None
    audiences = ("status-page",) if timer == "status-page" else ("internal", "executive")
    sent = [
        at
        for message in incident.messages.values()
        if message.draft.audience in audiences
        for at, _ in message.sent
    ]
    if not sent and timer == "status-page":
        return None
    start = max(sent) if sent else incident.reached.get(Status.DECLARED, incident.opened_at)
    at = coming_update(incident, preset, start, timer)
    return None if at is None else Update(at, overdue=now > at)


def coming_update(
    incident: Incident, preset: Preset, start: datetime, timer: str
) -> datetime | None:
    """The end of a span of `timer` that begins at `start`; None where nothing is due."""
    often, long = STATUS_PAGE
    begun = incident.reached.get(Status.DECLARED, incident.opened_at)
    if timer == "status-page" and start - begun < long:
        return start + often
    name = timer if timer in preset.timers else "cadence"
    span = preset.span(name, incident.level)
    return None if span is None else start + _length(span)


def _length(span: Span) -> timedelta:
    """Business days count as days: an update comes rather too early than too late."""
    return timedelta(seconds=span.seconds, days=span.business_days)


def _always(incident: Incident, template: Template) -> Iterator[Gap]:
    number = incident.id
    if incident.status is Status.MERGED:
        yield Gap("G-04", f"{number} goes on in {incident.merged_into}; tell people from there",
                  f"leakguard notice {incident.merged_into} {template.id}")  # fmt: skip
    if incident.status is Status.SUSPECTED and template.leaves and template.audience != "reporter":
        yield Gap("G-04", "it is a suspicion so far; nobody outside is told of that",
                  f"leakguard advance {number}")  # fmt: skip
    if incident.opened.drill and template.leaves:
        yield Gap("G-31", "a drill does not leave the organisation",
                  f"leakguard notice {number} {template.id}")  # fmt: skip
    if incident.level > template.from_level:
        yield Gap("G-04", f"a {template.title.lower()} is for worse levels",
                  f"leakguard notice {number} status")  # fmt: skip


def _declared(incident: Incident, _subject: str) -> Iterator[Gap]:
    if not was_sent(incident, "declaration"):
        yield Gap("G-04", "people inside come first: the declaration was not sent",
                  f"leakguard notice {incident.id} declaration --send")  # fmt: skip


def _briefed(incident: Incident, _subject: str) -> Iterator[Gap]:
    if incident.level <= SERIOUS and not was_sent(incident, "executive-brief"):
        yield Gap("G-04", "at this level the executive brief is sent before outsiders hear of it",
                  f"leakguard notice {incident.id} executive-brief --send")  # fmt: skip


def _secrets(incident: Incident, subject: str) -> Iterator[str]:
    """The secrets that a message about `subject` speaks of."""
    copy = incident.copies.get(subject)
    if copy is not None:
        same = {one.added.secret for one in incident.copies.values()
                if one.added.where == copy.added.where}  # fmt: skip
        yield from sorted(same)
    elif subject in incident.secrets:
        yield subject
    else:
        yield from incident.secrets


def _rotated(incident: Incident, subject: str) -> Iterator[Gap]:
    for name in _secrets(incident, subject):
        secret = incident.secrets[name]
        if secret.state not in STOPPED - {SecretState.QUARANTINED}:
            what = f"{name} still works; asking to remove a copy points at it"
            yield Gap("G-01", what, f"leakguard rotate {incident.id} --secret {name}")


def _dead(incident: Incident, subject: str) -> Iterator[Gap]:
    for name in _secrets(incident, subject):
        if state.until(incident, name) is None or not dead(incident, name):
            yield Gap("G-02", f"nothing proves that {name} is dead",
                      f"leakguard rotate {incident.id} --secret {name} --probe")  # fmt: skip


def _dead_or_dated(incident: Incident, subject: str) -> Iterator[Gap]:
    for name in _secrets(incident, subject):
        if state.until(incident, name) is None and not incident.fact("valid-until", name):
            what = f"nothing proves that {name} is dead, nor is it said until when it works"
            how = f"leakguard respond {incident.id} --fact valid-until=TIME --subject {name}"
            yield Gap("G-02", what, how)


def _tenant(incident: Incident, subject: str) -> Iterator[Gap]:
    if subject and not state.tenant_result(incident, subject):
        yield Gap("G-11", f"the rotation for {subject} has neither finished nor failed",
                  f"leakguard rotate {incident.id}")  # fmt: skip


def _ready(incident: Incident, _subject: str) -> Iterator[Gap]:
    if incident.status not in (Status.REVIEWING, Status.CLOSED):
        yield Gap("G-15", f"it is {incident.status}; a resolution is told after the log review",
                  f"leakguard advance {incident.id}")  # fmt: skip


def _concluded(incident: Incident, _subject: str) -> Iterator[Gap]:
    if state.verdict(incident) == state.PENDING:
        yield Gap("G-15", "the review of the access logs has no verdict yet",
                  f"leakguard review add {incident.id} --source LOG --verdict VERDICT")  # fmt: skip


RULES: dict[str, Callable[[Incident, str], Iterator[Gap]]] = {
    "after-declaration": _declared,
    "after-executive-brief": _briefed,
    "after-rotation": _rotated,
    "after-proof": _dead,
    "after-proof-or-date": _dead_or_dated,
    "after-tenant": _tenant,
    "after-review": _ready,
    "after-verdict": _concluded,
}
"""What a template's `order` may name."""


def _agreed(incident: Incident, template: Template, message: Message) -> Iterator[Gap]:
    """The gate: who agreed to these words. At a serious level that is not their author."""
    if template.gate == "none":
        return
    serious = incident.level <= SERIOUS
    author = message.author.casefold()
    others = [one for one in message.approvals
              if not serious or one.approver.casefold() != author]  # fmt: skip
    command = f"leakguard notice {incident.id} --approve {message.id}"
    if message.approvals and not others:
        yield Gap("G-04", f"{message.author} wrote it; somebody else has to agree", command)
    elif not others:
        yield Gap("G-04", f"nobody agreed to {message.id}", command)
    if template.gate == "legal" and not any(one.role == "legal" for one in others):
        yield Gap("G-04", f"legal did not agree to {message.id}", f"{command} --role legal")


def _fresh(incident: Incident, template: Template, message: Message) -> Iterator[Gap]:
    """It is what was agreed to, the newest version, and did not leave before."""
    draft, number = message.draft, incident.id
    if seal(draft.subject, draft.text) != draft.sha256:
        yield Gap("G-20", f"{message.id} is not what its hash says", "leakguard audit verify")
    for other in incident.messages.values():
        same = template.per == "incident" or other.draft.subject == draft.subject
        if other.state == "unknown" and other.draft.template == draft.template and same:
            yield Gap("G-16", f"nobody knows whether {other.id} was sent",
                      f"leakguard notice {number} --settle {other.id} --sent")  # fmt: skip
    newer = [
        other.id
        for other in incident.messages.values()
        if other.draft.template == draft.template
        and other.draft.subject == draft.subject
        and other.draft.version > draft.version
    ]
    if newer:
        yield Gap("G-04", f"{newer[-1]} says it anew; send that",
                  f"leakguard notice {number} {draft.template} --send")  # fmt: skip
