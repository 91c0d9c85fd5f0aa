"""Logs as services write them, with fakes made at run time."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leakguard.connect.http import Client

from .server import Host, serving

STAMP = "2026-11-21T14:02:11.1234567Z "


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is no repository, without anybody's tokens and proxies."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(
            ("GITHUB_", "GITLAB_", "CI", "GH_", "JENKINS_")
        ):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pat(fake: Callable[..., str]) -> Callable[[], str]:
    """Fake tokens that a provider's rule knows, a new one each time."""
    return lambda: fake("dop_v1_{{hex:64}}")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a client would have slept."""
    slept: list[float] = []
    defaults = Client.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "sleep", slept.append)
    return slept


@pytest.fixture
def api() -> Iterator[Host]:
    with serving() as host:
        yield host


@pytest.fixture
def storage() -> Iterator[Host]:
    with serving() as host:
        yield host


def zipped(**members: str) -> bytes:
    """An archive of logs; `__` stands for a slash."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return held.getvalue()


def stamped(*lines: str) -> str:
    """Lines as GitHub keeps them."""
    return "".join(f"{STAMP}{line}\n" for line in lines)
