"""`leakguard logs`."""

from __future__ import annotations

import os

import click

from leakguard.ci.services import recognise
from leakguard.cli import logs_fetch, outlets
from leakguard.cli.crew import cores
from leakguard.cli.logs_fetch import Order
from leakguard.cli.logs_outcome import Wanted, scan
from leakguard.cli.logs_outcome import respond as opened
from leakguard.cli.logs_report import Report
from leakguard.errors import UsageError
from leakguard.report import FORMATS

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
    if chosen:
        limit = max_size * 1024 * 1024
        order = Order(*chosen[0], repo or "", artifacts, limit, keep, delete, yes)
        return logs_fetch.run(order, wanted, report, respond)
    with report.told_of_failure():
        outcome = scan(map(_on_disk, files), wanted)
    report.show(outcome)
    report.keep(outcome)
    opened(outcome, respond)
    return wanted.code(outcome)


def _on_disk(path: str) -> tuple[str, str]:
    return path, STANDARD_INPUT if path == "-" else path
