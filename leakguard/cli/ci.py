"""`leakguard ci`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import click

from leakguard import exits
from leakguard.ci import span as spans
from leakguard.ci.event import Event, Kind, Payload, Service
from leakguard.ci.services import SERVICES, recognise
from leakguard.cli import ci_scan, console, gate, outlets
from leakguard.cli.crew import cores
from leakguard.errors import UnreadError, UsageError
from leakguard.finding import Outcome
from leakguard.read import repository
from leakguard.report import FORMATS
from leakguard.report.layout import fold
from leakguard.report.style import defused, words

MAX_PAYLOAD = 64 * 1024 * 1024


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--base", metavar="COMMIT", help="What was there before; else the event says it.")
@click.option("--head", metavar="COMMIT", help="What is new; with --base, default HEAD.")
@click.option("--range", "span", metavar="A..B", help="The same in one word.")
@click.option("--deepen", is_flag=True, help="Fetch history that a shallow clone left out.")
@click.option(
    "--policy",
    type=click.Choice(["auto", "base", "checkout"]),
    default="auto",
    show_default=True,
    help="Whose configuration and allowances hold: of a proposed change the base's.",
)
@click.option("--config", metavar="FILE", help="A configuration instead of .leakguard.yml.")
@outlets.fail_on
@outlets.options()
@click.option("--respond", metavar="DIR", help="Open incidents for what blocks; write them there.")
@click.option("--explain", is_flag=True, help="Say what decided each finding's confidence.")
@click.option("--jobs", type=click.IntRange(1, 64), help="Readers beside each other.")
def command(
    paths: tuple[str, ...], base: str | None, head: str | None, span: str | None, deepen: bool,
    policy: str, config: str | None, fail_on: str | None, annotations: str, summary: str | None,
    respond: str | None, explain: bool, jobs: int | None, **files: str | None,
) -> int:  # fmt: skip
    """Look at what a pipeline's event brings: its commits, and files as PATH.

    The service and the commits are recognised from the environment: GitHub
    Actions, GitLab CI, Jenkins, CircleCI, Azure Pipelines, Bitbucket, Drone,
    Woodpecker, Travis, TeamCity, Buildkite. Anywhere else say --base.

    \b
    Examples:
      leakguard ci --deepen --sarif leaks.sarif
      leakguard ci --base origin/main --junit leaks.xml dist/
      leakguard ci --range v1.0..HEAD --fail-on confirmed

    Exit codes: 0 nothing blocks, 1 a blocking finding, 3 configuration,
    4 something could not be read or history is missing.
    """
    top = repository.find()
    if top is None:
        raise UsageError("this is not a git repository", "check it out first")
    service = recognise(os.environ)
    out = outlets.Outlets(
        service, files, summary=summary, annotations=annotations, explain=explain
    )  # fmt: skip
    line = service.full_history if service else ""
    try:
        event = _by_hand(base, head, span, service, top) or event_here(service)
        found = _decided(spans.find(event, top, line, may_fetch=deepen), policy)
        outcome = _scan(found, top, paths, config or "", jobs or cores(), line)
        notes = _notes(found, top, config)
    except UnreadError as problem:
        outcome = outlets.unread(problem, "ci", "changed file")
        out.write(outcome)
        out.summarise(outcome, [])
        out.annotate(outcome)
        raise
    outcome = _judged(outcome, found, fail_on)
    out.write(outcome)
    out.summarise(outcome, notes)
    _show(outcome, notes, explain)
    out.annotate(outcome)
    if respond and outcome.blocking:  # by name: the gate does not know the response
        opened = import_module("leakguard.cli.ci_respond").respond
        opened(outcome, top, service.name if service else "pipeline", respond)
    code = gate.exit_code(outcome)
    if fail_on == outlets.NEVER and code == exits.FOUND:
        return exits.UNREAD if outcome.unread else exits.CLEAN
    return code


# The event


def _by_hand(
    base: str | None, head: str | None, span: str | None, service: Service | None, top: str
) -> Event | None:  # fmt: skip
    """The event that the options say; None when they say none. Raises UsageError.

    An empty option is an empty variable of a pipeline: that must not pass for clean.
    """
    if span is not None:
        if base is not None or head is not None:
            raise UsageError("--range and --base do not go together", "choose one")
        base, dots, head = span.replace("...", "..").partition("..")
        if not dots:
            raise UsageError(f"--range {span!r} is no range", "write --range main..HEAD")
    if base is None and head is None:
        return None
    if not base or base.startswith("-") or (head or "").startswith("-") or head == "":
        raise UsageError(
            f"--base {base or ''!r} --head {head or ''!r} does not say where it begins and ends",
            "write --base main --head HEAD; in a pipeline, is a variable empty?",
        )
    names = [_named(name, top) for name in (base, head or "HEAD")]
    name = service.name if service else ""
    return Event(name, Kind.PULL_REQUEST, names[1], (names[0],), what="range")


def _named(name: str, top: str) -> str:
    """A name as people write it; of a branch that is only on the remote, the remote's."""
    if repository.is_name(name) or spans.resolve(name, top):
        return name
    return f"refs/heads/{name.removeprefix('refs/heads/')}"


def event_here(service: Service | None) -> Event:
    """What the pipeline runs for. Raises UsageError where nothing is recognised."""
    if service is None:
        raise UsageError(
            "no pipeline is recognised here",
            "say what is new: leakguard ci --base origin/main",
            f"recognised are: {', '.join(one.title for one in SERVICES)}",
        )
    return service.event(os.environ, _payload(os.environ))


def _payload(env: Mapping[str, str]) -> Payload:
    """The event file, if the service writes one. Raises UnreadError."""
    path = env.get("GITHUB_EVENT_PATH")
    if env.get("GITHUB_ACTIONS") != "true":
        return {}
    hint = "say what is new: leakguard ci --base COMMIT --head COMMIT"
    try:
        with open(path or "", "rb") as file:
            raw = file.read(MAX_PAYLOAD + 1)
        found: Any = json.loads(raw) if len(raw) <= MAX_PAYLOAD else None
    except (OSError, ValueError, RecursionError) as error:
        cause = error.strerror or "" if isinstance(error, OSError) else "it is not JSON"
        raise UnreadError("the event file could not be read", hint, cause=cause) from None
    if not isinstance(found, dict):
        raise UnreadError("the event file is not an object, or too large", hint)
    return found


# The scan


def _decided(found: spans.Span, policy: str) -> spans.Span:
    """With the policy that the option asks for. Raises UsageError when there is no base."""
    if policy == "checkout":
        return replace(found, policy="")
    if policy == "base" and not found.policy and found.event.kind is not Kind.DELETION:
        raise UsageError("--policy base: this event has no base that decides")
    return found


def _scan(
    found: spans.Span, top: str, paths: tuple[str, ...], config: str, jobs: int, line: str
) -> Outcome:  # fmt: skip
    """The outcome; an error names the line that completes the checkout too."""
    try:
        return ci_scan.scan(found, top, paths, config, jobs)
    except UnreadError as problem:
        raise UnreadError(
            problem.message, *filter(None, (line,)), *problem.hints,
            place=problem.place, cause=problem.cause,
        ) from None  # fmt: skip


def _judged(outcome: Outcome, found: spans.Span, fail_on: str | None) -> Outcome:
    """The outcome with its scope said, and with the threshold that the pipeline asks for."""
    outcome = outlets.with_threshold(outcome, fail_on)
    policy = f"; policy of {found.policy[:7]}" if found.policy else ""
    scope = f"{found.event.title}: {found.words}{policy}"
    return outcome._replace(scanned=outcome.scanned._replace(scope=scope))


def _notes(found: spans.Span, top: str, config: str | None) -> list[str]:
    """What a reader of the result has to know, one sentence each."""
    notes = [f"looked at {found.event.title}: {found.words}"]
    if found.policy:
        notes.append(
            f"configuration and allowances are those of the base, {found.policy[:7]}; "
            "a change cannot allow its own leak"
        )
        names = spans.edited(found, top)
        if names:
            listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            notes.append(f"this change edits {listed}; that counts once it is merged")
    if config:
        notes.append(f"configuration taken from {config}")
    return notes


def _show(outcome: Outcome, notes: list[str], explain: bool) -> None:
    text = FORMATS["text"](outcome, console.style(sys.stdout), explain)
    said = "".join(f"{line}\n" for note in notes for line in fold("note: ", words(note), 2))
    console.show(defused(f"{said}\n{text}" if outcome.findings or outcome.unread else said + text))
