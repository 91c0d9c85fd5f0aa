"""Values without a public prefix: a shape such as `hex:32`, and the words around it.

What a scan looks for is the service's word: a multi-pattern engine finds a
thousand words for the price of one, while a shape, having no constant part,
would have to be tried at every byte. Around a word the shapes of its rules are
matched, and each value is judged by the words around it, in either order.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import chain, product

from leakguard import late
from leakguard.detect.naming import credential, named_otherwise, naming, remark
from leakguard.rule import CREDENTIAL_WORDS

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


@cache
def pattern(shape: str) -> str:
    """The exact pattern of a shape, its value in the group `secret`. Raises ValueError."""
    from leakguard.recipe import ALPHABETS, lengths

    if shape == "uuid":
        return rf"(?<![0-9A-Za-z-])(?P<secret>(?i:{_UUID}))(?![0-9A-Za-z-])"
    if len(shape) > 2 and shape.startswith("/") and shape.endswith("/"):
        if _GROUP.search(shape) and re.compile(shape[1:-1]).groups:
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


_GROUP = late.pattern(r"\((?!\?[:=!])")
"""What may open a group; looked for since compiling a thousand shapes would take a while."""

LEFT = 160
"""How far before or after a value, on its line, a word may stand, bytes."""

ABOVE = 400
"""How far the three lines above reach, bytes."""

AHEAD = LEFT + ABOVE
"""How far behind a word a value may begin, bytes."""

SLACK = 64
"""How far behind the place where a word must end it is looked for."""

TELLING = 7
"""A phrase that is shorter is looked for with its edges, or it would be seen in every hash."""

_BETWEEN = " _-./"
"""What may stand between two words of a phrase, or nothing."""

_FOLLOW = "api|app|key|token|secret|auth|access|pass|pwd|client|account|admin|bot|user|webhook|url"


def word_pattern(phrase: str) -> str:
    """What spells a word or phrase of identifiers, whatever the case: `new relic` is also
    `newRelic`, `NEW_RELIC`, `new-relic`, `new.relic` and `new/relic`.

    A first part of less than five letters must begin an identifier, a last one
    must end it or go on with a word such as key or token; a single word of less
    than four (`dd`) must go on so.
    """
    parts = phrase.lower().split()
    left = r"(?:^|[^a-z])" if len(parts[0]) < 5 else ""
    right = rf"(?:[^a-z]|$|{_FOLLOW})" if len(parts[-1]) < 5 else ""
    if len(phrase) < 4:
        right = rf"[_.-]?(?:{_FOLLOW})"
    joined = f"[{re.escape(_BETWEEN)}]?".join(re.escape(part) for part in parts)
    return f"(?i){left}{joined}{right}"


def word_width(phrase: str) -> int:
    """No match of `word_pattern(phrase)` is wider, bytes."""
    longest_follow = max(map(len, _FOLLOW.split("|")))
    return 1 + len(phrase) + 1 + longest_follow


def spellings(phrase: str) -> list[str]:
    """Short expressions, without regard to case, of which each match of `word_pattern(phrase)`
    holds one.

    Constant ones where that is telling enough: an engine takes thousands of
    them in the time that it takes to build automata for a few.
    """
    parts = [re.escape(part) for part in phrase.lower().split()]
    if len(parts) == 1 and len(phrase) >= 5:
        return parts
    if len(phrase) < TELLING:
        return [word_pattern(phrase).removeprefix("(?i)")]
    between = ("", *map(re.escape, _BETWEEN))
    return [
        "".join(chain(*zip(parts, (*joints, ""), strict=True)))
        for joints in product(between, repeat=len(parts) - 1)
    ]


NAMED = "named"
"""The service's word alone names the value: `acme = ...`."""

HANDED = "handed"
"""The service's word alone says to whom the value is handed: `new Acme("...")`."""

_ANY = frozenset({"key", "token"})
"""A rule that has one of these among its keys is about what a client is opened with."""

NAME_REACH = 100
"""How far before a value the word that names it may begin, bytes."""

_ASSIGNED = late.pattern(rb"[\"'`\])]{0,3}[ \t]{0,8}(?:=>|:=|[:=,])[ \t]{0,8}[\"'`(\[]{0,3}")
_CALLED = late.pattern(
    rb"(?:[\w.]{0,24}[._]|(?:->|::))?(?:client|api|sdk|service|provider|initiali[sz]e|init|login|new|auth(?:enticate"
    rb"|orize)?|connect|config(?:ure)?|setup|set_?(?:api_?)?(?:key|token|auth)|with_?(?:key|token))?"
    rb"\([ \t]{0,4}(?:[\"'][^\"'\n]{0,60}[\"'],[ \t]{0,4}){0,2}[\"'`]",
    re.IGNORECASE,
)
"""Between a service's word and a value handed over: `new Acme("`, `acme.init('`, `AcmeClient("`."""


class Surroundings:
    """What stands near one value."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        line = data.rfind(b"\n", max(0, start - LEFT), start) + 1 or max(0, start - LEFT)
        stop = data.find(b"\n", end, end + LEFT)
        above = data[max(0, line - ABOVE) : line].split(b"\n")[-4:-1]
        self._data = data
        self._near = (
            (line - len(b"\n".join((*above, b""))), start),
            (end, stop if stop >= 0 else end + LEFT),
        )
        self._words = naming(data[line:start], above)

    def tells(self, word: re.Pattern[bytes], phrase: str, keys: tuple[str, ...]) -> str:
        """What makes the value the service's credential: one of its `keys` that names it, or,
        where any key would do, HANDED or NAMED; "" if nothing. `word` is the pattern of `phrase`.
        """
        if not self.speaks_of(word):
            return ""
        if not keys:
            return "nothing asked for"
        return self.credential(keys, phrase) or self._otherwise(word, keys)

    def _otherwise(self, word: re.Pattern[bytes], keys: tuple[str, ...]) -> str:
        """HANDED to the service in a call, or NAMED after it."""
        if _ANY.isdisjoint(keys):
            return ""
        low, high = self._near[0]
        low = max(low, high - NAME_REACH)
        ends = [at for found in word.finditer(self._data, low, high)
                for at in (found.end(), found.end() - 1)]  # or before the word's edge  # fmt: skip
        quoted = self._data[high - 1 : high] == self._data[self._near[1][0] : self._near[1][0] + 1]
        if quoted and any(_CALLED.fullmatch(self._data, at, high) for at in ends):
            return HANDED
        assigned = keys == CREDENTIAL_WORDS and any(
            _ASSIGNED.fullmatch(self._data, at, high) for at in ends
        )
        return NAMED if assigned else ""

    def speaks_of(self, word: re.Pattern[bytes]) -> bool:
        """Whether a service's word stands before (three lines up) or after the value."""
        return any(
            found.end() <= high + 1
            for low, high in self._near
            # One character on either side, so that no word seems to begin or end where we cut.
            for found in word.finditer(self._data, max(0, low - 1), high + SLACK)
        )

    def credential(self, keys: tuple[str, ...], phrase: str = "") -> str:
        """The one of `keys` that names the value, before it or in a remark behind it, or ""."""
        named = credential(self._words, keys, phrase)
        if named or named_otherwise(self._words):
            return named
        said = remark(self._data[slice(*self._near[1])])
        found = credential(said, keys, phrase)
        return found if f" {' '.join(said)}".endswith(f" {found}") else ""  # not `# rapidapi`
