"""Secrets that stand encoded are found, and reported where their bytes stand."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from random import Random
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.blob import Blob, Origin
from leakguard.cli.rules_check import scanner
from leakguard.detect.decode import ANCHORS, decode
from leakguard.detect.match import MAX_DEPTH
from leakguard.detect.scanner import Scanner
from leakguard.finding import Candidate
from leakguard.recipe import expand

from .builders import TOKEN, acme, scan

Fake = Callable[..., str]

FILLER = "# settings for the app, see the manual\n"
LONG_FILLER = "".join(f"option_{number} = some value\n" for number in range(12))


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def b64_utf16(text: str) -> str:
    """As PowerShell's -EncodedCommand wants it."""
    return base64.b64encode(text.encode("utf-16-le")).decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "base64": b64,
    "base64-utf16": b64_utf16,
    "hex": lambda text: text.encode().hex(),
    "percent": percent,
    "unicode": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
}


def only(text: str | bytes) -> Candidate:
    """The one candidate in a text."""
    (found,) = scan(text)
    return found


@pytest.mark.parametrize("how", sorted(ENCODINGS))
def test_a_secret_in_every_encoding(how: str, fake: Fake) -> None:
    token = fake(TOKEN)
    found = only(f"one\ntwo: {ENCODINGS[how](FILLER + token)}\nthree\n")
    assert found.secret.reveal() == token.encode()
    assert found.decoded == (how,)
    assert found.location.start_line == found.location.end_line == 2
    assert f"in {how}" in found.evidence[0].detail


def test_every_decoder_is_tried_here() -> None:
    assert {*ENCODINGS, "json"} == set(ANCHORS)


@pytest.mark.parametrize("how", sorted(ENCODINGS))
def test_a_secret_that_is_all_there_is(how: str, fake: Fake) -> None:
    token = fake(TOKEN)
    assert only(ENCODINGS[how](token)).secret.reveal() == token.encode()


@pytest.mark.parametrize("spelling", ["\\x{:02x}", "\\u{:04x}", "\\u{:04X}", "\\U{:08x}"])
def test_the_escapes_of_programming_languages(spelling: str, fake: Fake) -> None:
    token = fake(TOKEN)
    text = "".join(spelling.format(ord(char)) for char in token)
    assert only(f'key = "{text}"').secret.reveal() == token.encode()


def test_one_escaped_character_is_enough(fake: Fake) -> None:
    token = fake(TOKEN)
    for text in (token.replace("_", "%5F"), token.replace("_", "\\u005f")):
        found = only(f"key={text}&more")
        assert found.secret.reveal() == token.encode()
        start, end = found.span
        assert f"key={text}&more"[start:end] == text


def test_slashes_that_json_escapes() -> None:
    rule = acme(pattern=r"\bacme/[a-z]{8}/[a-z]{8}\b", public_prefix="")
    text = '{"a": "\\u0061cme\\/qwelrtzu\\/mnbtvcxy"}'
    (found,) = scan(text, rule)
    assert found.secret.reveal() == b"acme/qwelrtzu/mnbtvcxy"


SLASHED = r"(?<![\w/])acme/(?P<secret>[0-9A-Za-z+/]{40})(?![\w/])"


def as_php_writes_it(text: str) -> str:
    return json.dumps({"key": text, "next": 1}).replace("/", "\\/")


@pytest.mark.parametrize(
    "recipe", ["{{hex:20}}/{{hex:19}}", "{{hex:9}}/{{hex:9}}/{{hex:9}}/{{hex:10}}"]
)
def test_a_value_with_slashes_is_found_in_its_true_form(recipe: str, fake: Fake) -> None:
    value = fake(recipe)
    rule = acme(pattern=SLASHED, public_prefix="")
    text = as_php_writes_it(f"acme/{value}")
    (found,) = scan(text, rule)
    assert found.secret.reveal() == value.encode()
    assert found.decoded == ("json",)
    start, end = found.span
    assert text[start:end].replace("\\/", "/") == value
    (plain,) = scan(f"acme/{value}", rule)
    assert plain.secret == found.secret  # so both are one finding


def test_an_address_with_a_password_in_json(scanner: Scanner, fake: Fake) -> None:
    password = fake("{{alnum:20}}")
    text = as_php_writes_it(f"postgres://app:{password}@db.acme.internal:5432/app")
    found = scanner.look(Blob(Origin("tree", "config.json"), text.encode()))
    assert [one.rule.id for one in found] == ["database-postgres-uri"]
    assert found[0].secret.reveal() == password.encode()


@pytest.mark.parametrize(
    "text",
    [
        '{"homepage": "https:\\/\\/acme.example\\/docs\\/start"}',
        '{"type": "application\\/json", "name": "acme\\/framework"}',
        "const path = /^\\/users\\/(\\d+)\\/?$/;",
    ],
)
def test_ordinary_escaped_slashes_call_for_no_decoder(text: str) -> None:
    from leakguard.detect.prefilter import PlainPrefilter

    assert PlainPrefilter([(0, ANCHORS["json"], False)]).scan(text.encode()) == []


def test_a_powershell_command_with_a_byte_order_mark(fake: Fake) -> None:
    token = fake(TOKEN)
    command = base64.b64encode(f"$token = '{token}'".encode("utf-16")).decode()
    text = f"powershell -NoProfile -EncodedCommand {command}\n"
    found = only(text)
    assert found.secret.reveal() == token.encode()
    assert found.decoded == ("base64-utf16",)
    assert text.index(command) < found.span[0] < found.span[1] <= len(text) - 1


def test_a_powershell_command_in_base64_in_json(fake: Fake) -> None:
    token = fake(TOKEN)
    text = json.dumps({"run": b64(f"{FILLER}powershell -enc {b64_utf16(FILLER + token)} -x")})
    assert only(text).secret.reveal() == token.encode()
    assert only(text).decoded == ("base64", "base64-utf16")


@pytest.mark.parametrize("alphabet", ["standard", "url-safe", "unpadded"])
def test_base64_of_either_alphabet_padded_or_not(alphabet: str, fake: Fake) -> None:
    for extra in ("", "?", "??", "???~~~"):
        raw = f"{FILLER}{fake(TOKEN)} {extra}".encode()
        text = base64.b64encode(raw) if alphabet == "standard" else base64.urlsafe_b64encode(raw)
        text = text.rstrip(b"=") if alphabet == "unpadded" else text
        assert len(scan(b"x: " + text)) == 1


# ------------------------------------------------------------------------------ wrapped in lines


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\\n"])
@pytest.mark.parametrize("indent", ["", "    ", "\t"])
@pytest.mark.parametrize("width", [64, 76])
def test_base64_wrapped_in_lines(newline: str, indent: str, width: int, fake: Fake) -> None:
    token = fake(TOKEN)
    joined = b64(LONG_FILLER + f"key = {token}\n" + LONG_FILLER)
    lines = [joined[at : at + width] for at in range(0, len(joined), width)]
    text = "data: |\n" + "".join(indent + line + newline for line in lines)
    found = only(text)
    assert found.secret.reveal() == token.encode()
    start, end = found.span
    shown = "".join(text[start:end].replace("\\n", "\n").split())
    assert token in base64.b64decode(shown).decode()
    assert len(shown) <= len(b64(token)) + 4
    assert found.location.start_line == text.count("\n", 0, start) + 1
    assert found.location.start_column == start - text.rfind("\n", 0, start)
    assert found.location.end_line == text.count("\n", 0, end) + 1


def test_a_secret_that_ends_with_its_line_ends_on_that_line(fake: Fake) -> None:
    token = fake(TOKEN)  # 42 bytes: with 15 in front it fills 76 characters of base64
    joined = b64("#" * 14 + " " + token + "\n" + LONG_FILLER)
    found = only("\n".join(joined[at : at + 76] for at in range(0, len(joined), 76)))
    assert (found.location.start_line, found.location.end_line) == (1, 1)
    assert found.location.end_column == 77


@given(st.integers(0, 200), st.integers(10, 40), st.integers(0, 9), st.integers(0, 1 << 32))
def test_any_place_and_any_width_lead_back_to_the_bytes(
    before: int, quarter: int, indent: int, seed: int
) -> None:
    token = expand(TOKEN, Random(seed))
    joined = b64("a" + "b c" * before + " " + token + "\n")
    width = 4 * quarter
    lines = [joined[at : at + width] for at in range(0, len(joined), width)]
    text = ("\n" + " " * indent).join(lines)
    found = CANDIDATES(Blob(Origin("tree", "f"), text.encode()))
    (start, end) = found[0].span
    assert token in base64.b64decode("".join(text[start:end].split())).decode()


CANDIDATES = scanner([acme()]).look


# ---------------------------------------------------------------------------------------- nested


def test_encodings_inside_each_other(fake: Fake) -> None:
    token = fake(TOKEN)
    text = f"x={quote(b64(b64(FILLER + token) + ' ' + FILLER), safe='')}&y=%20"
    found = only(text)
    assert found.secret.reveal() == token.encode()
    assert found.decoded[-2:] == ("base64", "base64")
    start, end = found.span
    assert 0 < start < end <= text.index("&")


def test_nesting_is_followed_to_a_depth(fake: Fake) -> None:
    token = fake(TOKEN)
    text = FILLER + token
    for _ in range(MAX_DEPTH):
        text = b64(text + "\n" + FILLER)
    assert only(text).decoded == ("base64",) * MAX_DEPTH
    assert scan(b64(text)) == []


def test_a_place_in_nested_encodings_leads_to_the_outermost_bytes(fake: Fake) -> None:
    token = fake(TOKEN)
    inner = b64(FILLER + token + "\n" + FILLER)
    text = f"a\nb: {b64(LONG_FILLER + inner + ' ' + LONG_FILLER)}\n"
    found = only(text)
    start, end = found.span
    around = base64.b64decode(text[start - (start - 5) % 4 : end]).decode()
    assert token[:20] not in text
    assert b64(token[3:9])[:4] not in text
    assert len(around) < 2 * len(token) + 8
    assert found.location.start_line == 2


# ------------------------------------------------------------------------------ what is not text


@pytest.mark.parametrize("how", ["base64", "hex"])
def test_binary_stays_undecoded(how: str, fake: Fake) -> None:
    raw = b"settings for the app" + bytes(400) + fake(TOKEN).encode()
    text = base64.b64encode(raw) if how == "base64" else raw.hex().encode()
    assert scan(text) == []
    assert decode(how, text, 24) is None


def test_a_hash_an_id_and_a_picture_do_not_call_for_a_decoder(rng: Random) -> None:
    from leakguard.detect.prefilter import PlainPrefilter

    anchors = PlainPrefilter([(0, ANCHORS["base64"], False), (1, ANCHORS["hex"], False)])
    noise = [base64.b64encode(rng.randbytes(200)) for _ in range(200)]
    noise += [rng.randbytes(32).hex().encode() for _ in range(200)]
    assert anchors.scan(b"\n".join(noise)) == []


def test_nothing_to_decode_is_nothing() -> None:
    assert decode("base64", b"short", 5) is None
    assert decode("hex", b"zz" * 20, 30) is None
    assert decode("percent", b"100% sure", 4) is None
    assert decode("unicode", b"plain text", 5) is None


# ------------------------------------------------------------------------------------- long ones


def test_a_run_of_megabytes_is_decoded_to_its_end(fake: Fake) -> None:
    token = fake(TOKEN)
    text = "data:text/plain;base64," + b64("lorem ipsum, " * 450_000 + token)
    assert len(text) > 7 * 1024 * 1024
    assert only(text).secret.reveal() == token.encode()


def test_a_long_escaped_text_is_decoded_piece_by_piece(fake: Fake) -> None:
    tokens = [fake(TOKEN).replace("_", "%5F") for _ in range(40)]
    text = "&".join(f"a={'x' * 700}%20{token}" for token in tokens)
    assert [one.secret.reveal().decode() for one in scan(text)] == [
        unquote_to_bytes(token).decode() for token in tokens
    ]
    escaped = json.dumps(text).replace("%5F", "\\u005f")
    assert len(scan(escaped)) == len(tokens)


@pytest.mark.parametrize(
    "unit",
    [
        b"%41\1\1\1",
        b"\\x41\1\1\1",
        base64.b64encode(b"hello world, ascii" + bytes(39)) + b"\n",
        b"%25" * 20 + b"41",
        base64.b64encode("hello".encode("utf-16-le") + bytes(range(128, 158))) + b"\n",
        b"a1b\\/abcdef\\/",
    ],
)
def test_hostile_runs_take_time_in_proportion_to_their_size(unit: bytes) -> None:
    def seconds(size: int) -> float:
        blob = Blob(Origin("tree", "f"), unit * (size // len(unit)))
        began = time.process_time()
        CANDIDATES(blob)
        return time.process_time() - began

    seconds(1000)
    assert seconds(200_000) < 60 * max(seconds(20_000), 0.005)
