"""Of a version, only what changed is looked at; what is found is what the whole of it holds."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from leakguard.blob import Blob, Origin
from leakguard.cli.rules_check import complete
from leakguard.detect import anchor, danger, prefilter, versions
from leakguard.detect.match import Book, Matcher
from leakguard.detect.scanner import Scanner
from leakguard.load import body
from leakguard.recipe import expand
from leakguard.rule import Rule

from . import patterns

ENGINE = prefilter.extension()

Copies = list[versions.Copy]


@st.composite
def edits(draw: st.DrawFn, old: bytes, inserts: st.SearchStrategy[bytes]) -> tuple[bytes, Copies]:
    """A text made of stretches of an old one and new text between, and which those are."""
    cuts = sorted(draw(st.lists(st.integers(0, len(old)), min_size=2, max_size=6)))
    stretches = [(0, cuts[0]), *pairwise(cuts), (cuts[-1], len(old))]
    kept = [one for one in stretches if draw(st.integers(0, 5))]
    if draw(st.integers(0, 4)) == 0:
        kept = draw(st.permutations(kept))
    new = b""
    copies: Copies = []
    for low, high in kept:
        new += draw(inserts)
        if high > low:
            copies.append((len(new), low, high - low))
        new += old[low:high]
    return new + draw(inserts), copies


FILLER = st.sampled_from((b"", b"", b"\n", b" ", b"x" * 90, b"." * 300, b"a\n" * 200))


@settings(max_examples=6 * settings().max_examples)
@given(st.data())
def test_a_pattern_finds_in_a_version_what_it_finds_in_the_whole_text(data: st.DataObject) -> None:
    made = data.draw(patterns.made())
    assume(not danger.explosive(made.pattern))
    rule = Rule(
        id="acme-key", name="ACME key", why="it opens doors", provider="acme",
        secret_class="provider-api-key", severity="high", confidence="likely",
        pattern=made.pattern,
    )  # fmt: skip
    try:
        table, expressions = body.tabulate([rule])
        databases = prefilter.compile_database(ENGINE, expressions[:1])
    except (anchor.UnboundedPattern, ENGINE.error):
        assume(False)  # such a rule is refused
    scan = prefilter.HyperscanPrefilter(ENGINE, *databases).scan
    book = Book([rule], table[:1])
    matcher = Matcher(book, scan)
    texts = st.one_of(patterns.texts(made.texts), FILLER)
    old = b"".join(data.draw(st.lists(texts, max_size=8)))
    new, copies = data.draw(edits(old, texts))
    changed = versions.change(copies, len(old), len(new))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, "CONTEXT", 0)  # no judge reads what stands around
        hits = versions.hits(scan, book.span, new, changed, scan(old))
        if not list(matcher.matches(old)):
            hits = versions.concerned(book.table, hits, changed)
    assert list(matcher.matches(new, hits)) == list(matcher.matches(new))


def clean_pieces(scanner: Scanner, rules: list[Rule], rng: Random) -> list[bytes]:
    """Counter-examples and examples cut short, none of which is anything by itself."""
    made = []
    while len(made) < 16:
        rule = rng.choice(rules)
        text = expand(rng.choice(rule.examples + rule.negatives), rng, complete(rule)).encode()  # type: ignore[arg-type]
        cut = rng.randrange(len(text))
        part = rng.choice([text, text[:cut], text[cut:]])
        part += rng.choice([b"\n", b"\n" * 9, b" word" * 90 + b"\n", b"# no\n" * 300])
        if not scanner.look(Blob(Origin("commit", ""), part)):
            made.append(part)
    return made


@given(st.data())
def test_a_version_is_clean_just_when_the_whole_of_it_is(
    scanner: Scanner, rules: list[Rule], data: st.DataObject
) -> None:
    rng = Random(data.draw(st.integers(0, 1 << 32)))
    parts = clean_pieces(scanner, rules, rng)
    old = Blob(Origin("commit", ""), b"".join(parts) + b"# the end\n" * 120)
    known = scanner.version(old, [], None)
    assume(known.clean)
    for _ in range(12):
        inserts = st.sampled_from([b"", b"", *parts, rng.choice(parts)[: rng.randrange(20)]])
        text, copies = data.draw(edits(old.data, inserts))
        new = Blob(Origin("commit", ""), text)
        seen = scanner.version(new, copies, known)
        assert seen.clean == (not scanner.look(new))
        if seen.clean:
            old, known = new, seen
