"""Secrets that stand encoded: base64, hexadecimal, percent, unicode and JSON escapes.

A decoder is an anchor for the prefilter plus a function that turns the encoded
run around a hit into text. Anchors ask for encoded *text* (six base64 groups or
more whose every byte is printable ASCII), so images, hashes and identifiers
cost nothing. A decoded text is scanned like any other, to a depth, and every
offset in it can be traced back to the bytes it came from.
"""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple

from leakguard import late

SAMPLE = 512
"""So many decoded bytes decide whether it is text."""

_B64 = r"[A-Za-z0-9+/_-]"
# The characters that printable ASCII (or tab, newline) can give at each place of a group.
_TEXT_GROUP = (
    rf"(?:[CDI-Za-f][ACDEFGHQSTUVWXgijklmnwyz0-3][ABEFIJMNQRUVYZcdghklopstwx014589]{_B64})"
)

# UTF-16 of ASCII, as PowerShell's -EncodedCommand has it: every second byte is zero.
_UTF16_PAIR = "A[AC-H][AEIMQUYcgkosw048]A"
_UTF16 = rf"[CDI-Za-f][AQgw][AB]{_B64}{_UTF16_PAIR}"
_UTF16_MARK = rf"//[45]{_B64}{_UTF16_PAIR}"

ANCHORS: dict[str, str] = {
    "base64": rf"(?:^|[^A-Za-z0-9+/_-]){_TEXT_GROUP}{{6}}",
    "hex": r"(?:^|[^0-9A-Za-z])(?:[2-7][0-9A-Fa-f]|0[9AaDd]){12}",
    "base64-utf16": rf"(?:^|[^A-Za-z0-9+/_-])(?:{_UTF16_MARK})?(?:{_UTF16}){{3}}",
    "percent": r"%[2-7][0-9A-Fa-f]",
    "unicode": r"\\(?:u00|x|U000000)[2-7][0-9A-Fa-f]",
    "json": (
        r"(?::\\/\\/[^\s\"'@]{3,200}@|[0-9+][0-9A-Za-z+]{1,12}\\/[0-9A-Za-z+\\/]{6}"
        r"|[0-9A-Za-z+]{3}\\/[0-9A-Za-z+]{2,12}[0-9+])"
    ),
}
"""Name of a decoder and the anchor that calls for it."""


class Decoded(NamedTuple):
    """A text that stood encoded. `marks` are (offset in text, offset in source) pairs, rising."""

    how: str
    text: bytes
    marks: tuple[tuple[int, int], ...]
    step: tuple[int, int]
    span: tuple[int, int]

    def source(self, start: int, end: int) -> tuple[int, int]:
        """The bytes of the source that `text[start:end]` came from."""
        low = max(self.span[0], self._trace(start, down=True))
        high = min(self.span[1], self._trace(end, down=False))
        return low, max(high, low + 1)

    def _trace(self, offset: int, *, down: bool) -> int:
        from bisect import bisect_right

        # The end is looked up by the byte before it, or it would be where the next line begins.
        before = 0 if down or self.step == (1, 1) else 1
        at = bisect_right(self.marks, (offset - before, 1 << 62)) - 1
        text_at, source_at = self.marks[max(at, 0)]
        bytes_in, chars_out = self.step
        units = offset - text_at
        whole = units // chars_out if down else -(-units // chars_out)
        return source_at + whole * bytes_in


def decode(how: str, data: bytes, end: int) -> Decoded | None:
    """The encoded run around the anchor hit that ends at `end`, decoded; None if it is not text."""
    return _DECODERS[how](data, end)


def _text(raw: bytes) -> bool:
    """Whether decoded bytes are worth a look: mostly printable."""
    sample = raw[:SAMPLE]
    printable = sum(1 for byte in sample if 32 <= byte < 127 or byte in (9, 10, 13) or byte > 127)
    return bool(sample) and printable >= 0.9 * len(sample)


_B64_RUN = late.pattern(rb"[A-Za-z0-9+/_-]{8,}={0,2}")
_B64_NEXT_LINE = late.pattern(rb"(?:\r?\n|\\r\\n|\\n)[ \t]{0,40}([A-Za-z0-9+/_-]{4,4096}={0,2})")


def _base64(data: bytes, end: int) -> Decoded | None:
    start = end - 24
    run = _B64_RUN.match(data, start)
    if run is None:
        return None
    pieces = [(run.start(), run.group())]
    width = len(run.group())
    at = run.end()
    while width >= 40 and not pieces[-1][1].endswith(b"="):
        if len(pieces) == _TELLING_LINES and not _is_text(pieces):
            return None  # before the rest is read: each of its lines may call for a decoder too
        following = _B64_NEXT_LINE.match(data, at)
        if following is None or len(following.group(1)) > width:
            break
        pieces.append((following.start(1), following.group(1)))
        at = following.end()
        if len(following.group(1)) < width:
            break
    text = _unbase64(b"".join(piece for _, piece in pieces))
    if text is None or not _text(text):
        return None
    marks = []
    chars = 0
    for where, piece in pieces:
        skip = -chars % 4
        marks.append(((chars + skip) // 4 * 3, where + skip))
        chars += len(piece)
    return Decoded("base64", text, tuple(marks), (4, 3), (start, at))


_TELLING_LINES = 18
"""So many lines of 40 characters or more hold the bytes that decide whether it is text."""


def _is_text(pieces: list[tuple[int, bytes]]) -> bool:
    return _text(_unbase64(b"".join(piece for _, piece in pieces)) or b"")


def _base64_utf16(data: bytes, end: int) -> Decoded | None:
    start = end - 24
    if data[max(0, start - 8) : start].startswith(b"//"):  # a byte order mark
        start -= 8
    run = _B64_RUN.match(data, start)
    raw = _unbase64(run.group()) if run else None
    if run is None or raw is None:
        return None
    text = bytes(low if not high else 0x3F for low, high in zip(raw[::2], raw[1::2], strict=False))
    if not _text(text):
        return None
    return Decoded("base64-utf16", text, ((0, start),), (8, 3), run.span())


_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def _unbase64(run: bytes) -> bytes | None:
    body = run.rstrip(b"=").translate(_URL_SAFE)
    if len(body) % 4 == 1:
        body = body[:-1]
    try:
        return binascii.a2b_base64(body + b"=" * (-len(body) % 4))
    except binascii.Error:
        return None


def from_base64(run: bytes) -> bytes | None:
    """The text that a whole value encodes, without a line end behind it; None if it is no text."""
    raw = _unbase64(run) or b""
    try:
        raw.decode()  # a whole value is strictly text, or it is none
    except UnicodeDecodeError:
        return None
    return raw.rstrip(b"\r\n") or None if _text(raw) else None


_HEX_RUN = late.pattern(rb"(?:[0-9A-Fa-f]{2}){8,}")


def _hex(data: bytes, end: int) -> Decoded | None:
    run = _HEX_RUN.match(data, end - 24)
    if run is None:
        return None
    text = binascii.a2b_hex(run.group())
    if not _text(text):
        return None
    return Decoded("hex", text, ((0, run.start()),), (2, 1), run.span())


_PERCENT_RUN = late.pattern(rb"[^\s\"'<>`]{1,8192}")
_PERCENT = late.pattern(rb"%([0-9A-Fa-f]{2})")
_ESCAPE = late.pattern(rb"\\(?:u00|x|U000000)([0-9A-Fa-f]{2})|\\(/)")
_ESCAPE_RUN = late.pattern(rb"[^\n]{1,8192}")


def _percent(data: bytes, end: int) -> Decoded | None:
    start = end - 3
    low = max(0, start - 1024)
    while start > low and data[start - 1] not in b" \t\r\n\"'<>`":
        start -= 1
    run = _PERCENT_RUN.match(data, start)
    return _replaced("percent", data, run.span(), _PERCENT) if run else None


def _unicode(data: bytes, end: int) -> Decoded | None:
    return _escaped("unicode", data, end)


def _json(data: bytes, end: int) -> Decoded | None:
    """JSON may write `\\/` for a slash, and PHP does."""
    return _escaped("json", data, end)


def _escaped(how: str, data: bytes, end: int) -> Decoded | None:
    newline = data.rfind(b"\n", max(0, end - 1024), end)
    start = newline + 1 if newline >= 0 else max(0, end - 1024)
    run = _ESCAPE_RUN.match(data, start)
    return _replaced(how, data, run.span(), _ESCAPE) if run else None


def _replaced(
    how: str, data: bytes, span: tuple[int, int], escape: re.Pattern[bytes]
) -> Decoded | None:
    """`data[span]` with every escape replaced by its byte."""
    out = bytearray()
    marks = [(0, span[0])]
    at = span[0]
    for match in escape.finditer(data, *span):
        out += data[at : match.start()]
        marks.append((len(out), match.start()))
        out += bytes([int(match[1], 16)]) if match[1] else match[2]
        at = match.end()
        marks.append((len(out), at))
    out += data[at : span[1]]
    if len(marks) == 1:
        return None
    return Decoded(how, bytes(out), tuple(marks), (1, 1), span)


_DECODERS = {
    "base64": _base64,
    "base64-utf16": _base64_utf16,
    "hex": _hex,
    "percent": _percent,
    "unicode": _unicode,
    "json": _json,
}
