"""`leakguard allow`."""

from __future__ import annotations

import os
import re
from datetime import date

import click

from leakguard.cli import console
from leakguard.errors import ConfigError, Place, UsageError
from leakguard.load import recent, suppressions
from leakguard.policy import Allowance
from leakguard.read import git, repository
from leakguard.report.style import clean

DEFAULT_DAYS = 181
"""How long an allowance lasts when nobody says: long enough to be no chore, short enough to be
looked at again."""


_ID = re.compile(r"[0-9a-fA-F]{1,16}")


@click.command()
@click.argument("finding_id", metavar="ID")
@click.option("--reason", help="Why it is safe; reviewers read it.")
@click.option("--until", metavar="DATE", help="Last day it holds (2027-05-21), or 'never'.")
@click.option("--anywhere", is_flag=True, help="In every file, not only where it was found.")
@click.option("--report", metavar="FILE", default="", help="The JSON report that names it.")
def command(
    finding_id: str, reason: str | None, until: str | None, anywhere: bool, report: str
) -> None:
    """Say why a finding is not a problem, so that it blocks no more.

    ID is the six digits of a report. The decision is written to
    .leakguard/allow and staged; it ends after half a year unless you say.

    \b
    Examples:
      leakguard allow 7f3a9c --reason "sample from the vendor's public docs"
      leakguard allow 7f3a9c --reason "expired in 2019" --until never --anywhere
      leakguard allow 7f3a9c --reason "a sample" --report leakguard.json
    """
    if not reason or not any(char.isalpha() for char in reason):
        raise UsageError(
            "an allowance needs a reason",
            'leakguard allow 7f3a9c --reason "sample from the vendor\'s public docs"',
            "if it was ever real, do not allow it: revoke it; leakguard rules show tells how",
        )
    if not _ID.fullmatch(finding_id):
        raise UsageError(  # not repeated: people paste the secret itself
            "that is not the id of a finding", "an id is the six digits that a report ends with"
        )
    last = _last_day(until)
    top = repository.find_top()
    if top is None:
        raise UsageError("this is not a git repository", "allowances live in a repository")
    _check_place(top)
    try:
        found = recent.find(repository.git_folder(top), finding_id, report)
        paths = (
            {""}
            if anywhere
            else {
                _as_git_names_it(top, place["path"]) for one in found for place in one["locations"]
            }
        )
        first = found[0]
        new = [
            Allowance(first["fingerprint"], first["rule_id"], last, path, reason)
            for path in sorted(paths)
        ]
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(
            "what the last run found cannot be read any more",
            "run the scan or the commit again, then copy the id from its report",
        ) from None
    kept = [
        entry
        for entry in suppressions.read(top)
        if not (entry.fingerprint == first["fingerprint"] and (anywhere or entry.path in paths))
    ]
    try:
        suppressions.write(top, kept + new)
    except OSError as error:
        raise UsageError(f"cannot write {suppressions.FILE}", cause=error.strerror or "") from None
    git.output("add", "--", suppressions.FILE, folder=top, what="the allowance could not be staged")
    where = "anywhere" if anywhere else ", ".join(clean(path) for path in sorted(paths))
    span = f"until {last.isoformat()}" if last else "for good"
    console.show(
        f"Allowed {first['id']} ({first['rule_id']}, {where}) {span}.\n"
        f"Written to {suppressions.FILE} and staged. Reviewers will see the reason.\n"
    )


def _check_place(top: str) -> None:
    """Raises ConfigError when a link would let us write outside of the repository."""
    real = os.path.realpath(os.path.join(top, suppressions.FILE))
    inside = os.path.realpath(top)
    if os.path.commonpath([real, inside]) != inside:
        raise ConfigError("leads out of the repository", place=Place(suppressions.FILE))


def _as_git_names_it(top: str, path: str) -> str:
    r"""The path behind one in a report, where a byte that is not UTF-8 is written `\xNN`."""
    if os.path.lexists(os.path.join(top, path)):
        return path
    return re.sub(r"\\x([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), path)


def _last_day(until: str | None) -> date | None:
    if until == "never":
        return None
    if until is None:
        return date.fromordinal(date.today().toordinal() + DEFAULT_DAYS)
    try:
        last = date.fromisoformat(until)
    except ValueError:
        raise UsageError(
            "what --until names is not a day", "write it as 2027-05-21, or 'never'"
        ) from None
    if last < date.today():
        raise UsageError(f"{until} has passed", "an allowance ends on a day to come")
    return last
