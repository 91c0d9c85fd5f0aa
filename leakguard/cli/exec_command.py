"""`leakguard exec`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase

import click

from leakguard import exits
from leakguard.cli import child, console, mask_commands
from leakguard.cli.gate import Gate
from leakguard.cli.watchdog import Watchdog
from leakguard.detect import prefilter
from leakguard.detect.known import SHORTEST, Known
from leakguard.detect.mask import Masker
from leakguard.detect.sight import Sight
from leakguard.errors import UsageError
from leakguard.finding import Exposure, Outcome
from leakguard.load.pack import open_pack
from leakguard.read import repository
from leakguard.report import FORMATS
from leakguard.report.style import clean
from leakguard.secret import Secret


@click.command(
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@click.option("--mask-env", "names", multiple=True, metavar="NAME",
              help="Also mask this variable's value; 'DEPLOY_*' for several.")  # fmt: skip
@click.option("--ci-mask", is_flag=True, help="First tell the CI service to mask those values.")
@click.option("--report", metavar="FILE", help="Write the findings there.")
@click.option("--format", "shape", type=click.Choice(sorted(FORMATS)), default="text",
              metavar="NAME", help="How to write it, as for leakguard scan (text).")  # fmt: skip
@click.option("--fail", is_flag=True, help="Exit 1 for a blocking finding if COMMAND succeeds.")
@click.option("--no-tty", is_flag=True, help="Give COMMAND pipes even at a terminal.")
def command(
    words: tuple[str, ...], names: tuple[str, ...], ci_mask: bool, report: str | None, shape: str,
    fail: bool, no_tty: bool,
) -> int:  # fmt: skip
    """Run COMMAND and pass its output on as it comes, with secrets masked.

    What was found is told on standard error when the command has ended.

    \b
    Examples:
      leakguard exec -- make test
      leakguard exec --mask-env 'DEPLOY_*' --ci-mask -- ./deploy.sh
      leakguard exec --report leaks.json --format json --fail -- npm run e2e

    Exit codes: the command's own, and its own signal; 127 it was not found,
    126 it cannot be run; 1 with --fail; 2 usage, 3 configuration.
    """
    top = repository.find_top()
    pack = open_pack(top)
    gate = Gate(pack, top, "exec", "line")
    known = Known(prefilter.extension())
    values = _values(names, os.environ, known)
    service = mask_commands.service(os.environ)
    if report:
        _write(report, "")  # better to fail now than when the command has run
    if ci_mask:
        _announce(service, values)
    sight = Sight(
        pack.book,
        pack.prefilter.scan,
        Watchdog().watch,
        [prefix for prefix in pack.prefixes if len(prefix) > 2],
    )
    maskers: list[Masker] = []

    def through(name: str) -> Masker:
        heard = service.heard if service is not None else None
        maskers.append(Masker(sight, known, gate.add, f"({name})", heard))
        return maskers[-1]

    status, failure = child.run(words, through, terminal=not no_tty)
    gate.items, gate.bytes = sum(one.lines for one in maskers), sum(one.size for one in maskers)
    outcome = _outcome(gate)
    _report(outcome, report, shape)
    if failure is not None:
        console.show("error: the rest of the output was withheld, since it could not be masked\n",
                     sys.stderr)  # fmt: skip
        raise failure
    if fail and not status and outcome.blocking:
        return exits.FOUND
    return child.end_like(status)


def _values(names: tuple[str, ...], environment: Mapping[str, str], known: Known) -> list[Secret]:
    """The values of the variables that `names` (or patterns) mean.

    Told of are those that are too short, and names that mean nothing: a slip would leak.
    """
    found: dict[Secret, None] = {}
    for pattern in names:
        if not any(_fits(name, pattern) for name in environment):
            _warn(f"no variable {clean(pattern)} is set, so nothing of it is masked")
    for name, value in sorted(environment.items()):
        if not value or not any(_fits(name, pattern) for pattern in names):
            continue
        secret = Secret(os.fsencode(value))
        if known.add(secret):
            found[secret] = None
        else:
            _warn(f"{clean(name)} has less than {SHORTEST} bytes, so it is not masked")
    return list(found)


def _warn(what: str) -> None:
    console.show(f"warning: {what}\n", sys.stderr)


def _fits(name: str, pattern: str) -> bool:
    if os.name == "nt":
        return fnmatchcase(name.upper(), pattern.upper())
    return fnmatchcase(name, pattern)


def _announce(service: mask_commands.Service | None, values: list[Secret]) -> None:
    """Tell the service around us; nowhere else may such a line be printed, since it is the value.

    Raises UsageError at a terminal, which nobody masks.
    """
    if service is None:
        console.show("note: no CI service that masks on command was recognised\n", sys.stderr)
        return
    if os.isatty(1):
        raise UsageError("--ci-mask would print the values on this terminal", "leave it out here")
    text = b"".join(service.tell(value) for value in values)
    while text:
        text = text[os.write(1, text) :]


def _outcome(gate: Gate) -> Outcome:
    """What was found; it stayed here, since it was masked."""
    outcome = gate.outcome(exposure=Exposure.LOCAL)
    gate.remember(outcome)
    return outcome


def _report(outcome: Outcome, report: str | None, shape: str) -> None:
    """The report in its file, and for people on standard error, where there is something to say."""
    if report:
        plain = console.style(None, "never")
        _write(report, FORMATS[shape](outcome, plain, False))
    if not (outcome.blocking or outcome.warnings):
        return
    text = FORMATS["text"](outcome, console.style(sys.stderr), False)
    console.show(f"\nleakguard: masked in the output of the command\n\n{text}", sys.stderr)


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write {path!r}", cause=error.strerror or "") from None
