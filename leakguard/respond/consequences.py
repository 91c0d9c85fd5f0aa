"""What follows from what was recorded: the level, and the checklist of exactly this case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from leakguard import event as ev
from leakguard.event import Entry
from leakguard.facts import Facts
from leakguard.history import apply
from leakguard.incident import PROVEN, Incident, StepState
from leakguard.playbook import Fragment, Step, step_fields
from leakguard.preset import Preset
from leakguard.respond import classify
from leakguard.respond.companions import CompanionSet, Result, evaluate
from leakguard.respond.compose import Checklist, compose
from leakguard.respond.guards import dead
from leakguard.respond.questions import Question, questions
from leakguard.respond.severity import SeverityPolicy, judge_all, rejudge
from leakguard.respond.shown import shown


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that is known beside the case. `rotatable`: classes that a rotation script exists for."""

    preset: Preset
    policy: SeverityPolicy
    sets: tuple[CompanionSet, ...]
    fragments: tuple[Fragment, ...]
    playbooks: str
    rotatable: frozenset[str] = frozenset()


def opening(events: Sequence[ev.Event], known: Knowledge, now: datetime) -> list[ev.Event]:
    """The first events of an incident, and what follows from them."""
    return [*events, *following(provisional(events, now), known, now)]


def with_consequences(
    incident: Incident, events: Sequence[ev.Event], known: Knowledge, now: datetime
) -> list[ev.Event]:
    """The events, and what follows; nothing follows from nothing, or once it is over."""
    if incident.over and any(map(_begins_anew, events)):
        events = [ev.Reopened("something was added that nobody knew of"), *events]
    after = _after(incident, events, now)
    if not events or after.over:
        return [*events]
    again = overturned(incident, after)
    return [*events, *again, *following(_after(after, again, now), known, now)]


def provisional(events: Sequence[ev.Event], now: datetime) -> Incident:
    """An incident as it would be, before it has a number."""
    first = apply(None, Entry(1, "LG-0000-0000", now, "", events[0]))
    return _after(first, events[1:], now)


def asked(events: Sequence[ev.Event], known: Knowledge, now: datetime) -> tuple[Question, ...]:
    """What nobody but a person can say, before the incident is opened."""
    incident = provisional(events, now)
    results = companions(incident, known)
    return questions(incident, classify.facts_of(incident, results), results)


def following(incident: Incident, known: Knowledge, now: datetime) -> list[ev.Event]:
    """A worse level, if there is one, the checklist, if it changed, and what a rotation settled."""
    results = companions(incident, known)
    events: list[ev.Event] = []
    judged = judge_all(known.policy, classify.cases(incident, results), known.preset, results)
    worse = rejudge(incident.severity, judged, known.preset)
    if worse is not None:
        events.append(worse)
        incident = _after(incident, [worse], now)
    steps = checklist(incident, known, results).steps
    if _changed(incident, steps):
        composed = ev.ChecklistComposed(tuple(map(step_fields, steps)), known.playbooks)
        events.append(composed)
        incident = _after(incident, [composed], now)
    while done := settled(incident):  # one may let the next one settle
        events += done
        incident = _after(incident, done, now)
    return events


def settled(incident: Incident) -> list[ev.StepDone]:
    """The steps that a rotation took over, and those that the record itself shows to be done."""
    done = []
    for key, task in incident.tasks.items():
        if task.settled or not all(_is_settled(incident, one) for one in task.step.depends_on):
            continue
        said = _rotated(incident, task.step) or shown(incident, task.step)
        if said:
            done.append(ev.StepDone(key, said))
    return done


def overturned(before: Incident, now: Incident) -> list[ev.StepReopened]:
    """The steps that were done, and whose proof a late fact has taken back."""
    again = []
    for key, task in now.tasks.items():
        was = before.tasks.get(key)
        if was is not None and was.settled and task.state is StepState.DONE:
            said = shown(before, was.step)
            if said and not shown(now, task.step):
                again.append(ev.StepReopened(key, f"this holds no more: {said}"))
    return again


def _is_settled(incident: Incident, key: str) -> bool:
    return key not in incident.tasks or incident.tasks[key].settled


def _rotated(incident: Incident, step: Step) -> str:
    """The rotation that did a step, once it has proven the old value dead."""
    secret = incident.secrets.get(step.subject)
    if secret is None or not secret.rotation or not step.automated_by:
        return ""
    ended = secret.state in PROVEN and dead(incident, secret.id)
    return f"by rotation {secret.rotation}" if ended else ""


def companions(incident: Incident, known: Knowledge) -> tuple[Result, ...]:
    """What is known of the sets that the secrets belong to."""
    return evaluate(known.sets, classify.dumps_of(incident), classify.answers(incident))


def checklist(incident: Incident, known: Knowledge, results: Sequence[Result]) -> Checklist:
    """The checklist of the case as it is now."""
    preset, rotatable = known.preset, known.rotatable
    return compose(
        known.fragments,
        classify.facts_of(incident, results, preset=preset, rotatable=rotatable),
        [
            (one, classify.secret_facts(incident, one, results, preset=preset, rotatable=rotatable))
            for one in incident.secrets
        ],
        [(name, classify.copy_facts(incident, name, results)) for name in incident.copies],
        tuple(incident.consumers),
        owners={one.id: one.added.secret for one in incident.copies.values()}
        | {one.id: one.added.secret for one in incident.consumers.values()},
    )


def facts_for(incident: Incident, subject: str, known: Knowledge) -> Facts:
    """What is known for one step: of its secret or copy, else of the whole incident."""
    results = companions(incident, known)
    if subject in incident.secrets:
        return classify.secret_facts(incident, subject, results, preset=known.preset)
    if subject in incident.copies:
        return classify.copy_facts(incident, subject, results)
    return classify.facts_of(incident, results, preset=known.preset)


def _begins_anew(event: ev.Event) -> bool:
    """What an incident that is over cannot hold: one more secret or place, a life after death."""
    alive = isinstance(event, ev.Proved) and event.kind == "dead" and not event.holds
    return alive or isinstance(event, ev.SecretAdded | ev.ExposureAdded)


def _changed(incident: Incident, steps: Sequence[Step]) -> bool:
    """Whether the checklist says something else now. Steps that only remain from before do not."""
    before = {key: task.step for key, task in incident.tasks.items()}
    now = {step.key: step for step in steps}
    gone = [key for key in before if key not in now and not incident.tasks[key].settled]
    return bool(gone) or any(before.get(key) != step for key, step in now.items())


def _after(incident: Incident, events: Sequence[ev.Event], now: datetime) -> Incident:
    for event in events:
        incident = apply(incident, Entry(incident.seq + 1, incident.id, now, "", event))
    return incident
