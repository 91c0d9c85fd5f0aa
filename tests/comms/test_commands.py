"""Every command that a refused message tells people to run exists, with these options."""

from __future__ import annotations

import shlex

import click
import pytest

from leakguard.cli.app import app
from leakguard.load.templates import _asks, shipped
from leakguard.respond.comms_order import may_send
from tests.comms.builders import Story, told

COMMANDS = sorted({ask.command for ask in _asks().values() if ask.command.startswith("leakguard")})


def check(command: str) -> None:
    words = shlex.split(command.partition(", or ")[0].partition("; ")[0])
    assert words.pop(0) == "leakguard"
    found: click.Command = app
    with click.Context(app) as context:
        while isinstance(found, click.Group) and words:
            inner = found.get_command(context, words[0])
            if inner is None:
                break
            found = inner
            words.pop(0)
    assert found is not app, command
    if isinstance(found, click.Group):  # a group that runs one of its commands by itself
        found = found.commands["run"]
    known = {name for one in found.params for name in (*one.opts, *one.secondary_opts)}
    for word in words:
        if word.startswith("--"):
            assert word in known, command


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_supplies_a_fact_exists(command: str) -> None:
    check(command)


def test_a_command_that_clears_the_way_for_a_message_exists() -> None:
    told_ = set()
    for story in (Story(), told(), Story(drill=True).leak(), Story(level=3).leak()):
        for kind in shipped():
            subject = {"secret": "S1", "exposure": "X1", "tenant": "acme-gmbh"}.get(kind.per, "")
            told_ |= {gap.command for gap in may_send(story.incident, kind, None, subject)}
    assert len(told_) > 5
    for command in told_:
        check(command)
