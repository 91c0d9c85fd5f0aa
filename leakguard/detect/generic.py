"""Is an assigned value a credential? What settles it at once, and for the rest the scorer.

This decides about values that no provider's own rule knows. References,
templates, stand-ins and sealed values are no secrets whatever their name; all
that is left is weighed by `detect.score`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from math import log2

from leakguard.detect.score import learned, probability
from leakguard.detect.terms import LONGEST, Place, kind_of, words_of_name
from leakguard.finding import Evidence

REFERENCE = re.compile(
    rb"\$\{|\{\{|\}\}|\$\(|<%|%\(|#\{|^\$[A-Za-z_]|^%[A-Za-z_.]+%?$|%[sdv]\b|^<[^>]{1,80}>"
    rb"|^\{[^}]{0,80}\}$|^\{[A-Za-z_]|^[@:!&][A-Za-z_]+$|^\*[A-Za-z_]\w*_\w+$|^\[|^--[a-z]|^(?-i:(?:ConvertTo|Get|Read)-[A-Z])|^[A-Za-z_][\w.]*\(|^(?:self|this)\."
    rb"|environ|getenv|process\.env|\bconfig\b|secrets?\.|vars?\.|\.get\b|\(\)|=>|->|::|&&|\|\|"
    rb"|\(\?|[\])][+*]|\[\^|\]\{\d|^#(?:[0-9a-f]{3}){1,2}$"
    rb"|^(?:https?|file|ftp|s3|ipfs|arn|data|ssm|vault|op|ref|env|keyring|projects|urn|sm|aws|gcp|kms)[:/]"
    rb"|^(?:/|\./|\.\./|~/)[\w./-]{3,}$"
    rb"|\.(?:pem|key|crt|cer|jks|p12|pfx|json|txt|ya?ml|py|js|ts|php|html?|conf|cfg|env|sh|go|rb)$",
    re.IGNORECASE,
)
"""A template, a variable, a call, an expression, a path or an address: the value is elsewhere."""

SEALED = re.compile(
    rb"^(?:ENC[(\[]|enc:|\{(?:cipher|crypt|s?sha\d*|s?md5|bcrypt|pbkdf2|noop)\}|pbkdf2_sha"
    rb"|\$(?:[1256y]|2[abxy]|apr1|argon2\w{0,2}|pbkdf2[\w-]{0,10}|scrypt|ANSIBLE_VAULT)[$;]"
    rb"|AQICAH|-----BEGIN (?:PUBLIC|CERT)"
    rb"|0x[0-9a-f]{40}$"  # the address of an account or a contract
    rb"|S-1-\d{1,2}-|\d{4}-\d\d-\d\dT\d\d:|Eby8vdM02xNOcqF"  # SID, time, the key of every Azurite
    rb"|(?-i:Ag[A-D][A-Za-z0-9+/]{60}|B[A-P][\w-]{85}$|MFkwEwYH|MHYwEAYH|MIGbMBAG|MCowBQYDK2V|MIGfMA0GCSq|MII[BC]IjANBgkq|AAAA[BCE]\w{2,8}c3NoL))",
    re.IGNORECASE,
)
"""Encrypted, hashed or public; hashes have rules of their own."""

DUMMY = re.compile(
    rb"example|sample|dummy|placeholder|change.?(?:me|it|this)|redacted|replace|insert"
    rb"|(?<![a-z])(?:your|todo|asdf|fixme)|(?-i:Your(?=[A-Z]))|<[a-z][\w -]{1,40}>"
    rb"|x{4,}|(?<![a-z])(?:xxx|yyy|zzz)(?![a-z])|\*{3,}|\.{3,}|-{4,}|_{4,}|#{3,}|0{6,}|1{6,}"
    rb"|(?:0?123|1?234)45|0123456|01020304|a1b2c3d4|abcdef(?!.*[0-9])|abc123|deadbeef|cafebabe"
    rb"|s3cr3t|eyJzdWIiOiIxMjM0NTY3ODkw"  # the last is what jwt.io opens with
    rb"|^rfc[ -]?\d{3,5}$|qwert|lorem|ipsum|undefined|not[-_ ]?set"
    rb"|goes[-_ ]?here|p[a@4][s5$]{1,2}w[0o]rd|my[-_]?(?:secret|key|token|api)"
    rb"|(?:secret|token)[-_]?(?:key|here|value|name)|^fake|fake[-_]|(?:foo|bar|baz){2}"
    rb"|^(?:foo|bar|baz|test|demo|mock|some|dev|local)[-_.]|[-_.](?:foo|bar|baz|test|demo|mock)$",
    re.IGNORECASE,
)
"""What people write where a secret would stand."""

WORDS = frozenset(
    b"""password passwd pass pwd pw passphrase secret token key apikey none null nil true false
    yes no on off string str text bytes int integer number bool boolean default required optional
    username user usr admin administrator root guest test tests testing tester hidden masked
    private public enabled disabled auth basic bearer oauth api access client app value val name
    field input label type object array unknown empty anonymous changeit letmein welcome hello
    world foo bar baz qux demo dev local localhost prod production staging mysql postgres
    postgresql rabbitmq redis mongo mongodb mariadb oracle db database login credential
    credentials my new old wrong bad invalid correct valid good strong weak secure unsecure
    insecure not real super very important a the an is for of some any this that here id code one
    two web server service github gitlab git docker sa jwt session cookie signing webhook bot
    shared master temp tmp initial random hunter monkey dragon tiger scott
    passwort kennwort wachtwoord senha geslo heslo lozinka cyfrinair parola haslo jelszo salasana
    losenord adgangskode parool sifre sandi salasanasi pasahitza paswoord contrasenya
    clave unused unset minio""".split()
)
"""Words that a value about a secret is made of."""


HASHED = frozenset(
    """sha sha1 sha256 sha512 md5 hash hashed hashes digest checksum integrity etag fingerprint
    thumbprint uuid guid public pubkey csrf xsrf idempotency encrypted sealed ciphertext cursor
    continuation sitekey secretary""".split()  # noqa: SIM905 (reads best as text)
)
"""Words in the names of what looks random and is not secret."""

_KEYS = "cache sort partition object row dedupe dedup gpg pgp site trusted reset".split()  # noqa: SIM905 (the same)
OPENS_NOTHING = frozenset(
    [("key", "id"), ("next", "token"), ("page", "token"), ("sync", "token"), ("socket", "key")]
    + [("input", "token"), ("output", "token"), ("result", "key"), ("limit", "key")]
    + [(what, "key") for what in _KEYS]
)
"""Last words of names of what finds a thing again: a page, a row, a file in a cache."""

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

ASKS = frozenset("get find read fetch load lookup prompt ask".split())  # noqa: SIM905 (the same)
"""Words of functions that are told which secret to bring (`get_password("shop")`)."""

TEST_PATH = re.compile(
    r"(?:^|[/_.-])(?:tests?|testing|testdata|specs?|fixtures?|mocks?|__tests__|e2e)(?:[/_.-]|$)"
    r"|[a-z](?:Tests?|Spec)\.[a-z]+$",
)
_TRANSLATION = re.compile(
    r"(?:^|/)(?:langs?|languages?|locales?|i18n|l10n|translations?)(?:/|$)"
    r"|\.(?:strings|po|xlf|resx|arb)$|(?:^|/)(?:messages|strings)[_.-]",
    re.IGNORECASE,
)
_FILE_NAME = re.compile(
    r"\.(?:rb|py|js|ts|go|java|json|md|pp|php|html|yml|yaml|css|txt|sh|lock|png|svg|c|h|cpp|rs)$"
)
_CREDENTIAL = re.compile(
    rb"pass(?:word|wd)?|pwd|secret|token|(?:api)?[-_]?key|user|admin", re.IGNORECASE
)
_WORD = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+")
_PROSE = re.compile(r"[^\W\d]{2,} [^\W\d]{2,}|^[^\W\d]+$")
_CACHE_KEY = re.compile(r"[a-z][\w.-]{2,60}-(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_PHRASE = re.compile(r"(?=\S+ )[^\x00-\x1f\"#-&(-+<-@\[-`{-~0-9]+\Z")
_SEPARATOR = re.compile(r"(=>|:=|::|==|[:=(,])[^:=(,]*$")
_QUOTE = re.compile(r"[\"'`]$")
_NEIGHBOUR = re.compile(r"[a-z][a-z0-9]{2,20}")
_COMMENT = re.compile(r"\s*(?:#|//|--|;|<!--|/?\*|REM\b)")
REACH = 400
"""How far around a value its neighbours are looked for, bytes."""


def entropy(value: bytes) -> float:
    """Shannon entropy of the value's bytes, bits per byte."""
    counts = [value.count(byte) for byte in set(value)]
    return -sum(count / len(value) * log2(count / len(value)) for count in counts)


def dummy(value: bytes) -> str:
    """Why the value is a stand-in, or "" when it may be real."""
    if REFERENCE.search(value):
        return "a reference or template, not a value"
    found = DUMMY.search(value)
    if found:
        return f"a stand-in ({found.group()[:12].decode('ascii', 'replace').lower()!r})"
    words = _WORD.findall(value)
    if sum(map(len, words)) >= 0.6 * len(value) and all(word.lower() in WORDS for word in words):
        return "words about secrets"
    if len(set(value)) <= max(2, len(value) // 12):
        return "a few characters repeated"
    rest = _CREDENTIAL.sub(b"", value)
    if len(rest) < len(value) and _bits(rest.decode("latin-1")) < 28:
        return "a word about secrets with little else"
    return ""


def _bits(text: str) -> float:
    """How surprising a text is to a reader who knows the words of source."""
    bits, letters = learned().words.surprise(text)
    return bits + 3.3 * (len(text) - letters)


def drawn(value: bytes) -> bool:
    """Whether a value looks drawn from an alphabet, not written by a person."""
    digits = len(_DIGIT.findall(value))
    return digits * 4 >= len(value) or _bits(value.decode("latin-1")) >= DRAWN * len(value)


_DIGIT = re.compile(rb"[0-9]")
DRAWN = 4.5
"""Bits of surprise a character has at least in what was drawn; identifiers have two to four."""


def place_of(data: bytes, span: tuple[int, int], name: bytes, path: str) -> Place:
    """A value and what stands around it: its form, its file, the words two lines either way."""
    start, end = span
    before = data[max(0, start - REACH) : start].decode("utf-8", "replace")
    after = data[end : end + REACH].decode("utf-8", "replace")
    above = before.split("\n")[-3:]
    line = above[-1]
    spelt = name.decode("utf-8", "replace")
    named = "\n".join(above)
    at = named.rfind(spelt) if spelt else len(named)
    left = named[:at] if at >= 0 else named
    between = named[at + len(spelt) :] if at >= 0 else ""
    separator = _SEPARATOR.search(between)
    quote = _QUOTE.search(named)
    below = after.split("\n")[:3]
    _, dot, ext = path.rpartition("/")[2].rpartition(".")
    return Place(
        name=spelt,
        value=data[start : min(end, start + 4 * LONGEST)].decode("utf-8", "replace"),
        sep=separator[1] if separator else "",
        quote=quote.group() if quote else "",
        tail=below[0][:10],
        left=tuple(_NEIGHBOUR.findall(left.lower())[-8:]),
        right=tuple(_NEIGHBOUR.findall("\n".join(below).lower())[:8]),
        ext=dot + ext.lower(),
        test=bool(TEST_PATH.search(path)),
        comment=bool(_COMMENT.match(line)),
    )


def weigh(place: Place, path: str) -> tuple[str, tuple[Evidence, ...]]:
    """(tier, why) for an assigned value; the tier is "" when it is not a credential."""
    against = settled(place, path)
    if against is not None:
        return "", (against,)
    model = learned()
    score, terms = model.score(called(place))
    tier = model.tier(score)
    return tier, tuple(explain(score, terms if tier else []))


def called(place: Place) -> Place:
    """The place, its name said to be that of a password where only the rule's pattern knows it."""
    if kind_of(words_of_name(place.name)) in {"none", "other"}:
        return replace(place, name=f"{place.name}_password")
    return place


SHORT = 10
"""What is called a token has at least so many letters and digits."""

_TOKENS = (("token",), ("tokens",), ("key",), ("apikey",))


def settled(place: Place, path: str) -> Evidence | None:
    """What says for sure that the value is no secret, or None."""
    value = place.value.encode("utf-8", "replace")
    named = words_of_name(place.name)
    if _FINGERPRINT.match(place.value) and "gpg" in named:
        return Evidence("value", "the fingerprint of a public key")
    if named[-2:] in OPENS_NOTHING or HASHED.intersection(named):
        return Evidence("name", "names a hash, an identifier or something public")
    if place.sep == "(" and named and named[-1] in CALLED:
        return Evidence("name", f"calls {named[-1]} on a secret")
    if place.sep == "(" and ASKS.intersection(named):
        return Evidence("name", "asks for a secret by its name")
    if place.sep == "(" and _method(place.name):
        return Evidence("name", "calls a method of what keeps secrets")
    if (
        place.sep == "("
        and named[-1:] == ("token",)
        and place.value.isalpha()
        and place.value.isupper()
    ):
        return Evidence("value", "names a kind of token")
    if place.sep == "," and _SNAKE.fullmatch(place.value):
        return Evidence("value", "the next name of several")
    if (
        not place.sep
        and not place.quote
        and _LOWER.fullmatch(place.value)
        and _GOES_ON.match(place.tail)
    ):
        return Evidence("value", "a word in a sentence")
    if _FILE_NAME.search(place.name):
        return Evidence("name", "names a file")
    if place.value.isalnum() and len(place.value) < SHORT and named[-1:] in _TOKENS:
        return Evidence("value", "too short for a token")
    if place.quote and place.value.endswith((":", "\uff1a")):
        return Evidence("value", "what stands before a field")
    if place.value.startswith((", ", ") ", "; ")):
        return Evidence("value", "the code between two strings")
    if named[-1:] == ("key",) and _CACHE_KEY.match(place.value):
        return Evidence("value", "words and a digest, as a cache has them")
    reason = dummy(value) if len(value) > 2 else "too short"
    if not reason and SEALED.search(value):
        reason = "encrypted, hashed or public"
    if not reason and _PROSE.search(place.value) and _TRANSLATION.search(path):
        reason = "a word in a translation"
    if not reason and "passphrase" not in named and _PHRASE.match(place.value):
        reason = "a phrase"
    return Evidence("value", reason) if reason else None


_FINGERPRINT = re.compile(r"[0-9A-F]{40}\Z")
_SNAKE = re.compile(r"[a-z]+(?:_[a-z]+)+")
_LOWER = re.compile(r"[a-z]+")
_GOES_ON = re.compile(r" [a-z]{1,12}[ ,.\n]")
_ABOUT = re.compile(r"pass|pw|secret|token|key|auth|cred", re.IGNORECASE)


def _method(name: str) -> bool:
    """Whether a call is of something that is only named after secrets: `secrets.enable("kv")`."""
    _, dot, method = name.rpartition(".")
    if not dot or _ABOUT.search(method):
        return False
    return GIVEN.isdisjoint(words_of_name(method)[:1])


SAID = {
    "says": "common words in the value",
    "known": "how much of the value is words of source",
    "odd": "how unlike words its letters are",
    "bits": "how much it surprises in all",
    "length": "the value's length",
    "distinct": "how many different characters it has",
    "changes": "how often it goes from letters to digits and back",
    "steps": "how much of it counts or repeats",
    "vowels": "how many vowels it has",
    "shape": "the order of its letters, digits and signs",
}
"""What families of terms say whose own words are numbers, or would quote the value."""


def explain(score: float, terms: list[tuple[str, float]]) -> list[Evidence]:
    """The sum, and what decided it; never a word of the value itself."""
    found = [Evidence("score", f"{100 * probability(score):.0f} in 100")]
    families: dict[str, dict[str, float]] = {}
    for term, weight in terms:
        family, _, rest = term.partition(":")
        families.setdefault(family, {})[rest] = weight
    families.pop("bias", None)
    heaviest = sorted(families, key=lambda one: -abs(sum(families[one].values())))
    for family in heaviest[:5]:
        parts = families[family]
        first = max(parts, key=lambda one: abs(parts[one]))
        detail = SAID.get(family) or first or "yes"
        found.append(Evidence(family, f"{detail} ({sum(parts.values()):+.1f})"))
    return found
