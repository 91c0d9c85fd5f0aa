"""`leakguard scan`."""

from __future__ import annotations

import sys

import click

from leakguard import exits
from leakguard.cli import console, gate
from leakguard.cli.crew import cores
from leakguard.errors import UsageError
from leakguard.finding import Outcome
from leakguard.load.pack import open_pack
from leakguard.read import commits, git, repository
from leakguard.report import FORMATS


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--staged", is_flag=True, help="What is staged, as the pre-commit hook sees it.")
@click.option("--range", "span", metavar="A..B", help="What the commits of a range add.")
@click.option("--since", metavar="DATE", help="What the commits since DATE add ('2 weeks ago').")
@click.option("--history", is_flag=True, help="Every blob that HEAD's history reaches.")
@click.option("--all", "everything", is_flag=True, help="With --history: of every reference.")
@click.option("--ignored", is_flag=True, help="Also files that .gitignore leaves out.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(sorted(FORMATS)),
    default="text",
    show_default=True,
    metavar="FORMAT",
    help=f"How to report: {', '.join(sorted(FORMATS))}.",
)
@click.option("--output", metavar="FILE", help="Write the report there instead of printing it.")
@click.option("--explain", is_flag=True, help="Say what decided each finding's confidence.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 for findings; failures keep their code.")
@click.option("--jobs", type=click.IntRange(1, 64), help="Readers beside each other.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colour of the text report.",
)
def command(
    paths: tuple[str, ...], staged: bool, span: str | None, since: str | None, history: bool,
    everything: bool, ignored: bool, shape: str, output: str | None, explain: bool,
    exit_zero: bool, jobs: int | None, color: str,
) -> int:  # fmt: skip
    """Look for secrets in files and folders; `-` reads standard input.

    Without a PATH the repository around you, or the folder you are in.

    \b
    Examples:
      leakguard scan src/ docs/
      kubectl get secrets -o yaml | leakguard scan -
      leakguard scan --history --all --format sarif --output leaks.sarif

    Exit codes: 0 nothing blocks, 1 a blocking finding, 3 configuration,
    4 something could not be read (unread is not clean).
    """
    chosen = [name for name, on in (("--staged", staged), ("--range", span is not None),
                                    ("--since", since is not None), ("--history", history),
                                    ("PATH", paths)) if on]  # fmt: skip
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} do not go together", "choose one")
    if everything and not history:
        raise UsageError("--all goes with --history", "leakguard scan --history --all")
    top = repository.find_top()
    commits_too = span is not None or since is not None
    if commits_too or history:
        top = repository.find()
    if top is None and (staged or commits_too or history):
        raise UsageError("this is not a git repository", "leakguard scan PATH reads any folder")
    if staged:
        outcome = _staged(str(top))
    elif commits_too:
        from leakguard.cli import push

        wanted = _since(since, top) if span is None else [_range(span)]
        outcome = push.scan_commits("range", top, commits.revisions(*wanted, "--", top=top))
    elif history:
        from leakguard.cli import survey

        outcome = survey.history(str(top), ("--all",) if everything else ("HEAD",), jobs or cores())
    else:
        from leakguard.cli import tree_scan

        outcome = tree_scan.files(paths, top, ignored=ignored, jobs=jobs)
    _report(outcome, shape, output, explain, color)
    code = gate.exit_code(outcome)
    if exit_zero and code == exits.FOUND:
        return exits.UNREAD if outcome.unread else exits.CLEAN
    return code


def _range(span: str) -> str:
    """A range that begins somewhere: what a pipeline leaves empty must not pass for clean.

    Raises UsageError.
    """
    if not span.strip() or span.startswith(("-", "..")):
        raise UsageError(
            f"--range {span!r} does not say where it begins",
            "write --range main..HEAD; in a pipeline, is a variable empty?",
        )
    return span


def _since(day: str | None, top: str | None) -> list[str]:
    """The arguments of rev-list for a day. Raises UsageError for words that are none: git takes
    them for now, and nothing is younger.
    """
    named = ("-c", f"leakguard.since={day}", "config", "--type=expiry-date", "leakguard.since")
    if git.run(*named, folder=top, ok=(0, 1, 128))[0]:
        raise UsageError(
            f"--since {day!r} is not a day", "write --since 2027-05-21, or '2 weeks ago'"
        )
    return [f"--since={day}", "HEAD"]


def _staged(top: str) -> Outcome:
    from leakguard.cli.staged_gate import Added
    from leakguard.read import staged

    pack = open_pack(top)
    checked = gate.Gate(pack, top, "index", "staged file")
    changes = staged.changes(top)
    for change, blob in staged.blobs(changes, top):
        checked.items += 1
        checked.bytes += len(blob.data)
        checked.look(blob, Added(checked, change, top))
    outcome = checked.outcome()
    checked.remember(outcome)
    return outcome


def _report(outcome: Outcome, shape: str, output: str | None, explain: bool, color: str) -> None:
    if output:
        text = FORMATS[shape](outcome, console.style(sys.stderr, "never"), explain)
        try:
            with open(output, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"cannot write {output!r}", cause=error.strerror or "") from None
        return
    console.show(FORMATS[shape](outcome, console.style(sys.stdout, color), explain))
