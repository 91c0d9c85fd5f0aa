"""Fuzz targets: what is scanned may be anything at all."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from leakguard.blob import Blob, Origin
from leakguard.detect import generic
from leakguard.detect.checksum import CHECKSUMS, b64_bytes
from leakguard.detect.decode import ANCHORS, decode
from leakguard.detect.judge import inline_allowance, judge
from leakguard.detect.match import Match
from leakguard.detect.placeholder import stand_in
from leakguard.detect.plain import plain
from leakguard.detect.scanner import Scanner
from leakguard.detect.shape import Surroundings, word_pattern
from leakguard.rule import Companion, Rule

ODD = st.sampled_from([
    b"eyJ", b".", b"-----BEGIN RSA PRIVATE KEY-----", b"-----END RSA PRIVATE KEY-----", b"AAAA" * 9,
    b"%41%42", b"\\u0041", b"\\x41", b"c2V0dGluZ3MgZm9yIHRoZSBhcHAgYXJl", b"68656c6c6f20776f726c642068656c6c6f",
    b"=", b"==", b"\r\n", b"\n", b"\0", b"\xff", b"\xfe", b"password = ", b"leakguard:allow acme-key ", b"# ",
    b"1", b"AGE-SECRET-KEY-1", b"PuTTY-User-Key-File-2: x", b"\xf0\x9f\x94\x91", b"key", b" ", b'"',
])  # fmt: skip
data = st.one_of(st.binary(), st.lists(st.one_of(ODD, ODD, st.binary(max_size=9))).map(b"".join))

ACME = Rule("acme-key", "ACME key", "it opens doors", "acme", "provider-api-key", "high", "likely",
            pattern="(?s).{8}", companions=(Companion("acme-other", 3),), alone_severity="low")  # fmt: skip
OTHER = Rule("acme-other", "ACME other", "it opens doors", "acme", "generic", "low", "possible",
             pattern="x", supersedes=("acme-key",), checksum="", entropy=1.0)  # fmt: skip
GENERIC = Rule(
    "generic-x", "Anything", "it may open doors", "generic", "generic", "low", "likely", pattern="x"
)


@given(data)
def test_any_bytes_are_scanned(scanner: Scanner, data: bytes) -> None:
    for found in scanner.look(Blob(Origin("tree", "a.py"), data)):
        start, end = found.span
        assert 0 <= start < end <= max(len(data), 1)
        place = found.location
        assert place.start_line >= 1
        assert place.start_column >= 1
        assert (place.end_line, place.end_column) >= (place.start_line, place.start_column)


@given(data, st.data())
def test_any_run_is_decoded_or_not(data: bytes, draw: st.DataObject) -> None:
    for how, anchor in ANCHORS.items():
        for hit in re.finditer(f"(?=({anchor}))".encode(), data):
            text = decode(how, data, hit.end(1))
            if text is None:
                continue
            low, high = text.span
            assert 0 <= low < high <= len(data)
            start = draw.draw(st.integers(0, max(0, len(text.text) - 1)))
            end = draw.draw(st.integers(start + 1, len(text.text) + 1))
            first, last = text.source(start, end)
            assert low <= first < last
            assert last <= max(high, first + 1)
            assert [mark[0] for mark in text.marks] == sorted(mark[0] for mark in text.marks)


@given(data)
def test_any_value_is_checked(data: bytes) -> None:
    for name, checksum in CHECKSUMS.items():
        assert checksum.check(data) in (True, False), name
        if checksum.complete is not None:
            assert isinstance(checksum.complete(data), bytes)
    b64_bytes(data)
    stand_in(data)
    plain(data)
    if data:
        generic.dummy(data)
        place = generic.place_of(data, (0, len(data)), b"password", "a.py")
        generic.weigh(place, "a.py")


@st.composite
def matches(draw: st.DrawFn, text: bytes) -> Match:
    start = draw(st.integers(0, len(text) - 1))
    end = draw(st.integers(start + 1, len(text)))
    outer = (draw(st.integers(0, start)), draw(st.integers(end, len(text))))
    rule = draw(st.sampled_from([ACME, OTHER, GENERIC]))
    return Match(rule, text[start:end], (start, end), outer, draw(st.sampled_from([b"", b"token"])))


@given(data.filter(bool), st.data())
def test_any_matches_are_judged(text: bytes, draw: st.DataObject) -> None:
    found = draw.draw(st.lists(matches(text), max_size=8))
    blob = Blob(Origin("tree", "src/a.py"), text)
    candidates = judge(blob, text, (0, len(text)), found)
    spans = [one.span for one in candidates]
    assert spans == sorted(spans)
    assert len(candidates) <= len(found)
    for one in candidates:
        assert one.rule.id not in one.alternatives
        assert "\n" not in one.line_text
    told = {name for one in candidates for name in (one.rule.id, *one.alternatives)}
    assert told <= {one.rule.id for one in found}


@given(data, st.data())
def test_comments_around_anything_are_read(text: bytes, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(text)))
    end = draw.draw(st.integers(start, len(text)))
    allowed, remark = inline_allowance(text, (start, end), ("acme-key",))
    assert allowed is None or not remark


@given(data, st.sampled_from(["acme", "dd", "new acme"]), st.data())
def test_words_around_anything_are_read(text: bytes, word: str, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(text)))
    end = draw.draw(st.integers(start, len(text)))
    near = Surroundings(text, start, end)
    assert near.speaks_of(re.compile(word_pattern(word).encode())) in (True, False)
    assert near.credential(("key", "api key")) in ("", "key", "api key")
