"""Ids of credentials are shown to the operator, wherever they are told; their values nowhere."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from servers import gcp

from leakguard import event as ev
from leakguard.cli.rotate_bench import LEFT_OUT, _spotless
from leakguard.cli.spotless import Known
from leakguard.incident import LeakedSecret
from leakguard.rotate import words
from leakguard.rotate.choose import best
from leakguard.rotate.policy import End
from rotate.simulator.live import SCRIPTS, Live


def token_id() -> str:
    """An id that looks like a token to a rule, made here."""
    return "gl" + "pat-" + secrets.token_urlsafe(15)


@pytest.fixture
def google() -> Iterator[gcp.Google]:
    with gcp.start() as running:
        yield running


@pytest.mark.skipif(bool(gcp.available()), reason=f"gcp: {gcp.available()}")
def test_a_key_of_google_is_rotated_by_its_id_which_stands_in_its_file(
    google: gcp.Google, tmp_path: Path
) -> None:
    account = google.account("nightly")
    leaked, file = google.key(account)
    _, admin = google.key(google.account("rotator", gcp.ALL))
    where = {"account": account, "api": google.url}
    leak = Live(tmp_path, "gcp-service-account-key", "cloud-access-key", where,
                {"admin": admin, "old": file}, old={"id": leaked})  # fmt: skip
    shown = " ".join(words.plan(leak.plan()).split())
    assert leaked in shown
    leak.start()
    outcome = leak.run()
    assert outcome.end is End.CLOSED, outcome
    assert leak.recorded_dead
    [new] = google.state(account)
    assert new != leaked
    made = next(one for one in leak.journal().steps if one.key == "create")
    assert made.public["new"]["id"] == new
    told = json.dumps([dict(one.public) for one in leak.journal().steps])
    assert (json.loads(file)["private_key"][40:80] in told) is False


NOTHING = Known([], str)
"""No secret leaked."""


def test_an_id_that_a_script_speaks_of_stays_in_the_record() -> None:
    named, other = token_id(), token_id()
    noted = ev.RotationNoted("r", "S1", "aws", "disable_old", "done", f"{named} is Inactive")
    assert _spotless([noted], NOTHING, {named}) == [noted]
    assert _spotless([noted], NOTHING, {other}) == [replace(noted, detail=LEFT_OUT)]
    moved = ev.SecretMoved("S1", "revoked", f"{named} is Inactive", "r")
    assert _spotless([moved], NOTHING, {named}) == [moved]


def test_the_first_of_its_providers_is_a_scripts_own() -> None:
    added = ev.SecretAdded("S1", "cloud-access-key", provider="aws")
    manifests = [one.manifest for one in SCRIPTS.values()]
    assert best(LeakedSecret("S1", added), manifests) == "aws-iam-access-key"
