"""Is an assigned value a credential? What settles it at once, and for the rest the scorer.

This decides about values that no provider's own rule knows. What `detect.settled`
knows to be none is none; all that is left is weighed by `detect.score`.
"""

from __future__ import annotations

from math import log2

from leakguard import late
from leakguard.detect.placeholder import dummy
from leakguard.detect.score import drawn, learned, probability
from leakguard.detect.settled import settled
from leakguard.detect.terms import LONGEST, Place, kind_of, words_of_name
from leakguard.finding import Evidence

__all__ = ["REACH", "called", "drawn", "dummy", "entropy", "explain", "place_of", "weigh"]

TEST_PATH = late.pattern(
    r"(?:^|[/_.-])(?:tests?|testing|testdata|specs?|fixtures?|mocks?|__tests__|e2e)(?:[/_.-]|$)"
    r"|[a-z](?:Tests?|Spec)\.[a-z]+$",
)
_SEPARATOR = late.pattern(r"(=>|:=|::|==|[:=(,])[^:=(,]*$")
_QUOTE = late.pattern(r"[\"'`]$")
_NEIGHBOUR = late.pattern(r"[a-z][a-z0-9]{2,20}")
_COMMENT = late.pattern(r"\s*(?:#|//|--|;|<!--|/?\*|REM\b)")
REACH = 400
"""How far around a value its neighbours are looked for, bytes."""


def entropy(value: bytes) -> float:
    """Shannon entropy of the value's bytes, bits per byte."""
    counts = [value.count(byte) for byte in set(value)]
    return -sum(count / len(value) * log2(count / len(value)) for count in counts)


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
    of_type = "::" if left.endswith("::") else ""
    between = named[at + len(spelt) :] if at >= 0 else ""
    separator = _SEPARATOR.search(between)
    quote = _QUOTE.search(named)
    below = after.split("\n")[:3]
    _, dot, ext = path.rpartition("/")[2].rpartition(".")
    return Place(
        name=of_type + spelt,
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
        return place._replace(name=f"{place.name}_password")
    return place


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
