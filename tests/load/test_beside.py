"""What another process makes meanwhile."""

from __future__ import annotations

import os

import pytest

from leakguard.load.beside import beside


def test_it_is_made_by_another_process() -> None:
    made = beside(lambda: str(os.getpid()).encode())
    assert int(made()) != os.getpid()


def test_large_things_come_whole() -> None:
    assert beside(lambda: b"x" * 3_000_000)() == b"x" * 3_000_000


def test_what_the_other_process_could_not_do_is_done_here() -> None:
    here = os.getpid()

    def make() -> bytes:
        if os.getpid() != here:
            os.kill(os.getpid(), 9)
        return b"made"

    assert beside(make)() == b"made"


def test_an_error_is_raised_where_it_is_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    def make() -> bytes:
        raise ValueError("no")

    made = beside(make)
    with pytest.raises(ValueError, match="no"):
        made()
    assert not capfd.readouterr().err


def test_without_fork_it_is_made_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    assert int(beside(lambda: str(os.getpid()).encode())()) == os.getpid()
