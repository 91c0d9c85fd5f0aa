"""What a script says is kept without values, and public halves stay what they are."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from leakguard.rotate.redact import Redactor
from leakguard.secret import Secret


def test_a_value_is_starred_out_in_every_dress() -> None:
    value = secrets.token_urlsafe(24) + "/+="
    redactor = Redactor([Secret(value.encode())])
    for dress in (value, quote(value, safe=""), base64.b64encode(value.encode()).decode()):
        assert dress not in redactor.value_free(f"said {dress} here")


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen here")
def test_a_public_key_is_no_part_of_the_private_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    private, public = path.read_text(), path.with_suffix(".pub").read_text()
    redactor = Redactor([Secret(private.encode())])
    assert redactor.value_free(public) == public
    for line in private.splitlines()[1:-1]:
        assert line not in redactor.value_free(private)
        assert line not in redactor.value_free(f"ssh-ed25519 {line}")


def test_the_public_half_in_a_record_of_the_dns_is_no_part_of_the_private_one() -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
    redactor = Redactor([Secret(pem)])
    assert redactor.value_free(record) == record
    halves = f'"{record[:255]}" "{record[255:]}"'
    assert redactor.value_free(halves) == halves
    for line in pem.decode().splitlines()[8:-1]:  # past the modulus
        assert (line in redactor.value_free(f"p={line}")) is False


def test_the_ids_in_a_key_file_of_google_are_told_and_its_key_is_not() -> None:
    value, number = secrets.token_urlsafe(600), secrets.token_hex(20)
    account = "nightly-report-writer@reports-of-acme.iam.gserviceaccount.com"
    file = json.dumps({
        "type": "service_account", "project_id": "reports-of-acme", "private_key_id": number,
        "private_key": value, "client_email": account,
    })  # fmt: skip
    redactor = Redactor([Secret(file.encode())])
    name = f"projects/reports-of-acme/serviceAccounts/{account}/keys/{number}"
    for text in (number, account, name, json.dumps({"id": number, "of": account})):
        assert redactor.value_free(text) == text
    for text in (file, value, value[100:160], f"key {value[200:]}"):
        assert redactor.value_free(text) != text
    assert (value[40:80] in redactor.value_free(file)) is False


def key_id() -> str:
    """Shaped like the id of an AWS access key, made here."""
    return (
        "AK" + "IA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))
    )


def test_the_id_of_a_key_is_told_when_the_plan_names_it_and_only_then() -> None:
    named, other, value = key_id(), key_id(), secrets.token_urlsafe(30)
    redactor = Redactor([Secret(value.encode())])
    clean = redactor.cleaner([named])
    text = f"{named} is Inactive; not {other}"
    assert clean(text).startswith(f"{named} is Inactive; not ")
    assert (other in clean(text)) is False
    assert (named in redactor.clean(text)) is False


def test_a_value_of_a_slot_or_half_of_one_is_no_name_whoever_calls_it_so() -> None:
    value = secrets.token_urlsafe(30)
    redactor = Redactor([Secret(value.encode())])
    for name in (value, value[: len(value) // 2], value[::-1]):
        clean = redactor.cleaner([name])
        assert (name in clean(f"made {name} just now")) is False


@pytest.mark.parametrize("cut", [8, 11, 20])
def test_a_part_of_a_value_is_starred_out_of_words_for_people(cut: int) -> None:
    value = secrets.token_urlsafe(30)
    redactor = Redactor([Secret(value.encode())])
    for part in (value[:cut], value[-cut:], value[5 : 5 + cut], value[::-1][:cut]):
        assert (part in redactor.clean(f"it begins with {part}")) is False
