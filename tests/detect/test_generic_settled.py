"""What says for sure that an assigned value is no secret, and that it says no more than that."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable

import pytest

from leakguard.detect.generic import place_of
from leakguard.detect.settled import settled

Fake = Callable[..., str]


def against(before: str, value: str, after: str, name: str, path: str = "src/app.py") -> str:
    """Why the value between two texts is none, "" if it may be one."""
    data = f"{before}{value}{after}".encode()
    start = len(before.encode())
    place = place_of(data, (start, start + len(value.encode())), name.encode(), path)
    found = settled(place, path)
    return found.detail if found else ""


def assigned(name: str, value: str) -> str:
    return against(f'{name} = "', value, '"\n', name)


@pytest.mark.parametrize(
    "name",
    ["page_token", "nextPageToken", "clientRequestToken", "change_token", "lock_token", "tokenId",
     "token_accessor", "cache_key", "pub_key", "Sec-WebSocket-Key", "keyid", "csrf_token"],
)  # fmt: skip
def test_names_of_what_opens_nothing_settle_it(name: str) -> None:
    assert "identifier" in assigned(name, secrets.token_hex(16))


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "secret_token",
        "push_key",
        "secret_id",
        "client_secret",
        "ddns_update_token",
        "handshake_secret",
    ],
)
def test_names_that_are_like_those_settle_nothing(name: str) -> None:
    assert assigned(name, secrets.token_hex(16)) == ""


@pytest.mark.parametrize(
    "name", ["exporter_secret", "clientTrafficSecret", "early_exporter_secret"]
)
def test_what_one_connection_agrees_on_is_no_secret_of_the_project(name: str) -> None:
    assert "one connection" in assigned(name, secrets.token_hex(32))


def test_the_version_of_a_service_is_no_credential_of_it() -> None:
    assert assigned("auth0", secrets.token_hex(20)) == "names a service"


def test_a_shared_secret_may_be_one() -> None:
    assert assigned("shared_secret", secrets.token_hex(16)) == ""


def test_the_type_of_a_resource_is_not_assigned_to_its_key(fake: Fake) -> None:
    value = "resource-schemas/access-key-" + secrets.token_hex(8)
    line = '"Cloud::Identity::AccessKey": "'
    assert against(line, value, '",\n', "AccessKey") == "names a kind of resource"
    assert against('"AccessKey": "', value, '",\n', "AccessKey") == ""


def test_an_enumeration_spells_its_own_names() -> None:
    assert assigned("KeyUsageTypeSignVerify", "SIGN_VERIFY") == "spells its name"
    assert assigned("SecretStateEnum", "PENDING_DELETION") != ""
    assert assigned("SESSION_TOKEN_PREFIX", secrets.token_urlsafe(12)) != ""


def test_a_constant_is_a_name_and_not_a_value() -> None:
    assert assigned("credentials", "SERVICE_ACCOUNT_ONLY") == "the name of a constant"
    chosen = "winter_garden".upper()
    assert assigned("password", chosen) == ""


def test_a_drawn_value_of_capitals_is_no_constant(fake: Fake) -> None:
    assert assigned("token", f"{fake('{{uppernum:12}}')}_{fake('{{uppernum:12}}')}") == ""


def test_a_field_of_an_object_is_not_the_value_before_it() -> None:
    assert against('"Password": {"', "shape", '":"DatabasePassword"}', "Password") != ""
    assert against('if password == "', "correct4horse", '":\n', "password") == ""


def test_identified_by_stands_in_sentences_too() -> None:
    name = "identified by"
    said = against('a problem identified by "', "jamesh77", '"\n', name, "NEWS")
    assert "sentence" in said
    assert (
        against("CREATE USER 'app'@'%' IDENTIFIED BY '", "kq7rtzb2", "';\n", "IDENTIFIED BY") == ""
    )


@pytest.mark.parametrize("password", ["password", "pass", "changeme", "app"])
def test_a_pair_that_is_encoded_is_as_real_as_its_password(password: str) -> None:
    value = base64.b64encode(f"app:{password}".encode()).decode()
    assert assigned("authorization", value) == "a stand-in, encoded"


def test_a_pair_with_a_drawn_password_is_left_to_the_scorer(fake: Fake) -> None:
    value = base64.b64encode(f"app:{fake('{{alnum:18}}')}".encode()).decode()
    assert assigned("authorization", value) == ""


def test_what_standards_print_is_known_by_its_digest() -> None:
    printed = base64.b32encode(b"Hello!" + bytes.fromhex("deadbeef")).decode()
    assert assigned("totp_secret", printed) == "printed in a standard or a manual"
    assert assigned("totp_secret", printed[::-1]) == ""


@pytest.mark.parametrize("recipe", ["{{alnum:40}}", "{{hex:40}}", "{{base64:43}}", "{{uuid}}"])
def test_no_row_settles_a_random_token(recipe: str, fake: Fake) -> None:
    assert assigned("api_token", fake(recipe)) == ""


def test_vectors_that_a_cipher_is_tried_with_are_no_keys_of_the_project() -> None:
    before = '{\n  "aad": "436f756e742d30",\n  "shared_secret": "'
    value, after = secrets.token_hex(32), '",\n  "ciphertext": ""\n}\n'
    assert "cipher" in against(before, value, after, "shared_secret", "testdata/hpke.json")
    assert "cipher" in against('"secret": "', value, '"', "secret", "tests/testvectors/kem.json")
    assert against(before, value, after, "shared_secret", "src/hpke.json") == ""
    assert against('"secret": "', value, '"', "secret", "tests/app.json") == ""
