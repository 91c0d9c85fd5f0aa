"""`leakguard hook --help`; the hooks themselves run without click."""

from __future__ import annotations

import click

from leakguard.cli import hook


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", type=click.Choice(hook.NAMES))
@click.argument("arguments", nargs=-1)
def command(name: str, arguments: tuple[str, ...]) -> int:
    """What git runs; `leakguard install` sets it up.

    pre-commit scans what is staged, and named files that are not.
    pre-push and pre-receive read git's lines on standard input and scan
    what the other side does not have. commit-msg scans the message file.

    \b
    Examples:
      leakguard hook pre-commit
      leakguard hook commit-msg .git/COMMIT_EDITMSG

    Exit codes: 0 nothing blocks, 1 a blocking finding, 3 configuration,
    4 something could not be read (unread is not clean).
    """
    return hook.run([name, *arguments])
