"""What the words around a value call it: `ACME_API_KEY = "..."` has acme, api, key.

The last words before a value name it. Those of the language (`const`, `value`)
say nothing, some name what opens nothing (`commit`, `trace id`), and what stands
before an assignment, in a call, above a block or in a remark counts alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from leakguard import late
from leakguard.rule import CREDENTIAL_WORDS

FURTHER = 1
"""So many other words may stand between a credential word and the value."""

_HOST = late.pattern(
    rb"[a-z]{2,10}://[^\s/\"'?@]{1,100}(?=[/?])|[\w.+-]{1,60}@[\w.-]{1,60}\.[a-z]{2,12}",
    re.IGNORECASE,
)
"""A host or an address of mail: `api.acme.example` does not say that what follows is a key."""

_OPENS = late.pattern(rb"(?:[=:(\[{|>]-?|<<[-~]?[ \t]?[\"']?\w{1,40}[\"']?)[ \t\r\\]*$")
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
    ciphertext commit component container correlation cursor customer date db deployment device
    digest document domain email encrypted endpoint entity env environment error etag event exp
    expires file fingerprint folder git group guid hash host iat id identifier ids image index
    instance integrity invoice issue item job kid label len length link list log md member
    message method mime model module msg namespace next node nonce object offset order org
    organization owner package page parent path pipeline pod policy port prev product
    profile project proto ref refs region release repo request resource rev revision role row
    run salt schema sealed sequence session sha site size source span status sum tag team
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

_NOT_PLAIN = late.pattern(
    rb"(?:arn:[^\s\"']{1,120}|\bENC[(\[]|\benc:|vault:v\d{1,3}:|\{cipher\}|\buses:[^\n]{1,150}@)$"
)
"""Right before a value: the rest of a name of cloud resources, something sealed, or an action."""

_WORD = late.pattern(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


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


_BREAK = late.pattern(rb"[;},]|[?&](?=[\w.%\[\]-]{1,60}=)|&(?=amp;|&)")
"""Where a part of a line ends, `&` and `?` only in addresses: `&str` is a type, and what stands
before `?`, `??` or `||` may well name the value behind it."""

_NAME_ALONE = late.pattern(rb"(?:^|[({\[\"'`>])\s*[\w.$-]{2,60}[\"'`\])]{0,2}[ \t]*$")

_SAID = late.pattern(
    rb"\b(?:of|for|in|on|to)\s[\w\s'-]{2,50}?\s(?:is|was)[ \t]{0,2}[\"'`*]{0,3}$", re.IGNORECASE
)
"""Whose the thing is, in a sentence: `the API key of the test account is ...`."""

_REMARK = late.pattern(
    rb"[\"'`]?[\w\s,;:(){}\[\].'\"-]{0,60}?(?://|#|--|/\*)[ \t]{0,4}([A-Za-z][\w '-]{2,40})"
)
"""The end of a line that ends with a remark, and what that says."""

REMARKED = 5
"""A remark that names the value has no more words."""


def naming(before: bytes, above: Sequence[bytes]) -> list[str]:
    """The words that may name the value behind `before`: of its own part of the line, or where
    nothing of its own stands there (`value: ...`, a block of text), of the nearest part before
    that has some.
    """
    words: list[str] = []
    if _NOT_PLAIN.search(before):
        return words
    for text in _parts(_SAID.sub(b"", before)):
        words = words_of(text) + words
        if not _EMPTY.issuperset(words):
            return words[-24:]
    opened = bool(words)
    for line in reversed(above):
        if not opened and not _OPENS.search(line):
            break
        words = words_of(_HOST.sub(b" ", line)) + words
        if not _EMPTY.issuperset(words):
            break
        opened = True
    return words[-24:]


def remark(after: bytes) -> list[str]:
    """The words of a short remark at the end of the value's line: `// API key`."""
    found = _REMARK.match(after)
    words = words_of(found[1]) if found else []
    return words if len(words) <= REMARKED else []


def credential(words: Sequence[str], keys: tuple[str, ...], phrase: str = "") -> str:
    """The one of `keys` that names the value, or "".

    It stands before the value with at most a few words between, those of
    the service's `phrase` not counted, and none of them the name of
    something else: a trace is none though a token is spoken of.
    """
    spoken = frozenset(phrase.split())
    special = tuple(key for key in keys if key not in CREDENTIAL_WORDS)
    further = 0
    for at in range(len(words), 0, -1):
        until = " " + " ".join(words[:at])
        found = max((key for key in keys if _ends(key, until)), key=len, default="")
        if found:
            qualified = at > 1 and words[at - 2] in _QUALIFIES.get(found, ())
            return "" if qualified else found
        word = words[at - 1]
        if word in _EMPTY or word in spoken or not word.isalpha() or len(word) == 1:
            continue
        further += 1
        if further > FURTHER:
            return ""
        if word in _OTHER:  # but a rule for client ids says so
            before = until.rpartition(" ")[0]
            return next((key for key in special if _ends(key, before)), "")
    return ""


def named_otherwise(words: Sequence[str]) -> bool:
    """Whether the last word says that the value opens nothing: a commit, a host."""
    said = [word for word in words if word not in _EMPTY and word.isalpha() and len(word) > 1]
    return bool(said) and said[-1] in _OTHER


def _ends(key: str, text: str) -> bool:
    """Whole words; a key of three letters or more may also end a longer one (`accesskey`)."""
    return text.endswith(f" {key}") or (len(key) >= 3 and text.endswith(key))
