"""Harmless assignments for the scorer to learn from, out of the files that bench/negatives makes.

The labelled repositories hold few cursors, pins and seals, so a key that opens
nothing looks to them like any other. These rows say what they lack. They are few,
count less than a labelled row, and have no neighbours: those are random words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import negatives
from labelled import Row

from leakguard.detect import generic, settled
from leakguard.detect.match import Book, Matcher
from leakguard.detect.prefilter import PlainPrefilter
from leakguard.detect.terms import words_of_name
from leakguard.load import body
from leakguard.load.rules import read_bundled

SEED = 4321
"""Not the seed of the measure, whose files nobody may have learned by heart."""

SCALE = 0.2
ALIKE = 6
"""So many rows of one kind of file whose names end in the same words."""

WEIGHT = 1.0
"""What such a row counts beside a labelled one."""


def rows() -> list[Row]:
    """Places that the generic rules look at in files without a secret."""
    rules = [rule for rule in read_bundled() if rule.generic]
    table, anchors = body.tabulate(rules)
    matcher = Matcher(Book(rules, table), PlainPrefilter(anchors).scan)
    found = []
    for kind in negatives.KINDS.values():
        seen: Counter[str] = Counter()
        for row in _of(kind, matcher):
            alike = " ".join(words_of_name(row.place.name)[-2:])
            seen[alike] += 1
            if seen[alike] <= ALIKE:
                found.append(row)
    return found


def _of(kind: negatives.Kind, matcher: Matcher) -> Iterator[Row]:
    """The places in files of one kind that no sure sign settles."""
    for number, made in enumerate(negatives.files(kind, SEED, SCALE)):
        if made.path.endswith((".lock", "-lock.json", ".sum")):
            continue  # the judge knows them by their names
        data = made.text.encode()
        for match in matcher.matches(data, path=made.path):
            if match.decoded:
                continue
            place = generic.place_of(data, match.span, match.name, made.path)
            place = generic.called(replace(place, left=(), right=()))
            if settled.settled(place, made.path) is None:
                yield Row(
                    id=f"made {number}:{match.span[0]}",
                    repo=f"made {kind.name}",
                    category=kind.name,
                    place=place,
                    credential=False,
                )
