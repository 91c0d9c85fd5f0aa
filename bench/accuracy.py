"""Measure what leakguard finds and what it finds falsely; README.md tells how to read it.

Started as `python bench/accuracy.py [--quick] [--tree DIR] [--labelled FILE] [--peers]`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import accuracy_false
import accuracy_labelled
import accuracy_peers
import accuracy_recall
import accuracy_report
from accuracy_product import BLOCKS, WARNS, Product

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = ("negatives", "recall")


@dataclass(slots=True)
class Measure:
    """What was asked for, and what came out so far."""

    options: argparse.Namespace
    product: Product = field(default_factory=Product)
    figures: dict[str, object] = field(default_factory=dict)

    def run(self) -> None:
        """Measure every part that was asked for, each printed when it is done."""
        asked = self.options.part or (() if self.options.tree or self.options.labelled else PARTS)
        if "negatives" in asked:
            self.negatives()
        for folder in self.options.tree:
            self.tree(folder)
        if "recall" in asked:
            self.recall()
        if self.options.labelled:
            self.labelled()

    def negatives(self) -> None:
        """False alarms on the negative corpus, and those of other scanners if wanted."""
        seed, scale, show = self.options.seed, self.scale, self.options.show
        parts = accuracy_false.corpus(self.product, seed, scale)
        say(accuracy_false.render("False alarms on the negative corpus", parts, show=show))
        whole = accuracy_false.total("all", parts)
        self.figures["negatives"] = {
            "per_100k": {tier: whole.rate(tier) for tier in (BLOCKS, WARNS)},
            "kinds": [part.plain() for part in parts],
        }
        if self.options.peers:
            own = {part.name: part.count(BLOCKS) for part in parts}
            with tempfile.TemporaryDirectory(prefix="leakguard-bench-") as folder:
                place = Path(folder, "corpus")
                lines = accuracy_peers.write(place, seed, scale)
                counts = accuracy_peers.count(place, Path(folder, "cache"))
            say(accuracy_peers.render(counts, lines, own))
            self.figures["peers"] = counts

    def tree(self, folder: str) -> None:
        """Findings in a folder that is known to be clean."""
        alarms = accuracy_false.tree(self.product, folder)
        say(accuracy_false.render(f"Findings in {folder}", [alarms], show=self.options.show))
        self.figures.setdefault("trees", []).append(alarms.plain())  # type: ignore[attr-defined]

    def recall(self) -> None:
        """What is found where the rules' authors did not look."""
        bench = accuracy_recall.Bench(self.product, self.options.seed)
        trials = bench.run()
        say(accuracy_report.render(trials, bench.skipped, show=self.options.show))
        self.figures["recall"] = accuracy_report.plain(trials)

    def labelled(self) -> None:
        """Precision and recall on labelled rows."""
        scores = accuracy_labelled.score(self.product, self.options.labelled)
        say(accuracy_labelled.render(scores))
        self.figures["labelled"] = {one.name: one.plain() for one in scores}

    @property
    def scale(self) -> float:
        """How much of the corpus."""
        return float(self.options.scale) * (0.1 if self.options.quick else 1)


def say(text: str) -> None:
    """Print a part of the report at once."""
    print(text, flush=True)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure what leakguard finds, and finds falsely.")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this (repeatable)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the negative corpus")
    parser.add_argument("--scale", type=float, default=1.0, help="times the usual corpus")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes other files")
    parser.add_argument("--tree", action="append", default=[], help="a clean folder (repeatable)")
    parser.add_argument("--labelled", type=Path, metavar="FILE", help="labelled rows (.jsonl.gz)")
    parser.add_argument("--peers", action="store_true", help="count other scanners' alarms too")
    parser.add_argument("--show", action="store_true", help="every alarm's place, every miss")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args(arguments)


def main() -> int:
    """Run what was asked for."""
    options = parse()
    began = time.process_time()
    measure = Measure(options)
    rules = len(measure.product.pack.book.rules)
    say(f"# leakguard accuracy, {rules} rules, seed {options.seed}\n")
    measure.run()
    say(f"{time.process_time() - began:.0f} s of CPU")
    if options.json:
        options.json.write_text(json.dumps(measure.figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
