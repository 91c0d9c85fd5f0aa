"""Known values are found in every dress, wherever they stand, cut or wrapped."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.detect import prefilter
from leakguard.detect.known import SHORTEST, Known
from leakguard.secret import Secret

ODD = 'pa ss/w\u00f6rd+"q\\{{alnum:20}}'
"""Characters that every form writes in its own way."""


def known(*values: bytes, engine: object = ...) -> Known:
    found = Known(prefilter.extension() if engine is ... else engine)
    for value in values:
        found.add(Secret(value))
    return found


def starred(value: bytes, text: bytes) -> bytes:
    """The text without what was found."""
    left = bytearray(text)
    for start, stop in known(value).spans(text):
        left[start:stop] = b"*" * (stop - start)
    return bytes(left).replace(b"*", b"")


FORMS: dict[str, Callable[[str], bytes]] = {
    "as it stands": str.encode,
    "hex": lambda value: value.encode().hex().encode(),
    "HEX": lambda value: value.encode().hex().upper().encode(),
    "url": lambda value: quote(value, safe="").encode(),
    "url with small digits": lambda value: (
        quote(value, safe="").lower().encode()
        if value.islower()
        else quote(value, safe="").encode()
    ),
    "path": lambda value: quote(value).encode(),
    "form": lambda value: quote_plus(value).encode(),
    "javascript": lambda value: quote(value, safe="!'()*").encode(),
    "json": lambda value: json.dumps(value)[1:-1].encode(),
    "json, letters as they are": lambda value: json.dumps(value, ensure_ascii=False)[1:-1].encode(),
    "json of php": lambda value: json.dumps(value)[1:-1].replace("/", "\\/").encode(),
    "json in json": lambda value: json.dumps(json.dumps(value)[1:-1])[1:-1].encode(),
}


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_is_found(form: str, fake: Callable[..., str]) -> None:
    value = fake(ODD)
    assert starred(value.encode(), b"see <" + FORMS[form](value) + b"> there") == b"see <> there"


@pytest.mark.parametrize("before", [b"", b"u", b"us", b"use", b"user:"])
@pytest.mark.parametrize("after", [b"", b"\n", b"!!", b"and more"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_of_a_text_around_it(
    before: bytes, after: bytes, encode: Callable[[bytes], bytes], fake: Callable[..., str]
) -> None:
    value = fake("{{password:19}}").encode()
    text = encode(before + value + after)
    left = starred(value, b"v=" + text)
    assert len(left) <= 2 + len(encode(before)) + len(encode(after))


@pytest.mark.parametrize("width", [40, 64, 76, 100])
def test_a_long_value_wrapped_at_a_width(width: int, fake: Callable[..., str]) -> None:
    value = fake("{{alnum:200}}")
    lines = [value[at : at + width] for at in range(0, 200, width)]
    assert starred(value.encode(), "\n".join(lines).encode()).strip() == b""


def test_a_long_value_that_is_cut(fake: Callable[..., str]) -> None:
    value = fake("{{alnum:200}}").encode()
    assert starred(value, b"..." + value[30:120] + b"...") == b"......"


def test_each_line_of_a_value(fake: Callable[..., str]) -> None:
    one, two = fake("{{alnum:20}}"), fake("{{alnum:20}}")
    assert starred(f"{one}\n{two}\n".encode(), f"> {two} <".encode()) == b">  <"


def test_a_very_short_value_is_refused(fake: Callable[..., str]) -> None:
    assert not Known(None).add(Secret(b"x" * (SHORTEST - 1)))
    assert Known(None).add(Secret(b"xyzt"))


def test_nothing_known_finds_nothing() -> None:
    assert known().spans(b"anything") == []


def test_the_slow_way_finds_the_same(fake: Callable[..., str]) -> None:
    value = fake(ODD).encode()
    text = b" ".join(form(value.decode()) for form in FORMS.values())
    assert sorted(set(known(value, engine=None).spans(text))) == sorted(
        set(known(value).spans(text))
    )


@given(st.binary(min_size=4, max_size=120), st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_are_found_anywhere(value: bytes, before: bytes, after: bytes) -> None:
    text = before + value + after
    covered = {at for start, stop in known(value).spans(text) for at in range(start, stop)}
    assert covered >= set(range(len(before), len(before) + len(value)))


def test_how_much_of_a_tail_may_be_its_beginning(fake: Callable[..., str]) -> None:
    value = fake("{{alnum:30}}").encode()
    assert known(value).begun(b"text " + value[:12]) == 12
    assert known(value).begun(b"text " + value) == 0
    assert known(value).begun(b"text ") == 0
