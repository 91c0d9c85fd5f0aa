"""The demo is the README's first command, so it must work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_tells_its_story() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "demo" / "run.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Commit stopped: 1 secret" in done.stdout
    assert "GitHub personal access token in commit" in done.stdout
    assert "Clean: " in done.stdout
    assert "in a dump of the environment (lines 2 to 5)" in done.stdout
    assert "### leakguard: 2 secrets must be rotated" in done.stdout
    assert "**stands** complete with aws" in done.stdout
    assert "Opened LG-" in done.stdout
    assert "is not contained yet" in done.stdout
    assert "the leaked one is proven dead" in done.stdout
    assert "The record is whole" in done.stdout
    assert "From the blocked commit to the proof: " in done.stdout
