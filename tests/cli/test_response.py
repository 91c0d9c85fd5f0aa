"""What the response says can be typed, and does what its help says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from respond.story import WAY, Story, dead, judged, pushed, secret, step, steps

from leakguard import event as ev
from leakguard.cli.app import app
from leakguard.cli.look import _why
from leakguard.incident import Incident, Status
from leakguard.playbook import Phase, Risk
from leakguard.respond import actions, guards
from leakguard.respond.decode import READERS
from leakguard.respond.record import as_json

RESPOND = Path(guards.__file__).parent
WORDS = {
    "event.role": "fixer", "event.verdict": "no-unauthorised-access", "level": "2",
    "name": "A1", "key": "revoke:S1", "secret.id": "S1", "kept.id": "S1", "event.subject": "S1",
    "step.subject": "S1", "step.proves": "dead",
}  # fmt: skip
"""What stands in the gaps of a command of the source; INCIDENT everywhere else."""


def written() -> Iterator[str]:
    """Every command in the source of the guards, filled."""
    for name in ("guards.py", "actions.py"):
        source = (RESPOND / name).read_text(encoding="utf-8")
        joined = re.sub(r'"\s*\n\s*f?"', "", source)
        for text in re.findall(r'"(leakguard [^"]+)"', joined):
            yield re.sub(r"\{([^}]+)\}", lambda mark: WORDS.get(mark[1], "LG-2026-0001"), text)


def told() -> Iterator[str]:
    """Every command that the guards give for incidents on their way."""
    story = Story(secret(), pushed(), judged(), ev.ConsumerAdded("C1", "S1", "billing"))
    story.tell(ev.AnomalyFound("A1", "S1", "an export"), ev.HoldSet(on=True, reason="the vendor"))
    story.tell(steps(step("purge", destructive=True, risk=Risk.IRREVERSIBLE, proves="dead",
                          needs={"sealed": ("no",), "proven": ("yes",)}),
                     *(step(f"do-{phase}", phase) for phase in Phase)))  # fmt: skip
    for name, events in WAY:
        yield from (gap.command for gap in guards.gaps(story.incident, Status(name)))
        yield from refused(story.incident)
        story.tell(*events, ev.Advanced(name))
    story.tell(ev.StepDone("purge", outcome="unknown"))
    yield from (gap.command for gap in guards._closed(story.incident))
    yield from (gap.command for gap in guards._contained(Story().incident))


def refused(incident: Incident) -> Iterator[str]:
    clean = ev.LogReviewed("S1", "log", "", "", "no-unauthorised-access", tamper_evident=False)
    gaps = [
        *actions.finish(incident, "purge", ev.StepDone("purge"), {}, second=False),
        *actions.skip(incident, "purge", ev.StepSkipped("purge", "no"), "ada"),
        *actions.move(incident, ev.SecretMoved("S1", "dead")),
        *actions.prove(incident, dead(method="attestation"), "", "ada"),
        *actions.false_positive(incident, "", "ada"),
        *actions.lower(incident, 2, "", "ada"),
        *actions.except_consumer(incident, "C1", "", "ada"),
        *actions.review(clean, incident.id),
    ]
    return (gap.command for gap in gaps)


def parse(command: click.Command, name: str, words: list[str], over: click.Context | None) -> None:
    """Read words as the program would; whatever does not fit raises click.UsageError."""
    with command.make_context(name, list(words), parent=over) as context:
        if isinstance(command, click.Group):
            rest = [*context._protected_args, *context.args]
            found, inner, left = command.resolve_command(context, rest)
            assert found is not None
            assert inner is not None
            parse(inner, found, left, context)


@pytest.mark.parametrize("command", sorted({*written(), *told()}))
def test_a_command_that_a_guard_gives_can_be_typed(command: str) -> None:
    first, *words = shlex.split(command)
    assert first == "leakguard"
    parse(app, "leakguard", words, None)


def test_the_commands_of_the_source_are_found() -> None:
    assert len(set(written())) > 25
    assert len(set(told())) > 15


def test_a_command_with_an_option_too_few_is_noticed_by_this_test() -> None:
    with pytest.raises(click.UsageError):
        parse(app, "leakguard", ["review", "add", "LG-2026-0001", "S1"], None)


def decoded(raw: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-m", "leakguard", "decode", *words]
    return subprocess.run(argv, input=raw, capture_output=True, check=False)


def test_a_value_is_decoded_without_saying_what_it_is() -> None:
    raw = json.dumps({"auths": {"registry.example.com": {}}}).encode()
    for words in ((), ("--as", "docker-config")):
        done = decoded(raw, *words)
        assert done.returncode == 0, done.stderr
        assert b"registry.example.com" in done.stdout


def test_a_form_that_nobody_knows_is_refused() -> None:
    done = decoded(b"x", "--as", "vsync")
    assert done.returncode == 2
    assert b"vsync-config" in done.stderr


def test_the_example_of_decode_names_a_form_that_is_known() -> None:
    shown = decoded(b"", "--help").stdout.decode()
    (named,) = re.findall(r"decode --as (\S+)", shown)
    assert named in READERS


def test_no_placeholder_reaches_a_person_or_a_program() -> None:
    argv = ("leakguard", "rotate", "{incident}", "--secret", "{secret}")
    story = Story(secret(), steps(step("revoke", subject="S1", command=argv)))
    (task,) = as_json(story.incident)["steps"]
    assert task["command"] == ["leakguard", "rotate", "LG-2026-0001", "--secret", "S1"]
    assert "leakguard rotate LG-2026-0001 --secret S1\n" in _why(story.incident, "revoke:S1")
