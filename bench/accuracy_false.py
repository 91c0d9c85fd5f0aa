"""False alarms: on the negative corpus and on folders that the user knows to be clean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import negatives
from accuracy_product import BLOCKS, WARNS, Alarms, Product
from tables import row

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence


def corpus(product: Product, seed: int, scale: float) -> list[Alarms]:
    """The alarms of each kind of the negative corpus."""
    found = []
    for kind in negatives.KINDS.values():
        alarms = Alarms(kind.name)
        for number, made in enumerate(negatives.files(kind, seed, scale)):
            path = f"{number}/{made.path}"
            alarms.add(product, made.lines, product.look(path, made.text.encode()))
        found.append(alarms)
    return found


def tree(product: Product, folder: str) -> Alarms:
    """The alarms of a folder."""
    alarms = Alarms(folder)
    for lines, found in product.walk(folder):
        alarms.add(product, lines, found)
    return alarms


def total(name: str, parts: Sequence[Alarms]) -> Alarms:
    """Several counts as one."""
    alarms = Alarms(name, sum(part.lines for part in parts))
    for part in parts:
        for tier, counts in part.by_rule.items():
            alarms.by_rule[tier].update(counts)
    return alarms


def render(title: str, parts: Sequence[Alarms], *, show: bool) -> str:
    """Tables of rates and rules; with `show`, where each rule fired."""
    every = [*parts, total("all", parts)] if len(parts) > 1 else list(parts)
    silent = sum(not part.count(BLOCKS) for part in parts)
    noisy = [part for part in every if part.count(BLOCKS) or part.count(WARNS) or part is every[-1]]
    lines = [
        f"## {title}",
        "",
        row(("where", "lines", "blocking per 100,000", "warning per 100,000", "rules")),
        "|" + "---|" * 5,
        *(
            row((
                part.name, f"{part.lines:,}", f"{part.rate(BLOCKS):.1f}", f"{part.rate(WARNS):.1f}",
                "" if len(parts) > 1 and part is every[-1] else rules(part),
            ))
            for part in noisy
        ),
        "",
        f"{silent} of {len(parts)} have no blocking finding.",
    ]  # fmt: skip
    if show:
        lines += ["", *places(parts)]
    return "\n".join([*lines, ""])


def rules(part: Alarms) -> str:
    """The rules that fired, blocking ones first."""
    words = [_most(part.by_rule[BLOCKS], ""), _most(part.by_rule[WARNS], "~")]
    return " ".join(word for word in words if word)


def _most(counts: Counter[str], mark: str) -> str:
    return " ".join(f"{mark}{rule} {number}" for rule, number in counts.most_common(8))


def places(parts: Sequence[Alarms]) -> list[str]:
    """Where the rules fired, values masked."""
    return [
        f"    {part.name}: {rule}: {place[:240]}"
        for part in parts
        for rule, found in part.samples.items()
        for place in found
    ]
