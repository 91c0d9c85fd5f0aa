"""`leakguard rotate` at a real terminal: what is typed, what is not shown, and who is asked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from leakguard import event as ev
from leakguard import exits
from leakguard.keep.store import open_store
from leakguard.rotate.script import folder_hash
from rotate.simulator.case import Case, today
from rotate.simulator.terminal import CTRL_C, Terminal


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A leak at the worst level, and the simulator pinned in the user's configuration."""
    found = Case(tmp_path)
    config = tmp_path / "config"
    config.mkdir(mode=0o700)
    lines = []
    for script in (found.sim.script, found.sim.consumer_script):
        for path in (Path(script.folder), *Path(script.folder).iterdir()):
            path.chmod(0o755)
        lines.append(f"  - {{folder: {script.folder}, sha256: {folder_hash(script.folder)}}}\n")
    (config / "rotate.yml").write_text("scripts:\n" + "".join(lines))
    (config / "rotate.yml").chmod(0o600)
    with open_store(found.place) as store:
        worst = ev.SeverityJudged(1, "SEV-1", "", "", ())
        store.change(found.id, lambda _: [worst], actor="ada", at=today())
    monkeypatch.setenv("LEAKGUARD_CONFIG", str(config))
    monkeypatch.setenv("LEAKGUARD_STORE", found.place)
    monkeypatch.setenv("LEAKGUARD_ACTOR", "ada")
    return found


def at_a_terminal(case: Case, *more: str, columns: int = 80) -> Terminal:
    state = case.sim.state_file
    words = [
        "rotate", "1", "--target", f"state={state}", "--wait", "1",
        "--consumer", f"C1=simulated-consumer:state={state},who=app", *more,
    ]  # fmt: skip
    return Terminal([sys.executable, "-m", "leakguard", *words], cwd=case.folder, columns=columns)


ADMIN = "what the issuer lets an administrator in with:"
OLD = "to prove it dead (empty: not at hand):"


def give_the_secrets(case: Case, screen: Terminal) -> None:
    screen.until(ADMIN)
    screen.type(case.sim.admin.reveal().decode())
    screen.until(OLD)
    screen.type(case.sim.old.reveal().decode())


def shows_no_value(case: Case, screen: Terminal) -> bool:
    values = (case.sim.admin, case.sim.old)
    return not any(one.reveal().decode() in screen.shown for one in values)


def test_secrets_are_typed_unseen_the_incident_is_typed_and_a_second_person_named(
    case: Case,
) -> None:
    with at_a_terminal(case, "--apply") as screen:
        give_the_secrets(case, screen)
        assert "CANNOT BE UNDONE" in screen.until(f"Type {case.id} to rotate")
        screen.type(case.id)
        screen.until("Who else approves?")
        screen.until("record:")
        screen.type("li")
        screen.until("create ...")  # who watches sees how it goes on
        screen.until("prove-end ...")
        screen.until("proven dead")
        assert screen.end() == exits.CLEAN
        assert shows_no_value(case, screen)
    assert case.recorded_dead
    noted = case.incident().rotations[f"{case.id}-S1-r1"]
    assert "approved by li" in noted[0].detail


@pytest.mark.parametrize("typed", ["LG-2000-0001", "yes", ""])
def test_another_word_than_the_incident_begins_nothing(case: Case, typed: str) -> None:
    with at_a_terminal(case, "--apply", "--approver", "li") as screen:
        give_the_secrets(case, screen)
        screen.until(f"Type {case.id} to rotate")
        screen.type(typed)
        screen.until("not confirmed")
        assert screen.end() == exits.REFUSED
    assert case.sim.calls("create") == 0


@pytest.mark.parametrize("name", ["ada", ""])
def test_nobody_is_their_own_second_person(case: Case, name: str) -> None:
    with at_a_terminal(case, "--apply") as screen:
        give_the_secrets(case, screen)
        screen.until(f"Type {case.id} to rotate")
        screen.type(case.id)
        screen.until("record:")
        screen.type(name)
        assert screen.end() == exits.REFUSED
        assert ("the approver is you" in screen.shown) is (name == "ada")
    assert case.sim.calls("create") == 0


def test_ctrl_c_at_a_question_begins_nothing(case: Case) -> None:
    with at_a_terminal(case, "--apply") as screen:
        give_the_secrets(case, screen)
        screen.until(f"Type {case.id} to rotate")
        assert screen.end(press=CTRL_C) == exits.INTERRUPTED
        assert "Traceback" not in screen.shown
        assert shows_no_value(case, screen)
    assert case.sim.calls("create") == 0


def test_ctrl_c_in_the_middle_says_how_to_go_on_and_it_goes_on(case: Case) -> None:
    case.sim.fail("confirm", "pending", times=1000)
    with at_a_terminal(case, "--apply", "--approver", "li", "--wait", "600") as screen:
        give_the_secrets(case, screen)
        screen.until(f"Type {case.id} to rotate")
        screen.type(case.id)
        screen.until("confirm:C1 ...")
        assert screen.end(press=CTRL_C) == exits.INTERRUPTED
        assert "--resume" in screen.shown
    assert case.sim.alive(case.sim.old)
    case.sim.mend()
    with at_a_terminal(case, "--resume") as screen:
        give_the_secrets(case, screen)
        assert screen.end() == exits.CLEAN
    assert case.recorded_dead


@pytest.mark.parametrize("columns", [80, 120])
def test_the_plan_fits_the_screen(case: Case, columns: int) -> None:
    with at_a_terminal(case, columns=columns) as screen:
        give_the_secrets(case, screen)
        screen.until("Plan to rotate")
        assert screen.end() == exits.CLEAN
    lines = screen.shown.partition("Plan to rotate")[2].splitlines()
    assert max(map(len, lines)) < columns
    assert len(lines) < 24
