"""A half that leaked earlier, and the other half now: one case, and a worse one (V-05, D-13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leakguard import event as ev
from leakguard.incident import Incident
from leakguard.respond import classify
from leakguard.respond.companions import CompanionSet, Dump, evaluate


def completed(
    earlier: Sequence[Incident], new: Incident, sets: Sequence[CompanionSet]
) -> Incident | None:
    """The oldest of the incidents whose half `new` completes, or may complete; None without one.

    Halves of several incidents count together, as the shares of one key do. Whether parts that
    were found apart belong together only a person knows; until somebody says no, they do (V-02).
    """
    for one in sets:
        halves = [kept for kept in earlier if _is_half(kept, one)]
        if halves and _open(one, [*halves, new]):
            return min(halves, key=lambda kept: kept.opened_at)
    return None


def _is_half(incident: Incident, one: CompanionSet) -> bool:
    dumps, answers = classify.dumps_of(incident), classify.answers(incident)
    return any(result.state == "half" for result in evaluate([one], dumps, answers))


def _open(one: CompanionSet, incidents: Sequence[Incident]) -> bool:
    """Whether everything that these incidents hold opens what the set opens."""
    dumps = [
        _renamed(dump, incident.id)
        for incident in incidents
        for dump in classify.dumps_of(incident)
    ]
    return any(result.open for result in evaluate([one], dumps, {}))


def joined(earlier: Incident, events: Sequence[ev.Event]) -> list[ev.Event]:
    """The first events of a new incident as further events of an earlier one."""
    secrets: dict[str, str] = {}
    told: list[ev.Event] = []
    copies = len(earlier.copies)
    consumers = len(earlier.consumers)
    for event in events:
        match event:
            case ev.SecretAdded():
                secrets[event.secret] = f"S{len(earlier.secrets) + len(secrets) + 1}"
                told.append(replace(event, secret=secrets[event.secret]))
            case ev.ExposureAdded():
                copies += 1
                told.append(replace(event, exposure=f"X{copies}", secret=secrets[event.secret]))
            case ev.ConsumerAdded():
                consumers += 1
                told.append(replace(event, consumer=f"C{consumers}", secret=secrets[event.secret]))
            case ev.Opened():
                told.append(ev.Noted(f"the other half was found: {event.title}"))
            case ev.Stated() if event.fact != "confidence":
                told.append(replace(event, subject=secrets.get(event.subject, event.subject)))
            case _:
                pass
    return told


def _renamed(dump: Dump, incident: str) -> Dump:
    """The same dump with names that no other incident has."""
    items = tuple(replace(one, secret=f"{incident}:{one.secret}") for one in dump.items)
    return Dump(f"{incident}:{dump.id}", items, dump.linked)
