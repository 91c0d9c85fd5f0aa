"""A failure in words: what, where, why, and what to do next."""

from __future__ import annotations

from leakguard.errors import LeakguardError, Place
from leakguard.report.layout import WIDTH, arrow, detail, fold, gutter, snippet
from leakguard.report.style import Style, clean, width, words


def render(error: LeakguardError, style: Style, *, what: str = "") -> str:
    """The message, its place with the line and a caret, the cause, the hints.

    `what` says what did not happen because of it ("commit not scanned").
    """
    message = error.message
    if what and not message.startswith(what):
        message = f"{what}: {message}"
    lines = fold(style.paint("rule", "error:") + " ", words(message), 2)
    hints = list(error.hints)
    deep = 0
    if error.place is not None:
        lines.append(arrow(style, _spot(error.place)))
        if error.place.line and error.place.text:
            deep = gutter(error.place.line)
            lines += _excerpt(error.place, _label(error.place, hints), style)
    if error.cause:
        lines += _said("cause", f'"{clean(error.cause.strip())}"'.split(" "), deep)
    for hint in hints:
        lines += _said("hint", _pieces(hint), deep)
    return "\n".join(lines) + "\n"


def _pieces(hint: str) -> list[str]:
    """The words of a hint; the command at its end is one piece, so that it can be copied."""
    prose, mark, command = hint.rpartition(": leakguard ")
    if not mark or "; " in command:
        return words(hint)
    return [*words(f"{prose}:"), clean(f"leakguard {command}")]


def _spot(place: Place) -> str:
    parts = [clean(place.path)]
    if place.line:
        parts.append(str(place.line))
        if place.column:
            parts.append(str(place.column))
    return ":".join(parts)


def _excerpt(place: Place, label: str, style: Style) -> list[str]:
    start = max(0, place.column - 1)
    return snippet(style, place.line, place.text, start, place.width, label)


def _label(place: Place, hints: list[str]) -> str:
    """The hint that lists the choices stands at the caret where it fits; taken out of `hints`."""
    before = place.text[: max(0, place.column - 1)]
    room = WIDTH - gutter(place.line) - 3 - width(clean(before)) - place.width
    for hint in hints:
        label = clean(hint)
        if hint.startswith("one of: ") and width(label) <= room:
            hints.remove(hint)
            return label
    return ""


def _said(label: str, pieces: list[str], deep: int) -> list[str]:
    """`= hint: ...` under a frame, `  hint: ...` without one."""
    if deep:
        return detail(label, pieces, deep)
    return fold(f"  {label}: ", pieces, len(label) + 4)
