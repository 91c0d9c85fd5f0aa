"""Lines of 79 columns: folded prose, and a line of source with a mark under it."""

from __future__ import annotations

from collections.abc import Iterable

from leakguard.report.style import Style, clean, width

WIDTH = 79
"""pre-commit's frame is 80 wide whatever the terminal."""


def fold(lead: str, pieces: Iterable[str], hang: int) -> list[str]:
    """`lead`, then the pieces with spaces between them, `hang` columns deep from the second line.

    A piece is never cut: commands, paths and ids must survive copying.
    """
    lines = [lead]
    begun = False
    for piece in filter(None, pieces):
        glue = " " if begun else ""
        if width(lines[-1] + glue + piece) <= WIDTH or not (begun or _room(piece, lead, hang)):
            lines[-1] += glue + piece
        else:
            lines.append(" " * hang + _defused(piece))
        begun = True
    return [line.rstrip() for line in lines]


def _room(piece: str, lead: str, hang: int) -> bool:
    """Whether the first piece is better off on a line of its own."""
    return width(lead) > hang and hang + width(piece) <= WIDTH


def _defused(piece: str) -> str:
    """Runners take an indented `::name::` at the start of a line for a command."""
    return "\\x3a" + piece[1:] if piece.startswith("::") else piece


def gutter(line: int) -> int:
    """How deep the frame stands for a line of that number."""
    return max(2, len(str(line))) + 1


def detail(label: str, pieces: Iterable[str], deep: int) -> list[str]:
    """`= label: ...` under a frame that is `deep`."""
    lead = f"{'':{deep}}= {label}: "
    return fold(lead, pieces, len(lead))


def arrow(style: Style, place: str, remark: str = "") -> str:
    """`  --> place`, which editors and terminals make clickable; `place` must be clean."""
    return style.paint("frame", "  -->") + " " + style.paint("path", place) + remark


def snippet(style: Style, line: int, text: str, start: int, length: int, label: str) -> list[str]:
    """Line number `line` of a source with carets under `text[start:start + length]`.

    What does not fit goes away on the left, so that the mark and its label stay.
    """
    text = text.replace("\t", " ").replace("\N{REPLACEMENT CHARACTER}", "?")
    deep = gutter(line)
    room = WIDTH - deep - 2
    kept = room - width(label) - 1
    mark = _cut_left(clean(text[start : start + length]), kept)
    before = _cut_left(clean(text[:start]), kept - max(1, width(mark)))
    after = _cut_right(clean(text[start + length :]), room - width(before + mark))
    carets = " " * width(before) + "^" * max(1, width(mark))
    bar = style.paint("frame", f"{'':{deep}}|")
    numbered = style.paint("frame", f"{line:>{deep - 1}} |")
    return [
        bar,
        f"{numbered} {before}{mark}{after}".rstrip(),
        f"{bar} {carets} {label}".rstrip(),
        bar,
    ]


def _cut_left(text: str, room: int) -> str:
    if width(text) <= room:
        return text
    while text and width(text) > room - 3:
        text = text[1:]
    return "..."[: max(0, room)] + text


def _cut_right(text: str, room: int) -> str:
    if width(text) <= room:
        return text
    while text and width(text) > room - 3:
        text = text[:-1]
    return text + "..."[: max(0, room)]
