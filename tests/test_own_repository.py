"""leakguard looks at itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def scan(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "leakguard", "scan", *args],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_this_repository_is_clean_without_a_baseline() -> None:
    assert not (ROOT / ".leakguard").exists()
    assert not (ROOT / ".leakguard.yml").exists()
    done = scan()
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("Clean: "), done.stdout


def test_its_history_is_clean_too() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: there is no history to scan")
    done = scan("--history", "--all")
    if "the clone is shallow" in done.stdout:
        pytest.skip("a shallow clone: its history is not all here")
    assert done.returncode == 0, done.stdout
