"""`leakguard decode`: what a leaked value says of itself."""

from __future__ import annotations

import click

from leakguard.cli import console
from leakguard.cli.intake import paste
from leakguard.report.style import clean
from leakguard.respond.decode import READERS, decode


@click.command()
@click.option("--as", "kind", type=click.Choice(list(READERS)), default=None, metavar="KIND",
              help="What it must be: " + ", ".join(READERS) + ".")  # fmt: skip
def command(kind: str | None) -> None:
    """Show the public fields of a value from standard input; never the secret in it.

    Offline. On a terminal the value is asked for and not shown, so that it
    stands in no history.

    \b
    Examples:
      leakguard decode
      pbpaste | leakguard decode --as vsync-config
    """
    found = decode(paste("leakguard decode"), kind or "")
    console.show(f"{clean(found.title)}\n")
    for name, value in found.fields:
        console.show(f"  {clean(name):<18} {clean(value)}\n")
