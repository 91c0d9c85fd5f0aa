"""`leakguard install`: make git run the gate."""

from __future__ import annotations

import os
import shutil
import sys

import click

from leakguard.cli import console
from leakguard.install import RefusedError, everywhere, here
from leakguard.load import bundled
from leakguard.load.pack import open_pack
from leakguard.read import repository


@click.command()
@click.option("--global", "for_all", is_flag=True, help="For all your repositories.")
@click.option(
    "--hook", "hooks", multiple=True, type=click.Choice(here.HOOKS),
    help="Which hook; may be repeated. Default: pre-commit and pre-push; "
    "pre-receive in a bare repository.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite a hook of ours that was edited.")
def command(for_all: bool, hooks: tuple[str, ...], force: bool) -> None:
    """Make git run leakguard before a commit and before a push.

    A hook that is there already is kept and runs first. Where husky, lefthook
    or pre-commit write the hooks, nothing is changed: the lines to add are
    printed.

    \b
    Examples:
      leakguard install
      leakguard install --hook commit-msg
      leakguard install --global

    Exit codes: 0 installed, 2 not a repository, 6 the hooks are someone
    else's to write.
    """
    turn_on = everywhere.turn_on if for_all else here.turn_on
    try:
        folder, done = turn_on(hooks, templates(), interpreter(), force=force)
    except RefusedError as refusal:
        console.show(refusal.paste)  # on stdout by itself, ready to be copied
        raise
    open_pack(None if for_all else repository.find())  # so that the first commit need not wait
    show(folder, done)
    flag = " --global" if for_all else ""
    console.show(f"\n  Take it away   leakguard uninstall{flag}\n")
    if for_all:
        console.show("  Not covered    repositories with a core.hooksPath of their own (husky)\n")


def templates() -> dict[str, bytes]:
    """The scripts that we ship, by name."""
    folder = os.path.join(bundled.folder("hooks"), "git")
    return {name: _read(os.path.join(folder, name)) for name in sorted(os.listdir(folder))}


def interpreter() -> str:
    """The Python to bake in, or "" if only PATH can be relied on.

    Raises RefusedError where a hook could not run us at all: it would stop
    every commit.
    """
    if sys.executable and _can_import(sys.executable):
        return sys.executable.replace("\\", "/") if sys.platform == "win32" else sys.executable
    if shutil.which(os.environ.get("LEAKGUARD", "leakguard")):
        return ""
    raise RefusedError(
        "git could not run leakguard from a hook, so none was written",
        "install leakguard with pip or pipx first; a copy of the source is not enough",
    )


def show(folder: str, done: list[tuple[str, str]]) -> None:
    """What was done to each hook, and where."""
    console.show(f"Hooks in {folder}\n")
    for hook, what in done:
        console.show(f"  {hook:<11} {what}\n")


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _can_import(python: str) -> bool:
    """Whether it finds us from anywhere, not only because we stand in the source."""
    import subprocess

    quick = [python, "-P", "-c", "import leakguard"]
    return subprocess.run(quick, cwd=os.sep, capture_output=True, check=False).returncode == 0
