"""What may speak for or against an assigned value, as short readable terms.

`name:password`, `looks:hex`, `before:username`: everything a term says is about the
form of the value, its name, its file and the words around it. Nothing here knows
weights; `detect.score` adds them up.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby, pairwise
from typing import NamedTuple

from leakguard import late
from leakguard.detect.vocabulary import ABOUT, HARMLESS, KINDS_OF_FILE, compiled, look_of


class Place(NamedTuple):
    """An assigned value and what stands around it."""

    name: str
    value: str
    sep: str = ""
    quote: str = ""
    tail: str = ""
    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()
    ext: str = ""
    test: bool = False
    comment: bool = False


LONGEST = 160
"""What lies beyond this many characters of a value says nothing new."""

_BY_KIND = frozenset({"sign:loud", "sign:space", "sign:prose"})
_LEET = str.maketrans("013457@$!89", "oieastasibg")
_WORD = late.pattern(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_HUMP = late.pattern(r"(?<=[a-z])(?=[A-Z])")
_FOREIGN = late.pattern(r"[^\x00-\x7f]+")
_SHAPES = str.maketrans(
    {
        code: "a" if chr(code).islower() else "A" if chr(code).isupper() else "0"
        for code in range(128)
        if chr(code).isalnum()
    }
    | {code: "-" for code in range(128) if not chr(code).isalnum()}
)
_CONSONANTS = str.maketrans("bcdfghjklmnpqrstvwxz", "c" * 20)
_LETTERS = bytes(at - 96 if 97 <= at <= 122 else 0 for at in range(256))
_A_TO_Z = bytes(range(97, 123))
_NO_DIGITS = str.maketrans("", "", "0123456789")
_OPENING = late.pattern(r"[\[\"'(]")

_LENGTHS = (3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 28, 32, 33, 40, 41, 48, 64, 65, 100)
_FEW_LENGTHS = (5, 8, 12, 16, 20, 24, 32, 33, 40, 41, 64, 65)
_ODD = (2.0, 2.5, 3.0, 3.4, 3.8, 4.2, 4.6, 5.0, 5.5, 6.0, 6.5, 7.0, 8.0, 9.0)
_FEW_ODD = (2.5, 3.2, 3.8, 4.4, 5.0, 6.0, 7.0)
_BITS = (8, 14, 20, 26, 32, 40, 50, 65, 80, 110, 150, 250)
_SHARES = (0.01, 0.25, 0.5, 0.75, 0.9, 0.999)


class Words:
    """The words that source is made of, and how surprising each next letter of one is."""

    __slots__ = ("known", "table")

    def __init__(self, table: bytes, known: frozenset[str]) -> None:
        self.table = table
        self.known = known

    def surprise(self, text: str) -> tuple[float, int]:
        """(bits, number) of a text's letters, each judged by the two before it in its word."""
        codes = _HUMP.sub("-", text).lower().encode("latin-1", "replace").translate(_LETTERS)
        table, eighths, count, earlier, before = self.table, 0, 0, 0, 0
        for code in codes:
            if code or before:
                eighths += table[(earlier * 27 + before) * 27 + code]
                count += code > 0
            earlier, before = before, code
        if before:
            eighths += table[(earlier * 27 + before) * 27]
        return eighths / 8, count


def words_in(text: str) -> list[str]:
    """Identifier words, lower case: `dbPassword` and `DB_PASSWORD` are db, password."""
    return [word.lower() for word in _WORD.findall(text)]


@lru_cache(maxsize=1000)
def words_of_name(name: str) -> tuple[str, ...]:
    """The last words of a name; of `config["db_password` those of the key."""
    return tuple(words_in(_OPENING.split(name)[-1] or name)[-6:])


@lru_cache(maxsize=1000)
def kind_of(words: tuple[str, ...]) -> str:
    """What a name says that it names."""
    text = "_".join(words[-4:])
    for kind, pattern in compiled("kind"):
        if pattern.search(text):
            return kind
    return "other" if words else "none"


def terms(place: Place, words: Words) -> list[str]:
    """Everything that may speak for or against a value."""
    value = place.value[:LONGEST]
    named = words_of_name(place.name)
    kind = kind_of(named)
    file = KINDS_OF_FILE.get(place.ext.lstrip("."), "other")
    found = ["bias"]
    found += _of_name(named, kind)
    found += _of_place(place, kind, file)
    found += _of_value(value, kind, f"{'q' if place.quote else 'u'} {file}", words)
    found += _of_signs(value, kind)
    found += _of_echoes(value, place, named)
    found += _of_neighbours(place)
    return found


def _of_name(named: tuple[str, ...], kind: str) -> Iterator[str]:
    yield f"kind:{kind}"
    for word in dict.fromkeys(named):
        yield f"name:{word}"
    if named:
        yield f"ends:{named[-1]}"
        yield f"ends:{'_'.join(named[-2:])}"
        yield f"starts:{named[0]}"
        if named[-1] in ABOUT:
            yield "about"
            yield f"about:{kind}"
        if not HARMLESS.isdisjoint(named[-2:]):
            yield "harmless"
            yield f"harmless:{kind}"


def _of_place(place: Place, kind: str, file: str) -> Iterator[str]:
    form = f"{place.sep or '_'}{place.quote[:1] or '_'}"
    yield f"form:{form}"
    yield f"form:{form} {file}"
    yield f"form:{form} kind:{kind}"
    yield f"file:{file}"
    yield f"file:{file} kind:{kind}"
    yield f"ext:{place.ext}"
    if place.test:
        yield "test"
    if place.comment:
        yield "comment"
    tail = place.tail
    if place.quote:
        closed = tail.startswith(place.quote[0])
        rest = tail[len(place.quote) :] if closed else tail
        yield f"after:{'closed' if closed else 'open'} {_next(rest)}"
    else:
        yield f"after:{_next(tail)}"
        yield f"after:{_next(tail)} {file}"


def _of_value(value: str, kind: str, where: str, words: Words) -> Iterator[str]:
    length = len(value) or 1
    looks = look_of(value)
    bits, letters = words.surprise(value)
    digits = len(value) - len(value.translate(_NO_DIGITS))
    odd = bits / letters if letters else 0.0
    total = _step(bits + 3.3 * digits + 4 * (length - letters - digits), _BITS)
    strange = _step(odd, _ODD) if letters > 2 else -1
    size = _step(length, _LENGTHS)
    shapes = value.translate(_SHAPES)
    if not value.isascii():
        shapes = _FOREIGN.sub("u", shapes)
    runs = "".join([char for char, _ in groupby(shapes)])
    distinct = len(set(value))
    yield f"looks:{looks}"
    yield f"looks:{looks} kind:{kind}"
    yield f"looks:{looks} {where}"
    yield f"looks:{looks} length:{_step(length, _FEW_LENGTHS)}"
    yield f"looks:{looks} odd:{_step(odd, _FEW_ODD)}"
    yield f"looks:{looks} digits:{6 * digits // length}"
    yield f"length:{size}"
    yield f"length:{size} kind:{kind}"
    yield f"odd:{strange}"
    yield f"odd:{strange} kind:{kind}"
    yield f"odd:{strange} {where}"
    yield f"bits:{total}"
    yield f"bits:{total} kind:{kind}"
    yield f"changes:{10 * (len(runs) - 1) // length}"
    yield f"shape:{runs[:7]}"
    yield f"distinct:{8 * distinct // length} {_step(length, (6, 12, 20, 32))}"
    if distinct <= 4:
        yield "sign:same" if distinct <= 2 else "sign:few"
    told = known = 0
    for word in words_in(value)[:12]:
        if len(word) > 2 and word in words.known:
            yield f"says:{word}"
            known += len(word)
        told += len(word)
    cover = _step(known / told if told else 0, _SHARES)
    yield f"known:{cover}"
    yield f"known:{cover} kind:{kind}"
    yield f"known:{cover} {where}"


def _of_signs(value: str, kind: str) -> Iterator[str]:
    folded = value.lower()
    for sign, pattern in compiled("sign"):
        if pattern.search(folded):
            yield sign
    if not value.replace("_", "").replace("-", "").isalnum():
        for sign, pattern in compiled("mark"):
            if pattern.search(value):
                yield sign
                if sign in _BY_KIND:
                    yield f"{sign} kind:{kind}"
    consonants = folded.translate(_CONSONANTS)
    if "cccc" in consonants:
        yield "sign:consonants"
        if "cccccc" in consonants:
            yield "sign:many consonants"
    raw = folded.encode("latin-1", "replace")
    if len(raw) > 1:
        steps = sum([0 <= second - first <= 1 for first, second in pairwise(raw)])
        yield f"steps:{5 * steps // (len(raw) - 1)}"
    vowels = len(raw) - len(raw.translate(None, b"aeiouy"))
    letters = len(raw) - len(raw.translate(None, _A_TO_Z))
    if letters > 3:
        yield f"vowels:{8 * vowels // letters} {_step(letters, (6, 10, 16))}"
    ((_, about),) = compiled("about")
    if about.search(folded):
        yield "sign:about secrets"
    elif about.search(folded.translate(_LEET)):
        yield "sign:about secrets in numbers"


def _of_echoes(value: str, place: Place, named: tuple[str, ...]) -> Iterator[str]:
    """A value that only repeats what stands around it is no secret."""
    folded = value.lower()
    bare = folded.replace("_", "").replace("-", "").replace(" ", "")
    if bare and bare in "".join(named):
        yield "echo:value in name"
    if any(len(word) > 2 and word in folded for word in named):
        yield "echo:name in value"
    around = [word for word in (*place.left, *place.right) if word.isalpha()]
    if len(folded) > 2 and folded in around:
        yield "echo:near by"
    if any(len(word) > 4 and word in folded for word in around):
        yield "echo:part near by"


def _of_neighbours(place: Place) -> Iterator[str]:
    for word in dict.fromkeys(place.left):
        yield f"before:{word}"
    for word in dict.fromkeys(place.right):
        yield f"behind:{word}"


def _next(tail: str) -> str:
    """What follows a value, in a character or two."""
    stripped = tail.lstrip(" \t")
    if not stripped:
        return "end"
    first = stripped[0]
    mark = "a" if first.isalpha() else "0" if first.isdigit() else first
    return mark if stripped is tail or len(stripped) == len(tail) else f"_{mark}"


def _step(number: float, edges: tuple[float, ...]) -> int:
    """How many of the edges a number has passed."""
    at = 0
    for edge in edges:
        if number < edge:
            break
        at += 1
    return at
