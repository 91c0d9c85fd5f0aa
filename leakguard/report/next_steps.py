"""The next commands: what eyes stop at, so they come last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from leakguard.finding import Exposure, Finding
from leakguard.report.advice import PRACTICE
from leakguard.report.style import Style, clean

SPELLED_OUT = 5
"""With more findings than this the commands name a placeholder: ids stand at the findings."""

_ALLOW = 'leakguard allow {id} --reason "why it is safe"'

NEXT_COMMANDS = (
    ("Not a secret?", _ALLOW),
    ("Already shared?", "leakguard respond {id}"),
    ("More about it", "leakguard rules show {rule}"),
)
"""What can be typed next, in the order in which it is printed."""

ONCE_OUT = (
    ("Start here", "leakguard respond {id}"),
    ("Not a secret?", _ALLOW),
    ("More about it", "leakguard rules show {rule}"),
)
"""The same once a value got out: then responding comes first."""

ESCAPED = frozenset({Exposure.PUSHED, Exposure.LOGGED})
"""Exposures that a change of the code cannot undo."""


class Step(NamedTuple):
    """A question or a goal, and the commands that answer it."""

    label: str
    commands: tuple[str, ...]


def steps(findings: Sequence[Finding]) -> list[Step]:
    """What a person can type next about these findings."""
    if not findings:
        return []
    values = [found for found in findings if found.rule.provider != PRACTICE]
    if not values:
        return [Step("Is it meant?", _filled(_ALLOW, findings))]
    out = any(found.exposure in ESCAPED for found in values)
    known = ONCE_OUT if out else NEXT_COMMANDS
    if len(findings) > SPELLED_OUT:
        return [Step(label, (text.format(id="FINDING", rule="RULE"),)) for label, text in known]
    return [Step(label, _filled(text, findings if text == _ALLOW else values))
            for label, text in known]  # fmt: skip


def of_one(found: Finding) -> list[tuple[str, str]]:
    """(question, command) of what can be typed next about one finding, wherever it stands."""
    known = [("Is it meant?", _ALLOW)] if found.rule.provider == PRACTICE else NEXT_COMMANDS
    rule = clean(found.rule_id)
    return [(label, text.format(id=found.short_id, rule=rule)) for label, text in known]


def addresses(findings: Iterable[Finding]) -> list[str]:
    """Where to revoke what is already out of our hands."""
    urls = [found.rule.revoke.url for found in findings if found.exposure in ESCAPED]
    return list(dict.fromkeys(filter(None, urls)))[:SPELLED_OUT]


def commands(findings: Sequence[Finding]) -> list[str]:
    """The commands without their labels, for machines; of the first findings only."""
    return [line for step in steps(findings[:SPELLED_OUT]) for line in step.commands]


def lines(findings: Sequence[Finding], style: Style) -> list[str]:
    """The closing lines of a report, aligned. Rotating comes first once a value got out."""
    urls = [style.link(url) for url in addresses(findings)]
    rotate = [Step("Rotate it now", tuple(urls))] if urls else []
    return [
        f"  {label if not index else '':<15}  {style.paint('bold', command)}"
        for label, many in rotate + steps(findings)
        for index, command in enumerate(many)
    ]


def _filled(template: str, findings: Iterable[Finding]) -> tuple[str, ...]:
    """The command for each finding, equal ones once."""
    filled = (template.format(id=found.short_id, rule=clean(found.rule_id)) for found in findings)
    return tuple(dict.fromkeys(filled))
