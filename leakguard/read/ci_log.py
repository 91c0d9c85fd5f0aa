"""The log of a CI job as a person sees it: without colours, timestamps and prefixes.

What is taken out would cut a value in two (`grep --color` colours the middle of
a token) or hide the start of a line from a rule. Line ends all stay, so that line numbers
are those of the file. Nothing that a program printed is dropped: what a
carriage return would overwrite, and the address behind a terminal's link, are in the
file and therefore scanned.

Every step works on large pieces with few regular expressions: a log of a gigabyte
takes the memory of a few of them.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from leakguard.blob import Blob, Origin
from leakguard.read.stream import overlapping

PIECE = 256 * 1024
"""What is cleaned at a time: more no longer fits into a processor's cache."""

LONGEST = 4 * 1024 * 1024
"""A line that is longer is cut, at a space if it has one."""

CONTINUED = b"\x1e"
"""Stands in front of a line that goes on with the one before (GitLab cuts long ones)."""

MOST_STEPS = 10_000
"""Steps that are remembered; older ones belong to lines that were looked at long ago."""

_NOTE = re.compile(rb"\x1b\[8mha:[^\x1b\n]{0,65536}\x1b\[0m")
_ENDED = rb"([^\x07\x1b\n]{0,8192})(?:\x07|\x1b\\)"
_OSC = re.compile(rb"\x1b\](?:8;[^;\x07\x1b\n]{0,200};|[0-9]{1,4};)?" + _ENDED)
_APC = re.compile(rb"\x1b[_P^X]" + _ENDED)
_MOVE = re.compile(rb"\x1b\[[0-9;?]{0,20}[A-HJSTdf]")
_CODE = re.compile(rb"\x1b\[[0-?]{0,60}[ -/]{0,4}[@-~]|\x1b[()*+][0-9A-Za-z]|\x1b[=>78MDEHcNOZ]")

_DAY = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
_CLOCK = rb"\d\d:\d\d:\d\d(?:[.,]\d{1,6})?"
_EITHER = rb"(?:" + _DAY + rb"|" + _CLOCK + rb")"
_MARK = rb"(?:\xef\xbb\xbf)?"
_PREFIX = re.compile(
    rb"\n(?:"
    + _MARK + _EITHER + rb"(?:[ \t]{1,2}|(?=\n|\Z))"
    rb"|\[(?:" + _EITHER + rb"\](?:[WEFiD]?:[ \t]{1,8}(?:\[[^\]\n]{1,80}\] )?|[ \t]{1,2})"
    rb"|pod/[^\]\n]{1,200}\] "
    rb"|[\w .-]{1,60}:L?\d{1,7}(?::\d{1,7}s)?\] ?)"
    rb"|[A-Za-z0-9][\w.]{0,40}(?:-\w{1,40}){0,5}[-_]\d{1,3} {0,30}\| "
    rb"|\xef\xbb\xbf)"
)  # fmt: skip
_SECOND = re.compile(rb"\n(?:\[" + _EITHER + rb"\]|" + _DAY + rb")[ \t]{1,2}")
_GITLAB = re.compile(rb"\n" + _DAY + rb" \d\d[OE](?P<more>\+| |(?=\n|\Z))")
_GH = re.compile(
    rb"\n([^\t\n]{1,200})\t([^\t\n]{1,200})\t" + _MARK + rb"(?=" + _DAY + rb"(?:[ \t]|\n|\Z))"
)

_STEP = re.compile(
    rb"\n(?:(?:##\[group\]|::group::|##\[section\]Starting: )(?P<group>[^\n]{1,200})"
    rb"|section_start:\d{1,12}:(?P<section>[\w.:-]{1,100})(?:\[[^\]\n]{0,200}\])?"
    rb" {0,4}(?P<header>[^\n]{0,200})"
    rb"|\[Pipeline\] \{ \((?P<stage>[^)\n]{1,200})\)"
    rb"|travis_fold:start:(?P<fold>[\w.-]{1,100})"
    rb"|(?P<mark>---|\+\+\+|~~~) (?P<title>[^\n]{1,200}))"
)
_NAMES = ("header", "group", "section", "stage", "fold", "title")


class Steps:
    """Which job and step a line belongs to, as far as the log says so itself."""

    def __init__(self, job: str = "", step: str = "") -> None:
        """`job` and `step` are known from outside and stand for the whole log."""
        self.job = job
        self.step = step
        self._lines: list[int] = []
        self._names: list[tuple[str, str]] = []

    @property
    def named(self) -> bool:
        """Whether the log has named a step."""
        return bool(self._names)

    def begin(self, line: int, job: str, step: str) -> None:
        """From `line` on it is this step."""
        if self._names and self._names[-1] == (job, step):
            return
        self._lines.append(line)
        self._names.append((job, step))
        if len(self._lines) > 2 * MOST_STEPS:
            del self._lines[:MOST_STEPS], self._names[:MOST_STEPS]

    def at(self, line: int) -> tuple[str, str]:
        """(job, step) of a line; "" for what nobody said."""
        at = bisect_right(self._lines, line) - 1
        job, step = self._names[at] if at >= 0 else ("", "")
        return self.job or job, self.step or step


def blobs(origin: Origin, parts: Iterable[bytes], steps: Steps) -> Iterator[Blob]:
    """A log, cleaned, in overlapping blobs; `steps` learns what the log says of itself."""
    return overlapping(origin, cleaned(parts, steps))


def cleaned(parts: Iterable[bytes], steps: Steps) -> Iterator[bytes]:
    """The pieces of a log without what stands between a rule and the text; all line ends stay."""
    yield from Cleaner(steps).texts(_as_utf8(parts))


class Cleaner:
    """One pass over the pieces of one log, or over a part of it that begins at `line`.

    Afterwards `line` is the number of the line that would come next.
    """

    def __init__(self, steps: Steps, line: int = 1) -> None:
        self._steps = steps
        self.line = line
        self._fresh = True  # the next piece begins a line
        self._buildkite = False

    def texts(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """A stretch of the log that comes in parts, cut anywhere."""
        return map(self.clean, _pieces(parts))

    def clean(self, piece: bytes) -> bytes:
        """One piece, which ends at a line end unless the line is very long."""
        text = plain(piece)
        self._buildkite = self._buildkite or b"\x1b_bk;t=" in piece
        if self._fresh:
            text = b"\n" + text  # so that every line begins behind a line end
        if b"\t" in text:
            self._from_gh(text)
            text = _GH.sub(b"\n", text)
        if _GITLAB.search(text, 0, 16 * 1024):
            text = _GITLAB.sub(_joint, text)
        else:
            text = _PREFIX.sub(b"\n", text)
        if _SECOND.search(text):  # a program's own clock behind the runner's
            text = _SECOND.sub(b"\n", text)
        text = text.replace(b"\r", b" ")
        self._learn(text)
        if self._fresh:
            text = text[1:]
        self.line += text.count(b"\n")
        self._fresh = text.endswith(b"\n") or not text
        return text

    def _first(self) -> int:
        """The number of the line before the first line end."""
        return self.line - (1 if self._fresh else 0)

    def _from_gh(self, text: bytes) -> None:
        """`gh run view --log` puts job and step in front of every line."""
        at, line = 0, self._first()
        last: tuple[bytes, bytes] | None = None
        for found in _GH.finditer(text):
            if found.groups() == last:
                continue
            last = (found[1], found[2])
            line += text.count(b"\n", at, found.start() + 1)
            at = found.start() + 1
            self._steps.begin(line, _name(found[1]), _name(found[2]))

    def _learn(self, text: bytes) -> None:
        at, line = 0, self._first()
        for found in _STEP.finditer(text):
            if found["mark"] and not self._buildkite:
                continue  # a diff begins its files like that
            line += text.count(b"\n", at, found.start() + 1)
            at = found.start() + 1
            job, _ = self._steps.at(line)
            name = next((found[one] for one in _NAMES if found[one]), b"")
            self._steps.begin(line, job, _name(name))


def plain(text: bytes) -> bytes:
    """`text` without terminal codes. What moves the cursor leaves a space; a link its address."""
    if b"\r" in text:
        text = text.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n")
    if b"\x1b" not in text:
        return text
    text = _NOTE.sub(b"", text)
    text = _OSC.sub(rb" \1 ", text)
    text = _APC.sub(b"", text)
    text = _MOVE.sub(b" ", text)
    return _CODE.sub(b"", text)


def _joint(found: re.Match[bytes]) -> bytes:
    return b"\n" + CONTINUED if found["more"] == b"+" else b"\n"


def _name(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()


def _pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that end with a line, but for a line that is too long."""
    held: list[bytes] = []
    size, enough = 0, PIECE
    for part in parts:
        held.append(part)
        size += len(part)
        if size < enough:
            continue
        text = b"".join(held)
        at = 0
        while cut := _cut(text, at):
            yield text[at:cut]
            at = cut
        held = [text[at:]]
        size = len(held[0])
        enough = size + PIECE
    if size:
        yield b"".join(held)


def _cut(text: bytes, at: int) -> int:
    """Where the piece ends that begins at `at`; 0 while that is not known."""
    if len(text) - at < PIECE:
        return 0
    cut = text.rfind(b"\n", at, at + PIECE) + 1 or text.find(b"\n", at + PIECE, at + LONGEST) + 1
    if cut or len(text) - at < LONGEST:
        return cut
    return text.rfind(b" ", at + LONGEST - PIECE, at + LONGEST) + 1 or at + LONGEST


SAMPLE = 4096
MARKS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


_OTHERS = re.compile(rb"(?:(?<=\n\0)|(?<=\0\n))(?:[\t -~]{4,4000}\r?\n(?!\0))+")
"""Lines of a program that appended to a UTF-16 log in its own way, as `>>` of cmd does."""


def _as_utf8(parts: Iterable[bytes]) -> Iterator[bytes]:
    """PowerShell's `>` writes UTF-16; everything else passes as it is."""
    decoder = None
    first = True
    for part in parts:
        if first and part:
            first = False
            form = next((name for mark, name in MARKS if part.startswith(mark)), "")
            if form and b"\0" in part[:SAMPLE]:  # else it is a log that begins with odd bytes
                decoder = codecs.getincrementaldecoder(form)("replace")
                part = part[2:]  # noqa: PLW2901 - the mark is no text
        yield from _decoded(decoder, part) if decoder else (part,)


def _decoded(decoder: codecs.IncrementalDecoder, part: bytes) -> Iterator[bytes]:
    at = 0
    for lines in _OTHERS.finditer(part):
        yield decoder.decode(part[at : lines.start()]).encode("utf-8", "replace")
        yield lines[0]
        at = lines.end()
    yield decoder.decode(part[at:]).encode("utf-8", "replace")
