"""Every form in which a value could leak, looked for in a text."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from urllib.parse import quote

from leakguard.blob import Blob, Origin
from leakguard.cli.rules_check import complete, path_for, scanner
from leakguard.detect.scanner import Scanner
from leakguard.load.rules import read_bundled
from leakguard.recipe import expand
from leakguard.rule import Rule
from leakguard.seed_phrase import spelt

PART = 9
"""So many characters of a value in a row are a leak."""


@dataclass(frozen=True)
class Fake:
    """A text with fake secrets in it, the path it belongs to, and the values that must not show."""

    rule_id: str
    path: str
    text: str
    values: tuple[str, ...]
    known: str
    """The same text with other random parts: what both have in common is no secret."""


def pieces(text: str, size: int) -> set[str]:
    """All runs of `size` characters."""
    return {text[at : at + size] for at in range(len(text) - size + 1)}


def forms(value: str) -> Iterator[tuple[str, int]]:
    """(what the value looks like in some dress, how much of it is a leak)."""
    raw = value.encode()
    yield value, PART
    yield value[::-1], PART
    yield raw.hex(), 2 * PART
    yield raw.hex().upper(), 2 * PART
    yield "".join(f"%{byte:02X}" for byte in raw), 3 * PART
    yield quote(value, safe=""), PART
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * shift + raw).decode()[4:].rstrip("=")[:-2], 12


def telling(fake: Fake) -> set[tuple[str, int]]:
    """(a run of characters, its length) for each run that only this fake can have brought."""
    found: set[tuple[str, int]] = set()
    for value in fake.values:
        words = spelt(value)  # each of them stands in other texts too
        for form, size in forms(value):
            found |= {(piece, size) for piece in pieces(form, size)
                      if not (words and piece.strip().isalpha())}  # fmt: skip
    sizes = {size for _, size in found}
    common = {piece for size in sizes for piece in pieces(fake.known, size)}
    common |= {piece for form, size in forms(fake.known) for piece in pieces(form, size)}
    return {(piece, size) for piece, size in found if piece not in common and not _dull(piece)}


def _dull(piece: str) -> bool:
    """Whether a run is too even to be anybody's secret: `%41%41%41`, `AAAAAAAAA`."""
    return len(set(piece)) <= 4


class Watch:
    """Looks for all fakes in one text after the other."""

    def __init__(self, fakes: Iterable[Fake]) -> None:
        self._owners: dict[int, dict[str, str]] = {}
        for fake in fakes:
            for piece, size in telling(fake):
                self._owners.setdefault(size, {})[piece] = fake.rule_id

    def leaks(self, text: str) -> set[str]:
        """The rules whose fake shows in the text."""
        return {
            owners[piece]
            for size, owners in self._owners.items()
            for piece in pieces(text, size) & owners.keys()
        }


def make(rule: Rule, example: str, look: Scanner, seed: str) -> Fake:
    """A fake of an example; its values are what a scan finds in it."""
    texts = [
        expand(example, Random(f"{seed} {rule.id} {number}"), complete(rule))  # type: ignore[arg-type]
        for number in range(2)
    ]
    path = path_for(rule, example)
    values = []
    for candidate in look.look(Blob(Origin("tree", path), texts[0].encode())):
        start, end = candidate.span
        prefix = candidate.rule.public_prefix
        values.append(candidate.secret.reveal().decode("utf-8", "replace").removeprefix(prefix))
        values.append(texts[0].encode()[start:end].decode("utf-8", "replace").removeprefix(prefix))
    return Fake(rule.id, path, texts[0], tuple(dict.fromkeys(values)), texts[1])


def of_all_rules(seed: str) -> list[Fake]:
    """A fake of each example of each rule."""
    rules = read_bundled()
    look = scanner(rules)
    return [make(rule, example, look, seed) for rule in rules for example in rule.examples]
