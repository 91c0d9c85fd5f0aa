"""A wheel is all there is: rules, hooks and the command work from an empty environment."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from random import Random

import pytest

from leakguard.detect.checksum import CHECKSUMS
from leakguard.recipe import expand

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path, **kwargs: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False,
        **kwargs,  # type: ignore[call-overload]
    )  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds nothing but a wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    done = run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT, cwd=folder
    )
    if done.returncode:
        pytest.skip(f"no package index to build with: {done.stderr[-300:]}")
    venv.create(folder / "env", with_pip=True)
    wheel = next(folder.glob("leakguard-*.whl"))
    done = run(folder / "env" / "bin" / "pip", "install", "--quiet", wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "env" / "bin"


@pytest.mark.registry
def test_the_rules_and_the_hooks_are_inside(installed: Path, tmp_path: Path) -> None:
    here = run(sys.executable, "-m", "leakguard", "rules", "list", cwd=ROOT).stderr
    there = run(installed / "leakguard", "rules", "list", cwd=tmp_path).stderr
    assert there == here


@pytest.mark.registry
def test_nobody_waits_for_the_rules_at_first_use(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    cache = tmp_path / "cache"
    env = os.environ | {"LEAKGUARD_CACHE": str(cache)}
    done = run(installed / "leakguard", "scan", "a.py", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert not cache.exists()  # they came compiled


@pytest.mark.registry
def test_it_installs_a_hook_that_stops_a_commit(installed: Path, tmp_path: Path) -> None:
    token = expand("ghp_{{alnum:30}}{{checksum}}", Random(5), CHECKSUMS["github"].complete)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env = {**clean, "HOME": str(tmp_path), "PATH": f"{installed}{os.pathsep}{os.environ['PATH']}"}
    repo = tmp_path / "repo"
    run("git", "init", "-q", repo, cwd=tmp_path, env=env)
    assert run("leakguard", "install", cwd=repo, env=env).returncode == 0
    (repo / "a.py").write_text(f'KEY = "{token}"\n')
    run("git", "add", "a.py", cwd=repo, env=env)
    done = run(
        "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "x", cwd=repo, env=env
    )
    assert done.returncode == 1
    assert "a.py:1:8" in done.stdout + done.stderr
    assert token not in done.stdout + done.stderr
