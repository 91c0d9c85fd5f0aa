"""`leakguard uninstall`: take our hooks away, and nothing else."""

from __future__ import annotations

import click

from leakguard.cli import console
from leakguard.cli.install import show, templates
from leakguard.install import everywhere, here


@click.command()
@click.option("--global", "for_all", is_flag=True, help="The hooks for all your repositories.")
@click.option(
    "--hook", "hooks", multiple=True, type=click.Choice(here.HOOKS),
    help="Which hook; may be repeated. Default: all of ours.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Remove a hook of ours even if it was edited.")
def command(for_all: bool, hooks: tuple[str, ...], force: bool) -> None:
    """Take the hooks of leakguard away and put back what was there before.

    \b
    Examples:
      leakguard uninstall
      leakguard uninstall --global --hook pre-push

    Exit codes: 0 done, 2 not a repository, 6 a hook was edited.
    """
    if for_all:
        folder, done = everywhere.turn_off(hooks or here.HOOKS, templates(), force=force)
    else:
        folder, done = here.turn_off(hooks, force=force)
    changed = [(hook, what) for hook, what in done if what != "not there"]
    if changed:
        show(folder, changed)
    else:
        console.show(f"No hooks of ours in {folder}\n")
