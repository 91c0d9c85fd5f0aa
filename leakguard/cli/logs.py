"""`leakguard logs`. Reading files reaches no network; fetching loads a room of its own."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from leakguard import exits
from leakguard.blob import Unread
from leakguard.ci import base_policy
from leakguard.ci import span as spans
from leakguard.ci.services import recognise
from leakguard.cli import console, logs_scan, outlets
from leakguard.cli.ci import event_here
from leakguard.cli.gate import Gate, exit_code
from leakguard.cli.scan import cores
from leakguard.errors import RefusedError, UnreadError, UsageError
from leakguard.finding import Outcome
from leakguard.load import recent
from leakguard.load.pack import open_pack
from leakguard.read import ci_log_dump, repository
from leakguard.report import FORMATS
from leakguard.report.layout import fold
from leakguard.report.style import clean, defused, words

if TYPE_CHECKING:
    from types import ModuleType

STANDARD_INPUT = "(standard input)"


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE...]")
@click.option("--github", metavar="RUN", help="Fetch a run of GitHub Actions: number or address.")
@click.option("--gitlab", metavar="JOB", help="Fetch a GitLab job: number or address.")
@click.option("--jenkins", metavar="URL", help="Fetch a Jenkins build by its address.")
@click.option("--repo", metavar="NAME", help="The repository or project of the run or job.")
@click.option("--artifacts", is_flag=True, help="Fetch what the run kept, too.")
@click.option("--max-size", type=click.IntRange(min=1), default=2 * 1024, show_default=True,
              metavar="MIB", help="Largest file to fetch, in MiB.")  # fmt: skip
@click.option("--keep", metavar="DIR", help="Keep what is fetched there; go on with it next time.")
@click.option("--delete", is_flag=True, help="After a finding: have the service delete the logs.")
@click.option("--yes", is_flag=True, help="With --delete: do not ask.")
@click.option("--policy", type=click.Choice(["auto", "base", "checkout"]), default="auto",
              show_default=True,
              help="Whose configuration and allowances hold: in a pipeline of a proposed change "
              "the base's.")  # fmt: skip
@click.option("--respond", metavar="DIR", help="Open incidents for what blocks; write them there.")
@click.option("--format", "shape", type=click.Choice(sorted(FORMATS)), default="text",
              show_default=True, metavar="FORMAT",
    help="How to report: " + ", ".join(sorted(FORMATS)) + ".")  # fmt: skip
@click.option("--output", metavar="FILE", help="Write the report there instead of printing it.")
@click.option("--explain", is_flag=True, help="Say what decided each finding's confidence.")
@outlets.fail_on
@outlets.options(without="gitlab")
@click.option("--jobs", type=click.IntRange(1, 64), help="Readers beside each other.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 for findings; failures keep their code.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto",
              show_default=True, help="Colour of the text report.")  # fmt: skip
def command(
    files: tuple[str, ...], github: str | None, gitlab: str | None, jenkins: str | None,
    repo: str | None, artifacts: bool, max_size: int, keep: str | None, delete: bool, yes: bool,
    policy: str, respond: str | None, shape: str, output: str | None, explain: bool,
    fail_on: str | None, annotations: str, summary: str | None, jobs: int | None,
    exit_zero: bool, color: str, **paths: str | None,
) -> int:  # fmt: skip
    """Look for secrets in finished CI logs, and in archives of them.

    FILE is a log, an archive of logs or a log as JSON; `-` reads standard input.
    Colours, timestamps and prefixes are taken out before matching; line numbers
    stay those of the log. With --github, --gitlab or --jenkins the logs are fetched,
    with a token from GH_TOKEN, GITLAB_TOKEN or JENKINS_USER and JENKINS_TOKEN.

    \b
    Examples:
      leakguard logs build.log logs.zip --sarif leaks.sarif --html leaks.html
      make test 2>&1 | leakguard logs -
      leakguard logs --github 123456 --repo OWNER/NAME --artifacts
      leakguard logs --gitlab 123456 --repo GROUP/NAME --delete

    Exit codes: 0 nothing blocks, 1 a blocking finding, 4 something could not be
    read, 5 a deletion failed, 6 a deletion was not confirmed.
    """
    services = (("github", github), ("gitlab", gitlab), ("jenkins", jenkins))
    chosen = [(kind, what) for kind, what in services if what is not None]
    if len(chosen) + bool(files) != 1:
        raise UsageError("name files, or one run to fetch", "leakguard logs build.log")
    if files and (delete or artifacts or keep or repo):
        raise UsageError("--delete, --artifacts, --keep and --repo go with a run to fetch")
    if yes and not delete:
        raise UsageError("--yes goes with --delete")
    service = recognise(os.environ)
    out = outlets.Outlets(service, paths, summary=summary, annotations=annotations, explain=explain)
    report = Report(shape, output, explain, color, out)
    wanted = Wanted(policy, jobs or cores(), fail_on, exit_zero)
    if files:
        try:
            outcome = scan(map(_on_disk, files), wanted)
        except UnreadError as problem:
            report.keep(outlets.unread(problem, "logs", "log"))
            raise
        report.show(outcome)
        report.keep(outcome)
        _respond(outcome, respond)
        return wanted.code(outcome)
    room = import_module("leakguard.connect.ci")  # the door to the network; only here
    kind, what = chosen[0]
    with ExitStack() as stack:
        folder = keep or _scratch(stack)
        source = room.service(kind, what, repo or "", os.environ)
        stack.callback(source.client.close)
        all_of_it = artifacts or (delete and kind != "github")  # theirs go with the log
        case = source.fetch(room.Saver(folder, max_size * 1024 * 1024), artifacts=all_of_it)
        outcome = scan(((one.path, one.name) for one in case.files), wanted, case.missed)
        opened = _respond(outcome, respond)
        try:
            return _concluded(room, source, case, outcome, report, wanted, delete, yes)
        finally:
            if respond and opened:
                told = import_module("leakguard.cli.ci_respond").contained
                told(opened, respond, report.extra["evidence"], report.extra["deleted"])


class Wanted(NamedTuple):
    """How to scan and to judge."""

    policy: str = "checkout"
    jobs: int = 1
    fail_on: str | None = None
    exit_zero: bool = False

    def code(self, outcome: Outcome) -> int:
        """The exit code."""
        code = exit_code(outcome)
        if code == exits.FOUND and (self.exit_zero or self.fail_on == outlets.NEVER):
            return exits.UNREAD if outcome.unread else exits.CLEAN
        return code


def _respond(outcome: Outcome, folder: str | None) -> list[str]:
    """Open incidents where that is wanted; their numbers. By name: the gate does not know the
    response.
    """
    if not folder or not outcome.blocking:
        return []
    room = import_module("leakguard.cli.ci_respond")
    opened: list[str] = room.respond(outcome, repository.find_top(), "logs", folder)
    return opened


def _scratch(stack: ExitStack) -> str:
    return stack.enter_context(tempfile.TemporaryDirectory(prefix="leakguard-"))


def _on_disk(path: str) -> tuple[str, str]:
    return path, STANDARD_INPUT if path == "-" else path


def _concluded(
    room: ModuleType, source: Any, case: Any, outcome: Outcome, report: Report, wanted: Wanted,
    delete: bool, yes: bool,
) -> int:  # fmt: skip
    """Tell what was fetched and found; then, if asked to and confirmed, contain."""
    evidence = [{"name": one.name, "bytes": one.size, "sha256": one.sha256} for one in case.files]
    report.extra = {"run": case.title, "evidence": evidence, "notes": case.notes, "deleted": []}
    told = [f"{case.title}: {note}" for note in case.notes]
    for one in case.files:
        told += [f"evidence: {one.name} ({one.size:,} bytes)", f"  sha256 {one.sha256}"]
    _tell(told)
    report.keep(outcome)  # before anything is gone
    guilty = bool(outcome.blocking or outcome.warnings)
    if not delete or not guilty:
        report.show(outcome)
        if delete:
            _tell(["nothing was found, so nothing is deleted"])
        return wanted.code(outcome)
    early = report.shape == "text" or report.output
    if early:
        report.show(outcome)
    try:
        _confirm(case, yes)
    except RefusedError:
        if not early:
            report.show(outcome)
        raise
    deleted = room.delete(case, source.client)
    report.extra["deleted"] = [
        {"what": one.what, "done": one.done, "detail": one.detail} for one in deleted
    ]
    _tell([f"{'deleted' if one.done else 'NOT deleted'}: {one.what}"
           + (f" ({one.detail})" if one.detail else "") for one in deleted])  # fmt: skip
    _tell(["the value was readable until now: rotate it, deleting does not undo the reading"])
    if report.shape != "text" or report.output:
        report.show(outcome)
    report.files(outcome)  # once more, with what was deleted
    return wanted.code(outcome) if all(one.done for one in deleted) else exits.OUTCOME


def _confirm(case: Any, yes: bool) -> None:
    """Raises RefusedError unless somebody says the run's number."""
    if case.missed:
        names = ", ".join(clean(one.name) for one in case.missed)
        raise RefusedError(
            f"not deleted: {names} could not be fetched, so nothing would be left of it",
            "fetch all of it first (--max-size), or delete it at the service",
        )
    if yes:
        return
    what = "; ".join(one.what for one in case.deletable)
    if not sys.stdin.isatty():
        raise RefusedError(f"not deleted: nobody confirmed it ({clean(what)})", "add --yes")
    _tell([f"to delete: {what}", "this cannot be undone"])
    typed = click.prompt(f"type {case.word} to delete", default="", show_default=False, err=True)
    if typed.strip() != case.word:
        raise RefusedError("not deleted: something else was typed")


def _tell(lines: Iterable[str]) -> None:
    text = ""
    for line in lines:
        lead = line[: len(line) - len(line.lstrip())]
        text += "\n".join(fold(lead, words(line), 2)) + "\n"
    console.show(text, sys.stderr)


def scan(
    files: Iterable[tuple[str, str]], wanted: Wanted, missed: Iterable[Unread] = ()
) -> Outcome:
    """Scan log files, given as (path, name in reports), by the policy that holds here."""
    top = repository.find_top()
    with ExitStack() as stack:
        root = _deciding(top, wanted.policy, stack)
        gate = Gate(open_pack(root), root, "logs", "log")
        logs_scan.scan(gate, files, wanted.jobs)
        for gap in missed:
            gate.unread(gap)
        outcome = outlets.with_threshold(gate.outcome(), wanted.fail_on)
    if top is not None and outcome.findings:
        recent.save(
            repository.git_folder(top), FORMATS["json"](outcome, console.style(None), False)
        )
    return outcome


def _deciding(top: str | None, policy: str, stack: ExitStack) -> str | None:
    """Where the policy lies that decides: a proposed change must not allow what its own run shows.

    Raises UnreadError when the base is not here, UsageError when there is none.
    """
    service = recognise(os.environ) if policy != "checkout" else None
    commit = spans.policy(event_here(service), top) if service and top else ""
    if policy == "base" and not commit:
        raise UsageError("--policy base: this event has no base that decides")
    if not commit or top is None:
        return top
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="leakguard-"))
    _tell([f"configuration and allowances are those of the base, {commit[:7]}"])
    return base_policy.lay_out(base_policy.of_commit(commit, top), folder)


class Report:
    """Where the reports go, and what a log adds to them."""

    def __init__(
        self, shape: str, output: str | None, explain: bool, color: str, out: outlets.Outlets
    ) -> None:
        self.shape = shape
        self.output = output
        self.extra: dict[str, Any] = {}
        self._explain = explain
        self._color = color
        self._out = out
        if not output and shape != "text":
            out.hush()  # commands to a runner would stand in the middle of it

    def show(self, outcome: Outcome) -> None:
        """Print the one report, or write it to its file."""
        look = console.style(
            None if self.output else sys.stdout, "never" if self.output else self._color
        )
        text = FORMATS[self.shape](outcome, look, self._explain)
        if self.shape == "text":
            text = defused(_places(outcome) + text)
        elif self.shape.startswith("json"):
            text = outlets.with_extra(text, self.extra)
        if not self.output:
            console.show(text)
            return
        outlets.save(self.output, text)

    def files(self, outcome: Outcome) -> None:
        """Write the others that go to files."""
        self._out.write(outcome, self.extra)

    def keep(self, outcome: Outcome) -> None:
        """Write the others, and tell the service."""
        self.files(outcome)
        self._out.summarise(outcome, [])
        self._out.annotate(outcome)


def _places(outcome: Outcome) -> str:
    """Job, step and dump of each finding: a file and a line alone do not say them."""
    lines = []
    for found in (*outcome.blocking, *outcome.warnings):
        said = [seen.detail for seen in found.evidence
                if seen.term in (ci_log_dump.LOG, ci_log_dump.DUMP)]  # fmt: skip
        if said:
            lines += fold(f"{found.short_id}: ", words("; ".join(said)), 2)
    return "\n".join(lines) + "\n\n" if lines else ""
