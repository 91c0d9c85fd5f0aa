"""The command tree. A command's module is imported when the command is named."""

from __future__ import annotations

import os
from importlib import import_module

import click

from leakguard import __version__, exits

COMMANDS = {
    "scan": "look for secrets in files, folders, commits or a whole history",
    "hook": "what git runs: pre-commit, pre-push, commit-msg, pre-receive",
    "ci": "look at what a pipeline's event brings, and report to its service",
    "logs": "look for secrets in finished CI logs, from files or fetched",
    "exec": "run a command and mask the secrets it prints",
    "install": "make git run leakguard in this repository",
    "uninstall": "take it out again",
    "allow": "say why a finding is not a problem",
    "rules": "list, show and check rules",
    "completion": "print the completion script of a shell",
}
"""Every command and its one line of help."""


class LazyGroup(click.Group):
    """Knows the commands by name; loads one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = {"hook": "hook_command", "exec": "exec_command"}.get(cmd_name, cmd_name)
        command: click.Command = import_module(f"leakguard.cli.{module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table: a list of commands must not import them all."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """With a suggestion for a word we do not know."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from leakguard.load.document import suggest

            ctx.fail(f"no command {args[0]!r}; " + "; ".join(suggest(args[0], list(COMMANDS))))
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 79},
    epilog="Exit codes: 0 clean, 1 a blocking finding, 2 usage, 3 configuration, "
    "4 something could not be read, 6 refused, 70 a bug in leakguard, 130 interrupted.",
)
@click.version_option(__version__, prog_name="leakguard")
def app() -> None:
    """Stop secrets at the commit and the push.

    \b
    Examples:
      leakguard scan                   the files of this repository
      leakguard scan --history --all   everything that was ever committed
      leakguard install                check every commit and push here
      leakguard rules show ID          what a rule is about, how to revoke
    """


def run(arguments: list[str]) -> int:
    """Run click without letting it exit: its habit of exiting 1 means "a leak was found" here."""
    if "_LEAKGUARD_COMPLETE" in os.environ:
        app.main(arguments, prog_name="leakguard", complete_var="_LEAKGUARD_COMPLETE")
    try:
        result = app.main(arguments, prog_name="leakguard", standalone_mode=False)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.exceptions.NoArgsIsHelpError as help_wanted:
        click.echo(help_wanted.format_message())
        return exits.USAGE
    except click.UsageError as error:
        click.echo(f"error: {_sentence(error.format_message())}", err=True)
        if error.ctx is not None:
            click.echo(f"  hint: {error.ctx.command_path} --help", err=True)
        return exits.USAGE
    except SystemExit:  # click's answer to a reader that has gone is exit 1
        return exits.UNREAD
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        click.echo(f"error: {_sentence(error.format_message())}", err=True)
        return exits.USAGE
    return result if isinstance(result, int) else exits.CLEAN


def _sentence(text: str) -> str:
    """click's sentences in our form: lower case, no full stop."""
    text = text.rstrip(".")
    return text[:1].lower() + text[1:]
