"""Many rotations beside each other: what others stand on first, gently, and nothing hidden."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from leakguard.errors import LeakguardError
from leakguard.rotate.manifest import PER_MINUTE, TIERS
from leakguard.rotate.policy import Outcome

Pause = Callable[[float], None]
"""Told for how many seconds an issuer wants to be left alone."""


@dataclass(frozen=True, slots=True)
class Job:
    """One rotation of many. `issuer` names what may not be overrun, by its own rate."""

    key: str
    issuer: str
    tier: str
    run: Callable[[Pause], Outcome]
    per_minute: float = PER_MINUTE


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one: an outcome, an error, or that it was not begun."""

    key: str
    outcome: Outcome | None = None
    problem: str = ""
    skipped: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.outcome is not None and self.outcome.good


@dataclass(slots=True)
class Bucket:
    """So many at once, then so many a minute; who comes too early waits. So does everybody
    while the issuer wants to be left alone.
    """

    per_minute: float
    burst: float
    now: Callable[[], float]
    sleep: Callable[[float], None]
    _level: float = field(init=False)
    _seen: float = field(init=False)
    _closed: float = field(init=False, default=0.0)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._level, self._seen = self.burst, self.now()

    def take(self) -> None:
        """Wait for a turn."""
        with self._lock:
            here = self.now()
            gained = max(0.0, here - self._seen) * self.per_minute / 60
            self._level, self._seen = min(self.burst, self._level + gained) - 1, here
            wait = -self._level * 60 / self.per_minute
        while wait > 0 or (wait := self._closed - self.now()) > 0:
            self.sleep(wait)
            wait = 0.0

    def pause(self, seconds: float) -> None:
        """Nobody begins for so long."""
        with self._lock:
            self._closed = max(self._closed, self.now() + seconds)


@dataclass(slots=True)
class Fleet:
    """How many beside each other, how gently, and when to stop."""

    jobs: int
    now: Callable[[], float]
    sleep: Callable[[float], None]
    stop_after: int = 3
    tell: Callable[[Result], None] = lambda _: None
    _buckets: dict[str, Bucket] = field(init=False, default_factory=dict)
    _bad: int = field(init=False, default=0)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def run(self, work: Iterable[Job]) -> list[Result]:
        """One result for every job, in the order they were given; none is left out."""
        given = list(work)
        results: dict[str, Result] = {}
        for tier in TIERS:
            results |= self._tier([one for one in given if one.tier == tier])
        return [results[one.key] for one in given]

    def _tier(self, work: Sequence[Job]) -> dict[str, Result]:
        """All of one tier; the next begins when the last of them has ended."""
        results: dict[str, Result] = {}
        with ThreadPoolExecutor(max(1, self.jobs)) as pool:
            for done in as_completed([pool.submit(self._one, one) for one in work]):
                result = done.result()
                results[result.key] = result
                self.tell(result)
        return results

    def _one(self, job: Job) -> Result:
        if self._stopped():
            return _skipped(job, self.stop_after)
        bucket = self._bucket(job)
        bucket.take()
        if self._stopped():  # while it waited for its turn
            return _skipped(job, self.stop_after)
        result = _carried_out(job, bucket.pause)
        if not result.good:
            with self._lock:
                self._bad += 1
        return result

    def _stopped(self) -> bool:
        with self._lock:
            return 0 < self.stop_after <= self._bad

    def _bucket(self, job: Job) -> Bucket:
        with self._lock:
            if job.issuer not in self._buckets:
                burst = min(max(1.0, float(self.jobs)), max(1.0, job.per_minute))
                self._buckets[job.issuer] = Bucket(job.per_minute, burst, self.now, self.sleep)
            return self._buckets[job.issuer]


def _skipped(job: Job, failures: int) -> Result:
    return Result(job.key, skipped=f"not begun: {failures} others failed before")


def _carried_out(job: Job, pause: Pause) -> Result:
    try:
        return Result(job.key, job.run(pause))
    except LeakguardError as error:
        return Result(job.key, problem=error.message)
    except Exception as bug:  # noqa: BLE001 - its text might quote a value; the others go on
        return Result(job.key, problem=f"a bug in leakguard ({type(bug).__name__})")
