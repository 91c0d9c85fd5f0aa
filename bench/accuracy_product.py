"""The product, opened once and asked as the scan command asks it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leakguard.blob import Blob, Origin, Unread
from leakguard.cli.gate import Gate
from leakguard.load.pack import Pack, open_pack
from leakguard.read import tree
from leakguard.rule import SEVERITIES, TIERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakguard.finding import Candidate

BLOCKS, WARNS = "blocks", "warns"


@dataclass(slots=True)
class Product:
    """Scans bytes with every bundled rule under the default policy."""

    pack: Pack = field(default_factory=lambda: open_pack(None))
    gate: Gate = field(init=False)

    def __post_init__(self) -> None:
        self.gate = Gate(self.pack, None, "tree")

    def look(self, path: str, data: bytes) -> list[Candidate]:
        """What is found in a file of that name."""
        return self._found(Blob(Origin("tree", path), data))

    def _found(self, item: Blob | Unread) -> list[Candidate]:
        found: list[Candidate] = []

        def keep(one: Candidate) -> bool:
            found.append(one)
            return False  # the gate would remember it for its report

        self.gate.look(item, keep)
        return found

    def tier(self, candidate: Candidate) -> str:
        """Whether a finding stops a commit or only warns."""
        policy = self.pack.policy
        stops = TIERS.index(candidate.confidence) >= TIERS.index(policy.block_confidence)
        harms = SEVERITIES.index(candidate.severity) >= SEVERITIES.index(policy.block_severity)
        return BLOCKS if stops and harms else WARNS

    def walk(self, folder: str) -> Iterator[tuple[int, list[Candidate]]]:
        """Lines and findings of each file below a folder, archives opened as a scan does."""
        for name in tree.files(folder, ignored=True):
            for item in tree.read(name, name):
                lines = 0
                if isinstance(item, Blob):
                    lines = item.data.count(b"\n", item.own[0], item.own[1])
                yield lines, self._found(item)


@dataclass(slots=True)
class Alarms:
    """Findings where there is nothing to find."""

    name: str
    lines: int = 0
    by_rule: dict[str, Counter[str]] = field(
        default_factory=lambda: {BLOCKS: Counter(), WARNS: Counter()}
    )
    samples: dict[str, list[str]] = field(default_factory=dict)
    _seen: set[tuple[str, object]] = field(default_factory=set)

    def add(self, product: Product, lines: int, found: list[Candidate]) -> None:
        """Count findings: one rule and value once, as a report does."""
        self.lines += lines
        for one in found:
            if (one.rule.id, one.secret) in self._seen:
                continue
            self._seen.add((one.rule.id, one.secret))
            tier = product.tier(one)
            self.by_rule[tier][one.rule.id] += 1
            places = self.samples.setdefault(one.rule.id, [])
            if len(places) < 3:
                place = one.location
                shown = ascii(one.line_text.strip())[1:-1]  # a foreign file may hold anything
                places.append(f"{place.path}:{place.start_line}: {shown}")

    def count(self, tier: str) -> int:
        """How many findings of a tier."""
        return self.by_rule[tier].total()

    def rate(self, tier: str) -> float:
        """Findings per 100,000 lines."""
        return self.count(tier) * 100_000 / max(self.lines, 1)

    def plain(self) -> dict[str, object]:
        """The figures, for JSON."""
        return {
            "name": self.name,
            "lines": self.lines,
            **{tier: dict(counts.most_common()) for tier, counts in self.by_rule.items()},
        }
