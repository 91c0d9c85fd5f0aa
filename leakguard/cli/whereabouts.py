"""What can be found out about a leak without asking anybody: where it got to, who uses it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from leakguard import event as ev
from leakguard.leak import Leak, Sighting
from leakguard.read import spread, uses
from leakguard.read.spread import Reach

MOST_USES = 20
"""Files that are named as consumers; of more, nobody would check each by hand."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The places of one leak, how far each commit got, what it is called, where else it is.

    `lost` are places that cannot be looked up from here: a commit of another
    clone, a file of another machine.
    """

    places: tuple[Sighting, ...]
    reached: tuple[Reach, ...] = ()
    label: str = ""
    uses: tuple[str, ...] = ()
    lost: tuple[Sighting, ...] = ()


def look(leak: Leak, top: str | None, jobs: int, *, search: bool = True) -> Whereabouts:
    """Search the repository around us; outside of one, only what the report says is known."""
    if top is None or not leak.places:
        return Whereabouts(leak.places, lost=_lost(leak, top))
    places = leak.places
    if search and leak.fingerprint:
        places = tuple(dict.fromkeys((*places, *_in_history(leak, top, jobs))))
    commits = {place.commit for place in places if place.commit}
    reached = tuple(spread.reach(top, commits)) if commits else ()
    label = _label(top, places)
    found = uses.places_of(top, label)[:MOST_USES]
    own = {place.path for place in places}
    others = tuple(one for one in found if one not in own)
    return Whereabouts(places, reached, label, others, () if reached else _lost(leak, top))


def exposures(
    where: Whereabouts, leak: Leak, secret: str, channel: str | None, audience: str
) -> list[ev.ExposureAdded]:
    """Each place where it could be read, as the record keeps it.

    Nobody knows who reads a remote before somebody says so: that counts as
    everybody.
    """
    if leak.exposure == "logged":
        return [
            _exposure(secret, channel or "ci-log", _spot(place), audience)
            for place in where.places[:1]
        ]
    pushed = [one for one in where.reached if one.pushed]
    kept = [one for one in where.reached if not one.pushed]
    found = []
    if pushed or leak.exposure == "pushed":
        private = audience in ("few", "internal", "partner")
        usual = "private-repository" if private else "public-repository"
        found.append(_of_commits(secret, channel or usual, audience, where.places, pushed))
    if kept:
        found.append(_of_commits(secret, "local-commit", "none", where.places, kept))
    if where.lost and not pushed:  # what cannot be looked up may be anywhere
        found.append(_exposure(secret, channel or "unknown", _spot(where.lost[0]), audience))
    if not found:
        place = _spot(where.places[0]) if where.places else "not known"
        usual = "local-commit" if where.places else "unknown"
        said = "none" if usual == "local-commit" and channel is None else audience
        found.append(_exposure(secret, channel or usual, place, said))
    return found


def _lost(leak: Leak, top: str | None) -> tuple[Sighting, ...]:
    """The places that nobody can look up from here; our own scan has seen its files."""
    seen = leak.tool == "leakguard"
    return tuple(one for one in leak.places if one.commit or not (seen or _here(top, one.path)))


def _here(top: str | None, path: str) -> bool:
    return bool(top and path and "\0" not in path and os.path.lexists(os.path.join(top, path)))


def _in_history(leak: Leak, top: str, jobs: int) -> list[Sighting]:
    """Where the same value stands in any commit of any branch."""
    from leakguard.cli import survey

    outcome = survey.history(top, ("--all",), jobs, remember=False)
    return [
        Sighting(place.path, place.start_line, place.commit, place.author_date, place.start_column)
        for one in outcome.findings
        if one.fingerprint == leak.fingerprint
        for place in one.locations
    ]


def _label(top: str, places: tuple[Sighting, ...]) -> str:
    """The name that the value is given to, from the first place that tells one."""
    for place in places[:5]:
        line = uses.line_of(top, place.path, place.line, place.commit)
        name = uses.name_before(line, place.column)
        if name:
            return name
    return ""


def _of_commits(
    secret: str, channel: str, audience: str, places: tuple[Sighting, ...], reached: list[Reach]
) -> ev.ExposureAdded:  # fmt: skip
    first = reached[0] if reached else None
    refs = tuple(dict.fromkeys(ref for one in reached for ref in one.refs))
    spot = next((one for one in places if first and one.commit == first.commit), None)
    spot = spot or (places[0] if places else None)
    where = _spot(spot) if spot else "this repository"
    if refs:
        where += " on " + ", ".join(refs[:3]) + (f" and {len(refs) - 3} more" if refs[3:] else "")
    others = len({(one.path, one.commit) for one in places}) - 1
    where += f", {others} more place{'s' * (others > 1)}" if others > 0 else ""
    return ev.ExposureAdded(
        "", secret, channel, where, audience,
        since=ev.stamp(ev.instant(first.date)) if first and first.date else "",
        certainty="earliest" if first and first.date else "unknown",
        commit=first.commit if first else "",
        refs=refs,
    )  # fmt: skip


def _exposure(secret: str, channel: str, where: str, audience: str) -> ev.ExposureAdded:
    return ev.ExposureAdded("", secret, channel, where, audience)


def _spot(place: Sighting) -> str:
    line = f":{place.line}" if place.line else ""
    return f"{place.path}{line}" + (f" (commit {place.commit[:7]})" if place.commit else "")
