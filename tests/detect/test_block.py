"""Several values in one block: each is found, and an encoded one is its plain self."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date
from itertools import pairwise

import pytest

from leakguard.blob import Blob, Origin
from leakguard.detect.group import Grouper
from leakguard.detect.scanner import Scanner
from leakguard.errors import ConfigError
from leakguard.finding import Candidate
from leakguard.load.rules import read_file

from .builders import acme, scan

Fake = Callable[..., str]

KEYRING = acme(
    pattern=r"(?P<name>acme_keys):(?P<secret>[^}]{10,2000})",
    each=r"\b(?P<name>[a-z]{1,20})=(?P<secret>[0-9A-Za-z+/]{12,90}={0,2})",
    decode="base64",
    public_prefix="",
)


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def values(found: list[Candidate]) -> list[str]:
    return [one.secret.reveal().decode("latin-1") for one in found]


def test_every_value_of_a_block_is_found_at_its_own_place(fake: Fake) -> None:
    first, second = fake("{{alnum:20}}"), fake("{{alnum:20}}")
    found = scan(f"acme_keys:\n  one={b64(first)}\n  two={b64(second)}\n", KEYRING)
    assert values(found) == [first, second]
    assert [one.location.start_line for one in found] == [2, 3]
    assert all(one.decoded == ("base64",) for one in found)


def test_what_is_no_text_stays_as_it_stands(rng: object) -> None:
    key = b64(bytes(range(128, 160)))
    assert values(scan(f"acme_keys:\n  one={key}\n", KEYRING)) == [key]


def test_a_line_end_that_was_encoded_too_is_not_part_of_the_value(fake: Fake) -> None:
    secret = fake("{{alnum:20}}")
    assert values(scan(f"acme_keys: one={b64(secret + chr(10))}\n", KEYRING)) == [secret]


RULE = """
provider: acme
rules:
  - id: acme-ring
    name: ACME ring
    why: it opens doors
    class: provider-api-key
    severity: high
    confidence: likely
    examples: [x]
    negatives: [y]
"""


@pytest.mark.parametrize(
    "fields, said",
    [
        ("value: hex:32\n    words: [acme]\n    each: a{4}", "go with a pattern"),
        ("pattern: acme_ring\n    decode: base64", "go with a pattern"),
        ("pattern: acme_ring\n    each: '('", "no usable pattern"),
        ("pattern: acme_ring\n    each: 'a+'", "without limit"),
        ("pattern: acme_ring\n    each: '(?:a{1,9}){1,9}'", "exponential"),
        ("pattern: acme_ring\n    each: 'a{4}'\n    decode: rot13", "decode"),
    ],
)
def test_a_rule_whose_each_cannot_be_used_is_refused(fields: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_file("acme.yml", (RULE + "    " + fields + "\n").encode())


def manifest(field: str, entries: dict[str, str], indent: str = "") -> str:
    rows = [f"  {name}: {value}" for name, value in entries.items()]
    lines = ["apiVersion: v1", "kind: Secret", "metadata:", "  name: app", f"{field}:", *rows]
    return "".join(f"{indent}{line}\n" for line in lines)


def kubernetes(scanner: Scanner, text: str) -> list[Candidate]:
    found = scanner.look(Blob(Origin("tree", "deploy/secret.yml"), text.encode()))
    return [one for one in found if one.rule.provider == "kubernetes"]


@pytest.fixture
def pair(fake: Fake) -> dict[str, str]:
    return {"password": fake("{{alnum:18}}"), "api-token": fake("{{hex:40}}")}


def encoded(pair: dict[str, str]) -> dict[str, str]:
    return {name: b64(value) for name, value in pair.items()}


def test_every_value_of_a_manifest(scanner: Scanner, pair: dict[str, str]) -> None:
    text = manifest("data", {"username": b64("nina.berg"), **encoded(pair)})
    assert values(kubernetes(scanner, text)) == list(pair.values())
    assert values(kubernetes(scanner, manifest("stringData", pair))) == list(pair.values())


def test_every_manifest_of_a_list(scanner: Scanner, pair: dict[str, str]) -> None:
    item = "- apiVersion: v1\n  data:\n" + "".join(
        f"    {name}: {value}\n" for name, value in encoded(pair).items()
    ) + "  kind: Secret\n  metadata:\n    name: app\n"  # fmt: skip
    found = kubernetes(scanner, f"apiVersion: v1\nitems:\n{item}{item}kind: List\n")
    assert values(found) == list(pair.values()) * 2


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("field", ["data", "stringData"])
@pytest.mark.parametrize("sort", [True, False])
def test_every_value_in_json(
    scanner: Scanner, pair: dict[str, str], indent: int | None, field: str, sort: bool
) -> None:
    held = encoded(pair) if field == "data" else pair
    item = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "app"}, field: held}
    listed = {"kind": "List", "apiVersion": "v1", "items": [item, item]}
    text = json.dumps(listed, indent=indent, sort_keys=sort)
    assert sorted(values(kubernetes(scanner, text))) == sorted([*pair.values()] * 2)


def test_what_a_neighbour_that_is_no_secret_holds_is_left_alone(
    scanner: Scanner, pair: dict[str, str]
) -> None:
    quiet = manifest("data", {"logo": b64("a picture of a fox, drawn in letters")})
    quiet = quiet.replace("Secret", "ConfigMap")
    assert values(
        kubernetes(scanner, f"{quiet}---\n{manifest('data', encoded(pair))}---\n{quiet}")
    ) == [*pair.values()]


def test_an_encoded_value_and_the_plain_one_are_one_secret(
    scanner: Scanner, pair: dict[str, str]
) -> None:
    grouper = Grouper("salt", (), date(2030, 1, 1))
    for text in (manifest("data", encoded(pair)), manifest("stringData", pair)):
        for one in kubernetes(scanner, text):
            grouper.add(one)
    assert len(grouper.findings()) == len(pair)


def test_every_login_of_a_docker_configuration_and_of_a_netrc(scanner: Scanner, fake: Fake) -> None:
    keys = [fake("{{alnum:24}}") for _ in range(3)]
    hosts = [f"{name}.acme.internal" for name in ("images", "charts", "builds")]
    auths = {host: {"auth": b64(f"ci:{key}")} for host, key in zip(hosts, keys)}
    found = scanner.look(Blob(Origin("tree", "config.json"), json.dumps({"auths": auths}).encode()))
    assert len([one for one in found if one.rule.id == "docker-registry-auth"]) == 3
    text = "".join(
        f"machine {host}\n login ci\n password {key}\n" for host, key in zip(hosts, keys)
    )
    found = scanner.look(Blob(Origin("tree", "ci/netrc"), text.encode()))
    assert values(found) == keys
    assert all(one.span[1] <= two.span[0] for one, two in pairwise(found))
