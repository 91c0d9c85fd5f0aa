"""`leakguard logs --github | --gitlab | --jenkins`: fetch, scan and, when asked to, contain.

The room that can reach the network is loaded here, by name, and nowhere else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click

from leakguard import exits
from leakguard.cli.logs_outcome import Wanted, respond, scan
from leakguard.cli.logs_report import Report, tell
from leakguard.errors import RefusedError
from leakguard.finding import Outcome
from leakguard.report.style import clean


class Order(NamedTuple):
    """What is asked of a service: `kind` is its option's name, `limit` the largest file's bytes."""

    kind: str
    what: str
    repo: str
    artifacts: bool
    limit: int
    keep: str | None
    delete: bool
    yes: bool


def run(order: Order, wanted: Wanted, report: Report, incidents: str | None) -> int:
    """Do it; the exit code. `incidents` is the folder for those that are opened, if any are."""
    room = import_module("leakguard.connect.ci")
    with ExitStack() as stack:
        folder = order.keep or stack.enter_context(TemporaryDirectory(prefix="leakguard-"))
        source = room.service(order.kind, order.what, order.repo, os.environ)
        stack.callback(source.client.close)
        everything = order.artifacts or (order.delete and order.kind != "github")  # goes with it
        with report.told_of_failure():
            case = source.fetch(room.Saver(folder, order.limit), artifacts=everything)
            outcome = scan(((one.path, one.name) for one in case.files), wanted, case.missed)
        opened = respond(outcome, incidents)
        _tell_evidence(case, report)
        report.keep(outcome)  # before anything is gone
        try:
            if not order.delete:
                report.show(outcome)
            elif not (outcome.blocking or outcome.warnings):
                report.show(outcome)
                tell(["nothing was found, so nothing is deleted"])
            elif not _contained(lambda: room.delete(case, source.client), case, order, report,
                                outcome):  # fmt: skip
                return exits.OUTCOME
            return wanted.code(outcome)
        finally:
            if incidents and opened:
                told = import_module("leakguard.cli.ci_respond").contained
                told(opened, incidents, report.extra["evidence"], report.extra["deleted"])


def _tell_evidence(case: Any, report: Report) -> None:
    """What was fetched, by name and hash: it stays when the log is deleted."""
    evidence = [{"name": one.name, "bytes": one.size, "sha256": one.sha256} for one in case.files]
    report.extra = {"run": case.title, "evidence": evidence, "notes": case.notes, "deleted": []}
    told = [f"{case.title}: {note}" for note in case.notes]
    for one in case.files:
        told += [f"evidence: {one.name} ({one.size:,} bytes)", f"  sha256 {one.sha256}"]
    tell(told)


def _contained(
    delete: Callable[[], Any], case: Any, order: Order, report: Report, outcome: Outcome
) -> bool:
    """Delete it once somebody confirmed that, and tell how it ended; whether all of it is gone.

    For people the report comes first: they decide by it. For programs it comes last: it is one.
    """
    people = report.shape == "text"
    shown = people or bool(report.output)
    if shown:
        report.show(outcome)
    try:
        _confirm(case, yes=order.yes)
    except RefusedError:
        if not shown:
            report.show(outcome)
        raise
    deleted = delete()
    report.extra["deleted"] = [
        {"what": one.what, "done": one.done, "detail": one.detail} for one in deleted
    ]
    for one in deleted:
        detail = f" ({one.detail})" if one.detail else ""
        tell([f"{'deleted' if one.done else 'NOT deleted'}: {one.what}{detail}"])
    tell(["the value was readable until now: rotate it, deleting does not undo the reading"])
    if not people or report.output:
        report.show(outcome)
    report.files(outcome)  # once more, with what was deleted
    return all(one.done for one in deleted)


def _confirm(case: Any, *, yes: bool) -> None:
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
    tell([f"to delete: {what}", "this cannot be undone"])
    typed = click.prompt(f"type {case.word} to delete", default="", show_default=False, err=True)
    if typed.strip() != case.word:
        raise RefusedError("not deleted: something else was typed")
