"""The contract tests, tried on scripts that keep it and on scripts that break one point each."""

from __future__ import annotations

from pathlib import Path

import pytest

from leakguard.errors import UsageError
from leakguard.rotate import contract, scaffold


def test_a_new_script_keeps_the_contract_at_once(tmp_path: Path) -> None:
    folder = scaffold.make("acme-token", str(tmp_path))
    report = contract.check(folder)
    assert [one for one in report.findings if not one.ok] == []
    assert len(report.sha256) == 64
    whats = {one.what for one in report.findings}
    assert "simulation: the probe says: new accepted, old refused" in whats


BREAKS = {
    "describe says what the manifest says": ('"max_active": 2', '"max_active": 9'),
    "it refuses an unknown phase": ("    rotate.main()", '    print(\'{"ok": true}\')'),
    "create quotes no secret": (
        "keys, made = _read(ask), {",
        'raise ValueError(ask.secrets) if False else Fail("bug", str(ask.secrets))\n    x = {',
    ),
    "disable_old fails properly without its secrets": (
        "    return _switch(ask, on=False)",
        "    return Answer()",
    ),
    "simulation: create succeeds": ('return Answer("already", new={"id": ask.rotation})', "1 / 0"),
    "simulation: the probe says: new accepted, old refused": ("    _write(ask, keys)\n    return Answer()\n\n\ndef _state", "    return Answer()\n\n\ndef _state"),
}  # fmt: skip


@pytest.mark.parametrize("what", BREAKS)
def test_a_script_that_breaks_it_is_told_where(tmp_path: Path, what: str) -> None:
    folder = Path(scaffold.make("acme-token", str(tmp_path)))
    good, bad = BREAKS[what]
    program = folder / "rotate.py"
    assert good in program.read_text()
    program.write_text(program.read_text().replace(good, bad, 1))
    failed = [one.what for one in contract.check(str(folder)).findings if not one.ok]
    assert what in failed


def test_a_script_that_hangs_is_told(tmp_path: Path) -> None:
    folder = Path(scaffold.make("acme-token", str(tmp_path)))
    program = folder / "rotate.py"
    text = program.read_text().replace(
        "rotate = script()", "rotate = script()\n\nimport time; time.sleep(60)"
    )
    program.write_text(text)
    manifest = folder / "manifest.yml"
    manifest.write_text(manifest.read_text() + "timeouts: {describe: 0.3}\n")
    findings = {one.what: one for one in _without_hanging(folder).findings}
    assert "within 0.3 seconds" in findings["it answers describe"].detail


def _without_hanging(folder: Path) -> contract.Report:
    """Only describe is quick; the others would wait for half a minute each."""
    manifest = folder / "manifest.yml"
    text = manifest.read_text()
    phases = ("plan", "create", "verify_new", "disable_old", "kill_derived", "probe",
              "destroy_old", "rollback", "observe", "generate")  # fmt: skip
    late = ", ".join(f"{one}: 0.3" for one in phases)
    manifest.write_text(text.replace("{describe: 0.3}", "{describe: 0.3, " + late + "}"))
    return contract.check(str(folder))


def test_a_mistake_in_the_manifest_is_told_with_its_line(tmp_path: Path) -> None:
    folder = Path(scaffold.make("acme-token", str(tmp_path)))
    (folder / "manifest.yml").write_text("protocol: 1\ncolour: red\n")
    report = contract.check(str(folder))
    assert not report.ok
    assert "manifest.yml:2" in report.findings[0].detail


def test_a_name_that_is_taken_or_odd_is_refused(tmp_path: Path) -> None:
    scaffold.make("acme-token", str(tmp_path))
    with pytest.raises(UsageError, match="is there already"):
        scaffold.make("acme-token", str(tmp_path))
    with pytest.raises(UsageError, match="cannot be the name"):
        scaffold.make("../acme", str(tmp_path))
