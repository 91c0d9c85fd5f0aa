"""What leakguard itself did about a log settles the steps that ask for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from leakguard import event as ev
from leakguard.cli import ci_respond
from leakguard.cli.desk import Desk
from leakguard.incident import StepState
from respond.story import START

LOGS = [{"name": "1_build.txt", "sha256": "0" * 64, "bytes": 7}]


def opened() -> str:
    """The incident of a key that a pipeline printed."""
    told = ev.Opened("a key in a log", "pipeline", ev.stamp(START))
    secret = ev.SecretAdded("S1", "provider-api-key", label="KEY")
    log = ev.ExposureAdded("X1", "S1", "ci-log", "build, line 7", "unknown")
    return Desk().open([told, secret, log], "strictest").id


def test_a_log_that_was_kept_and_deleted_settles_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKGUARD_DATA", str(tmp_path / "data"))
    number = opened()
    ci_respond.contained(
        [number], str(tmp_path / "out"), LOGS, [{"what": "log of run 7", "done": True}]
    )
    now = Desk().incident(number)
    assert now.copies["X1"].state == "removed-claimed"
    assert now.tasks["capture:X1"].note == "E1 kept"
    assert now.tasks["hide:X1"].state is StepState.OPEN  # the key still works
    revoked = [ev.SecretMoved("S1", "revoked"), ev.StepDone("revoke:S1", approver="li")]
    after = Desk().change(number, lambda _: revoked)
    assert after.tasks["hide:X1"].note == "X1 is removed-claimed: the service deleted log of run 7"


def test_a_log_that_is_still_there_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKGUARD_DATA", str(tmp_path / "data"))
    number = opened()
    ci_respond.contained(
        [number], str(tmp_path / "out"), LOGS, [{"what": "log of run 7", "done": False}]
    )
    assert Desk().incident(number).copies["X1"].state == "found"
