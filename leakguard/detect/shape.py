"""Values without a public prefix: a shape such as `hex:32`, and the words around it.

What a scan looks for is the service's word: a multi-pattern engine finds a
thousand words for the price of one, while a shape, having no constant part,
would have to be tried at every byte. Around a word the shapes of its rules are
matched, and each value is judged by the words around it, in either order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import chain, product

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


_GROUP = re.compile(r"\((?!\?[:=!])")
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

NAME_REACH = 60
"""How far before a value the word that names it may begin, bytes."""

FURTHER = 1
"""So many other words may stand between a credential word and the value."""

_ASSIGNED = re.compile(rb"[\"'`\])]{0,3}[ \t]{0,8}(?:=>|:=|[:=,])[ \t]{0,8}[\"'`(\[]{0,3}")
_HOST = re.compile(
    rb"[a-z]{2,10}://[^\s/\"'?@]{1,100}(?=[/?])|[\w.+-]{1,60}@[\w.-]{1,60}\.[a-z]{2,12}",
    re.IGNORECASE,
)
"""A host or an address of mail: `api.acme.example` does not say that what follows is a key."""

_OPENS = re.compile(rb"(?:[=:(\[{|>]-?|<<[-~]?[ \t]?[\"']?\w{1,40}[\"']?)[ \t\r\\]*$")
"""The end of a line whose value stands on the next one."""

_EMPTY = frozenset(
    """a add an and app as at b bytes com create cdata char const content contents data def
    default description echo eof export false field final for hidden http https in input
    io is it key let literal mutable name net nil none null nullable of or our override
    plain private protected public put readonly required save sensitive set static str
    string text that the this to true type use val value values var varchar variable will
    with your""".split()  # noqa: SIM905
)
"""Words of the language around a value, which say nothing about it."""

_OTHER = frozenset(
    """account address algorithm arn author branch build by case checksum class cluster color
    commit component container correlation cursor customer date db deployment device
    digest document domain email endpoint entity env environment error etag event exp
    expires file fingerprint folder git group guid hash host iat id identifier ids image index
    instance integrity invoice issue item job kid label len length link list log md member
    message method mime model module msg namespace next node nonce object offset order org
    organization owner package page parent path pipeline pod policy port prev product
    profile project ref refs region release repo request resource rev revision role row
    run salt schema sequence session sha site size source span status sum tag team
    template tenant thread thumbprint timestamp title topic trace transaction tree ttl uid
    unit uri url urls user username users uuid ver version volume workspace zone""".split()  # noqa: SIM905
)
"""Names of what looks random and opens nothing, where one stands right before the value."""

_QUALIFIES = {
    "key": frozenset(
        """array attribute cache column composite data dedupe deduplication dictionary encrypted
        entry event field foreign grouping hash idempotency index item join json
        lookup message metric natural object order partition primary property public
        publishable query range redis reference registry row shard sort state
        surrogate tag theme translation unique widget""".split()  # noqa: SIM905
    ),
    "token": frozenset(
        """anti bos checkpoint continuation csrf cursor encrypted eos forgery form idempotency
        line lexer match mint next nonce page pagination parser previous public
        request resume sync unk verification xsrf""".split()  # noqa: SIM905
    ),
    "secret": frozenset({"checksum", "encrypted", "hash", "sealed"}),
}
"""What makes a key or a token something else: a cache key, a page token."""

_NOT_PLAIN = re.compile(rb"(?:arn:[^\s\"']{1,120}|\bENC[(\[]|\benc:|vault:v\d{1,3}:|\{cipher\})$")
"""Right before a value: the rest of a name of cloud resources, or something sealed."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def words_of(text: bytes) -> list[str]:
    """Identifier words, lower case: `DD_API_KEY` and `ddApiKey` are dd, api, key."""
    return [found.lower() for found in _WORD.findall(text.decode("latin-1"))]


def _parts(before: bytes) -> Iterator[bytes]:
    """The parts of a line before a value, the nearest first: `a; b(c, d` has d, c, b and a.

    What ends with a comma names the value only if it is a name, not a sentence
    or a call: `"api_key", "..."`.
    """
    parts = _BREAK.split(_HOST.sub(b" ", before))
    yield parts.pop()
    for part in reversed(parts):
        if _NAME_ALONE.search(part):
            yield part
        else:
            return


_BREAK = re.compile(rb"[;&},?]|\|\|")
_NAME_ALONE = re.compile(rb"(?:^|[({\[\"'`>])\s*[\w.$-]{2,60}[\"'`\])]{0,2}[ \t]*$")


class Surroundings:
    """What stands near one value."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        line = data.rfind(b"\n", max(0, start - LEFT), start) + 1 or max(0, start - LEFT)
        stop = data.find(b"\n", end, end + LEFT)
        self._above = data[max(0, line - ABOVE) : line].split(b"\n")[-4:-1]
        self._data = data
        self._near = (
            (line - len(b"\n".join((*self._above, b""))), start),
            (end, stop if stop >= 0 else end + LEFT),
        )
        self._words = self._naming(data[line:start])

    def _naming(self, before: bytes) -> list[str]:
        """The words that may name the value: of its own part of the line, or where nothing of its
        own stands there (`value: ...`, a block of text), of the nearest part before that has some.
        """
        words: list[str] = []
        if _NOT_PLAIN.search(before):
            return words
        for text in _parts(before):
            words = words_of(text) + words
            if not _EMPTY.issuperset(words):
                return words[-24:]
        opened = bool(words)
        for line in reversed(self._above):
            if not opened and not _OPENS.search(line):
                break
            words = words_of(_HOST.sub(b" ", line)) + words
            if not _EMPTY.issuperset(words):
                break
            opened = True
        return words[-24:]

    def tells(self, word: re.Pattern[bytes], phrase: str, keys: tuple[str, ...]) -> str:
        """What makes the value the service's credential: one of its `keys` that names it, or,
        where any key would do, NAMED; "" if nothing. `word` is the pattern of `phrase`.
        """
        if not self.speaks_of(word):
            return ""
        if not keys:
            return "nothing asked for"
        named = keys == CREDENTIAL_WORDS and self._named_by(word)
        return self.credential(keys, phrase) or (NAMED if named else "")

    def _named_by(self, word: re.Pattern[bytes]) -> bool:
        low, high = self._near[0]
        low = max(low, high - NAME_REACH)
        return any(
            _ASSIGNED.fullmatch(self._data, found.end(), high)
            or _ASSIGNED.fullmatch(self._data, found.end() - 1, high)  # the word's edge
            for found in word.finditer(self._data, low, high)
        )

    def speaks_of(self, word: re.Pattern[bytes]) -> bool:
        """Whether a service's word stands before (three lines up) or after the value."""
        return any(
            found.end() <= high + 1
            for low, high in self._near
            # One character on either side, so that no word seems to begin or end where we cut.
            for found in word.finditer(self._data, max(0, low - 1), high + SLACK)
        )

    def credential(self, keys: tuple[str, ...], phrase: str = "") -> str:
        """The one of `keys` that names the value, or "".

        It stands before the value with at most a few words between, those of
        the service's `phrase` not counted, and none of them the name of
        something else: a trace is none though a token is spoken of.
        """
        spoken = frozenset(phrase.split())
        special = tuple(key for key in keys if key not in CREDENTIAL_WORDS)
        further = 0
        for at in range(len(self._words), 0, -1):
            until = " " + " ".join(self._words[:at])
            found = max((key for key in keys if _ends(key, until)), key=len, default="")
            if found:
                qualified = at > 1 and self._words[at - 2] in _QUALIFIES.get(found, ())
                return "" if qualified else found
            word = self._words[at - 1]
            if word in _EMPTY or word in spoken or not word.isalpha() or len(word) == 1:
                continue
            further += 1
            if further > FURTHER:
                return ""
            if word in _OTHER:  # but a rule for client ids says so
                before = until.rpartition(" ")[0]
                return next((key for key in special if _ends(key, before)), "")
        return ""


def _ends(key: str, text: str) -> bool:
    """Whole words; a key of three letters or more may also end a longer one (`accesskey`)."""
    return text.endswith(f" {key}") or (len(key) >= 3 and text.endswith(key))
