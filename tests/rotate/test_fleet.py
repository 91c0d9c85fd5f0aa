"""Many rotations at once: order, gentleness, and no failure behind another one's success."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from leakguard.errors import ConfigError, UsageError
from leakguard.rotate.fleet import Bucket, Fleet, Job
from leakguard.rotate.policy import End, Outcome


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.at, self.slept = 0.0, []
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)


def job(
    key: str, run: Callable[[], Outcome], tier: str = "service", issuer: str = "one", **more: float
) -> Job:
    return Job(key, issuer, tier, lambda _: run(), **more)


def ends(end: End) -> Callable[[], Outcome]:
    return lambda: Outcome("r", end, "")


def fleet(**parts: object) -> Fleet:
    clock = Clock()
    made: dict[str, object] = {"jobs": 4, "now": clock.now, "sleep": clock.sleep}
    return Fleet(**(made | parts))  # type: ignore[arg-type]


def test_what_others_stand_on_goes_first() -> None:
    order: list[str] = []

    def noting(tier: str) -> Callable[[], Outcome]:
        def run() -> Outcome:
            order.append(tier)
            return Outcome("r", End.CLOSED, "")

        return run

    tiers = ["human", "integration", "service", "infrastructure", "service", "infrastructure"]
    work = [job(str(number), noting(tier), tier) for number, tier in enumerate(tiers)]
    fleet().run(work)
    assert order == [
        "infrastructure", "infrastructure", "service", "service", "integration", "human",
    ]  # fmt: skip


def test_every_job_has_its_result_in_the_order_it_was_given() -> None:
    def refused() -> Outcome:
        raise UsageError("nobody knows this role")

    def broken() -> Outcome:
        raise ZeroDivisionError("it quotes a value")

    work = [
        job("good", ends(End.CLOSED)),
        job("unknown", ends(End.UNKNOWN)),
        job("refused", refused),
        job("broken", broken),
        job("late", ends(End.CLOSED), "human"),
    ]
    results = fleet(stop_after=0).run(work)
    assert [one.key for one in results] == ["good", "unknown", "refused", "broken", "late"]
    assert [one.good for one in results] == [True, False, False, False, True]
    assert results[2].problem == "nobody knows this role"
    assert "ZeroDivisionError" in results[3].problem
    assert "quotes" not in results[3].problem


def test_after_some_failures_no_more_are_begun_and_each_is_told() -> None:
    begun: list[str] = []

    def failing(key: str) -> Callable[[], Outcome]:
        def run() -> Outcome:
            begun.append(key)
            return Outcome("r", End.FAILED, "")

        return run

    work = [job(str(number), failing(str(number))) for number in range(10)]
    results = fleet(jobs=1, stop_after=3).run(work)
    assert len(begun) == 3
    assert sum(bool(one.skipped) for one in results) == 7
    assert not any(one.good for one in results)


def test_they_run_beside_each_other() -> None:
    together = threading.Barrier(3, timeout=20)

    def meet() -> Outcome:
        together.wait()
        return Outcome("r", End.CLOSED, "")

    results = fleet(jobs=3).run([job(str(number), meet) for number in range(3)])
    assert all(one.good for one in results)


def test_an_issuer_is_not_overrun() -> None:
    clock = Clock()
    bucket = Bucket(60.0, 2.0, clock.now, clock.sleep)
    for _ in range(5):
        bucket.take()
    assert clock.slept == [1.0, 2.0, 3.0]
    clock.at = 100.0
    bucket.take()
    assert len(clock.slept) == 3


def test_one_issuers_limit_is_not_another_ones() -> None:
    clock = Clock()
    gentle = Fleet(1, clock.now, clock.sleep)
    gentle.run([job(name, ends(End.CLOSED), issuer=name, per_minute=1.0) for name in "abc"])
    assert clock.slept == []


def test_every_issuer_has_the_rate_of_its_own_manifest() -> None:
    clock = Clock()
    gentle = Fleet(1, clock.now, clock.sleep)
    slow = [job(f"s{number}", ends(End.CLOSED), issuer="slow", per_minute=6.0) for number in "123"]
    fast = [job(f"f{number}", ends(End.CLOSED), issuer="fast") for number in "123"]
    gentle.run([*slow, *fast])
    assert clock.slept == [10.0, 20.0, 2.0, 4.0]


class Running(Clock):
    """A clock that goes on while somebody sleeps."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.at += seconds


def test_an_issuer_that_wants_to_be_left_alone_is_left_alone_by_all() -> None:
    clock = Running()
    begun: dict[str, float] = {}

    def asked_to_wait(pause: Callable[[float], None]) -> Outcome:
        pause(45.0)
        return Outcome("r", End.CLOSED, "")

    def noting(key: str) -> Callable[[], Outcome]:
        def run() -> Outcome:
            begun[key] = clock.at
            return Outcome("r", End.CLOSED, "")

        return run

    work = [
        Job("first", "one", "service", asked_to_wait, 6000.0),
        job("second", noting("second"), per_minute=6000.0),
        job("other", noting("other"), issuer="two"),
    ]
    assert all(one.good for one in Fleet(1, clock.now, clock.sleep).run(work))
    assert begun["second"] >= 45.0
    assert sum(clock.slept) == pytest.approx(45.0)


def test_a_manifest_names_the_rate_and_what_tells_its_issuers_apart(tmp_path: Path) -> None:
    from leakguard.rotate import manifest, scaffold

    folder = Path(scaffold.make("acme", str(tmp_path)))
    assert manifest.read(str(folder)).rate == manifest.Rate(manifest.PER_MINUTE)
    with (folder / "manifest.yml").open("a") as file:
        file.write("rate: {per_minute: 12, per: [store]}\n")
    found = manifest.read(str(folder))
    assert found.rate == manifest.Rate(12.0, ("store",))
    assert found.issuer({"store": "a", "user": "x"}) == found.issuer({"store": "a", "user": "y"})
    assert found.issuer({"store": "a"}) != found.issuer({"store": "b"})


@pytest.mark.parametrize("said", ["per_minute: 0", "per_minute: 99999", "per: [elsewhere]"])
def test_an_odd_rate_is_refused_where_it_stands(tmp_path: Path, said: str) -> None:
    from leakguard.rotate import manifest, scaffold

    folder = Path(scaffold.make("acme", str(tmp_path)))
    with (folder / "manifest.yml").open("a") as file:
        file.write(f"rate: {{{said}}}\n")
    with pytest.raises(ConfigError):
        manifest.read(str(folder))
