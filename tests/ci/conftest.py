"""Fixtures: a remote with one clean commit, and a developer's clone of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.place import Repo, World, environment


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests, so that the pack is made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def world(tmp_path: Path, cache: Path) -> World:
    """The remote holds `main` with two clean commits."""
    env = environment(tmp_path / "home", cache)
    for name in ("server.git", "dev"):
        (tmp_path / name).mkdir()
    server, dev = Repo(tmp_path / "server.git", env), Repo(tmp_path / "dev", env)
    server.git("init", "-q", "--bare")
    dev.git("init", "-q")
    dev.git("remote", "add", "origin", f"file://{server.path}")
    dev.commit("README", "hello\n", "start")
    dev.commit("app.py", "print()\n")
    dev.push("main")
    return World(tmp_path, env, server, dev)


@pytest.fixture
def dev(world: World) -> Repo:
    """The developer's clone."""
    return world.dev
