"""The first events of an incident: what leaked, where it could be read, who uses it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from leakguard import event as ev
from leakguard.incident import Incident, Status
from leakguard.leak import Leak


@dataclass(frozen=True, slots=True)
class Reported:
    """A leak with all that was found out about it. `keyed` hides a finding's fingerprint."""

    leak: Leak
    source: str
    detected_at: str
    preset: str
    keyed: Callable[[str], str]
    title: str = ""
    label: str = ""
    environment: str = "unknown"
    confirmed: bool = True
    drill: bool = False
    exposures: tuple[ev.ExposureAdded, ...] = ()
    beside: tuple[Leak, ...] = ()
    uses: tuple[str, ...] = ()
    revoke: tuple[str, str] = ("", "")
    answers: tuple[ev.Stated, ...] = field(default=())


def events(told: Reported) -> list[ev.Event]:
    """Everything that a new incident begins with."""
    leak = told.leak
    opened = ev.Opened(
        told.title or _title(leak), told.source, told.detected_at, told.preset, told.confirmed,
        told.drill,
    )  # fmt: skip
    secrets = [_secret(told, leak, 1, "found")]
    secrets += [_secret(told, one, at, "companion") for at, one in enumerate(told.beside, 2)]
    consumers = [
        ev.ConsumerAdded(f"C{number}", "S1", path, "file", path, "search")
        for number, path in enumerate(told.uses, 1)
    ]
    stated = [ev.Stated("confidence", leak.confidence, why=f"the rule {leak.rule_id}")]
    if leak.validity != "unknown":
        stated.append(ev.Stated("validity", leak.validity, why=f"checked by {leak.tool}"))
    copies = [*told.exposures, *_copies_of_companions(told)]
    numbered = [replace(one, exposure=f"X{number}") for number, one in enumerate(copies, 1)]
    return [opened, *secrets, *numbered, *consumers, *stated, *told.answers]


def occurrence(now: Incident, secret: str, told: Reported) -> list[ev.Event]:
    """What a known secret's turning up again adds; one that was closed is opened again."""
    known = {_spot(copy.added) for copy in now.copies.values()}
    fresh = [one for one in told.exposures if _spot(one) not in known]
    added: list[ev.Event] = [
        replace(one, exposure=name, secret=secret)
        for name, one in zip(_names(now, secret, fresh), fresh, strict=True)
    ]
    listed = {one.added.where for one in now.consumers.values()}
    users = [path for path in told.uses if path not in listed]
    added += [
        ev.ConsumerAdded(f"C{number}", secret, path, "file", path, "search")
        for number, path in enumerate(users, len(now.consumers) + 1)
    ]
    if now.status is Status.FALSE_POSITIVE and not fresh:
        added.insert(0, ev.Reopened("it was found again, and taken for real"))
    return [*added, *told.answers]


def _names(now: Incident, secret: str, fresh: Sequence[ev.ExposureAdded]) -> Iterator[str]:
    """A number for each place; a commit that was only here, and is pushed now, keeps its own."""
    here = {
        _file(copy.added.where): copy.id
        for copy in now.copies.values()
        if copy.added.secret == secret and copy.added.channel == "local-commit"
    }
    free = count(len(now.copies) + 1)
    for one in fresh:
        same = "" if one.channel == "local-commit" else here.pop(_file(one.where), "")
        yield same or f"X{next(free)}"


def _file(where: str) -> str:
    """The file of a place, without its line and commit."""
    return re.split(r":\d+|\s\(commit ", where, maxsplit=1)[0]


def _spot(one: ev.ExposureAdded) -> tuple[str, str, str]:
    return one.channel, one.where, one.commit


def spot(leak: Leak) -> str:
    """What a leak was found together with: a file of a commit, or a log."""
    if not leak.places:
        return ""
    place = leak.places[0]
    return f"{place.path}@{place.commit[:12]}" if place.commit else place.path


def _secret(told: Reported, leak: Leak, number: int, reason: str) -> ev.SecretAdded:
    own = leak is told.leak
    return ev.SecretAdded(
        secret=f"S{number}",
        secret_class=leak.secret_class,
        rule_id=leak.rule_id,
        provider=leak.provider,
        preview=leak.preview,
        label=told.label if own else "",
        environment=told.environment,
        fingerprint=told.keyed(leak.fingerprint) if leak.fingerprint else "",
        finding=leak.id[:6] if leak.places or leak.fingerprint else "",
        reason=reason,
        dump=spot(told.leak),
        revoke_url=told.revoke[0] if own else "",
        revoke_how=told.revoke[1] if own else "",
    )


def _copies_of_companions(told: Reported) -> Iterable[ev.ExposureAdded]:
    """What stood beside the leak could be read by the same people."""
    for number, _ in enumerate(told.beside, 2):
        for one in told.exposures:
            yield replace(one, secret=f"S{number}")


def _title(leak: Leak) -> str:
    place = leak.places[0].path if leak.places else ""
    return f"{leak.name or leak.rule_id}" + (f" in {place}" if place else "")


def answers(said: Sequence[str], about: str = "") -> tuple[ev.Stated, ...]:
    """`name=value` (of `about`, or `name:S1=value`) as facts. Raises ValueError otherwise."""
    stated = []
    for one in said:
        name, mark, value = one.partition("=")
        name, _, subject = name.partition(":")
        if not mark or not name or not value:
            raise ValueError(one)
        stated.append(ev.Stated(name, value, subject or about, "said by a person"))
    return tuple(stated)
