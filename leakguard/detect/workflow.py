"""Steps of a workflow that print secrets by construction: no value stands there, but one will.

GitHub Actions, and Gitea and Forgejo, which read the same files. A runner masks a value as it
stands; a line of it, its base64 or its JSON form is in the log for all who may read it.

Lines and their indentation tell enough here: a step is an item of a list that has `run:`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from leakguard import late
from leakguard.detect.match import Match, looks_in
from leakguard.rule import Rule

ANCHORS = {"workflow": "steps:"}
"""What every file has that a finder looks at."""

_ITEM = late.pattern(rb"^(?P<indent> *)- ", re.MULTILINE)
_RUN = late.pattern(
    rb"^(?P<indent>[ -]*)run:[ \t]*(?:(?P<block>[|>][-+0-9]{0,2})[ \t]*(?:#[^\n]*)?$)?",
    re.MULTILINE,
)
_OF_SECRETS = rb"\$\{\{[^}\n]{0,200}?\bsecrets(?:\.|\[|[ \t]*\))"
_NAMED = late.pattern(
    rb"(?:^[ -]*|[{,][ ]*)(?P<name>[A-Za-z_]\w{0,100}):[ \t]*[\"']?" + _OF_SECRETS, re.MULTILINE
)
_ENV = late.pattern(
    rb"^(?P<indent> *)env:[^\n]*(?:\n(?:(?P=indent) +[^\n]*|[ \t]*(?=\n)))*", re.MULTILINE
)
_SHOWN = rb"(?:\|[ \t]*(?:base64|rev|xxd|od|hexdump|tr|sed|cut|fold|sort|cat|tee|jq)\b[^|>\n]*)*"
"""Where what is printed goes on to, and is shown all the same."""
_PRINT = late.pattern(
    rb"(?:^|[;&{]|\b(?:then|else|do))[ \t]*(?P<word>echo|printf|Write-(?:Host|Output))[ \t]"
    rb"(?P<said>[^\n|>;&]{0,2000})" + _SHOWN + rb"(?=$|[;&])",
    re.MULTILINE,
)
_DUMP = late.pattern(
    rb"(?:^|[;&{])[ \t]*(?P<word>env|printenv|export -p|export|declare -x|set"
    rb"|(?:Get-ChildItem|gci|dir) env:)[ \t]*(?P<one>(?<=printenv )[A-Za-z_]\w*)?[ \t]*"
    + _SHOWN
    + rb"[ \t]*(?=$|[;&])",
    re.MULTILINE,
)
_SEND = late.pattern(
    rb"(?<![\w-])(?P<word>env|printenv|export -p|set)[ \t]*\|(?:[^|\n]{1,100}\|)?[ \t]*"
    rb"(?:curl|wget|nc|ncat)\b"
    rb"|(?P<into>curl|wget)\b[^\n|]{0,400}\$\((?:env|printenv|export -p|set)[ \t|)]"
)
_TRACE = late.pattern(
    rb"(?<![\w-])(?P<word>set -(?:[a-wyz]{0,8}x[a-z]{0,8}|o xtrace)"
    rb"|(?:ba|z|da|k)?sh -[a-wyz]{0,8}x[a-z]{0,8})(?![\w-])"
)
_UNTRACE = late.pattern(rb"set \+(?:[a-wyz]{0,8}x|o xtrace)")

_JOBS = late.pattern(rb"^[\"']?(?:jobs|runs)[\"']?[ \t]*:", re.MULTILINE)
"""What a workflow or an action has beside its steps."""

LARGEST = 1024 * 1024
"""No service takes a workflow file of this size."""

MOST = 300
"""So many steps of a file are looked at."""

FAR = 8 * 1024
"""So much of a step either way of its `run:`."""

NESTED = 50
"""Lists in lists are looked through so far."""


class _Step(NamedTuple):
    """What a step runs, and the variables of it that are secrets."""

    start: int
    text: bytes
    uses: re.Pattern[bytes]
    secret_env: bool


def printed(data: bytes, path: str, rules: Mapping[str, Rule]) -> Iterator[Match]:
    """The commands of a workflow file that print or send secrets, by `rules`; nothing for any
    other file.

    Without a path (a history is read by contents first) what looks like a workflow is one.
    """
    called = {name: rule for name, rule in rules.items() if looks_in(rule, path)}
    if not called or len(data) > LARGEST or not _JOBS.search(data):
        return
    for step in _steps(data):
        seen: set[int] = set()
        for kind, found in _commands(step):
            name = "word" if found["word"] else "into"
            start, end = found.span(name)
            rule = called.get(f"workflow-{kind}")
            if start in seen or rule is None:  # switched off
                continue
            seen.add(start)
            span = (step.start + start, step.start + end)
            yield Match(rule, step.text[start:end], span, span)


def _steps(data: bytes) -> Iterator[_Step]:
    items = [(found.start(), len(found["indent"])) for found in _ITEM.finditer(data)]
    outer = (found[0] for found in _ENV.finditer(data) if not _item(data, items, found.start()))
    around = _names(b"\n".join(islice(outer, MOST)))
    for run in islice(_RUN.finditer(data), MOST):
        item = _item(data, items, run.start())
        if item is None:
            continue
        low, high = max(item[0], run.start() - FAR), min(item[1], run.end() + FAR)
        names = [*around, *_names(data[low:high])]
        spelt = b"|".join(rb"\$(?:env:)?\{?" + re.escape(name) + rb"\b" for name in names)
        uses = re.compile(_OF_SECRETS + (b"|" + spelt if spelt else b""))
        text = data[run.end() : _end_of_run(data, run, high)]
        yield _Step(run.end(), text, uses, bool(names))


def _names(text: bytes) -> list[bytes]:
    """The variables that are given a secret."""
    found = islice(_NAMED.finditer(text), MOST)
    return list(dict.fromkeys(one["name"] for one in found if one["name"] != b"run"))


def _item(data: bytes, items: list[tuple[int, int]], at: int) -> tuple[int, int] | None:
    """The innermost item of a list around an offset, as (start, end)."""
    last = bisect_right(items, (at, 1 << 30))
    for start, indent in reversed(items[max(0, last - NESTED) : last]):
        outside = re.compile(rb"^ {0,%d}[^ \n#]" % indent, re.MULTILINE)
        end = outside.search(data, start + indent + 1)
        if end is None or at < end.start():
            return start, end.start() if end else len(data)
    return None


def _end_of_run(data: bytes, run: re.Match[bytes], high: int) -> int:
    """Where a run's commands end: its line, or the lines below that stand deeper."""
    line = data.find(b"\n", run.end())
    line = line if line >= 0 else len(data)
    if not run["block"]:
        return line
    shallower = re.compile(rb"^ {0,%d}[^ \n]" % len(run["indent"]), re.MULTILINE)
    found = shallower.search(data, line + 1, high)
    return found.start() if found else high


def _commands(step: _Step) -> Iterator[tuple[str, re.Match[bytes]]]:
    """What a step does that it should not, the worst first."""
    yield from (("environment-sent", found) for found in _SEND.finditer(step.text))
    for found in _PRINT.finditer(step.text):
        if step.uses.search(found["said"]) and b"::add-mask::" not in found["said"]:
            yield "secret-printed", found
    for found in _DUMP.finditer(step.text):
        one = found["one"]
        if step.uses.search(b"$" + one) if one else step.secret_env:
            yield "environment-printed", found
    for found in _TRACE.finditer(step.text):
        until = _UNTRACE.search(step.text, found.end())
        traced = step.text[found.end() : until.start() if until else len(step.text)]
        script = b"sh -" in found["word"] and step.secret_env
        if script or step.uses.search(traced):
            yield "secret-traced", found
