"""What a leaked container may say of itself, and that it says nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import secrets
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakguard.respond.decode import (
    HIDDEN,
    MAX_BYTES,
    MAX_UNPACKED,
    READERS,
    VSYNC_PREFIX,
    Decoded,
    Undecodable,
    decode,
    recognise,
)
from leakguard.secret import Secret


def packed(found: Any, prefix: bytes = VSYNC_PREFIX) -> Secret:
    text = found if isinstance(found, bytes) else json.dumps(found).encode()
    return Secret(prefix + base64.b64encode(gzip.compress(text)))


def config(**more: Any) -> dict[str, Any]:
    return {
        "endpoint": "https://s3.example.com:9000",
        "region": "eu-central-1",
        "bucket": "acme-vault",
        "prefix": "infra/vault/prod/",
        "env": "prod",
        "repo": "acme/infra",
        "accessKeyId": "AKIA" + secrets.token_hex(8).upper(),
        "secretAccessKey": secrets.token_urlsafe(30),
        **more,
    }


def told(found: Decoded) -> str:
    return "\n".join([*found.lines(), repr(found)])


def said(secret: Secret, kind: str = "") -> str:
    """Everything that a person reads of it, be it decoded or refused."""
    try:
        return told(decode(secret, kind))
    except Undecodable as error:
        return f"{error} {error.hints}"


# The configuration of vsync: V-22, V-23, V-40, G-35, D-12


def test_v23_a_configuration_says_what_it_opens() -> None:
    found = decode(packed(config()), "vsync-config")
    fields = dict(found.fields)
    assert fields.pop("key id") == "AKIA*****"
    assert fields == {
        "repo": "acme/infra",
        "env": "prod",
        "endpoint": "https://s3.example.com:9000",
        "region": "eu-central-1",
        "bucket": "acme-vault",
        "prefix": "infra/vault/prod/",
    }


def test_v40_it_never_says_the_secret_nor_any_field_that_is_not_listed() -> None:
    given = config(sessionToken=secrets.token_urlsafe(40), nested={"key": secrets.token_hex(20)})
    text = told(decode(packed(given)))
    for value in (given["secretAccessKey"], given["sessionToken"], given["nested"]["key"]):
        assert value not in text
    assert given["accessKeyId"] not in text
    assert "secretAccessKey" not in text


@pytest.mark.parametrize("field", ["env", "endpoint", "region", "bucket", "prefix", "repo"])
def test_v40_a_secret_that_stands_in_a_public_field_as_well_is_not_shown(field: str) -> None:
    value = secrets.token_hex(12)
    given = config(secretAccessKey=value, **{field: f"x{value}"})
    found = decode(packed(given))
    assert value not in told(found)
    assert dict(found.fields)[field] == HIDDEN


@pytest.mark.parametrize(
    "endpoint",
    ["https://user:{}@s3.example.com", "https://s3.example.com/?token={}", "{}\n\x1b[2J", ["{}"]],
)
def test_a_field_that_does_not_look_like_one_is_not_shown(endpoint: Any) -> None:
    value = secrets.token_hex(12)
    filled = [value] if isinstance(endpoint, list) else endpoint.format(value)
    found = decode(packed(config(endpoint=filled)))
    assert value not in told(found)
    assert dict(found.fields)["endpoint"] == HIDDEN


def test_v22_another_secret_is_not_taken_for_a_configuration() -> None:
    other = Secret(secrets.token_urlsafe(40).encode())
    with pytest.raises(Undecodable, match="this is not a vsync configuration") as caught:
        decode(other, "vsync-config")
    assert other.reveal().decode() not in f"{caught.value}{caught.value.hints}"
    with pytest.raises(Undecodable, match="not any form that we can read"):
        decode(other)


def test_spaces_and_line_ends_around_and_within_do_not_matter() -> None:
    raw = packed(config()).reveal()
    body = raw[len(VSYNC_PREFIX) :]
    wrapped = VSYNC_PREFIX + b"\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    for one in (b"  " + raw + b"\r\n", wrapped, raw.rstrip(b"=")):
        assert dict(decode(Secret(one)).fields)["bucket"] == "acme-vault"


BOMB = gzip.compress(b" " * (MAX_UNPACKED * 40) + b"{}")
BROKEN = {
    "bomb": (VSYNC_PREFIX + base64.b64encode(BOMB), "unpacks to more than 256 KiB"),
    "too large": (VSYNC_PREFIX + b"A" * MAX_BYTES, "larger than 64 KiB"),
    "deep": (packed(b"[" * 5000 + b"]" * 5000).reveal(), "nested more than"),
    "deep object": (packed(b'{"a":' * 40 + b"1" + b"}" * 40).reveal(), "nested more than"),
    "no base64": (VSYNC_PREFIX + b"!!!!", "not whole base64"),
    "no gzip": (VSYNC_PREFIX + base64.b64encode(b"plain"), "not gzip inside"),
    "cut short": (packed(config()).reveal()[:-20], "not one whole gzip stream|not whole base64"),
    "two streams": (
        VSYNC_PREFIX + base64.b64encode(gzip.compress(b"{}") * 2), "not one whole gzip stream"
    ),
    "no JSON": (packed(b"hello").reveal(), "not whole JSON"),
    "no UTF-8": (packed(b'{"env": "\xff"}').reveal(), "not whole JSON"),
    "no object": (packed(b"[]").reveal(), "no object"),
    "not a number": (packed(b'{"env": NaN}').reveal(), "not whole JSON"),
    "huge number": (packed(b'{"env": ' + b"9" * 5000 + b"}").reveal(), "not whole JSON"),
    "empty": (VSYNC_PREFIX, "not gzip inside|not one whole gzip stream"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_g35_what_is_broken_or_hostile_is_refused_without_being_quoted(name: str) -> None:
    raw, message = BROKEN[name]
    with pytest.raises(Undecodable, match=message) as caught:
        decode(Secret(raw), "vsync-config")
    quoted = f"{caught.value} {caught.value.hints}"
    assert len(quoted) < 200
    body = raw[len(VSYNC_PREFIX) :][:12].decode("latin-1")
    assert not body or body not in quoted
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


# Other containers


def test_a_service_account_key_says_project_account_and_key_id() -> None:
    key = secrets.token_urlsafe(60)
    number = secrets.token_hex(20)
    given = {
        "type": "service_account",
        "project_id": "acme-prod",
        "private_key_id": number,
        "private_key": key,
        "client_email": "ci@acme-prod.iam.gserviceaccount.example",
        "token_uri": "https://oauth2.example.com/token",
    }
    found = decode(Secret(json.dumps(given).encode()))
    assert found.kind == "google-service-account"
    assert dict(found.fields) == {
        "type": "service_account",
        "project_id": "acme-prod",
        "client_email": "ci@acme-prod.iam.gserviceaccount.example",
        "private_key_id": number,
    }
    assert key not in told(found)


def test_a_docker_configuration_says_its_registries_and_nobodys_name() -> None:
    token = secrets.token_hex(16)
    login = base64.b64encode(f"{token}:".encode()).decode()
    given = {"auths": {"registry.example.com": {"auth": login, "username": token}},
             "credsStore": "desktop"}  # fmt: skip
    found = decode(Secret(json.dumps(given).encode()))
    assert found.fields == (("registry", "registry.example.com"), ("credsStore", "desktop"))
    assert token not in told(found)
    assert login not in told(found)


def test_a_kubernetes_secret_says_the_names_of_its_keys() -> None:
    value = base64.b64encode(secrets.token_bytes(20)).decode()
    given = {
        "kind": "Secret", "type": "Opaque", "metadata": {"name": "billing", "namespace": "prod"},
        "data": {"DB_PASSWORD": value}, "stringData": {f"k{n}": value for n in range(30)},
    }  # fmt: skip
    found = decode(Secret(json.dumps(given).encode()))
    assert found.fields[:4] == (
        ("name", "billing"), ("namespace", "prod"), ("type", "Opaque"), ("key", "DB_PASSWORD"),
    )  # fmt: skip
    assert found.fields[-1] == ("more keys", "11")
    assert value not in told(found)


def _part(found: Any) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(found).encode()).rstrip(b"=")


def test_a_token_says_its_claims_and_not_its_signature() -> None:
    signature = secrets.token_urlsafe(40)
    claims = {"iss": "https://id.example.com/", "sub": "svc|billing", "exp": 1795258140,
              "email": "ada@example.com"}  # fmt: skip
    raw = _part({"alg": "RS256", "kid": "k1"}) + b"." + _part(claims) + b"." + signature.encode()
    found = decode(Secret(raw))
    assert dict(found.fields) == {
        "alg": "RS256", "kid": "k1", "iss": "https://id.example.com/", "sub": "svc|billing",
        "exp": "1795258140",
    }  # fmt: skip
    assert signature not in told(found)
    assert "ada@" not in told(found)


def _key_id(account: int, *, new: bool = True, kind: str = "AKIA") -> Secret:
    """A key id as issuers make them: a bit, the account in 40 bits, 39 random bits."""
    bits = (int(new) << 79) | (account << 39) | secrets.randbits(39)
    return Secret(kind.encode() + base64.b32encode(bits.to_bytes(10, "big")))


@given(st.integers(0, 999_999_999_999), st.sampled_from(["AKIA", "ASIA"]))
def test_a_key_id_says_its_account(account: int, kind: str) -> None:
    found = decode(_key_id(account, kind=kind))
    assert dict(found.fields)["account"] == f"{account:012d}"
    assert ("temporary" in dict(found.fields)["kind"]) == (kind == "ASIA")


def test_a_key_id_of_old_does_not_say_its_account() -> None:
    assert "as old as this" in dict(decode(_key_id(42, new=False)).fields)["account"]


def test_published_examples_of_key_ids_give_the_published_accounts() -> None:
    for parts, account in (
        (("ASIA", "Y34FZKBOKMUT", "VV7A"), "609629065308"),
        (("ASIA", "QNZGKIQY56JQ", "7WML"), "029608264753"),
    ):
        assert dict(decode(Secret("".join(parts).encode())).fields)["account"] == account


# All of them


@pytest.mark.parametrize("kind", READERS)
def test_every_form_refuses_what_it_is_not(kind: str) -> None:
    value = secrets.token_hex(20)
    with pytest.raises(Undecodable) as caught:
        decode(Secret(value.encode()), kind)
    assert value not in f"{caught.value}{caught.value.hints}"


def test_a_form_that_nobody_knows_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(Undecodable, match="no form 'pgp' is known") as caught:
        decode(Secret(b"x"), "pgp")
    assert "vsync-config" in caught.value.hints[0]


def test_what_is_too_large_is_not_even_looked_at() -> None:
    assert recognise(Secret(VSYNC_PREFIX + b"A" * MAX_BYTES)) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.sampled_from(sorted(READERS)), JSON, st.binary(max_size=60))
def test_no_input_crashes_a_reader(kind: str, found: Any, raw: bytes) -> None:
    text = json.dumps(found).encode()
    shells = (
        raw, text, packed(text).reveal(), VSYNC_PREFIX + raw,
        b"eyJ" + raw + b"." + raw + b".", _part(found) + b"." + _part(found) + b".x",
    )  # fmt: skip
    for one in shells:
        assert said(Secret(one), kind)


@settings(deadline=None)
@given(st.sampled_from(["data", "private_key", "auths", "secretAccessKey", "deep"]), JSON)
def test_a_canary_in_a_field_that_is_not_told_never_comes_out(field: str, rest: Any) -> None:
    canary = f"canary{secrets.token_hex(8)}"
    inner = {"a": canary, "b": [canary, {"c": canary}]}
    for shell in (
        {"kind": "Secret", "metadata": {"name": "x"}, "data": {"a": canary}},
        {"auths": {"r.example.com": inner}, "x": rest},
        {"private_key": canary, "client_email": "a@example.com", "project_id": canary},
        {field: inner, "env": "prod", "rest": rest},
    ):
        raw = json.dumps(shell).encode()
        for one in (Secret(raw), packed(raw)):
            assert canary not in said(one)
