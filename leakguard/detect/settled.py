"""What says for sure that an assigned value is no secret, before anything is weighed.

A table: each row says what decides (the name or the value), why, and when. The
first that holds is what a reader is told.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable
from typing import NamedTuple

from leakguard import late
from leakguard.detect.placeholder import dummy
from leakguard.detect.score import drawn
from leakguard.detect.terms import Place, words_of_name
from leakguard.finding import Evidence

SEALED = late.pattern(
    rb"^(?:ENC[(\[]|enc:|\{(?:cipher|crypt|s?sha\d*|s?md5|bcrypt|pbkdf2|noop)\}|pbkdf2_sha"
    rb"|\$(?:[1256y]|2[abxy]|apr1|argon2\w{0,2}|pbkdf2[\w-]{0,10}|scrypt|ANSIBLE_VAULT)[$;]"
    rb"|AQICAH|-----BEGIN (?:PUBLIC|CERT)"
    rb"|0x[0-9a-f]{40}$"  # the address of an account or a contract
    rb"|S-1-\d{1,2}-|\d{4}-\d\d-\d\dT\d\d:|Eby8vdM02xNOcqF"  # SID, time, the key of every Azurite
    rb"|(?-i:Ag[A-D][A-Za-z0-9+/]{60}|B[A-P][\w-]{85}$|MFkwEwYH|MHYwEAYH|MIGbMBAG|MCowBQYDK2V|MIGfMA0GCSq|MII[BC]IjANBgkq|AAAA[BCE]\w{2,8}c3NoL))",
    re.IGNORECASE,
)
"""Encrypted, hashed or public; hashes have rules of their own."""

HASHED = frozenset(
    """sha sha1 sha256 sha512 md5 hash hashed hashes digest checksum integrity etag fingerprint
    thumbprint uuid guid public pubkey csrf xsrf idempotency encrypted sealed ciphertext cursor
    continuation sitekey secretary keyid""".split()  # noqa: SIM905 (reads best as text)
)
"""Words in the names of what looks random and is not secret."""

_KEYS = "cache sort partition object row dedupe dedup gpg pgp site trusted reset pub socket websocket result limit".split()  # noqa: E501, SIM905 (the same)
_TOKENS_OF = "next page sync input output request change sequence lock".split()  # noqa: SIM905 (the same)
OPENS_NOTHING = frozenset(
    [("key", "id"), ("token", "id"), ("token", "accessor")]
    + [(what, "key") for what in _KEYS]
    + [(what, "token") for what in _TOKENS_OF]
)
"""Last words of names of what finds a thing again: a page, a row, a file in a cache."""

SPELLS = frozenset({"prefix", "suffix", "enum"})
"""Last words of names of what is a part of a word, or one of a few."""

AGREED = frozenset({"traffic", "exporter", "resumption"})
"""Words in the names of secrets that two sides of one connection agree on."""

CALLED = frozenset(
    """equals matches replace split strip startswith contains encode decode join format get getenv
    index find count pop remove""".split()  # noqa: SIM905 (reads best as text)
)
"""Last words of names that are called with something else than a secret (`password.encode`)."""

GIVEN = frozenset(
    """set put value val fill type send keys new from of to orelse default generate verify now at
    create with""".split()  # noqa: SIM905 (the same)
)
"""First words of methods that a secret is handed to (`password.sendKeys("...")`)."""

CHOSEN = frozenset("password passwd pwd pass passphrase".split())  # noqa: SIM905 (the same)
"""Last words of names of what people choose, and may write like a constant."""

ASKS = frozenset("get find read fetch load lookup prompt ask".split())  # noqa: SIM905 (the same)
"""Words of functions that are told which secret to bring (`get_password("shop")`)."""

ENGLISH = frozenset(
    """is are was were be been being those these problem problems issue bug commit test
    object""".split()  # noqa: SIM905 (reads best as text)
)
"""Words before `identified by` where people read it, not databases."""

TRIED = frozenset(
    """plaintext ciphertext aad ikm keystream hpke hkdf kem testvector testvectors wycheproof
    polyval""".split()  # noqa: SIM905 (the same)
)
"""Words around the vectors that a cipher is tried with."""

SHORT = 10
"""What is called a token has at least so many letters and digits."""

TINY = 4
"""A password that is encoded with its user's name has at least so many characters."""

_TOKENS = (("token",), ("tokens",), ("key",), ("apikey",))
_TRANSLATION = late.pattern(
    r"(?:^|/)(?:langs?|languages?|locales?|i18n|l10n|translations?)(?:/|$)"
    r"|\.(?:strings|po|xlf|resx|arb)$|(?:^|/)(?:messages|strings)[_.-]",
    re.IGNORECASE,
)
_FILE_NAME = late.pattern(
    r"\.(?:rb|py|js|ts|go|java|json|md|pp|php|html|yml|yaml|css|txt|sh|lock|png|svg|c|h|cpp|rs)$"
)
_PROSE = late.pattern(r"[^\W\d]{2,} [^\W\d]{2,}|^[^\W\d]+$")
_CACHE_KEY = late.pattern(r"[a-z][\w.-]{2,60}-(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_PHRASE = late.pattern(r"(?=\S+ )[^\x00-\x1f\"#-&(-+<-@\[-`{-~0-9]+\Z")
_FINGERPRINT = late.pattern(r"[0-9A-F]{40}\Z")
_SNAKE = late.pattern(r"[a-z]+[0-9]?(?:_[a-z]+[0-9]?)+")
_CONSTANT = late.pattern(r"[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+")
_LOWER = late.pattern(r"[a-z]+")
_GOES_ON = late.pattern(r" [a-z]{1,12}[ ,.\n]")
_ABOUT = late.pattern(r"pass|pw|secret|token|key|auth|cred", re.IGNORECASE)
_VECTORS = late.pattern(
    r"(?:^|/)[^/]{0,60}(?:wycheproof|test[_-]?vectors?)[^/]{0,60}(?:/|$)", re.IGNORECASE
)
_HEX = late.pattern(r"(?:[0-9A-Fa-f]{2}){8,}")
_FIELD = late.pattern(r"[\"'`]\s{0,2}:\s{0,3}[\"'`{\[0-9]")
_PUNCTUATION = late.pattern(r"[\W_]")
_BASE64 = late.pattern(r"(?:Basic )?([A-Za-z0-9+/]{4,400}={0,2})")
_PAIR = late.pattern(rb"([\x20-\x39\x3b-\x7e]{0,80}):([\x20-\x7e]{0,200})")


class Asked:
    """An assigned value that is asked about, the words of its name, and its bytes."""

    __slots__ = ("called", "named", "path", "place", "raw", "value")

    def __init__(self, place: Place, path: str) -> None:
        self.place = place
        self.path = path
        self.value = place.value
        self.called = place.sep == "("
        self.named = words_of_name(place.name)
        self.raw = place.value.encode("utf-8", "replace")


class Row(NamedTuple):
    """One thing that settles it; `holds` may say more than `why`."""

    what: str
    why: str
    holds: Callable[[Asked], bool | str]


def _method(asked: Asked) -> bool:
    """A call of something that is only named after secrets: `secrets.enable("kv")`."""
    _, dot, method = asked.place.name.rpartition(".")
    if not asked.called or not dot or _ABOUT.search(method):
        return False
    return GIVEN.isdisjoint(words_of_name(method)[:1])


def _in_a_sentence(asked: Asked) -> bool:
    place = asked.place
    bare = not place.sep and not place.quote and _LOWER.fullmatch(place.value)
    return bool(bare and _GOES_ON.match(place.tail))


def _vector(asked: Asked) -> bool:
    """A vector that a cipher is tried with, in a test's file."""
    if not asked.place.test or not _HEX.fullmatch(asked.value):
        return False
    near = (*asked.place.left, *asked.place.right)
    return bool(TRIED.intersection(near) or _VECTORS.search(asked.path))


def _spells_its_name(asked: Asked) -> bool:
    """One of a few, as in `KeyUsageSignVerify = "SIGN_VERIFY"`."""
    value = _PUNCTUATION.sub("", asked.value).lower()
    name = _PUNCTUATION.sub("", asked.place.name).lower()
    return len(value) < len(asked.value) < len(name) and name.endswith(value)


def _stand_in(asked: Asked) -> str:
    return dummy(asked.raw) if len(asked.raw) > 2 else "too short"


def _encoded(asked: Asked) -> bool:
    """A user's name and what is no password, as an HTTP header has them."""
    found = _BASE64.fullmatch(asked.value)
    if not found or len(found[1]) % 4:
        return False
    try:
        pair = _PAIR.fullmatch(b64decode(found[1], validate=True))
    except binascii.Error:
        return False
    return pair is not None and (pair[1] == pair[2] or len(pair[2]) < TINY or bool(dummy(pair[2])))


SURE = (
    Row("value", "the fingerprint of a public key",
        lambda it: bool(_FINGERPRINT.match(it.value)) and "gpg" in it.named),
    Row("name", "names a kind of resource", lambda it: it.place.name.startswith("::")),
    Row("name", "names a hash, an identifier or something public",
        lambda it: it.named[-2:] in OPENS_NOTHING or bool(HASHED.intersection(it.named))),
    Row("name", "names a service", lambda it: it.place.name.lower().endswith("auth0")),
    Row("name", "names a part of a word or one of a few",
        lambda it: bool(SPELLS.intersection(it.named[-1:]))),
    Row("name", "names what one connection agrees on",
        lambda it: it.named[-1:] == ("secret",) and bool(AGREED.intersection(it.named))),
    Row("name", "calls a method of text on a secret",
        lambda it: it.called and bool(CALLED.intersection(it.named[-1:]))),
    Row("name", "asks for a secret by its name",
        lambda it: it.called and bool(ASKS.intersection(it.named))),
    Row("name", "calls a method of what keeps secrets", _method),
    Row("value", "names a kind of token",
        lambda it: it.called and it.named[-1:] == ("token",)
        and it.value.isalpha() and it.value.isupper()),
    Row("value", "the next name of several",
        lambda it: it.place.sep == "," and bool(_SNAKE.fullmatch(it.value)) and not drawn(it.raw)),
    Row("value", "a word in a sentence", _in_a_sentence),
    Row("name", "names a file", lambda it: bool(_FILE_NAME.search(it.place.name))),
    Row("value", "too short for a token",
        lambda it: it.value.isalnum() and len(it.value) < SHORT and it.named[-1:] in _TOKENS),
    Row("value", "what stands before a field",
        lambda it: bool(it.place.quote) and it.value.endswith((":", "\uff1a"))),
    Row("value", "the code between two strings",
        lambda it: it.value.startswith((", ", ") ", "; "))),
    Row("value", "words and a digest, as a cache has them",
        lambda it: it.named[-1:] == ("key",) and bool(_CACHE_KEY.match(it.value))),
    Row("name", "tells in a sentence who found or named something",
        lambda it: it.named == ("identified", "by")
        and bool(ENGLISH.intersection(it.place.left[-1:]))),
    Row("value", "the name of a field",
        lambda it: bool(it.place.quote and _FIELD.match(it.place.tail))),
    Row("value", "spells its name", _spells_its_name),
    Row("value", "a vector that a cipher is tried with", _vector),
    Row("value", "", _stand_in),
    Row("value", "encrypted, hashed or public", lambda it: bool(SEALED.search(it.raw))),
    Row("value", "a stand-in, encoded", _encoded),
    Row("value", "the name of a constant",
        lambda it: bool(it.place.quote and _CONSTANT.fullmatch(it.value))
        and CHOSEN.isdisjoint(it.named[-1:]) and not drawn(it.raw)),
    Row("value", "a word in a translation",
        lambda it: bool(_PROSE.search(it.value) and _TRANSLATION.search(it.path))),
    Row("value", "a phrase",
        lambda it: "passphrase" not in it.named and bool(_PHRASE.match(it.value))),
)  # fmt: skip
"""What is asked, in this order."""


def settled(place: Place, path: str) -> Evidence | None:
    """What says for sure that the value is no secret, or None."""
    asked = Asked(place, path)
    for row in SURE:
        holds = row.holds(asked)
        if holds:
            return Evidence(row.what, row.why or str(holds))
    return None
