"""When a step is due, and what is late. A drill and what never left the machine have no clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from leakguard.incident import Incident, SecretState, Status, StepState, Task
from leakguard.playbook import Step
from leakguard.preset import Preset, Span

Clock = Callable[[Incident, Step], datetime | None]

SATURDAY = 5


def due(step: Step, incident: Incident, preset: Preset) -> datetime | None:
    """When a step has to be done by; None when nothing is due, or its clock did not start.

    The clock starts when the incident was declared, again after a reopening;
    see leakguard.preset.TIMERS for the ones that start elsewhere. Nothing is
    due before what it waits for.
    """
    return Clocks(incident, preset).due(step)


class Clocks:
    """The due times of one incident, each reckoned once."""

    def __init__(self, incident: Incident, preset: Preset) -> None:
        self._incident, self._preset = incident, preset
        self._known: dict[str, datetime | None] = {}
        self._stopped = without_clocks(incident)

    def due(self, step: Step) -> datetime | None:
        """When a step has to be done by."""
        if self._stopped:
            return None
        if step.key not in self._known:
            own = _own(step, self._incident, self._preset)
            self._known[step.key] = own  # also ends a circle, should a store hold one
            self._known[step.key] = own and max([own, *self._before(step)])
        return self._known[step.key]

    def _before(self, step: Step) -> Iterator[datetime]:
        for key in step.depends_on:
            task = self._incident.tasks.get(key)
            if task is not None and is_open(task) and not _takes_back(task):
                at = self.due(task.step)
                if at is not None:
                    yield at


def _own(step: Step, incident: Incident, preset: Preset) -> datetime | None:
    if not step.due:
        return None
    span = preset.span(step.due, incident.level)
    begin = _START.get(step.due, _declared)(incident, step)
    return None if span is None or begin is None else after(begin, span)


def overdue(incident: Incident, preset: Preset, now: datetime) -> list[tuple[str, datetime]]:
    """What is late: each key of a step with its hour, the one that waits longest first."""
    if incident.over:
        return []
    clocks = Clocks(incident, preset)
    late = [
        (key, at)
        for key, task in incident.tasks.items()
        if is_open(task) and _counts(incident, task)
        if (at := clocks.due(task.step)) is not None and at < now
    ]
    return sorted(late, key=lambda one: (one[1], one[0]))


def next_due(incident: Incident, preset: Preset) -> tuple[str, datetime] | None:
    """The mandatory step whose hour comes first, past or not."""
    clocks = Clocks(incident, preset)
    coming = [
        (at, key)
        for key, task in incident.tasks.items()
        if is_open(task) and _counts(incident, task)
        if (at := clocks.due(task.step)) is not None
    ]
    return min(coming)[::-1] if coming and not incident.over else None


def is_open(task: Task) -> bool:
    """Whether something is left to do: also what failed, and what nobody knows the outcome of."""
    return not task.settled


def after(begin: datetime, span: Span) -> datetime:
    """The end of a span. Business days end with the day, UTC; Saturday and Sunday are none, a
    holiday is one: which there are depends on the place, and too early does no harm.
    """
    if not span.business_days:
        return begin + timedelta(seconds=span.seconds)
    day, left = begin.astimezone(UTC).date(), span.business_days
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < SATURDAY
    return datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)


def without_clocks(incident: Incident) -> bool:
    """Whether nothing is ever due: a drill, or a commit that never left the machine."""
    if incident.opened.drill:
        return True
    channels = {copy.added.channel for copy in incident.copies.values()}
    return channels == {"local-commit"}


def _takes_back(task: Task) -> bool:
    return task.step.id.startswith("undo-")


def _counts(incident: Incident, task: Task) -> bool:
    """An optional step is never late, nor the end of a block that nobody set."""
    if _takes_back(task):
        return blocked_at(incident, task.step) is not None
    return task.step.mandatory


def _declared(incident: Incident, _step: Step) -> datetime | None:
    return incident.reached.get(Status.DECLARED)


def _opened(incident: Incident, _step: Step) -> datetime | None:
    return incident.opened_at


def _suspected(incident: Incident, _step: Step) -> datetime | None:
    return incident.opened_at if incident.status is Status.SUSPECTED else None


def _issued(incident: Incident, step: Step) -> datetime | None:
    """The overlap begins with the new value; before that, the declaration counts."""
    moved = _moved(incident, step)
    return moved.get(SecretState.ISSUED) or _declared(incident, step)


def _ended(incident: Incident, step: Step) -> datetime | None:
    """What is deleted at last was deactivated or revoked before."""
    moved = _moved(incident, step)
    return moved.get(SecretState.REVOKED) or moved.get(SecretState.QUARANTINED)


def _moved(incident: Incident, step: Step) -> Mapping[SecretState, datetime]:
    secret = incident.secrets.get(step.subject)
    return secret.moved if secret else {}


def blocked_at(incident: Incident, step: Step) -> datetime | None:
    """When the block that a step takes back was set; None when it was not."""
    set_at = [
        task.at
        for task in incident.tasks.values()
        if task.step.undo_step == step.id and task.step.subject == step.subject
        if task.state is StepState.DONE and task.at is not None
    ]
    return max(set_at, default=None)


_START: Mapping[str, Clock] = {
    "suspicion": _suspected,
    "acknowledge": _opened,
    "remediate": _opened,
    "overlap": _issued,
    "destroy": _ended,
    "undo": blocked_at,
}
