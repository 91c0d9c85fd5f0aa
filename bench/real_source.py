"""Source that people wrote: the standard library of the Python that measures.

Every machine that can run this has it, and its words are not made by a program.
"""

from __future__ import annotations

import platform
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from make_repos import git

TEXT = {
    ".py",
    ".pyi",
    ".txt",
    ".rst",
    ".html",
    ".xml",
    ".cfg",
    ".toml",
    ".pem",
    ".decTest",
    ".c",
    ".h",
}
"""Endings of the files that are taken over."""


@dataclass(frozen=True, slots=True)
class Source:
    """A repository, and how much is checked out."""

    path: Path
    files: int
    bytes: int


def ensure(folder: Path) -> Source:
    """The library as a repository without a commit, copied when it is not there."""
    path = folder / f"stdlib-{platform.python_version()}"
    if not path.is_dir():
        partial = folder / "stdlib-partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(sysconfig.get_path("stdlib"), partial, ignore=_others)
        git(partial, "init", "--quiet")
        git(partial, "add", "--all")
        partial.rename(path)
    sizes = [
        one.stat().st_size for one in path.rglob("*") if one.is_file() and ".git" not in one.parts
    ]
    return Source(path, len(sizes), sum(sizes))


COMMITTED = "smtplib.py"
"""Clean, and full of the words that secrets stand near."""


def ensure_staged(folder: Path) -> Path:
    """A repository in which a file of the library is staged, made when it is not there."""
    path = folder / f"staged-stdlib-{platform.python_version()}"
    if not path.is_dir():
        partial = folder / "staged-stdlib-partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        git(partial, "init", "--quiet")
        author = ("-c", "user.name=bench", "-c", "user.email=bench@example.invalid")
        git(partial, *author, "commit", "--quiet", "--allow-empty", "--message", "first")
        shutil.copy(Path(sysconfig.get_path("stdlib")) / COMMITTED, partial)
        git(partial, "add", "--all")
        partial.rename(path)
    return path


def _others(folder: str, names: list[str]) -> set[str]:
    """What is no source of the library's: installed packages, what was compiled."""
    skipped = {"site-packages", "__pycache__"}
    return {
        name
        for name in names
        if name in skipped or ((Path(folder) / name).is_file() and Path(name).suffix not in TEXT)
    }
