"""Values without a public prefix: a shape such as `hex:32`, and the words around it.

What a scan looks for is the service's word: a multi-pattern engine finds a
thousand words for the price of one, while a shape, having no constant part,
would have to be tried at every byte. Around a word the shapes of its rules are
matched, and each value is judged by the words around it, in either order.
"""

from __future__ import annotations

import re

from leakguard.recipe import ALPHABETS, lengths

_CLASSES = {
    "hex": "0-9a-f",
    "HEX": "0-9A-F",
    "lower": "a-z",
    "upper": "A-Z",
    "letters": "A-Za-z",
    "lowernum": "0-9a-z",
    "uppernum": "0-9A-Z",
    "alnum": "0-9A-Za-z",
    "digits": "0-9",
    "base32": "A-Z2-7",
    "base64": "A-Za-z0-9+/",
    "base64url": "A-Za-z0-9_-",
    "word": "A-Za-z0-9_",
}
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def pattern(shape: str) -> str:
    """The exact pattern of a shape, its value in the group `secret`. Raises ValueError."""
    if shape == "uuid":
        return rf"(?<![0-9A-Za-z-])(?P<secret>(?i:{_UUID}))(?![0-9A-Za-z-])"
    if len(shape) > 2 and shape.startswith("/") and shape.endswith("/"):
        if re.compile(shape[1:-1]).groups:
            raise ValueError(f"a value's expression has no groups of its own: {shape!r}")
        return rf"(?<![0-9A-Za-z_+-])(?P<secret>{shape[1:-1]})(?![0-9A-Za-z_+-])"
    name, _, length = shape.partition(":")
    if name not in _CLASSES:
        raise ValueError(
            f"unknown shape {shape!r}; one of: uuid, /regex/, "
            + ", ".join(f"{known}:N" for known in ALPHABETS if known in _CLASSES)
        )
    low, high = lengths(length)
    edge = {"base64": "0-9A-Za-z+/_-", "base64url": "0-9A-Za-z_-"}.get(name, "0-9A-Za-z_-")
    closing = rf"={{0,2}}(?![={edge}])" if name == "base64" else rf"(?![{edge}])"
    return rf"(?<![{edge}])(?P<secret>[{_CLASSES[name]}]{{{low},{high}}}){closing}"


LEFT = 160
"""How far before or after a value, on its line, a word may stand, bytes."""

ABOVE = 400
"""How far the three lines above reach, bytes."""

AHEAD = LEFT + ABOVE
"""How far behind a word a value may begin, bytes."""

SLACK = 64
"""How far behind the place where a word must end it is looked for."""

_FOLLOW = "api|app|key|token|secret|auth|access|pass|pwd|client|account|admin|bot|user|webhook|url"


def word_pattern(phrase: str) -> str:
    """What spells a word or phrase of identifiers, whatever the case: `new relic` is also
    `newRelic`, `NEW_RELIC` and `new-relic`.

    A first part of less than five letters must begin an identifier, a last one
    must end it or go on with a word such as key or token; a single word of less
    than four (`dd`) must go on so.
    """
    parts = phrase.lower().split()
    left = r"(?:^|[^a-z])" if len(parts[0]) < 5 else ""
    right = rf"(?:[^a-z]|$|{_FOLLOW})" if len(parts[-1]) < 5 else ""
    if len(phrase) < 4:
        right = rf"[_.-]?(?:{_FOLLOW})"
    joined = r"[^0-9a-z\n]{0,2}".join(re.escape(part) for part in parts)
    return f"(?i){left}{joined}{right}"


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def words_of(text: bytes) -> list[str]:
    """Identifier words, lower case: `DD_API_KEY` and `ddApiKey` are dd, api, key."""
    return [found.lower() for found in _WORD.findall(text.decode("latin-1"))]


class Surroundings:
    """What stands near one value."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        line = data.rfind(b"\n", max(0, start - LEFT), start) + 1 or max(0, start - LEFT)
        stop = data.find(b"\n", end, end + LEFT)
        above = data[max(0, line - ABOVE) : line].split(b"\n")[-4:]
        self._data = data
        self._near = (
            (line - len(b"\n".join(above)), start),
            (end, stop if stop >= 0 else end + LEFT),
        )
        self._name = " " + " ".join(words_of(data[line:start])[-12:]) + " "

    def speaks_of(self, word: re.Pattern[bytes]) -> bool:
        """Whether a service's word stands before (three lines up) or after the value."""
        return any(
            found.end() <= high + 1
            for low, high in self._near
            # One character on either side, so that no word seems to begin or end where we cut.
            for found in word.finditer(self._data, max(0, low - 1), high + SLACK)
        )

    def credential(self, keys: tuple[str, ...]) -> str:
        """The first of `keys` on the value's line before it, or ""."""
        return next((key for key in keys if _named(key, self._name)), "")


def _named(key: str, text: str) -> bool:
    """Whole words; a key of three letters or more may also end a longer one (`accesskey`)."""
    return f" {key} " in text or (len(key) >= 3 and f"{key} " in text)
