"""`leakguard doctor`: whether everything is ready before something leaks."""

from __future__ import annotations

import os
from collections.abc import Iterator

import click

from leakguard import exits
from leakguard.cli import console
from leakguard.cli.desk import Desk, pass_desk
from leakguard.errors import LeakguardError
from leakguard.read import repository
from leakguard.report.layout import fold
from leakguard.report.style import clean, words

GOOD, BAD = "ok", "missing"


@click.command()
@pass_desk
def command(desk: Desk) -> int:
    """Look at what an incident will need: the record, its keys, contacts, channels, hooks.

    Exit code 3 when something is missing.

    \b
    Examples:
      leakguard doctor
    """
    found = [*_record(desk), *_profile(), *_channels(), *_knowledge(desk), *_gate()]
    for state, what in found:
        lines = fold(f"{state:<8} ", words(clean(what)), 9)
        console.show("".join(f"{line}\n" for line in lines))
    return exits.CONFIG if any(state == BAD for state, _ in found) else exits.CLEAN


def _record(desk: Desk) -> Iterator[tuple[str, str]]:
    try:
        problems = desk.store.verify()
    except LeakguardError as error:
        yield BAD, f"the record: {error.message}; {'; '.join(error.hints)}"
        return
    yield GOOD, f"the record: {desk.store.name}"
    for problem in problems:
        yield BAD, f"the record: {problem}"
    if not problems:
        yield GOOD, "every event is there, in order, as it was written"


def _profile() -> Iterator[tuple[str, str]]:
    from leakguard.keep.place import data_folder
    from leakguard.load.profile import FILE, profile
    from leakguard.profile import flaws

    try:
        found = flaws(profile(data_folder()))
    except LeakguardError as error:
        yield BAD, f"{FILE}: {error.message}"
        return
    path = os.path.join(data_folder(), FILE)
    for flaw in found:
        yield BAD, f"{flaw.what}: write {flaw.how!r} into {path}"
    if not found:
        yield GOOD, "the organisation, its contacts and who is on call"


def _channels() -> Iterator[tuple[str, str]]:
    from leakguard.keep.place import data_folder
    from leakguard.load.channels import FILE, armed, channels

    try:
        found = channels(data_folder())
    except LeakguardError as error:
        yield BAD, f"{FILE}: {error.message}"
        return
    if not found:
        yield BAD, f"no channel for messages: describe one in {FILE} (docs/communication.md)"
    for one in found:
        try:
            armed(one, os.environ)
            yield GOOD, f"channel {one.name} ({one.kind}) for {', '.join(one.audience)}"
        except LeakguardError as error:
            yield BAD, f"{error.message}"


def _knowledge(desk: Desk) -> Iterator[tuple[str, str]]:
    try:
        known = desk.knowledge("strictest")
    except LeakguardError as error:
        where = f" ({error.place.path}:{error.place.line})" if error.place else ""
        yield BAD, f"playbooks and policies: {error.message}{where}"
        return
    scripts = ", ".join(sorted(known.rotatable))
    yield GOOD, f"{len(known.fragments)} playbook fragments, {len(known.sets)} companion sets"
    yield GOOD, f"rotation scripts for: {scripts}"


def _gate() -> Iterator[tuple[str, str]]:
    top = repository.find_top()
    if top is None:
        return
    hook = os.path.join(repository.git_folder(top), "hooks", "pre-commit")
    there = os.path.exists(hook)
    yield (GOOD, "a pre-commit hook here") if there else (BAD, "no gate here: leakguard install")
