"""The sentences that depend on what was scanned: where a finding is, and how a run ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, assert_never

from leakguard.finding import Exposure, Finding, Location, Outcome, Scanned
from leakguard.report.style import clean
from leakguard.rule import TIERS

STANDARD_INPUT = "(standard input)"
MESSAGE = "commit message"
HISTORY = "history"
NO_FILES = frozenset({STANDARD_INPUT, MESSAGE, HISTORY})
"""What the readers call inputs that are not files."""


class Hook(NamedTuple):
    """What a hook says of the thing it let through or stopped."""

    stopped: str
    goes_on: str
    effect: str


HOOKS = {
    "staged": Hook("Commit stopped", "Commit goes on", "Nothing was committed."),
    "message": Hook("Commit stopped", "Commit goes on", "Nothing was committed."),
    "push": Hook("Push stopped", "Push goes on", "Nothing was pushed."),
    "pre-receive": Hook("Push refused", "Push goes on", "Nothing was accepted."),
}
"""Modes that stop something. Every other mode only looks: index, tree, range, history, ..."""

_SEEN = {
    "staged": "in a staged file",
    "index": "in a staged file",
    "message": "in the commit message",
    "tree": "in the working tree",
    "stdin": "on standard input",
    "exec": "in the output, masked",
}

_REST = {
    "staged": "leakguard scan --staged",
    "push": "leakguard scan --history",
}


def plural(count: int, what: str) -> str:
    """`1 file`, `3 files`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def where(found: Finding, mode: str) -> str:
    """The end of a headline: in what kind of place a finding stands."""
    first = found.locations[0]
    match found.exposure:
        case Exposure.LOGGED:
            return "in a CI log"
        case Exposure.PUSHED:
            return "in pushed history"
        case Exposure.COMMITTED:
            if not first.commit:
                return "in a commit"
            what = "the message of commit" if first.path == MESSAGE else "commit"
            return f"in {what} {clean(first.commit[:7])}"
        case Exposure.LOCAL:
            if first.path == STANDARD_INPUT:
                return _SEEN["stdin"]
            inside = not first.path.startswith("/")
            return _SEEN.get(mode, "in a file") if inside else "in a file"
        case _:
            assert_never(found.exposure)


def since(place: Location, exposure: Exposure) -> str:
    """The commit and day of a place, as far as the headline has not said them."""
    commit = "" if exposure is Exposure.COMMITTED else clean(place.commit[:7])
    parts = [f"commit {commit}" if commit else "", clean(place.author_date[:10])]
    said = ", ".join(part for part in parts if part)
    return f" ({said})" if said else ""


def verdict(outcome: Outcome) -> str:
    """The one sentence that sums a run up."""
    hook = HOOKS.get(outcome.mode)
    if hook is None:
        return _found(outcome)
    if outcome.blocking:
        secrets = f"{plural(len(outcome.blocking), 'secret')} in {_affected(outcome)}"
        return f"{hook.stopped}: {secrets}{_besides(outcome)}. {hook.effect}"
    if outcome.unread:
        besides = _besides(outcome, unread=False)
        return f"{hook.stopped}: not everything could be scanned{besides}. {hook.effect}"
    needs = "needs" if len(outcome.warnings) == 1 else "need"
    return f"{hook.goes_on}: {_soft(outcome.warnings)} {needs} a look."


def clean_line(outcome: Outcome) -> str:
    """The one line of a scan that found nothing; allowed ones are always counted."""
    return (
        f"Clean: {_looked_at(outcome.scanned)}, 0 secrets, {len(outcome.allowed)} allowed "
        f"({outcome.seconds:.1f} s)"
    )


def the_rest(mode: str, count: int) -> str:
    """What stands instead of the findings beyond the limit."""
    command = _REST.get(mode)
    if command:
        return f"and {count} more; to see them all: {command}"
    return f"and {count} more, which show once these are settled"


def _found(outcome: Outcome) -> str:
    """The sentence of a scan, which stops nothing."""
    only_soft = bool(outcome.warnings) and not outcome.blocking
    secrets = _soft(outcome.warnings) if only_soft else plural(len(outcome.blocking), "secret")
    besides = _besides(outcome, soft=not only_soft)
    seconds = f"({outcome.seconds:.1f} s)"
    return f"Found {secrets} in {_looked_at(outcome.scanned)}{besides} {seconds}"


def _besides(outcome: Outcome, *, soft: bool = True, unread: bool = True) -> str:
    """What else there was: findings that do not block, allowed ones, inputs not scanned."""
    said = (
        _soft(outcome.warnings) if soft else "",
        f"{len(outcome.allowed)} allowed" if outcome.allowed else "",
        f"{len(outcome.unread)} not scanned" if outcome.unread and unread else "",
    )
    return "".join(f", {part}" for part in said if part)


def _soft(warnings: Sequence[Finding]) -> str:
    """How many findings do not block: unsure ones are possible secrets, harmless ones minor."""
    if not warnings:
        return ""
    unsure = all(found.confidence == TIERS[0] for found in warnings)
    return plural(len(warnings), "possible secret" if unsure else "minor finding")


def _affected(outcome: Outcome) -> str:
    """`1 of 3 staged files`, `2 of 12 commits`: how much of what was scanned has to change."""
    if outcome.mode == "message":
        return "the commit message"
    if any(found.more_places for found in outcome.blocking):
        return _looked_at(outcome.scanned)
    places = [place for found in outcome.blocking for place in found.locations]
    if outcome.scanned.commits:
        return _part(len({place.commit for place in places}), outcome.scanned.commits, "commit")
    files = {place.path.partition("!")[0] for place in places}
    return _part(len(files), outcome.scanned.items, outcome.scanned.what)


def _part(hit: int, total: int, what: str) -> str:
    return f"{hit} of {plural(total, what)}" if hit < total else plural(max(hit, total), what)


def _looked_at(scanned: Scanned) -> str:
    return (
        plural(scanned.commits, "commit")
        if scanned.commits
        else plural(scanned.items, scanned.what)
    )
