"""Second looks at a piece of a log: texts that only come about when lines are put together.

* an `env` dump, `export -p`, an `env:` block or a `set -x` trace, as a file of settings;
* lines that a terminal or a runner broke at a width, joined again;
* what stands encoded beside `***`: the runner masks a value, not its base64.

A view is bytes to scan, and marks that lead every offset in it back to the log.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import compress, count
from operator import eq, or_
from urllib.parse import unquote_to_bytes

from leakguard.blob import Blob
from leakguard.read.ci_log import CONTINUED

LONGEST = 64 * 1024
"""A group of joined lines ends here: no rule's match is wider."""

WIDTHS = frozenset((
    64, 72, 76, 78, 79, 80, 96, 100, 119, 120, 127, 128, 132, 140, 150, 160, 180,
    200, 240, 250, 255, 256, 500, 512, 1000, 1024, 2048, 4096, 8192, 16384, 32768,
))  # fmt: skip
"""Where terminals, tools and runners break lines."""

NARROWEST = 40
"""Lines of the same length are taken for broken ones from this width on."""

FAR = 200
"""Lines left out between two settings leave empty ones, up to so many: halves must stand close."""

NEAR = 3
"""So many lines below a mask its value may stand in another form."""


class View:
    """Bytes to scan as `inside`, and where each stretch of them stands in the log.

    marks: (offset in `data`, line, column) of each stretch, rising; columns from 1.
    `crossing` says that only what spans several stretches is news.
    """

    __slots__ = ("crossing", "data", "how", "inside", "marks")

    def __init__(
        self,
        how: str,
        inside: str,
        data: bytes,
        marks: list[tuple[int, int, int]],
        *,
        crossing: bool,
    ) -> None:
        self.how = how
        self.inside = inside
        self.data = data
        self.marks = marks
        self.crossing = crossing

    def stretch(self, offset: int) -> int:
        """The number of the stretch that holds an offset."""
        return max(0, bisect_right(self.marks, (offset, 1 << 62, 0)) - 1)

    def place(self, offset: int) -> tuple[int, int]:
        """(line, column) in the log of an offset in the view."""
        at, line, column = self.marks[self.stretch(offset)]
        return line, column + len(self.data[at:offset].decode("utf-8", "replace"))


def views(blob: Blob) -> Iterator[View]:
    """Every second look that is worth a scan; a view may repeat what a neighbour's showed."""
    for made in (_settings(blob), _joined(blob), _unmasked(blob)):
        if made is not None:
            yield made


class _Lines:
    """Line numbers of rising offsets."""

    def __init__(self, blob: Blob) -> None:
        self._data = blob.data
        self._at = 0
        self._line = blob.line
        self._column = blob.column

    def place(self, offset: int) -> tuple[int, int]:
        """(line, column) of an offset; none may lie before the one asked for last."""
        data = self._data
        count = data.count(b"\n", self._at, offset)
        if count:
            self._line += count
            self._column = 0
            self._at = data.rfind(b"\n", self._at, offset) + 1
        self._column += len(data[self._at : offset].decode("utf-8", "replace"))
        self._at = offset
        return self._line, self._column + 1


_CREDENTIAL = re.compile(
    rb"pass|pwd|secret|token|key|cred|auth|private|salt|signing|webhook|dsn|_pin\b|_pat\b|_pw\b",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    rb"^cache_?key|public_?key|(?:url|uri|path|file|dir|type|count|size|version|hash|sha|ttl|expiry|format)$",
    re.IGNORECASE,
)


def _telling(name: bytes) -> bool:
    """Whether a setting of that name may be a credential."""
    return bool(_CREDENTIAL.search(name)) and not _HARMLESS.search(name)


_LEAD = (
    rb"[ \t]{0,8}(?:\+{1,8} |\$ |> )?"
    rb"(?:(?:export|declare -x|typeset -x|set|SET|setenv|ENV|ARG|-e|local|readonly) )?(?:\$env:)?"
)
_SETTING = re.compile(
    rb"\n" + _LEAD + rb"(?P<name>[A-Za-z_][A-Za-z0-9_.]{1,100})"
    rb"(?:=|(?<=[A-Z0-9_]): |(?<=[A-Z0-9_]) {2,80}| = )(?P<value>[^\s=][^\n]{2,4000})"
)
_TRACE = re.compile(rb"\n[ \t]{0,8}(?:\+{1,8}|\$|>|##\[command\]|\[command\]) ([^\n]{8,16000})")
_WORD = re.compile(
    rb"(?<![\w.$-])(?P<name>[A-Za-z_][A-Za-z0-9_]{1,100})="
    rb"(?P<value>'[^'\n]{3,4000}'|\"[^\"\n]{3,4000}\"|[^\s'\"=;|&][^\s;|&]{2,4000})"
)


def _settings(blob: Blob) -> View | None:
    """Assignments of a dump or a trace, one a line, as the settings file they came from."""
    data = blob.data if blob.start else b"\n" + blob.data
    shift = len(data) - len(blob.data)
    spans: dict[int, tuple[bytes, int, int]] = {}
    for found in _SETTING.finditer(data):
        if _telling(found["name"]):
            spans[found.start("value")] = (found["name"], *found.span("value"))
    for trace in _TRACE.finditer(data):
        for word in _WORD.finditer(data, *trace.span(1)):
            if _telling(word["name"]):
                spans[word.start("value")] = (word["name"], *word.span("value"))
    chosen = (spans[at] for at in sorted(spans))
    moved = ((name + b"=", start - shift, end - shift) for name, start, end in chosen)
    return _built(blob, "dump", "log.env", moved)


def _built(
    blob: Blob, how: str, inside: str, lines: Iterable[tuple[bytes, int, int]]
) -> View | None:
    """A view of one line for each (text in front, start, end) of the blob, in rising order."""
    out = bytearray()
    marks = []
    places = _Lines(blob)
    last = 0
    for front, start, end in lines:
        line, column = places.place(max(0, start))
        out += b"\n" * min(FAR, max(0, line - last - 1)) if last else b""
        last = line
        marks.append((len(out), line, column))
        out += front
        marks.append((len(out), line, column))
        out += blob.data[start:end].rstrip() + b"\n"
    return View(how, inside, bytes(out), marks, crossing=False) if out else None


_IN_VALUE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-.~%:@!#$^&*"
)
SHORTEST = 12
"""A value that was broken in two is at least so long."""


def _one_word(line: bytes, following: bytes) -> bool:
    """Whether the end of a line and the beginning of the next may be one value."""
    if line[-1] not in _IN_VALUE or following[0] not in _IN_VALUE:
        return False
    end = len(line) - line.rfind(b" ") - 1
    begin = following.find(b" ")
    return end + (len(following) if begin < 0 else begin) >= SHORTEST


def _joined(blob: Blob) -> View | None:
    """Lines that were broken at a width, put together again."""
    out = bytearray()
    marks: list[tuple[int, int, int]] = []
    begun, first = -1, 0
    for at, line, following in _broken(blob.data):
        if at != begun or len(out) - first > LONGEST:
            if out:
                out += b"\n"
            first = len(out)
            _put(out, marks, blob, at, line)
        _put(out, marks, blob, at + 1, following)
        begun = at + 1
    return View("joined", "", bytes(out), marks, crossing=True) if out else None


PART = 256 * 1024
"""So much is split into lines at a time: more no longer fits into a processor's cache."""


def _broken(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(number, line, the next one) of each line that seems to go on in the next, from 0 on."""
    continued = CONTINUED in data
    last: list[bytes] = []
    start = number = 0
    while start <= len(data):
        end = data.find(b"\n", start + PART)
        end = end if end >= 0 else len(data)
        lines = last + data[start:end].split(b"\n")
        for at in sorted(_breaks(lines, continued=continued)):
            yield number + at, lines[at], lines[at + 1]
        number += len(lines) - 1
        start, last = end + 1, lines[-1:]


def _breaks(lines: list[bytes], *, continued: bool) -> set[int]:
    lengths = list(map(len, lines))
    # Every line of a log comes by here, so what can be told in C is told first.
    fitting = map(or_, map(WIDTHS.__contains__, lengths), map(eq, lengths, lengths[1:]))
    broken = {
        at
        for at in compress(count(), fitting)
        if lengths[at] >= NARROWEST
        and 0 < lengths[at + 1] <= lengths[at]
        and _one_word(lines[at], lines[at + 1])
    }
    if continued:
        broken |= {at - 1 for at, line in enumerate(lines) if at and line.startswith(CONTINUED)}
    return broken


def _put(
    out: bytearray, marks: list[tuple[int, int, int]], blob: Blob, at: int, line: bytes
) -> None:
    text = line.removeprefix(CONTINUED)
    column = 1 + len(line) - len(text) + (blob.column if not at else 0)
    marks.append((len(out), blob.line + at, column))
    out += text


_MASK = re.compile(rb"\*{3,}|\[(?:MASKED|REDACTED|secure|FILTERED)\]")
_ASSIGNED = re.compile(
    rb"([A-Za-z_][\w.-]{1,80})[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:\*{3}|\[(?:MASKED|REDACTED|secure))"
)
_RUN = re.compile(
    rb"(?<![\w+/=%.-])(?:(?P<hex>(?:[2-7][0-9A-Fa-f]){8,200}(?:0[AaDd])?)|(?P<b64>[A-Za-z0-9+/_-]{11,400}={0,2})"
    rb"|(?P<url>[\w.~!*+@:-]{0,100}(?:%[2-7][0-9A-Fa-f][\w.~!*+@:-]{0,100}){2,60}))(?![\w+/=%])"
)


def _unmasked(blob: Blob) -> View | None:
    """Encoded runs beside a mask, decoded and assigned to the name that was masked."""
    data = blob.data
    stars = b"*" in data and b"***" in data  # one byte is looked for much faster than three
    if not (stars or b"ED]" in data or b"[secure]" in data):  # what stands in every mask
        return None
    out = bytearray()
    marks: list[tuple[int, int, int]] = []
    places = _Lines(blob)
    done = 0
    for mask in _MASK.finditer(data):
        start = max(done, data.rfind(b"\n", max(0, mask.start() - 4096), mask.start()) + 1)
        end = mask.end()
        for _ in range(NEAR + 1):
            end = data.find(b"\n", end, end + 4096) + 1 or min(end + 4096, len(data))
        named = _ASSIGNED.search(data, max(0, mask.start() - 120), mask.start() + 10)
        name = named[1] if named and _CREDENTIAL.search(named[1]) else b"password"
        for run in _RUN.finditer(data, start, end):
            value = _decoded(run)
            if value is None:
                continue
            quote = b"'" if b'"' in value else b'"'
            marks.append((len(out), *places.place(run.start())))
            out += name + b" = " + quote
            marks.append((len(out), *places.place(run.start())))
            out += value + quote + b"\n"
        done = max(done, end)
    return View("re-encoded", "log.env", bytes(out), marks, crossing=False) if out else None


def _decoded(run: re.Match[bytes]) -> bytes | None:
    """The text that a run stands for, if it can be a value: printable and without spaces."""
    try:
        if run["hex"]:
            raw = binascii.a2b_hex(run["hex"])
        elif run["b64"]:
            body = run["b64"].rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
            raw = binascii.a2b_base64(body + b"=" * (-len(body) % 4))
        else:
            raw = unquote_to_bytes(run["url"])
    except binascii.Error:
        return None
    raw = raw.rstrip(b"\r\n")
    sound = len(raw) >= 8 and all(32 < byte < 127 for byte in raw)
    return raw if sound and not (b'"' in raw and b"'" in raw) else None
