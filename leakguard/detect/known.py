"""Values that are known beforehand, in every dress in which they may be printed.

Rules find what looks like a secret; a password that looks like a word has to be
told. Each value is looked for as it stands and in its base64 (in the three
alignments that a longer text around it can give), URL, JSON and hexadecimal
forms, all in one pass. A long form is looked for in pieces, so that one which
was cut or wrapped at a width is found as far as it goes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from leakguard import late
from leakguard.detect.prefilter import HyperscanPrefilter, PlainPrefilter, compile_database
from leakguard.secret import Secret

SHORTEST = 4
"""A shorter value is not looked for: it would star out half of what is printed."""

SHORTEST_CODED = 6
"""The same for what is left of a value in base64, and for single lines of a value."""

PIECE = 24
"""A form of twice this length or more is looked for in pieces of this length."""

_GAP = late.pattern(rb"(?:\r?\n|\\r\\n|\\n)[ \t]{0,40}")
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_COMPONENT = "!'()*"
"""What JavaScript's encodeURIComponent leaves alone and Python does not."""


class Known:
    """The values, and where they stand in a text."""

    def __init__(self, engine: Any) -> None:
        """`engine` is `prefilter.extension()`; None does the same, more slowly."""
        self._engine = engine
        self._forms: list[tuple[Secret, bool]] = []  # and whether it is base64
        self._seen: set[Secret] = set()
        self._pieces: list[tuple[int, int, int]] = []  # (form, offset in it, length)
        self._prefilter: HyperscanPrefilter | PlainPrefilter | None = None

    def add(self, secret: Secret) -> bool:
        """Look for this value too; False if it is too short for that."""
        if len(secret.reveal()) < SHORTEST:
            return False
        for form, coded in _forms(secret.reveal()):
            kept = Secret(form)
            if kept not in self._seen:
                self._seen.add(kept)
                self._forms.append((kept, coded))
                self._prefilter = None
        return True

    def __contains__(self, secret: Secret) -> bool:
        return secret in self._seen

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Where values stand, in no order; those of one value may lie in each other."""
        if not self._forms:
            return []
        if self._prefilter is None:
            self._prefilter = self._compiled()
        found: list[tuple[int, int]] = []
        reach: dict[int, int] = {}
        for number, end in self._prefilter.scan(data):
            which, offset, length = self._pieces[number]
            if end > reach.get(which, 0):
                stretches = list(self._grown(which, offset, length, data, end))
                reach[which] = stretches[-1][1]
                found += stretches
        return found

    def _compiled(self) -> HyperscanPrefilter | PlainPrefilter:
        self._pieces = [
            (which, offset, length)
            for which, (form, _) in enumerate(self._forms)
            for offset, length in _cut(len(form.reveal()))
        ]
        expressions = [
            (number, _spelt(self._forms[which][0].reveal()[offset : offset + length]), False)
            for number, (which, offset, length) in enumerate(self._pieces)
        ]
        if self._engine is None:
            return PlainPrefilter(expressions)
        return HyperscanPrefilter(self._engine, *compile_database(self._engine, expressions))

    def _grown(
        self, which: int, offset: int, length: int, data: bytes, end: int
    ) -> Iterator[tuple[int, int]]:
        """The stretches of `data` that agree with a form around one of its pieces."""
        secret, coded = self._forms[which]
        form = secret.reveal()
        start, at = end - length, offset + length
        while offset and start and data[start - 1] == form[offset - 1]:
            start, offset = start - 1, offset - 1
        if coded and not offset and start and data[start - 1] in _BASE64:
            start -= 1  # it holds some bits of the first byte
        at, end = _agree(form, at, data, end)
        while at < len(form) and (gap := _GAP.match(data, end)):
            further, stop = _agree(form, at, data, gap.end())
            if further == at:
                break
            yield start, end
            start, at, end = gap.end(), further, stop
        if coded and at == len(form):
            if data[end : end + 1] and data[end] in _BASE64:
                end += 1  # and this one of the last
            while data[end : end + 1] == b"=":
                end += 1
        yield start, end

    def begun(self, tail: bytes) -> int:
        """How many bytes at the end of `tail` may be the beginning of a value."""
        longest = 0
        for secret, _ in self._forms:
            form = secret.reveal()
            at = tail.find(form[:SHORTEST], max(0, len(tail) - len(form) + 1))
            while at >= 0:
                if form.startswith(tail[at:]):
                    longest = max(longest, len(tail) - at)
                    break
                at = tail.find(form[:SHORTEST], at + 1)
        return longest


def _agree(form: bytes, at: int, data: bytes, end: int) -> tuple[int, int]:
    """How far form and data go on alike."""
    while at < len(form) and end < len(data) and form[at] == data[end]:
        at, end = at + 1, end + 1
    return at, end


def _cut(length: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of the pieces of a form."""
    if length < 2 * PIECE:
        yield 0, length
        return
    for offset in range(0, length - PIECE + 1, PIECE):
        yield offset, PIECE
    if length % PIECE:
        yield length - PIECE, PIECE


def _spelt(text: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text)


def _forms(value: bytes) -> Iterator[tuple[bytes, bool]]:
    """(a form of the value, whether it is base64), the value itself first."""
    whole = [value, value.strip()] if value != value.strip() else [value]
    for raw in whole:
        if len(raw) >= SHORTEST:
            yield raw, False
            yield from ((form, False) for form in _spellings(raw))
            yield from ((form, True) for form in _base64(raw))
    if b"\n" in value.strip():
        for line in value.splitlines():
            if len(line.strip()) >= SHORTEST_CODED and not line.startswith(b"-----"):
                yield line.strip(), False


def _spellings(raw: bytes) -> Iterator[bytes]:
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for safe in ("", "/", _COMPONENT, _COMPONENT + ";,/?:@&=+$#"):
        url = quote(raw, safe=safe)
        yield url.encode()
        yield re.sub("%..", lambda found: found[0].lower(), url).encode()
    yield quote_plus(raw).encode()
    text = raw.decode("utf-8", "replace")
    if "\ufffd" in text:
        return
    for ascii_only in (True, False):
        spelt = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield spelt.encode()
        yield spelt.replace("/", "\\/").encode()
        yield json.dumps(spelt, ensure_ascii=ascii_only)[1:-1].encode()


def _base64(raw: bytes) -> Iterator[bytes]:
    """The characters that the value alone decides, with none, one or two bytes before it."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw)
        core = text[-(-8 * before // 6) : 8 * (before + len(raw)) // 6]
        if len(core) >= SHORTEST_CODED:
            yield core
            yield core.translate(_URL_SAFE)


_URL_SAFE = bytes.maketrans(b"+/", b"-_")
