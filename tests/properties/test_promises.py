"""Promises of the README that a user can check: a quick start, and no way out to a network."""

from __future__ import annotations

import os
import re
import site
import subprocess
import sys
from pathlib import Path

import pytest

import leakguard

HEAVY = {
    "typing", "re", "dataclasses", "json", "subprocess", "yaml", "click", "requests", "hashlib",
    "collections", "git", "pathspec", "threading", "logging", "pathlib", "enum", "inspect",
}  # fmt: skip
"""What a clean commit cannot wait for."""

OUTSIDE = {
    "socket", "ssl", "http", "http.client", "urllib.request", "urllib3", "requests",
    "ftplib", "smtplib", "asyncio", "xmlrpc",
}  # fmt: skip
"""What a program talks to a network with."""

OTHER_ROOMS = {"leakguard.verify", "leakguard.rotate", "leakguard.connect"}

PACKAGE = Path(leakguard.__file__).parent


def python(code: str, *arguments: str, **environment: str) -> str:
    """What a fresh interpreter prints, which loads nothing by itself (`-I -S`)."""
    folders = [str(PACKAGE.parent), *site.getsitepackages()]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {folders!r}\n{code}", *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(code: str, *arguments: str, **environment: str) -> set[str]:
    """The modules that this code leaves behind."""
    show = "\nprint('MODULES', *sys.modules)"
    said = python(code + show, *arguments, **environment)
    return set(said.rpartition("MODULES ")[2].split())


def modules(*rooms: str) -> list[str]:
    """The names of all our modules, or of those in some rooms."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        name = name.removesuffix(".__init__")
        if not name.endswith("__main__") and (
            not rooms or name.split(".")[1:2] in [[room] for room in rooms]
        ):
            found.append(name)
    return found


def test_the_hook_imports_nothing_heavy() -> None:
    assert loaded("import leakguard.__main__, leakguard.cli.hook") & HEAVY == set()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cache with the pack in it."""
    folder = str(tmp_path_factory.mktemp("cache"))
    python("from leakguard.load.pack import open_pack; open_pack(None)", LEAKGUARD_CACHE=folder)
    return folder


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with something harmless staged."""
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "app.py").write_text("print('hello')\n" * 100)
    for words in (["init", "-q"], ["add", "app.py"]):
        subprocess.run(["git", *words], cwd=folder, check=True, env=clean_environment())
    return folder


def clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def test_a_clean_commit_imports_nothing_heavy(repo: Path, cache: str) -> None:
    code = "import os; os.chdir(sys.argv[1]); from leakguard.cli import main; code = main(['hook', 'pre-commit'])"
    found = loaded(code + "; print('CODE', code)", str(repo), LEAKGUARD_CACHE=cache)
    assert found & HEAVY == set()
    assert "leakguard.load.body" not in found
    assert "leakguard.load.rules" not in found
    assert not any(name.startswith("leakguard.report") for name in found)


def test_a_plain_scan_imports_nothing_of_the_command_tree(repo: Path, cache: str) -> None:
    code = "import os; os.chdir(sys.argv[1]); from leakguard.cli import main; print(main(['scan']))"
    found = loaded(code, str(repo), LEAKGUARD_CACHE=cache)
    assert "leakguard.report.text" in found
    assert found & {"click", "dataclasses", "inspect", "threading", "logging", "yaml"} == set()


def test_a_clean_commit_is_let_through_in_silence(repo: Path, cache: str) -> None:
    code = "import os; os.chdir(sys.argv[1]); from leakguard.cli import main; sys.exit(main(['hook', 'pre-commit']))"
    assert python(code, str(repo), LEAKGUARD_CACHE=cache) == ""


def is_of_the_response(name: str) -> bool:
    """Whether a module itself names the rooms that only an incident needs."""
    source = PACKAGE.parent / (name.replace(".", "/") + ".py")
    text = source.read_text(encoding="utf-8") if source.exists() else ""
    named = re.findall(r"(?:from|import) (leakguard\.(?:keep|respond|rotate|cli\.\w+))", text)
    response = {"leakguard.cli.desk", "leakguard.cli.spotless"}
    return bool({*named, name} & response) or any(
        one.startswith(("leakguard.keep", "leakguard.respond", "leakguard.rotate")) for one in named
    )


def test_nothing_that_the_gate_imports_reaches_a_network() -> None:
    everything = modules("cli", "detect", "load", "read", "report", "install")
    gate = [name for name in everything if not is_of_the_response(name)]
    assert {"leakguard.cli.scan", "leakguard.cli.ci", "leakguard.cli.logs"} <= set(gate)
    found = loaded("import " + ", ".join(gate))
    assert found & OTHER_ROOMS == set()
    assert found & OUTSIDE == set()


def test_the_thinking_rooms_read_nothing_and_run_nothing() -> None:
    for name in modules("detect", "report"):
        text = PACKAGE.parent / (name.replace(".", "/") + ".py")
        source = text if text.exists() else PACKAGE.parent / name.replace(".", "/") / "__init__.py"
        for word in ("import os", "import subprocess", "import socket", "import time", "open("):
            assert word not in source.read_text(), (name, word)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="asks the same of each module in a fork")
def test_every_module_can_be_imported_first() -> None:
    # No order of imports is needed, so a newcomer's `python -c` works.
    code = """
import os
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        __import__(name)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(name + " cannot be imported first")
"""
    python(code, *modules())


def test_nothing_is_unpickled_or_evaluated_anywhere() -> None:
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        for word in (
            "pickle.load",
            "marshal",
            "eval(",
            "exec(",
            "yaml.load(",
            "shell=True",
            "os.system",
        ):
            assert word not in text, (path.name, word)
