"""From log files to an outcome, by the policy that holds where we run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from importlib import import_module
from typing import NamedTuple

from leakguard import exits
from leakguard.blob import Unread
from leakguard.ci import base_policy
from leakguard.ci import span as spans
from leakguard.ci.services import recognise
from leakguard.cli import console, logs_scan, outlets
from leakguard.cli.ci import event_here
from leakguard.cli.gate import Gate, exit_code
from leakguard.cli.logs_report import tell
from leakguard.errors import UsageError
from leakguard.finding import Outcome
from leakguard.load import recent
from leakguard.load.pack import open_pack
from leakguard.read import repository
from leakguard.report import FORMATS


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
    tell([f"configuration and allowances are those of the base, {commit[:7]}"])
    return base_policy.lay_out(base_policy.of_commit(commit, top), folder)


def respond(outcome: Outcome, folder: str | None) -> list[str]:
    """Open incidents where that is wanted; their numbers. By name: the gate does not know the
    response.
    """
    if not folder or not outcome.blocking:
        return []
    room = import_module("leakguard.cli.ci_respond")
    opened: list[str] = room.respond(outcome, repository.find_top(), "logs", folder)
    return opened
