"""Readers beside each other: nothing is lost, whatever becomes of them."""

import os
import signal
from collections.abc import Iterator

import pytest

from leakguard.blob import Unread
from leakguard.cli.crew import Item, Suspect, Tally, share
from leakguard.errors import ConfigError, LeakguardError, Place, UnreadError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="readers need fork")


def named(number: int) -> Iterator[Item]:
    if number % 10 == 0:
        yield Suspect(f"file {number}\udcff\n")
    if number % 50 == 0:
        yield Unread(f"file {number}", "it is gone")
    yield Tally(1, number)


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_every_task_is_done_once(jobs: int) -> None:
    said = list(share(range(1000), named, jobs))
    counts = [item for item in said if isinstance(item, Tally)]
    assert sorted(tally.bytes for tally in counts) == list(range(1000))
    names = {item.name for item in said if isinstance(item, Suspect)}
    assert names == {f"file {number}\udcff\n" for number in range(0, 1000, 10)}
    assert sum(isinstance(item, Unread) for item in said) == 20


def test_readers_are_processes_of_their_own() -> None:
    me = os.getpid()

    def who(_task: int) -> Iterator[Item]:
        yield Tally(os.getpid())

    assert me not in {item.items for item in share(range(100), who, 2) if isinstance(item, Tally)}


def test_what_a_reader_raises_is_raised_with_its_place_and_its_hints() -> None:
    def fails(number: int) -> Iterator[Item]:
        if number == 7:
            raise ConfigError(
                "wrong", "repair it", place=Place("rules/a.yml", 3, 5, "x: y", 2), cause="why"
            )
        yield Tally(1)

    with pytest.raises(ConfigError, match="wrong") as caught:
        list(share(range(20), fails, 2))
    assert caught.value.hints == ("repair it",)
    assert caught.value.cause == "why"
    place = caught.value.place
    assert place is not None
    assert (place.path, place.line, place.column, place.text, place.width) == (
        "rules/a.yml", 3, 5, "x: y", 2,
    )  # fmt: skip


def test_a_reader_that_is_killed_is_never_taken_for_done() -> None:
    def dies(number: int) -> Iterator[Item]:
        yield Tally(1)
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(UnreadError, match="ended from outside"):
        list(share(range(20), dies, 2))


def test_a_bug_in_a_reader_is_a_bug_and_quotes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    def broken(_number: int) -> Iterator[Item]:
        raise RuntimeError("a quoted value")
        yield

    with pytest.raises(LeakguardError, match="reader failed") as caught:
        list(share(range(4), broken, 2))
    assert caught.value.exit_code == 70
    told = capfd.readouterr().err
    assert "RuntimeError" in told
    assert "a quoted value" not in told


def test_readers_end_when_nobody_listens_any_more() -> None:
    def endless(_number: int) -> Iterator[Item]:
        while True:
            yield Tally(os.getpid())

    listening = share(range(4), endless, 2)
    first = next(listening)
    assert isinstance(first, Tally)
    listening.close()
    with pytest.raises(ProcessLookupError):
        os.kill(first.items, 0)
