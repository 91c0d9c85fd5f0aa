"""Offline proof: a completed fake passes, and a single wrong character does not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.detect.checksum import CHECKSUMS, PROVES, b64_bytes
from leakguard.recipe import expand
from leakguard.rule import Rule

from .builders import acme, scan

Fake = Callable[..., str]

TOKENS = {
    "github": ["acm_{{alnum:30}}{{checksum}}"],
    "gitlab-routable": [
        "acme-{{base64url:40}}.01.1{{lowernum:1}}{{checksum}}",
        "acme-t1_{{alnum:50}}.1a{{checksum}}",
    ],
    "crc32-hex-tail": ["acme{{alnum:24}}{{checksum}}"],
    "crc32-hex-body": ["acme_{{base64url:40}}{{checksum}}", "acme_{{alnum:32}}_{{checksum}}"],
    "crc32-base62-tail": ["acme_api_{{alnum:30}}{{checksum}}"],
    "crc32-base62-body": ["acme_{{alnum:50}}{{checksum}}"],
    "atlassian": ["ACME{{base64url:60}}={{checksum}}"],
    "bitbucket": ["ACME{{alnum:24}}{{checksum}}"],
    "grafana": ["acm_{{alnum:32}}_{{checksum}}"],
    "nkey": ["SUAC{{base32:50}}{{checksum}}"],
    "bech32-age": ["AGE-SECRET-KEY-1QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L{{checksum}}"],
}
"""A token of each checksum that can be computed."""

CASES = [(name, recipe) for name, recipes in TOKENS.items() for recipe in recipes]

COVERED = {"github": 4, "crc32-hex-body": 5, "crc32-base62-body": 5}
"""Where the checksum speaks only of what stands behind the prefix."""


def token(name: str, recipe: str, seed: int) -> bytes:
    return expand(recipe, Random(seed), CHECKSUMS[name].complete).encode()


def test_every_checksum_that_can_be_computed_is_tried_here() -> None:
    assert set(TOKENS) == {name for name, one in CHECKSUMS.items() if one.complete}


@pytest.mark.parametrize(("name", "recipe"), CASES)
@given(seed=st.integers(0, 1 << 32))
def test_a_completed_token_passes(name: str, recipe: str, seed: int) -> None:
    assert CHECKSUMS[name].check(token(name, recipe, seed))


@pytest.mark.parametrize(("name", "recipe"), CASES)
@given(seed=st.integers(0, 1 << 32), data=st.data())
def test_one_wrong_character_fails(name: str, recipe: str, seed: int, data: st.DataObject) -> None:
    good = token(name, recipe, seed)
    at = data.draw(st.integers(COVERED.get(name, 0), len(good) - 1))
    wrong = data.draw(st.sampled_from([byte for byte in b"aA0_z9Zq-=" if byte != good[at]]))
    changed = good[:at] + bytes([wrong]) + good[at + 1 :]
    if name in ("crc32-hex-body", "grafana", "atlassian") and len(changed.strip(b"_=")) != len(
        good.strip(b"_=")
    ):
        return  # the separator before the digits is not covered
    assert not CHECKSUMS[name].check(changed)


@pytest.mark.parametrize(("name", "recipe"), CASES)
def test_a_token_cut_short_fails(name: str, recipe: str) -> None:
    good = token(name, recipe, 1)
    for length in range(len(good)):
        assert not CHECKSUMS[name].check(good[:length])


def test_a_body_of_forty_may_end_with_an_underscore() -> None:
    check = CHECKSUMS["crc32-hex-body"]
    body = b"acme_" + b"a1B2" * 9 + b"C3d_"
    assert check.complete is not None
    assert check.complete(body) != check.complete(body[:-1])


def test_an_age_key_does_not_mix_cases() -> None:
    good = token("bech32-age", TOKENS["bech32-age"][0], 1)
    assert CHECKSUMS["bech32-age"].check(good.lower())
    assert not CHECKSUMS["bech32-age"].check(good[:-1] + good[-1:].lower())


@pytest.mark.parametrize("name", sorted(CHECKSUMS))
def test_nothing_at_all_fails(name: str) -> None:
    assert not CHECKSUMS[name].check(b"")


# -------------------------------------------------------------------------------------------- JWT


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


HEADER = part({"alg": "none"})
CLAIMS = part({"sub": "someone"})


def test_a_made_jwt_passes(fake: Fake) -> None:
    assert CHECKSUMS["jwt"].check(fake("{{jwt}}").encode())


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}.{CLAIMS}",
        f"{HEADER}.{CLAIMS}.",
        f"{HEADER}.{CLAIMS}.c2ln.more",
        f"{part({'typ': 'none'})}.{CLAIMS}.c2ln",
        f"{part({'alg': 1})}.{CLAIMS}.c2ln",
        f"{part(['alg'])}.{CLAIMS}.c2ln",
        f"{HEADER}.{part('words')}.c2ln",
        f"{HEADER}x!.{CLAIMS}.c2ln",
        f"{HEADER[:-5]}.{CLAIMS}.c2ln",
    ],
)
def test_what_only_looks_like_a_jwt_fails(text: str) -> None:
    assert not CHECKSUMS["jwt"].check(text.encode())


def test_an_encrypted_jwt_has_five_parts() -> None:
    assert CHECKSUMS["jwt"].check(f"{part({'alg': 'dir'})}..a.b.c".encode())


# ------------------------------------------------------------------------------- JSON in base64


def test_base64_of_a_json_object_passes_behind_a_prefix_and_before_more() -> None:
    inner = part({"key": "value", "number": 12})
    for text in (inner, f"acme_{inner}", f"acme_{inner}_tail", f"{inner}=="):
        assert CHECKSUMS["base64-json"].check(text.encode()), text


@pytest.mark.parametrize("value", [["a", "list"], "text", 12345678])
def test_base64_of_other_json_fails(value: object) -> None:
    assert not CHECKSUMS["base64-json"].check(part(value).encode())


def test_deep_json_is_no_json_object() -> None:
    deep = base64.b64encode(b'{"a":' * 4000).decode()
    assert not CHECKSUMS["base64-json"].check(deep.encode())


@pytest.mark.parametrize("text", ["YWJj", "YWI=", "YWI", " YW\nJj ", "-_-_"])
def test_base64_of_any_dress_decodes(text: str) -> None:
    plain = text.replace("-", "+").replace("_", "/").replace(" ", "").replace("\n", "").rstrip("=")
    assert b64_bytes(text.encode()) == base64.b64decode(plain + "=" * (-len(plain) % 4))


@pytest.mark.parametrize("text", ["a", "ab!c", "\xff\xfe"])
def test_other_text_does_not(text: str) -> None:
    assert b64_bytes(text.encode("latin-1")) is None


# ------------------------------------------------------------------------------------ private keys


def armour(body: bytes) -> bytes:
    """What stands around a private key, around something else."""
    return b"-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----" % body


LABELS = [
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "PGP PRIVATE KEY BLOCK",
]


@pytest.mark.parametrize("label", LABELS)
def test_a_key_in_armour_passes(label: str, fake: Fake) -> None:
    key = fake(f"{{{{pem:{label}}}}}").encode()
    assert CHECKSUMS["private-key"].check(key)
    assert CHECKSUMS["private-key"].check(key.replace(b"\n", b"\r\n"))
    assert CHECKSUMS["private-key"].check(key.replace(b"\n", b"\\n"))


@pytest.mark.parametrize("label", LABELS)
def test_a_key_whose_lines_are_missing_fails(label: str, fake: Fake) -> None:
    lines = fake(f"{{{{pem:{label}}}}}").encode().split(b"\n")
    assert not CHECKSUMS["private-key"].check(b"\n".join(lines[:1] + lines[-1:]))
    if "PGP" not in label and "OPENSSH" not in label:  # these do not say how long they are
        assert not CHECKSUMS["private-key"].check(b"\n".join(lines[:3] + lines[4:]))


def test_armour_around_words_fails() -> None:
    text = b"put the key of your server in here please"
    assert not CHECKSUMS["private-key"].check(armour(text))


def test_the_header_lines_of_a_key_are_no_part_of_its_body(fake: Fake) -> None:
    key = fake("{{pem:RSA PRIVATE KEY}}")
    first, rest = key.split("\n", 1)
    assert CHECKSUMS["private-key"].check(f"{first}\nComment: for the tests\n\n{rest}".encode())


@pytest.mark.parametrize("length", [30, 200, 40_000])
def test_a_length_in_one_two_or_more_octets_is_read(length: int) -> None:
    octets = (length.bit_length() + 7) // 8
    size = (
        bytes([length]) if length < 128 else bytes([0x80 | octets]) + length.to_bytes(octets, "big")
    )
    key = base64.b64encode(b"\x30" + size + b"\x02" * length)
    assert CHECKSUMS["private-key"].check(armour(key))
    assert not CHECKSUMS["private-key"].check(armour(key[:-4]))


# -------------------------------------------------------------------------------- what they do


def test_an_aws_key_id_names_an_account_of_twelve_digits() -> None:
    check = CHECKSUMS["aws-key-id"].check
    for account, possible in (
        (123_456_789_012, True),
        (999_999_999_999, True),
        (1_000_000_000_000, False),
    ):
        raw = (account << 7).to_bytes(6, "big") + b"\0\0\0\0"
        assert check(b"ACME" + base64.b32encode(raw)) == possible


def test_a_checksum_that_fits_confirms_and_one_that_does_not_only_warns(fake: Fake) -> None:
    rule = acme(pattern=r"\bacme_[0-9A-Za-z]{56}\b", checksum="crc32-base62-body")
    good = fake("acme_{{alnum:50}}{{checksum}}", rule)
    (found,) = scan(good, rule)
    assert found.confidence == "confirmed"
    assert found.evidence[1].term == "checksum"
    (doubted,) = scan(good[:-1] + ("0" if good[-1] != "0" else "1"), rule)
    assert doubted.confidence == "possible"
    assert "does not fit" in doubted.evidence[1].detail


def test_words_behind_a_prefix_are_no_token_in_a_new_form() -> None:
    rule = acme(pattern=r"\bacme_[0-9A-Za-z]{30}\b", checksum="crc32-base62-body")
    assert not scan("acme_thisTokenIsOnlyForTheTestSuite", rule)


def test_what_is_no_jwt_at_all_is_dropped(fake: Fake) -> None:
    rule = acme(pattern=r"\beyJ[\w.-]{60}\b", checksum="jwt")
    assert not scan(fake("eyJ{{alnum:60}}", rule), rule)


def test_every_proof_is_a_checksum_and_every_rule_names_one_we_have(rules: list[Rule]) -> None:
    assert set(CHECKSUMS) > PROVES
    assert {rule.checksum for rule in rules} - {""} <= set(CHECKSUMS)
