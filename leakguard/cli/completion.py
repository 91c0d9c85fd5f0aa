"""`leakguard completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      eval "$(leakguard completion bash)"        in ~/.bashrc
      leakguard completion fish > ~/.config/fish/completions/leakguard.fish
    """
    from leakguard.cli.app import app

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    script = kind(app, {}, "leakguard", "_LEAKGUARD_COMPLETE")
    click.echo(kind.source_template % script.source_vars())
