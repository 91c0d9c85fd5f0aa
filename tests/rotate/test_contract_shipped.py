"""Every script that ships keeps the contract; a new one is found by itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from leakguard.load import bundled
from leakguard.rotate import contract

OURS = Path(bundled.folder("hooks")) / "rotate"


@pytest.mark.parametrize("name", sorted(one.name for one in OURS.iterdir() if one.is_dir()))
def test_every_script_that_ships_keeps_the_contract(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    shutil.copytree(OURS / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["chmod", "-R", "go-w", str(folder)], check=True)
    report = contract.check(str(folder))
    assert [(one.what, one.detail) for one in report.findings if not one.ok] == []
