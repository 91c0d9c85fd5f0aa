"""The command tree. A command's module is imported when the command is named."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from leakguard import __version__, exits

GATE = {
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
RESPONSE = {
    "respond": "open an incident: how bad, what to do first",
    "status": "where an incident stands; without one, all open ones",
    "list": "incidents, open or all",
    "done": "record that a step was carried out",
    "skip": "leave a step out, with the reason",
    "assign": "say who does a step, or who has a role",
    "rotate": "replace the leaked credential and prove the old one dead",
    "notice": "fill, check, approve and send a message",
    "advance": "take an incident a step further, when nothing is missing",
    "explain": "why this severity, why this step",
    "checklist": "the steps, for a ticket or to print",
    "timeline": "everything that happened, in order",
    "note": "put words into the timeline",
    "evidence": "keep the hash of what shows something",
    "exposure": "places where it could be read, and what became of them",
    "consumers": "what uses the secret, and proof that it switched",
    "secret": "the credentials of an incident",
    "review": "access logs that were read, and what they show",
    "decode": "what a leaked value says of itself, without the secret in it",
    "mitigate": "what keeps this from happening again",
    "post-mortem": "where the post-mortem is",
    "hold": "an incident that waits for somebody",
    "lower": "lower the level, with a second person",
    "reopen": "it is not over",
    "merge": "two incidents are one",
    "dismiss": "it was no secret",
    "watch": "what is overdue, for cron and pipelines",
    "audit": "prove that the record is whole",
    "doctor": "whether everything is ready before something leaks",
}
COMMANDS = GATE | RESPONSE
"""Every command and its one line of help."""

_MODULES = {
    "hook": "hook_command",
    "exec": "exec_command",
    "secret": "secret_command:secret",
    "list": "look:listing",
    "post-mortem": "record:post_mortem",
    **{name: f"look:{name}" for name in ("status", "explain", "checklist", "timeline")},
    **{name: f"steps:{name}" for name in ("done", "skip", "assign")},
    **{name: f"record:{name}" for name in ("note", "evidence", "mitigate")},
    **{name: f"{name}:{name}" for name in ("exposure", "consumers", "review")},
    **{name: f"course:{name}" for name in (
        "advance", "reopen", "merge", "hold", "dismiss", "lower")},
}  # fmt: skip
"""Where a command is that is not `command` of the module of its name."""


class LazyGroup(click.Group):
    """Knows the commands by name; loads one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = _MODULES.get(cmd_name, cmd_name).partition(":")
        found = import_module(f"leakguard.cli.{module}")
        command: click.Command = getattr(found, name or "command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table: a list of commands must not import them all."""
        for title, commands in (("The gate", GATE), ("The response", RESPONSE)):
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))

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
    "4 something could not be read, 5 a rotation or a message failed or is unknown, "
    "6 refused, 7 overdue, 70 a bug in leakguard, 130 interrupted.",
)
@click.version_option(__version__, prog_name="leakguard")
def app() -> None:
    """Stop secrets at the commit and the push; when one got out, respond.

    \b
    Examples:
      leakguard scan                   the files of this repository
      leakguard scan --history --all   everything that was ever committed
      leakguard install                check every commit and push here
      leakguard rules show ID          what a rule is about, how to revoke
      leakguard respond ID             a secret got out: what to do first
      leakguard rotate LG-2026-0001    replace it, prove the old one dead
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
        _complain(error, arguments)
        if error.ctx is not None:
            click.echo(f"  hint: {error.ctx.command_path} --help", err=True)
        return exits.USAGE
    except SystemExit:  # click's answer to a reader that has gone is exit 1
        return exits.UNREAD
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        _complain(error, arguments)
        return exits.USAGE
    return result if isinstance(result, int) else exits.CLEAN


def _complain(error: click.ClickException, arguments: list[str]) -> None:
    """click's message, without a secret that was pasted in place of a name."""
    from leakguard.cli import console
    from leakguard.report.style import clean

    text = console.unsaid(_sentence(error.format_message()), arguments)
    console.show("error: " + "\n".join(map(clean, text.split("\n"))) + "\n", sys.stderr)


def _sentence(text: str) -> str:
    """click's sentences in our form: lower case, no full stop."""
    text = text.rstrip(".")
    return text[:1].lower() + text[1:]
