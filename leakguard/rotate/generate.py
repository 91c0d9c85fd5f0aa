"""New values: random, and such that the issuer and every consumer can take them."""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from leakguard.errors import UsageError
from leakguard.secret import Secret

ALPHABETS = {
    "alnum": string.ascii_letters + string.digits,
    "base64url": string.ascii_letters + string.digits + "-_",
    "hex": "0123456789abcdef",
    "ascii": "".join(map(chr, range(0x21, 0x7F))),
}
"""What a manifest may call the characters of a value."""

STRENGTH = 192
"""Bits of randomness that a value gets where nothing keeps it from being long."""

LEAST = 80
"""Fewer bits are no replacement for a leaked secret; such constraints are refused."""

Choose = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a place can take: characters and lengths. `max_length` 0 means no limit."""

    alphabet: str = "alnum"
    min_length: int = 1
    max_length: int = 0
    forbidden: str = ""

    @property
    def characters(self) -> str:
        """The characters that are left, in a fixed order."""
        return "".join(one for one in ALPHABETS[self.alphabet] if one not in self.forbidden)


@dataclass(frozen=True, slots=True)
class Shape:
    """What every place at once can take."""

    characters: str
    min_length: int
    max_length: int

    @property
    def length(self) -> int:
        """How long a new value will be. Never longer than the strictest place allows."""
        wanted = max(self.min_length, math.ceil(STRENGTH / math.log2(len(self.characters))))
        return min(wanted, self.max_length) if self.max_length else wanted

    @property
    def bits(self) -> float:
        """How much randomness a new value holds."""
        return self.length * math.log2(len(self.characters))

    def takes(self, value: Secret) -> bool:
        """Whether a value that somebody else made fits everywhere."""
        text = value.reveal().decode("utf-8", "replace")
        short = len(text) < self.min_length
        long = bool(self.max_length) and len(text) > self.max_length
        return not short and not long and set(text) <= set(self.characters)


def common(named: Iterable[tuple[str, Constraints]]) -> Shape:
    """What all of them take, each with the name of its place. Raises UsageError for nothing."""
    asked = list(named)
    characters = "".join(
        one
        for one in ALPHABETS["ascii"]
        if all(one in constraints.characters for _, constraints in asked)
    )
    least = max((constraints.min_length for _, constraints in asked), default=1)
    limits = [constraints.max_length for _, constraints in asked if constraints.max_length]
    shape = Shape(characters, least, min(limits, default=0))
    _check(shape, [name for name, _ in asked])
    return shape


def make(shape: Shape, choose: Choose) -> Secret:
    """A new value; `choose` is `secrets.choice` outside of tests."""
    return Secret("".join(choose(shape.characters) for _ in range(shape.length)).encode())


def _check(shape: Shape, names: list[str]) -> None:
    places = " and ".join(names)
    if len(shape.characters) < 2:
        raise UsageError(
            f"no character is allowed by {places} alike",
            "rotate in two steps: give the consumer another kind of value first",
        )
    if shape.max_length and shape.max_length < shape.min_length:
        raise UsageError(
            f"no length suits {places}: at least {shape.min_length}, at most {shape.max_length}",
            "look at `constraints` in their manifests",
        )
    if shape.bits < LEAST:
        raise UsageError(
            f"what {places} take is too weak: {shape.bits:.0f} bits, {LEAST} are the least",
            "look at `constraints` in their manifests",
        )
