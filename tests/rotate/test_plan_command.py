"""`leakguard rotate`, as a person or a script types it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from leakguard import event as ev
from leakguard import exits
from leakguard.cli import main
from leakguard.incident import SecretState
from leakguard.keep.store import open_store
from leakguard.rotate.script import folder_hash
from rotate.simulator.case import Case, today

Say = Callable[..., int]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """The simulator, pinned in the user's configuration, with its secrets in variables."""
    found = Case(tmp_path)
    config = tmp_path / "config"
    config.mkdir(mode=0o700)
    lines = []
    for script in (found.sim.script, found.sim.consumer_script):
        for path in (Path(script.folder), *Path(script.folder).iterdir()):
            path.chmod(0o755)
        pin = folder_hash(script.folder)
        lines.append(f"  - {{folder: {script.folder}, sha256: {pin}}}\n")
    (config / "rotate.yml").write_text("scripts:\n" + "".join(lines))
    (config / "rotate.yml").chmod(0o600)
    monkeypatch.setenv("LEAKGUARD_CONFIG", str(config))
    monkeypatch.setenv("LEAKGUARD_STORE", found.place)
    monkeypatch.setenv("LEAKGUARD_ACTOR", "ada")
    monkeypatch.setenv("ADMIN", found.sim.admin.reveal().decode())
    monkeypatch.setenv("OLD", found.sim.old.reveal().decode())
    monkeypatch.chdir(tmp_path)
    return found


def words(case: Case, *more: str) -> list[str]:
    state = case.sim.state_file
    return [
        "rotate", "1", "--target", f"state={state}", *SECRETS,
        "--consumer", f"C1=simulated-consumer:state={state},who=app", *more,
    ]  # fmt: skip


SECRETS = ["--slot", "admin=env:ADMIN", "--old", "env:OLD"]
GO = ["--approver", "li", "--wait", "1"]


def test_without_apply_it_is_a_plan(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(case)) == exits.CLEAN
    shown = capsys.readouterr().out
    assert "CANNOT BE UNDONE" in shown
    assert "Nothing was changed." in shown
    assert case.sim.calls("create") == 0


def test_what_is_missing_is_said_and_refused(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    state = case.sim.state_file
    assert main(["rotate", "1", "--target", f"state={state}"]) == exits.REFUSED
    assert "--slot admin=fd:3" in capsys.readouterr().out


def test_it_needs_the_incident_typed_or_given(case: Case) -> None:
    assert main(words(case, "--apply", *GO)) == exits.REFUSED
    assert main(words(case, "--apply", "--yes", "LG-2000-0001", *GO)) == exits.REFUSED
    assert case.sim.calls("create") == 0


def test_with_apply_it_is_done_and_proven(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(case, "--apply", "--yes", case.id, *GO)) == exits.CLEAN
    assert "proven dead" in capsys.readouterr().out
    assert not case.sim.alive(case.sim.old)
    assert case.sim.works()
    assert case.recorded_dead
    assert case.files_that_tell(case.sim.old, case.sim.admin) == []


def test_a_proof_on_demand_succeeds_after_the_end_and_is_refused_before(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    case.sim.fail("create", "denied")
    assert main(words(case, "--apply", "--yes", case.id, *GO)) == exits.OUTCOME
    again = [*SECRETS, "--secret", "S1"]
    assert main(["rotate", "1", "--probe", *again]) == exits.REFUSED
    assert main(["rotate", "1", "--resume", *again]) == exits.CLEAN
    capsys.readouterr()
    assert main(["rotate", "1", "--probe", *again]) == exits.CLEAN
    assert "--proves dead" in capsys.readouterr().err


def test_a_run_that_stops_exits_5_and_another_one_resumes(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    case.sim.fail("disable_old", "denied")
    assert main(words(case, "--apply", "--yes", case.id, *GO)) == exits.OUTCOME
    said = capsys.readouterr().err
    assert "may not do that" in said
    assert "the leaked one is NOT revoked yet" in said
    assert "--resume" in said
    assert main(["rotate", "1", "--resume", *SECRETS]) == exits.CLEAN
    assert case.recorded_dead


def test_json_is_one_object_without_values(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(case, "--json")) == exits.CLEAN
    shown = capsys.readouterr().out
    assert json.loads(shown)["plans"][0]["possible"] is True
    assert (os.environ["OLD"] in shown) is False
    assert main(words(case, "--json", "--apply", "--yes", case.id, *GO)) == exits.CLEAN
    shown = capsys.readouterr().out
    assert json.loads(shown)["results"][0]["outcome"]["end"] == "closed"


def test_a_secret_is_never_written_out_on_the_command_line(case: Case) -> None:
    state = case.sim.state_file
    said = ["rotate", "1", "--target", f"state={state}", "--slot", "admin=hunter2"]
    assert main(said) == exits.USAGE


def test_a_secret_may_come_through_a_descriptor_or_a_file(case: Case, tmp_path: Path) -> None:
    handed = tmp_path / "handed"
    handed.write_bytes(case.sim.admin.reveal() + b"\n")
    state = case.sim.state_file
    plain = ["rotate", "1", "--target", f"state={state}", "--slot"]
    assert main([*plain, f"admin=file:{handed}"]) == exits.CLEAN
    with handed.open("rb") as file:
        assert main([*plain, f"admin=fd:{file.fileno()}"]) == exits.CLEAN


def test_arming_a_leaked_credential_again_needs_glass_a_reason_and_a_second_person(
    case: Case,
) -> None:
    case.sim.fail("kill_derived", "denied")
    assert main(words(case, "--apply", "--yes", case.id, *GO)) == exits.OUTCOME
    back = ["rotate", "1", *SECRETS, "--yes", case.id]
    assert main([*back, "--rollback", "--reason", "it broke"]) == exits.REFUSED
    glass = [*back, "--break-glass-restore-leaked"]
    assert main([*glass, "--reason", "it broke"]) == exits.REFUSED
    assert main([*glass, "--approver", "li"]) == exits.REFUSED
    assert not case.sim.alive(case.sim.old)
    assert main([*glass, "--approver", "li", "--reason", "it broke"]) == exits.CLEAN
    assert case.sim.alive(case.sim.old)
    assert case.incident().secrets["S1"].state is not SecretState.REVOKED


def test_a_person_can_be_guided_and_their_word_is_marked(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    guided = ["rotate", "1", "--script", "generic", "--target", "what=the deploy token"]
    assert main(guided) == exits.CLEAN
    assert "the deploy token" in capsys.readouterr().out
    with_consumer = [*guided, "--apply", "--yes", case.id, *GO]
    assert main(with_consumer) == exits.OUTCOME  # nobody attested anything yet
    said = [
        word
        for phase in ("create", "verify_new", "disable_old", "kill_derived", "probe")
        for word in ("--attest", f"{phase}=ticket 12 shows it")
    ]
    assert main(["rotate", "1", "--resume", *said]) == exits.OUTCOME  # C1 is not confirmed
    confirm = ["consumers", "confirm", "1", "C1", "--method", "attestation", "--detail", "seen"]
    assert main(confirm) == exits.CLEAN
    assert main(["rotate", "1", "--resume", *said]) == exits.CLEAN
    proof = case.incident().secrets["S1"].proofs[-1][1]
    assert (proof.kind, proof.method) == ("dead", "attestation")


def test_observing_deferring_and_listing(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.sim.fail("create", "denied")
    assert main(words(case, "--apply", "--yes", case.id, *GO)) == exits.OUTCOME
    rotation = f"{case.id}-S1-r1"
    assert main(["rotate", "observe", rotation, "--slot", "admin=env:ADMIN"]) == exits.CLEAN
    assert "old: active" in capsys.readouterr().out
    later = ["--until", "2999-01-01T00:00Z", "--reason", "holidays"]
    assert main(["rotate", "defer", rotation, *later]) == exits.CLEAN
    assert main(["rotate", "list"]) == exits.CLEAN
    shown = capsys.readouterr().out
    assert rotation in shown
    assert "simulated-consumer" in shown


def test_a_new_script_is_made_and_checked(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rotate", "new", "acme-token"]) == exits.CLEAN
    assert main(["rotate", "check", "acme-token"]) == exits.CLEAN
    shown = capsys.readouterr().out
    assert "It keeps the contract." in shown
    assert "sha256: " in shown
    (Path("acme-token") / "manifest.yml").write_text("protocol: 1\n")
    assert main(["rotate", "check", "acme-token"]) == exits.OUTCOME


def test_two_secrets_are_rotated_beside_each_other_each_with_its_own_values(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Case(tmp_path / "other").sim
    with open_store(case.place) as store:
        second = ev.SecretAdded("S2", "provider-api-key", provider="simulator", label="second")
        counted = ev.ConsumersCounted("S2", "yes")
        store.change(case.id, lambda _: [second, counted], actor="ada", at=today())
    monkeypatch.setenv("ADMIN2", other.admin.reveal().decode())
    monkeypatch.setenv("OLD2", other.old.reveal().decode())
    state = case.sim.state_file
    said = [
        "rotate", "1", "--target", f"S1.state={state}", "--target", f"S2.state={other.state_file}",
        "--slot", "S1.admin=env:ADMIN", "--slot", "S2.admin=env:ADMIN2",
        "--slot", "S1.old=env:OLD", "--slot", "S2.old=env:OLD2",
        "--consumer", f"C1=simulated-consumer:state={state},who=app",
        "--apply", "--yes", case.id, *GO,
    ]  # fmt: skip
    assert main([*said, "--old", "env:OLD"]) == exits.USAGE
    other.fail("create", "denied")
    assert main(said) == exits.OUTCOME
    shown = capsys.readouterr()
    assert "1 of 2 are done." in shown.out
    assert "S2-r1 failed at create" in shown.err
    assert not case.sim.alive(case.sim.old)
    assert other.alive(other.old)
    again = [*said[: said.index("--consumer")], "--resume"]
    assert main(again) == exits.CLEAN
    assert not other.alive(other.old)
