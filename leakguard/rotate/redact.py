"""What a script says, made fit to be kept: known values first, then whatever looks like one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext

from leakguard.detect import prefilter
from leakguard.detect.known import Known
from leakguard.detect.mask import Masker, Sight
from leakguard.load.pack import Pack, open_pack
from leakguard.secret import MASK, Secret

LONGEST = 16 * 1024
"""So much of a script's standard error is kept; its end tells most."""

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
        return _without(data, self._known.spans(data)).decode("utf-8", "replace")

    def clean(self, text: str) -> str:
        """`text` without known values, and without anything that a rule takes for a secret."""
        masker = Masker(_sight(), self._known, lambda _: None, "(script)")
        data = self.value_free(text).encode("utf-8", "replace")
        return (masker.feed(data, 0.0) + masker.finish()).decode("utf-8", "replace")

    def cleaner(self, names: Iterable[str]) -> Callable[[str], str]:
        """`clean`, except for texts that are names we need (key ids look like secrets to rules)."""
        public = frozenset(names)
        return lambda text: self.value_free(text) if text in public else self.clean(text)


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
