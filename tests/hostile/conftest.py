"""Fixtures: an environment without anybody's configuration, and repositories in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hostile.scratch import Repo, environment, fake, forget_fakes


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests, so that the pack is made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def env(tmp_path: Path, cache: Path) -> dict[str, str]:
    """The environment of every command."""
    return environment(tmp_path / "home", cache)


@pytest.fixture(autouse=True)
def _fakes() -> None:
    """No fakes of other tests."""
    forget_fakes()


@pytest.fixture
def secret(request: pytest.FixtureRequest) -> str:
    """A fake, another one for each test and the same one each time."""
    return fake(request.node.nodeid)


@pytest.fixture
def make_repo(tmp_path: Path, env: dict[str, str]) -> Callable[..., Repo]:
    """Makes a repository by name; further words go to `git init`."""

    def make(name: str, *words: str) -> Repo:
        path = tmp_path / name
        path.mkdir()
        repo = Repo(path, env)
        repo.git("init", "-q", *words)
        return repo

    return make


@pytest.fixture
def empty(make_repo: Callable[..., Repo]) -> Repo:
    """A repository without a commit."""
    return make_repo("repo")


@pytest.fixture
def repo(empty: Repo) -> Repo:
    """A repository with one clean commit."""
    empty.commit_file("README", "hello\n")
    return empty


@pytest.fixture
def folder(tmp_path: Path, env: dict[str, str]) -> Repo:
    """A folder outside of any repository."""
    path = tmp_path / "folder"
    path.mkdir()
    return Repo(path, env)
