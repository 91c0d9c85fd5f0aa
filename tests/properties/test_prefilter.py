"""The prefilter never changes a result: it only says where not to look."""

from __future__ import annotations

import re
from random import Random

from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from leakguard.blob import Blob, Origin
from leakguard.cli.rules_check import complete
from leakguard.detect import anchor, danger, openings, prefilter, shape
from leakguard.detect.match import Book, Matcher
from leakguard.detect.scanner import Scanner
from leakguard.detect.window import after_escape
from leakguard.finding import Candidate
from leakguard.load import body
from leakguard.recipe import expand
from leakguard.rule import Rule

from . import patterns

Hit = tuple[str, tuple[int, int]]

ENGINE = prefilter.extension()


def acme(**fields: object) -> Rule:
    """A rule of nobody's."""
    given = {
        "id": "acme-key", "name": "ACME key", "why": "it opens doors", "provider": "acme",
        "secret_class": "provider-api-key", "severity": "high", "confidence": "likely",
    }  # fmt: skip
    return Rule(**given | fields)  # type: ignore[arg-type]


def prefilters(
    expressions: list[prefilter.Expression],
) -> list[prefilter.HyperscanPrefilter | prefilter.PlainPrefilter]:
    """Both kinds, for the same anchors."""
    databases = prefilter.compile_database(ENGINE, expressions)
    return [
        prefilter.HyperscanPrefilter(ENGINE, *databases),
        prefilter.PlainPrefilter(expressions),
    ]


# ------------------------------------------------------------------- patterns that nobody wrote


@settings(max_examples=6 * settings().max_examples)
@given(st.data())
def test_windows_give_exactly_what_the_pattern_gives_on_the_whole_text(data: st.DataObject) -> None:
    made = data.draw(patterns.made())
    assume(not danger.explosive(made.pattern))  # as when a rule file is read
    rule = acme(pattern=made.pattern)
    try:
        table, expressions = body.tabulate([rule])
    except anchor.UnboundedPattern:
        assume(False)  # nothing in it is certain to appear: such a rule is refused
    text = data.draw(patterns.texts(made.texts))
    note(f"{table[0]} {expressions[0]}")
    exact = re.compile(after_escape(made.pattern).encode())
    expected = [match.span() for match in exact.finditer(text) if match.group()]
    book = Book([rule], table[:1])  # the decoders left out: they cost time, and find nothing here
    try:
        engines = prefilters([one for one in expressions if not one[0]])
    except ENGINE.error as refusal:  # such a rule is refused when it is loaded
        told = str(refusal)
        engines = []
    if not engines:
        assert "never match" in told
        assert not expected
    for engine in engines:
        seen = [match.outer for match in Matcher(book, engine.scan).matches(text)]
        assert seen == expected, type(engine).__name__


@settings(max_examples=2 * settings().max_examples)
@given(
    st.sampled_from(
        ["hex:8", "hex:20", "alnum:6-9", "alnum:16-20", "base64:24", "uuid", "/[a-c]{3}-[0-9]{4}/"]
    ),
    st.sampled_from(["acme", "dd", "new acme", "pat", "acmecorp"]),
    st.booleans(),
    st.data(),
)
def test_values_near_a_word_are_the_ones_found_by_looking_at_every_value(
    form: str, word: str, keyed: bool, data: st.DataObject
) -> None:
    made_of = openings.made_of(shape.pattern(form))
    rule = acme(value=form, made_of=made_of, words=(word,), keys=("key",) if keyed else ())
    recipe = "{{uuid}}" if form == "uuid" else f"{{{{{form}}}}}"
    if form.startswith("/"):
        recipe = "{{hex:3}}-{{digits:4}}"
    rng = Random(data.draw(st.integers(0, 1 << 32)))
    spelt = [word, word.upper(), word.title().replace(" ", ""), word.replace(" ", "_")]
    parts = st.sampled_from(
        [*spelt, *(f"{name}_key" for name in spelt), *(f"{name}Token=" for name in spelt), "VALUE",
         "VALUE", "key = ", "\n", "\n\n", " ", '"', "add", "_", "x" * 150, "=" * 400, "-"]
    )  # fmt: skip
    drawn = data.draw(st.lists(parts, min_size=2, max_size=16))
    text = "".join(expand(recipe, rng) if part == "VALUE" else part for part in drawn).encode()
    table, expressions = body.tabulate([rule])
    expected = sorted(by_looking_everywhere([rule], text))
    for engine in prefilters(expressions):
        assert sorted(by_windows(Matcher(Book([rule], table), engine.scan), text)) == expected


# ------------------------------------------------------------------------------ the bundled rules


def by_windows(matcher: Matcher, text: bytes) -> set[Hit]:
    """What the matcher finds in the text itself, encodings left out."""
    return {
        (match.rule.id, match.outer)
        for match in matcher.matches(text)
        if not match.decoded or (match.rule.each and match.decoded == (match.rule.decode,))
    }


def by_looking_everywhere(rules: list[Rule], text: bytes) -> set[Hit]:
    """What every rule finds when its exact pattern runs over everything."""
    found: set[Hit] = set()
    for rule in rules:
        if rule.pattern:
            exact = re.compile(after_escape(rule.pattern).encode())
            framed = list(exact.finditer(text))
            if rule.each:  # each value of each block
                each = re.compile(rule.each.encode())
                framed = [
                    one for block in framed for one in each.finditer(text, *block.span("secret"))
                ]
            found |= {(rule.id, match.span()) for match in framed}
            continue
        if rule.finder:
            continue  # code looks at every file of its form
        spelt = {word: re.compile(shape.word_pattern(word).encode()) for word in rule.words}
        for match in re.finditer(shape.pattern(rule.value).encode(), text):
            near = shape.Surroundings(text, *match.span("secret"))
            if any(near.tells(spelt[word], word, rule.keys) for word in spelt):
                found.add((rule.id, match.span("secret")))
    return found


def examples_of(rule: Rule, rng: Random) -> list[bytes]:
    """Every example and every counter-example, expanded."""
    recipes = rule.examples + rule.negatives
    return [expand(recipe, rng, complete(rule)).encode() for recipe in recipes]  # type: ignore[arg-type]


def hard_text(rule: Rule, rng: Random) -> bytes:
    """Examples whole, cut short, repeated, overlapping, glued together and at both edges."""
    parts = [rng.choice(examples_of(rule, rng))]
    for text in examples_of(rule, rng):
        cut = rng.randrange(len(text))
        parts += [
            text, b"\n", text[:cut], b" ", text[cut:], text, text[: rng.randrange(12)], text,
            rng.randbytes(20), b"\\n", text, b"\n" * rng.randrange(3), text[-8:], b"_",
        ]  # fmt: skip
    return b"".join([*parts, rng.choice(examples_of(rule, rng))])


def matcher_of(scanner: Scanner) -> Matcher:
    return scanner._matcher


def test_every_bundled_rule_finds_the_same_with_and_without_the_prefilter(
    scanner: Scanner, rules: list[Rule], rng: Random
) -> None:
    for rule in rules:
        text = hard_text(rule, rng)
        seen = {hit for hit in by_windows(matcher_of(scanner), text) if hit[0] == rule.id}
        assert seen == by_looking_everywhere([rule], text), rule.id


def test_no_bundled_rule_misses_what_stands_in_the_examples_of_another(
    scanner: Scanner, rules: list[Rule], rng: Random
) -> None:
    text = b"\n".join(rng.choice(examples_of(rule, rng)) for rule in rules)
    assert by_windows(matcher_of(scanner), text) == by_looking_everywhere(rules, text)


def seen(found: list[Candidate]) -> list[tuple[object, ...]]:
    """All that tells one candidate from another."""
    return [
        (one.rule.id, one.span, one.confidence, one.decoded, one.alternatives, one.secret)
        for one in found
    ]


def test_without_hyperscan_the_findings_are_the_same(
    scanner: Scanner, rules: list[Rule], rng: Random
) -> None:
    text = b"\n".join(text for rule in rules for text in examples_of(rule, rng))
    table, expressions = body.tabulate(rules)
    slow = Scanner(Book(rules, table), prefilter.PlainPrefilter(expressions).scan)
    blob = Blob(Origin("tree", "settings.py"), text)
    assert seen(slow.look(blob)) == seen(scanner.look(blob))


@given(st.data())
def test_a_text_in_overlapping_pieces_gives_what_the_whole_gives(
    scanner: Scanner, rules: list[Rule], data: st.DataObject
) -> None:
    rng = Random(data.draw(st.integers(0, 1 << 32)))
    short = [rule for rule in rules if rule.pattern and not rule.companions and not rule.generic]
    chosen = [rng.choice(short) for _ in range(6)]
    lines = [text for rule in chosen for text in examples_of(rule, rng) if b"\n" not in text]
    text = b"\n".join(lines)
    cut = data.draw(st.integers(0, len(text)))
    overlap = 4000
    low = max(0, cut - overlap)
    begun = text[:low].count(b"\n") + 1
    column = len(text[:low].rpartition(b"\n")[2].decode())
    origin = Origin("tree", "settings.py")
    pieces = [
        Blob(origin, text[: cut + overlap], own=(0, cut)),
        Blob(origin, text[low:], line=begun, column=column, own=(cut - low, len(text) + 1)),
    ]
    apart = [candidate.location for piece in pieces for candidate in scanner.look(piece)]
    assert apart == [candidate.location for candidate in scanner.look(Blob(origin, text))]
