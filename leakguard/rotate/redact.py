"""What a script says, made fit to be kept: known values first, then whatever looks like one."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from contextlib import nullcontext

from leakguard.detect import prefilter
from leakguard.detect.known import Known
from leakguard.detect.mask import Masker
from leakguard.detect.sight import Sight
from leakguard.load.pack import Pack, open_pack
from leakguard.rotate.halves import Halves
from leakguard.rotate.names import around
from leakguard.secret import MASK, Secret

PART = 8
"""So many characters of a value in a row are a part of it."""

LONG = 64
"""A longer value has parts that are no secret, such as the first line of a key file."""

MIXED = 4
"""So often does the kind of character change in what is no word."""

_KINDS = re.compile(rb"[a-z]+|[A-Z]+|[0-9]+|[^a-zA-Z0-9]+")

LONGEST = 16 * 1024
"""So much of a script's standard error is kept; its end tells most."""

_PUBLIC = re.compile(
    rb"\b(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d{3}|sk-[a-z0-9-]{4,40}@openssh\.com)"
    rb" ([A-Za-z0-9+/]{40,2000}={0,2})"
)
"""The public half of a key: the text of the private one contains it, and it is no secret."""

_packs: list[Pack] = []


class Redactor:
    """Knows the values of one call, in every dress, backwards, and in parts."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._known = Known(prefilter.extension())
        self._short: set[str] = set()
        self._parts: set[bytes] = set()
        self._halves = Halves()
        self.learn(secrets)

    def learn(self, secrets: Iterable[Secret]) -> None:
        """Star out these too."""
        for secret in secrets:
            value = secret.reveal()
            if not self._known.add(secret) and value:
                self._short.add(value.decode("utf-8", "replace"))
            self._halves.learn(value)
            for one in _turned_or_cut(value):
                self._known.add(Secret(one))
            if len(value) <= LONG:
                self._parts |= {part for dress in _dresses(value) for part in _grams(dress)}

    def value_free(self, text: str) -> str:
        """`text` without any known value. A text that is a very short one goes whole."""
        if text in self._short:
            return MASK
        data = text.encode("utf-8", "replace")
        public = [found.span(2) for found in _PUBLIC.finditer(data) if _is_public(found)]
        spans = [
            (low, high)
            for low, high in self._known.spans(data)
            if not any(start <= low and high <= stop for start, stop in public)
            and not self._halves.tell(data[low:high])
        ]
        return _without(data, spans).decode("utf-8", "replace")

    def clean(self, text: str) -> str:
        """`text` for people: without known values or parts of them, and without anything
        that a rule takes for a secret.
        """
        masker = Masker(_sight(), self._known, lambda _: None, "(script)")
        data = self._part_free(self.value_free(text).encode("utf-8", "replace"))
        return (masker.feed(data, 0.0) + masker.finish()).decode("utf-8", "replace")

    def cleaner(self, names: Iterable[str]) -> Callable[[str], str]:
        """`clean`, except for names that an operator needs, such as the ids of keys.

        What is a value of a slot, or a half of one, is no name, whoever calls it so.
        """
        clean = around([one for one in names if self.value_free(one) == one], self.clean)
        return lambda text: clean(self.value_free(text))

    def _part_free(self, data: bytes) -> bytes:
        spans = [
            (at, at + PART)
            for at in range(len(data) - PART + 1)
            if data[at : at + PART] in self._parts
        ]
        return _without(data, spans)


def _turned_or_cut(value: bytes) -> list[bytes]:
    """The value backwards, and its halves both ways; a long one is known in pieces anyway.

    Half of a password that a person chose may be a word, which stands in many a name.
    """
    middle = len(value) // 2
    halves = [value[:middle], value[middle:]] if middle >= PART and len(value) <= LONG else []
    halves = [one for one in halves if len(_KINDS.findall(one)) >= MIXED]
    return [one[::-1] for one in (value, *halves)] + halves


def _dresses(value: bytes) -> list[bytes]:
    """What a part of the value may be cut from."""
    text = base64.b64encode(value)
    plain = [value, value.hex().encode(), text, base64.b32encode(value), base64.b85encode(value)]
    return [*plain, *(one[::-1] for one in plain)]


def _grams(dress: bytes) -> list[bytes]:
    return [dress[at : at + PART] for at in range(len(dress) - PART + 1)]


def _is_public(found: re.Match[bytes]) -> bool:
    """Whether it is an OpenSSH public key, whose own first field says its type (RFC 4253, 6.6)."""
    try:
        blob = base64.b64decode(found[2], validate=True)
    except ValueError:
        return False
    return blob[:4] == len(found[1]).to_bytes(4, "big") and blob[4:].startswith(found[1])


def told(raw: bytes) -> str:
    """Standard error as text, its end when it is long."""
    kept = raw[-LONGEST:]
    return ("..." if len(raw) > LONGEST else "") + kept.decode("utf-8", "replace")


def _without(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    parts, at = [], 0
    for start, stop in sorted(spans):
        if stop > at:
            parts += [data[at:start], MASK.encode() if start >= at else b""]
            at = stop
    return b"".join(parts) + data[at:]


def _sight() -> Sight:
    if not _packs:
        _packs.append(open_pack(None))
    pack = _packs[0]
    return Sight(pack.book, pack.prefilter.scan, lambda _: nullcontext(), pack.prefixes)
