"""What a script says, made fit to be kept: known values first, then whatever looks like one."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from contextlib import nullcontext

from leakguard.detect import prefilter
from leakguard.detect.known import Known
from leakguard.detect.mask import Masker, Sight
from leakguard.load.pack import Pack, open_pack
from leakguard.secret import MASK, Secret

LONGEST = 16 * 1024
"""So much of a script's standard error is kept; its end tells most."""

_PUBLIC = re.compile(
    rb"\b(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d{3}|sk-[a-z0-9-]{4,40}@openssh\.com)"
    rb" ([A-Za-z0-9+/]{40,2000}={0,2})"
)
"""The public half of a key: the text of the private one contains it, and it is no secret."""

_packs: list[Pack] = []


class Redactor:
    """Knows the values of one call, in every dress."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._known = Known(prefilter.extension())
        self._short: set[str] = set()
        self.learn(secrets)

    def learn(self, secrets: Iterable[Secret]) -> None:
        """Star out these too."""
        for secret in secrets:
            if not self._known.add(secret) and secret.reveal():
                self._short.add(secret.reveal().decode("utf-8", "replace"))

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
        ]
        return _without(data, spans).decode("utf-8", "replace")

    def clean(self, text: str) -> str:
        """`text` without known values, and without anything that a rule takes for a secret."""
        masker = Masker(_sight(), self._known, lambda _: None, "(script)")
        data = self.value_free(text).encode("utf-8", "replace")
        return (masker.feed(data, 0.0) + masker.finish()).decode("utf-8", "replace")

    def cleaner(self, names: Iterable[str]) -> Callable[[str], str]:
        """`clean`, except for texts that are names we need (key ids look like secrets to rules)."""
        public = frozenset(names)
        return lambda text: self.value_free(text) if text in public else self.clean(text)


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
