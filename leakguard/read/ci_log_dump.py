"""What a match in a log belongs to: its true place, its step, and the dump it stands in.

A dump is what was printed at once: an environment, a trace, a step. Who reads
one value of it reads them all, so the dump, not a number of lines, decides
whether two halves of a credential stand together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from leakguard.blob import Blob, Origin
from leakguard.finding import Candidate, Evidence, Location
from leakguard.read.ci_log import Steps
from leakguard.read.ci_log_views import View
from leakguard.rule import SEVERITIES, TIERS

FAR = 4000
"""Lines of one dump, either way of a match, that are looked at."""

LOG, VIEW, DUMP, PAIR = "log", "view", "dump", "pair"
"""Terms of the evidence that a log gives."""

_SETTING = re.compile(
    rb"\s{0,8}(?:\+{1,8} )?(?:(?:export|declare -x|typeset -x|set|SET) )?"
    rb"(?:[A-Za-z_][A-Za-z0-9_.()]{0,100}=|[A-Z_][A-Z0-9_]{1,100}(?:: | {2,80}\S))"
)
_TRACE = re.compile(rb"\s{0,8}\+{1,8} \S")


_CACHE = re.compile(
    rb"(?i)\bcache (?:restored|saved|hit|miss|not found)\b[^\n]{0,80}\bkeys?\b"
    rb"|\bcache[_-]?key|\brestore-keys?\b"
    rb"|^\s{0,8}key: (?:[\w.]{1,40}-){1,12}[0-9a-f]{32,64}\s{0,4}$"
)


class Dump(NamedTuple):
    """Lines that were printed at once; `kind` in words."""

    kind: str
    first: int
    last: int


def relocated(found: Candidate, view: View, origin: Origin) -> Candidate | None:
    """A match in a view, at its place in the log; None if the log itself shows it already."""
    start, end = found.span
    if view.crossing and view.stretch(start) == view.stretch(max(start, end - 1)):
        return None
    line, column = view.place(start)
    end_line, end_column = view.place(max(start, end - 1))
    place = Location(origin.name, line, column, end_line, end_column + 1)
    seen = {
        "dump": "assigned in a dump or trace",
        "joined": f"broken over lines {line} to {end_line}",
        "re-encoded": "stands encoded beside a masked value",
    }[view.how]
    reasons = (
        one._replace(detail=one.detail.partition(" on line ")[0]) if one.term == PAIR else one
        for one in found.evidence
    )  # a line of the view means nothing to a reader
    return found._replace(origin=origin, location=place, evidence=(*reasons, Evidence(VIEW, seen)))


def merged(plain: Sequence[Candidate], others: Iterable[Candidate]) -> list[Candidate]:
    """Both lists, each value once a place: the longer of two that overlap, else the surer."""
    kept = list(plain)
    near: dict[int, list[Candidate]] = {}
    for one in kept:
        near.setdefault(one.location.start_line, []).append(one)
    for other in others:
        span = range(other.location.start_line, other.location.end_line + 1)
        rivals = [one for line in span for one in near.get(line, ()) if _same(one, other)]
        if any(not _better(other, one) for one in rivals):
            continue
        for one in rivals:
            kept.remove(one)
            near[one.location.start_line].remove(one)
        kept.append(other)
        near.setdefault(other.location.start_line, []).append(other)
    return kept


def _same(one: Candidate, other: Candidate) -> bool:
    """Whether one value is a part of the other."""
    left, right = one.secret.reveal(), other.secret.reveal()
    return left in right or right in left


def _better(one: Candidate, other: Candidate) -> bool:
    def rank(candidate: Candidate) -> tuple[int, int]:
        return len(candidate.secret.reveal()), TIERS.index(candidate.confidence)

    return rank(one) > rank(other)


def told(found: Sequence[Candidate], blob: Blob, steps: Steps) -> list[Candidate]:
    """The candidates of one blob with their step, their dump and its other halves.

    An allowing comment in a log counts for nothing: whoever can print can write it.
    """
    if not found:
        return []
    lines = blob.data.split(b"\n")
    found = [one for one in found if not _of_a_cache(one, lines, blob.line)]
    dumps = [_dump(lines, one.location.start_line - blob.line, blob.line) for one in found]
    units = [
        _unit(one, dump, steps) for one, dump in zip(found, dumps, strict=True)
    ]  # fmt: skip
    members: dict[object, list[Candidate]] = {}
    for one, unit in zip(found, units, strict=True):
        members.setdefault(unit, []).append(one)
    done = []
    for one, unit, dump in zip(found, units, dumps, strict=True):
        beside = members[unit] if unit is not None else [one]
        whole = _completed(one, beside)
        notes = [*_step_note(one, steps), *_dump_note(dump, beside)]
        done.append(whole._replace(evidence=(*notes, *whole.evidence), inline_allow=None))
    return done


def _of_a_cache(one: Candidate, lines: list[bytes], base: int) -> bool:
    """Whether it is the key that a runner's cache is filed under, which looks like any key."""
    at = one.location.start_line - base
    if not one.rule.generic or not 0 <= at < len(lines):
        return False
    return bool(_CACHE.search(lines[at]))


def _unit(one: Candidate, dump: Dump | None, steps: Steps) -> object:
    """What counts as printed at once: the dump, else the step; None if the log knows neither."""
    if dump is not None:
        return dump
    job_step = steps.at(one.location.start_line)
    return job_step if job_step[1] else None


def _step_note(one: Candidate, steps: Steps) -> list[Evidence]:
    job, step = steps.at(one.location.start_line)
    said = [f"job {job}" if job else "", f'step "{step}"' if step else ""]
    text = ", ".join(filter(None, [*said, f"line {one.location.start_line}"]))
    return [Evidence(LOG, text)] if job or step else []


def _dump_note(dump: Dump | None, beside: Sequence[Candidate]) -> list[Evidence]:
    if dump is None:
        return []
    count = len({(one.rule.id, one.secret) for one in beside}) - 1
    others = f" with {count} other secret{'s' if count > 1 else ''}" if count else ""
    where = f"lines {dump.first} to {dump.last}"
    return [Evidence(DUMP, f"in {dump.kind} ({where}){others}; count all of it as read")]


def _completed(one: Candidate, beside: Sequence[Candidate]) -> Candidate:
    """Confirmed if the other half stands in the same dump, however far away."""
    if any(seen.term == PAIR and seen.detail.startswith("complete") for seen in one.evidence):
        return one
    halves = {companion.rule for companion in one.rule.companions}
    other = next(
        (half for half in beside
         if half is not one and (half.rule.id in halves
            or one.rule.id in {companion.rule for companion in half.rule.companions})),
        None,
    )  # fmt: skip
    if other is None:
        return one
    severities = (one.severity, one.rule.severity, other.rule.severity)
    pair = Evidence(PAIR, f"complete with {other.rule.id} on line {other.location.start_line}")
    rest = tuple(seen for seen in one.evidence if seen.term != PAIR)
    return one._replace(
        confidence="confirmed", severity=max(severities, key=SEVERITIES.index),
        evidence=(*rest, pair),
    )  # fmt: skip


def _dump(lines: list[bytes], at: int, base: int) -> Dump | None:
    """The dump around line `at` of a blob whose first line is number `base`."""
    if not 0 <= at < len(lines):
        return None
    for kind, shape, least in (
        ("a trace of commands", _TRACE, 2),
        ("a dump of the environment", _SETTING, 3),
    ):
        low, up = _run(lines, at, -1, shape)
        high, down = _run(lines, at, 1, shape)
        here = bool(shape.match(lines[at]))
        if here and up + down + 1 >= least:
            return Dump(kind, base + low, base + high)
    return None


def _run(lines: list[bytes], at: int, step: int, shape: re.Pattern[bytes]) -> tuple[int, int]:
    """(last line, how many) of the right shape, with at most one other line in between."""
    last, count, gap = at, 0, 0
    for index in range(at + step, max(-1, min(len(lines), at + step * FAR)), step):
        if shape.match(lines[index]):
            last, count, gap = index, count + 1, 0
        elif gap or not lines[index]:
            break
        else:
            gap = 1
    return last, count


def not_twice(
    whole: Iterable[tuple[str, Candidate]], steps: Iterable[tuple[str, Candidate]]
) -> list[Candidate]:
    """The candidates of whole-job logs that the logs of the same job's steps do not show.

    Each comes with its job. GitHub's archive holds every line twice.
    """
    shown = {(_job(job), one.rule.id, one.secret) for job, one in steps}
    return [one for job, one in whole if (_job(job), one.rule.id, one.secret) not in shown]


def _job(name: str) -> str:
    """A job's name as both of its spellings have it: folders lose some characters and the end."""
    return "".join(char for char in name.lower() if char.isalnum())[:60]
