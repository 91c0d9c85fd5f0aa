"""Learns the weights of the scorer (leakguard/data/scorer.json) from labelled assignments.

    python bench/train_scorer.py FILE.jsonl.gz --out leakguard/data/scorer.json

Prints how exact it is on repositories that it has not seen (grouped k-fold), first
the model alone, then end to end: a file rebuilt from each row, scanned with all rules;
last each line without its neighbours, as a log or a message has it. After each stands the
spread: the least and the most of a fold. The same file always gives the same weights.
What it learns are words of names and neighbours, and how letters follow each other,
that occur in several repositories; never a value.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from math import log2

import labelled
import made
import numpy as np
from labelled import Row
from scipy import sparse
from scipy.optimize import minimize

from leakguard.blob import Blob, Origin
from leakguard.detect import score, terms
from leakguard.detect import settled as sure
from leakguard.detect.scanner import Scanner
from leakguard.detect.score import Model
from leakguard.detect.terms import Place, Words

FOLDS = 8
SEVERAL = 4
"""In so many repositories a word or term occurs before it counts."""

PENALTY = 4.0
"""How strongly weights are held back, as if each had been seen so often to mean nothing."""

ALONE = 0.5
"""What a row counts when it is shown once more without its neighbours: a line of a log, a diff or
a message has none."""

HELD_BACK = {"before": 8.0, "behind": 8.0, "ext": 4.0}
"""Terms that are many and say little by themselves are held back more."""

FORMS = ("sign:", "harmless")
"""Terms that are forms, not words: they count wherever they were seen, in made rows too."""

LEAST = 0.02
"""Weights smaller than this are left out."""

POSSIBLE, LIKELY = -1.0, 0.4
"""From which log of the odds on a value is possible, likely."""

RANKS = {"": 0, "possible": 1, "likely": 2, "confirmed": 2}


def words_of(rows: Iterable[Row]) -> dict[str, int]:
    """Words of names and neighbours, and in how many repositories each occurs."""
    seen: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        place = row.place
        for word in (*place.left, *place.right, *terms.words_of_name(place.name)):
            if word.isascii() and word.isalpha() and len(word) > 2:
                seen[word].add(row.repo)
    return {word: len(repos) for word, repos in sorted(seen.items()) if len(repos) >= SEVERAL}


def letters_of(words: dict[str, int]) -> bytes:
    """What each letter costs after each pair of letters, in eighths of a bit."""
    seen = np.zeros((27, 27, 27))
    for word, repos in words.items():
        codes = [0, 0, *(ord(letter) - 96 for letter in word), 0]
        for first, second, third in zip(codes, codes[1:], codes[2:], strict=False):
            seen[first, second, third] += 1 + log2(repos)
    pairs = seen.sum(0)
    single = (pairs.sum(0) + 0.5) / (pairs.sum() + 0.5 * 27)
    after_one = (pairs + 4 * single) / (pairs.sum(1, keepdims=True) + 4)
    after_two = (seen + 3 * after_one) / (seen.sum(2, keepdims=True) + 3)
    return bytes(np.clip(np.rint(-8 * np.log2(after_two)), 0, 88).astype(int).ravel().tolist())


def taught(rows: list[Row], harmless: list[Row]) -> Model:
    """The model that these rows teach; of the harmless ones that were made it takes no words."""
    several = words_of(rows)
    words = Words(letters_of(several), frozenset(several))
    score.hand_over(lambda: Model({}, words, 0, 0))
    asked = [row for row in rows if not settled(row)]
    kept = asked + [alone(row) for row in asked] + harmless
    found = [sorted(set(terms.terms(row.place, words))) for row in kept]
    repos: dict[str, set[str]] = defaultdict(set)
    for row, one in zip(kept, found, strict=True):
        for term in one:
            if not row.id.startswith("made") or term.startswith(FORMS):
                repos[term].add(row.repo)
    often = [t for t in sorted(repos) if len(repos[t]) >= SEVERAL or t.startswith(FORMS)]
    index = {term: at for at, term in enumerate(often)}
    counts = np.array([_counts(row) for row in kept])
    weights = _fit(found, index, np.array([row.credential for row in kept]), counts)
    return score.from_plain(plain(dict(zip(index, weights, strict=True)), words))


def alone(row: Row) -> Row:
    """The row without its neighbours."""
    return replace(row, id=f"alone {row.id}", place=replace(row.place, left=(), right=()))


def _counts(row: Row) -> float:
    return {"made": made.WEIGHT, "alone": ALONE}.get(row.id.partition(" ")[0], 1.0)


def _fit(
    found: list[list[str]], index: dict[str, int], truth: np.ndarray, counts: np.ndarray
) -> list[float]:
    """Weights that make the truth most likely, held back by PENALTY."""
    columns = [[index[term] for term in one if term in index] for one in found]
    ends = np.cumsum([0, *map(len, columns)])
    flat = np.concatenate([np.array(one, dtype=int) for one in columns])
    matrix = sparse.csr_matrix((np.ones(len(flat)), flat, ends), shape=(len(found), len(index)))
    turned = matrix.T.tocsr()
    sign = np.where(truth, 1.0, -1.0)
    held = np.array([PENALTY * HELD_BACK.get(term.partition(":")[0], 1) for term in index])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (matrix @ weights)
        slope = turned @ (-counts * sign / (1 + np.exp(np.clip(margin, -500, 500))))
        return (
            float((counts * np.logaddexp(0, -margin)).sum() + 0.5 * (held * weights**2).sum()),
            slope + held * weights,
        )

    options = {"maxiter": 400, "maxcor": 20}
    start = np.zeros(len(index))
    found_at = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    return [float(weight) for weight in found_at.x]


def plain(weights: dict[str, float], words: Words) -> dict[str, object]:
    """A model as JSON holds it."""
    families: dict[str, dict[str, int]] = defaultdict(dict)
    for term, weight in sorted(weights.items()):
        family, _, rest = term.partition(":")
        if abs(weight) >= LEAST:
            families[family][rest] = round(100 * weight)
    return {
        "possible": round(100 * POSSIBLE),
        "likely": round(100 * LIKELY),
        "letters": "".join(chr(35 + cost) for cost in words.table),
        "words": " ".join(sorted(words.known)),
        "weights": families,
    }


def settled(row: Row) -> bool:
    """Whether no scorer is asked: a reference, a stand-in, a hash."""
    return sure.settled(row.place, "") is not None


def judged(model: Model, place: Place) -> tuple[str, float]:
    """(tier, score) of the model alone."""
    score.hand_over(lambda: model)
    if sure.settled(place, "") is not None:
        return "", -99.0
    odds = model.score(place)[0]
    return model.tier(odds), odds


class Measure:
    """How many were found rightly, wrongly, and not, in each repository."""

    def __init__(self) -> None:
        self._of: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, row: Row, *, found: bool) -> None:
        """Count one row."""
        kind = ("missed", "right")[found] if row.credential else ("quiet", "wrong")[found]
        self._of[row.repo][kind] += 1

    def shares(self) -> tuple[float, float]:
        """(precision, recall) of all rows."""
        total = sum(self._of.values(), Counter())
        return _share(total, "wrong"), _share(total, "missed")

    def __str__(self) -> str:
        total = sum(self._of.values(), Counter())
        each = list(self._of.values())
        exact = [_share(one, "wrong") for one in each if one["right"] + one["wrong"]]
        complete = [_share(one, "missed") for one in each if one["right"] + one["missed"]]
        return (
            f"precision {_share(total, 'wrong'):.3f} recall {_share(total, 'missed'):.3f}"
            f" (right {total['right']}, wrong {total['wrong']}, missed {total['missed']}); mean of"
            f" repositories: precision {np.mean(exact):.3f} recall {np.mean(complete):.3f}"
        )


def _share(counts: Counter[str], other: str) -> float:
    return counts["right"] / max(1, counts["right"] + counts[other])


def report(title: str, rows: list[Row], tiers: list[str], number: int) -> None:
    """Print precision and recall at both thresholds, and how they differ between the folds."""
    where = labelled.folds(rows, number)
    for tier in ("possible", "likely"):
        whole, parts = Measure(), [Measure() for _ in range(number)]
        for row, found in zip(rows, tiers, strict=True):
            for measure in (whole, parts[where[row.repo]]):
                measure.add(row, found=RANKS[found] >= RANKS[tier])
        print(f"{title}, {tier} or surer: {whole}")
        exact, complete = zip(*(part.shares() for part in parts), strict=True)
        print(
            f"  folds: precision {min(exact):.3f} to {max(exact):.3f} (deviation"
            f" {np.std(exact):.3f}), recall {min(complete):.3f} to {max(complete):.3f} (deviation"
            f" {np.std(complete):.3f})"
        )


def scan(look: Scanner, row: Row) -> tuple[str, str]:
    """(tier, rule) of the surest finding on the row's value in a file rebuilt around it."""
    file = labelled.rebuilt(row)
    best = ("", "")
    for one in look.look(Blob(Origin("tree", file.path), file.data)):
        covers = one.span[0] < file.end and one.span[1] > file.start
        if covers and RANKS[one.confidence] > RANKS[best[0]]:
            best = (one.confidence, one.rule.id)
    return best


def unseen(rows: list[Row], harmless: list[Row], number: int) -> list[Model]:
    """For each row the model of the other folds' repositories."""
    where = labelled.folds(rows, number)
    models = [
        taught([row for row in rows if where[row.repo] != fold], harmless) for fold in range(number)
    ]
    return [models[where[row.repo]] for row in rows]


def by_group(rows: list[Row], found: list[tuple[str, str]]) -> None:
    """Print what is lost, by kind and form, and what is wrongly found, by rule."""
    lost = [row for row, (tier, _) in zip(rows, found, strict=True) if row.credential and not tier]
    wrong = [
        (rule, tier)
        for row, (tier, rule) in zip(rows, found, strict=True)
        if tier and not row.credential
    ]
    keys: dict[str, Callable[[Row], str]] = {
        "kind": lambda row: row.category,
        "file": lambda row: row.place.ext,
        "form": lambda row: f"{row.place.sep or '-'}{row.place.quote or '-'}",
    }
    for title, key in keys.items():
        print(f"lost by {title}:", *_most(map(key, lost)))
    print("wrong by rule:", *_most(f"{rule} {tier}" for rule, tier in wrong))


def _most(names: Iterable[str]) -> list[str]:
    return [f"{name} {count}," for name, count in Counter(names).most_common(15)]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="labelled rows, JSON lines, compressed")
    parser.add_argument("--out", help="where the weights go; without it they are only measured")
    parser.add_argument("--folds", type=int, default=FOLDS)
    given = parser.parse_args()
    rows, harmless = labelled.read(given.file), made.rows()
    print(f"{len(rows)} labelled rows, {len(harmless)} harmless ones that were made")
    if given.folds > 1:
        models = unseen(rows, harmless, given.folds)
        tiers = [judged(model, row.place)[0] for model, row in zip(models, rows, strict=True)]
        report("model alone", rows, tiers, given.folds)
        found = end_to_end(rows, models)
        report("end to end", rows, [tier for tier, _ in found], given.folds)
        by_group(rows, found)
        lines = end_to_end([alone(row) for row in rows], models)
        report("a line alone", rows, [tier for tier, _ in lines], given.folds)
    if given.out:
        model = taught(rows, harmless)
        text = json.dumps(plain(dict(model.weights), model.words), sort_keys=True, indent=0)
        with open(given.out, "w", encoding="ascii") as file:
            file.write(text + "\n")
        print(f"{given.out}: {len(model.weights)} weights, {len(text) / 1000:.0f} KB")
    return 0


def end_to_end(rows: list[Row], models: list[Model]) -> list[tuple[str, str]]:
    """What the whole scanner finds, each row weighed by a model that never saw its repository."""
    from leakguard.cli.rules_check import scanner
    from leakguard.load.rules import read_bundled

    look = scanner(read_bundled())
    found = []
    for row, model in zip(rows, models, strict=True):
        score.hand_over(lambda model=model: model)
        found.append(scan(look, row))
    return found


if __name__ == "__main__":
    sys.exit(main())
