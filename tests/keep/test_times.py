"""A clock that jumps back never puts an incident's events out of order, and is remembered."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keep.builders import NOON, Somewhere, declared, noted
from leakguard import event as ev
from leakguard.keep.store import Store

HOUR = timedelta(hours=1)


def clocks(spot: Somewhere) -> list[str]:
    return [link.clock for link in spot.links()]


def test_events_of_one_moment_have_an_order_all_the_same(store: Store, spot: Somewhere) -> None:
    made = declared(store)
    three = [ev.Noted("a"), ev.Noted("b"), ev.Noted("c")]
    store.change(made.id, lambda _: three, actor="ada", at=NOON + HOUR)
    times = [entry.at - NOON - HOUR for entry in store.entries(made.id)[2:]]
    assert times == [timedelta(microseconds=number) for number in range(3)]
    assert set(clocks(spot)) == {""}  # nothing jumped


def test_a_clock_that_jumped_back_is_overruled_and_remembered(
    store: Store, spot: Somewhere
) -> None:
    made = noted(store, declared(store).id, "before", at=NOON + HOUR)
    after = noted(store, made.id, "after", at=NOON - HOUR)
    assert after.changed_at == NOON + HOUR + timedelta(microseconds=1)
    assert clocks(spot) == ["", "", "", ev.stamp(NOON - HOUR)]
    assert noted(store, made.id, "mended", at=NOON + 2 * HOUR).changed_at == NOON + 2 * HOUR
    assert store.verify() == []


def test_one_incidents_wrong_clock_is_not_the_others(store: Store) -> None:
    declared(store, at=NOON + 1000 * HOUR)
    other = declared(store, at=NOON)
    assert other.opened_at == NOON


def test_a_time_is_asked_for_when_the_event_is_kept(store: Store) -> None:
    made = declared(store)
    times = iter([NOON + HOUR, NOON + 2 * HOUR])
    for hours in (1, 2):
        changed = store.change(
            made.id, lambda _: [ev.Noted("x")], actor="ada", at=lambda: next(times)
        )
        assert changed.changed_at == NOON + hours * HOUR


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(jumps=st.lists(st.integers(-7200, 7200), min_size=1, max_size=6))
def test_whatever_the_clock_does_times_only_grow(sqlite: Somewhere, jumps: list[int]) -> None:
    with sqlite.open() as store:
        made = declared(store)
        for seconds in jumps:
            noted(store, made.id, "x", at=NOON + timedelta(seconds=seconds))
        times = [entry.at for entry in store.entries(made.id)]
        assert all(one < two for one, two in pairwise(times))
        assert store.load(made.id).changed_at == times[-1]
        assert store.verify() == []
