"""A half that leaked earlier, and the other half now: one case, and a worse one (V-05, D-13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leakguard import event as ev
from leakguard.incident import Incident
from leakguard.respond import classify
from leakguard.respond.companions import CompanionSet, Dump, Item, evaluate


def completed(earlier: Incident, new: Incident, sets: Sequence[CompanionSet]) -> tuple[str, ...]:
    """The sets of which `earlier` held a half that `new` completes, or may complete.

    Whether parts that were found apart belong together only a person knows;
    until somebody says no, they do (V-02).
    """
    before = {
        one.set: one
        for one in evaluate(sets, classify.dumps_of(earlier), classify.answers(earlier))
    }
    halves = [name for name, one in before.items() if one.state == "half"]
    if not halves:
        return ()
    both = [*classify.dumps_of(earlier), *(_renamed(one) for one in classify.dumps_of(new))]
    chosen = [one for one in sets if one.id in halves]
    return tuple(one.set for one in evaluate(chosen, both, {}) if one.open)


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


def _renamed(dump: Dump) -> Dump:
    """The same dump with names that no secret of the earlier incident has."""
    items = tuple(_item(one) for one in dump.items)
    return Dump(f"new:{dump.id}", items, dump.linked)


def _item(item: Item) -> Item:
    return replace(item, secret=f"new:{item.secret}")
