"""Precision and recall on rows that people labelled; the form is one JSON object a line.

Of each row the line is rebuilt from `name sep quote value tail` and scanned under a file name
with the row's extension, in a test folder if it came from one.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from accuracy_product import BLOCKS, WARNS, Product
from accuracy_report import percent, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NAMES = frozenset(
    ("UUID", "AWS S3 Bucket", "Firebase Domain", "Tencent WeChat API App ID", "Nonce", "Salt")
)
"""Categories that name identifiers rather than secrets."""


@dataclass(slots=True)
class Score:
    """What was found of the true rows and of the others."""

    name: str
    hits: Counter[tuple[bool, str]] = field(default_factory=Counter)
    rows: Counter[bool] = field(default_factory=Counter)

    def add(self, *, true: bool, tiers: set[str]) -> None:
        """Count a row."""
        self.rows[true] += 1
        if BLOCKS in tiers:
            self.hits[true, BLOCKS] += 1
        if tiers:
            self.hits[true, WARNS] += 1

    def precision(self, tier: str) -> float:
        """Which share of the rows that are found is true."""
        found = self.hits[True, tier] + self.hits[False, tier]
        return self.hits[True, tier] / max(found, 1)

    def recall(self, tier: str) -> float:
        """Which share of the true rows is found."""
        return self.hits[True, tier] / max(self.rows[True], 1)

    def plain(self) -> dict[str, object]:
        """The figures, for JSON."""
        figures = {
            tier: {"precision": self.precision(tier), "recall": self.recall(tier)}
            for tier in (BLOCKS, WARNS)
        }
        return {"true": self.rows[True], "false": self.rows[False], **figures}


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def tiers(product: Product, row: dict[str, Any]) -> set[str]:
    """The tiers of what is found on the value of a row."""
    before = "".join(row[part] or "" for part in ("name", "sep", "quote"))
    if row.get("comment"):
        before = "# " + before
    text = f"{before}{row['value']}{row['tail']}\n".encode("utf-8", "replace")
    start = len(before.encode("utf-8", "replace"))
    end = start + len(row["value"].encode("utf-8", "replace"))
    path = ("tests/" if row["test_dir"] else "src/") + "file" + row["ext"]
    return {
        product.tier(one)
        for one in product.look(path, text)
        if one.span[0] < end and start < one.span[1]
    }


def score(product: Product, path: Path) -> list[Score]:
    """All rows, those on which two reviews agree, and those with and without a test folder."""
    every, agreed = Score("all rows"), Score("both reviews agree")
    source, tests = Score("agreed, not in tests"), Score("agreed, in tests")
    for row in rows(path):
        if set(row["category"].split(":")) <= NAMES:
            continue
        true = row["label"] == "T"
        found = tiers(product, row)
        every.add(true=true, tiers=found)
        if row["label_2022"] is not None and (row["label_2022"] == "T") == true:
            agreed.add(true=true, tiers=found)
            (tests if row["test_dir"] else source).add(true=true, tiers=found)
    return [every, agreed, source, tests]


def render(scores: Sequence[Score]) -> str:
    """One table."""
    head = ("rows", "true", "false", "precision", "recall", "precision with warnings", "recall")
    body = [
        (
            one.name, f"{one.rows[True]:,}", f"{one.rows[False]:,}",
            *(percent(figure(tier)) for tier in (BLOCKS, WARNS)
              for figure in (one.precision, one.recall)),
        )
        for one in scores
    ]  # fmt: skip
    return "\n".join(["## Labelled rows, each a line of its own", "", *table(head, body)])
