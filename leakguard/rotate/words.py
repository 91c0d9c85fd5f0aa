"""What people see of a rotation: the plan before, what happened after."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from leakguard.report.style import PLAIN, Style, clean, words
from leakguard.rotate.plan import Plan, PlannedAction

WIDTH = 79


def plan(found: Plan, style: Style = PLAIN, *, applied: bool = False) -> str:
    """The plan on one screen: what, who may, what nobody knows, and how to go on; unless it
    goes on at once (`applied`).
    """
    parts = [_head(found, style), "\n".join(_actions(found.actions)), _facts(found)]
    so_far = f"Nothing was changed so far. {_between(found)}\n"
    last = so_far if applied and found.possible else _next(found)
    return "\n\n".join(part for part in parts if part) + "\n\n" + last


def _head(found: Plan, style: Style) -> str:
    what = f"{clean(found.name)} {clean(found.preview)}".rstrip()
    text = f"Plan to rotate {what} of {found.incident} {found.secret}"
    return f"{style.paint('bold', text)}   (script {clean(found.script)})"


def _actions(actions: Sequence[PlannedAction]) -> list[str]:
    if not actions:
        return ["  The script could not say what it would do."]
    verbs = [clean(one.phase.partition("_")[0]) for one in actions]
    wide = max(map(len, verbs))
    lines = []
    for number, (action, verb) in enumerate(zip(actions, verbs, strict=True), 1):
        lead = f"  {number:>2} {verb:<{wide}}   "
        what = " ".join(words(f"{action.verb} {action.target}".strip()))
        if action.by:
            what += f" ({action.by})"
        effect = " ".join(words(action.effect))
        lines += _wrapped(lead, f"{what}: {effect}" if effect else what)
        lines += _wrapped(" " * len(lead), _undo(action))
    return lines


def _undo(action: PlannedAction) -> str:
    if action.harmless:
        return "" if action.effect == "nothing changes" else "changes nothing"
    return f"undo: {' '.join(words(action.undo))}" if action.undo else "CANNOT BE UNDONE"


def _facts(found: Plan) -> str:
    lines: list[str] = []
    good = [clean(one.what) for one in found.checks if one.ok]
    bad = [one for one in found.checks if not one.ok]
    if good:
        lines += _wrapped("Checked   ", "; ".join(good))
    for check in bad:
        detail = f" ({' '.join(words(check.detail))})" if check.detail else ""
        lines += _wrapped("Missing   ", f"{clean(check.what)}{detail}")
    users = [f"{one.id} {one.name} ({one.script or 'by hand'})" for one in found.deliveries]
    lines += _wrapped("Users     ", clean("; ".join(users))) if users else []
    for unknown in found.unknown:
        lines += _wrapped("Unknown   ", clean(unknown))
    return "\n".join(lines)


def _next(found: Plan) -> str:
    command = f"leakguard rotate {found.incident} --secret {found.secret}"
    if not found.possible:
        return "Nothing was changed, and nothing will be until what is missing is there.\n"
    lines = ["Nothing was changed. " + _between(found)]
    lines += ["To run it, the same command with --apply:", f"  {command} ... --apply"]
    if found.strategy == "overlap":
        lines += ["If it is being abused now:", f"  {command} ... --apply --revoke-first"]
    return "\n".join(lines) + "\n"


def _between(found: Plan) -> str:
    if found.capabilities.get("overlap") == "none":
        return "There is no overlap: with the new one the old one ends."
    if found.strategy == "contain":
        return "The old one ends first: its users fail until they have the new one."
    return "Until the old one is disabled both work."


def _wrapped(lead: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
