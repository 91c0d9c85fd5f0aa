"""What playbooks must be before a case is composed of them."""

from __future__ import annotations

import graphlib
import re
from collections.abc import Iterator, Sequence

from leakguard.errors import ConfigError
from leakguard.load.document import suggest
from leakguard.playbook import Fragment, Step
from leakguard.respond.compose import PHASES, VOCABULARY
from leakguard.rule import CLASSES

PLACEHOLDERS = ("incident", "secret", "exposure", "consumer", "label", "provider")
"""What a command may leave open; none of them is ever a value of a secret."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SHELLS = re.compile(r"(?:.*/)?(?:ba|z|da|k|fi|c|tc)?sh|(?:.*\\)?(?:cmd|powershell|pwsh)(?:\.exe)?")
_INTERPRETED = re.compile(r"[|;&`<>\n\r]|\$\(")
_SECRET_OPTION = re.compile(
    r"--?(?:[a-z-]*-)?(?:password|passwd|passphrase|pwd|pass|token|secret|api-?key|auth"
    r"|credentials?|private-key|secret-key|secret-access-key|unseal-key)(?:=(.*))?",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(r"\w*(?:PASS|PWD|TOKEN|SECRET|KEY)\w*=.+", re.IGNORECASE)
_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_IN_SQL = re.compile(r"(?:PASSWORD|IDENTIFIED\s+BY)\s+'", re.IGNORECASE)
_RANDOM = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_AS_ARGUMENT = (("operator", "unseal"), ("operator", "rekey"), ("operator", "generate-root"))
"""Commands that ask for a share when none is given, as they should."""

_READING = ("-", "@", "fd:", "file:", "/dev/stdin")


def command_problem(argv: Sequence[str]) -> tuple[str, ...]:
    """Why a command may not stand in a playbook, and what to do; empty when it may.

    A secret on a command line stands in the history of the shell and in the list
    of processes; a command for a shell could be anything.
    """
    if not argv:
        return ("a command has at least a program",)
    if _SHELLS.fullmatch(argv[0]):
        return ("a command is not handed to a shell", "write program and arguments as a list")
    for item in argv:
        for name in _PLACEHOLDER.findall(item):
            if name not in PLACEHOLDERS:
                return (f"unknown placeholder {name!r}", *suggest(name, list(PLACEHOLDERS)))
        if not item.isprintable() or _INTERPRETED.search(item):
            return ("a command holds no signs for a shell", "write program and arguments as a list")
    problem = next(_secrets(argv), "")
    return (problem, "let the program ask for it, or read it from a pipe") if problem else ()


def _secrets(argv: Sequence[str]) -> Iterator[str]:
    for item, after in zip(argv, (*argv[1:], ""), strict=True):
        option = _SECRET_OPTION.fullmatch(item)
        if option:
            value = after if option[1] is None else option[1]
            if value and not _PLACEHOLDER.fullmatch(value) and not value.startswith(_READING):
                yield f"{item.partition('=')[0]} puts a secret on the command line"
        if _ASSIGNED.fullmatch(item):
            yield "an assignment here puts a secret on the command line"
        if _IN_URL.search(item):
            yield "an address with a password stands on the command line"
        if _IN_SQL.search(item):
            yield "a password in SQL stands in logs, in history and on the command line"
        if any(_looks_random(found) for found in _RANDOM.findall(item)):
            yield "this looks like a secret"
    yield from _shares(argv)


def _shares(argv: Sequence[str]) -> Iterator[str]:
    for words in _AS_ARGUMENT:
        for at in range(len(argv) - 1):
            shares = [item for item in argv[at + 2 :] if not item.startswith("-")]
            if tuple(argv[at : at + 2]) == words and shares:
                yield "a share of a key stands on the command line"


def _looks_random(text: str) -> bool:
    kinds = (str.islower, str.isupper, str.isdigit)
    mixed = sum(any(kind(sign) for sign in text) for kind in kinds)
    digits = sum(sign.isdigit() for sign in text)
    return mixed == 3 or (digits >= 6 and not text.replace("-", "").isdigit())


def check(fragments: Sequence[Fragment]) -> None:
    """Raises ConfigError when steps name others that do not exist, or wait in a circle."""
    known = _kinds(fragments)
    for fragment, step in _all(fragments):
        _named(fragment, step, known)
    for strategy in VOCABULARY["strategy"]:
        for secret_class in CLASSES:
            _no_circle(fragments, strategy, secret_class)


def _all(fragments: Sequence[Fragment]) -> list[tuple[Fragment, Step]]:
    return [(fragment, step) for fragment in fragments for step in fragment.steps]


def _kinds(fragments: Sequence[Fragment]) -> dict[str, Step]:
    """Every id with the one kind of step that it stands for everywhere."""
    known: dict[str, Step] = {}
    for fragment, step in _all(fragments):
        first = known.setdefault(step.id, step)
        if (first.per, first.phase) != (step.per, step.phase):
            raise ConfigError(
                f"{fragment.id}: {step.id!r} is another kind of step elsewhere",
                f"there it is per {first.per}, in phase {first.phase}",
            )
    return known


def _named(fragment: Fragment, step: Step, known: dict[str, Step]) -> None:
    undo = (step.undo_step,) if step.undo_step else ()
    for name in (*step.depends_on, *undo):
        if name not in known:
            hint = suggest(name, sorted(known))[0]
            raise ConfigError(
                f"{fragment.id}: {step.id!r} names a step that does not exist: {name!r}",
                *((hint,) if len(hint) < 99 else ()),
            )
    for name in step.depends_on:
        if PHASES.index(known[name].phase) > PHASES.index(step.phase):
            raise ConfigError(
                f"{fragment.id}: {step.id!r} waits for {name!r}, which is of a later phase",
                "a checklist is worked from top to bottom",
            )


def _no_circle(fragments: Sequence[Fragment], strategy: str, secret_class: str) -> None:
    """With one strategy and class, everything that could stand together must have an order."""
    fitting = [one for one in fragments if secret_class in one.when.get("class", CLASSES)]
    exact = {step.id for one in fitting if "class" in one.when for step in one.steps}
    waits: dict[str, set[str]] = {}
    for fragment in fitting:
        for step in _possible(fragment, strategy):
            if fragment.kind != "skeleton" or step.id not in exact:
                waits.setdefault(step.id, set()).update(step.depends_on)
    try:
        graphlib.TopologicalSorter(waits).prepare()
    except graphlib.CycleError as error:
        names = ", ".join(dict.fromkeys(error.args[1]))
        raise ConfigError(f"steps wait for each other: {names}") from None


def _possible(fragment: Fragment, strategy: str) -> Iterator[Step]:
    """The steps that can stand with a strategy; a variant for it hides the step below."""
    hidden: set[str] = set()
    for step in fragment.steps:
        chosen = step.when.get("strategy")
        if step.id in hidden or (chosen and strategy not in chosen):
            continue
        if chosen and set(step.when) == {"strategy"}:
            hidden.add(step.id)
        yield step
