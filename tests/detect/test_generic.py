"""The scorer of assigned values: what it takes for a credential, and what speaks against."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.detect.generic import dummy, entropy, surprise, weigh
from leakguard.recipe import expand

CODE = "src/settings.py"
PASSWORD = "password"


def fake(recipe: str, seed: int = 1) -> bytes:
    return expand(recipe, Random(seed)).encode()


def tier(name: str, value: bytes, path: str = CODE) -> str:
    return weigh(name.encode(), value, path)[0]


def why(name: str, value: bytes, path: str = CODE) -> str:
    return " ".join(f"{one.term}: {one.detail}" for one in weigh(name.encode(), value, path)[1])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("password", "{{password:16}}"),
        ("dbPass", "{{alnum:12}}"),
        ("SMTP_PASSWORD", "{{letters:24}}"),
        ("API_KEY", "{{alnum:32}}"),
        ("auth_token", "{{base64url:43}}"),
        ("client_secret", "{{base64:44}}"),
        ("signing-key", "{{hex:64}}"),
        ("secretKey", "{{HEX:32}}"),
    ],
)
def test_random_values_of_telling_names_are_likely(name: str, recipe: str, seed: int) -> None:
    assert tier(name, fake(recipe, seed)) == "likely"


@pytest.mark.parametrize(
    "value",
    [
        "changeme", "your-password-here", "<password>", "${DB_PASSWORD}", "{{ password }}", "%s",
        "$PASSWORD", "xxxxxxxxxxxx", "************", "secret123", "myPassword", "test-token",
        "P@ssw0rd", "p4ssw0rd!", "admin1234", "user:pass", "password_for_user", "aaaaaaaa",
        "os.environ", "config.password", "getpass()", "self.password", "/run/secrets/db",
        "https://acme.example/token", "vault:secret/data/app", "server.key", "!vault", "ENC[AES",
        "DEADBEEFDEADBEEF", "0123456789abcdef", "example.com", "redacted-by-us", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["password", "api_token"])
def test_stand_ins_and_references_are_no_credentials(name: str, value: str) -> None:
    assert tier(name, value.encode()) == ""
    assert why(name, value.encode())


@pytest.mark.parametrize(
    "value",
    [
        "notifications", "identifier", "AbstractKeyProvider", "application-secrets",
        "SOME_CONSTANT_NAME", "user.notifications.title", "Invalid username", "refresh",
        "must be at least eight characters",
    ],
)  # fmt: skip
def test_words_are_no_tokens(value: str) -> None:
    assert tier("token", value.encode()) == ""


@pytest.mark.parametrize(
    "name",
    [
        "password_hash", "token_type", "secretName", "public_key", "publicKeyToken", "csrf_token",
        "password_file", "next_page_token", "passwordLabel", "api_key_id", "secret_sha256",
        "TOKEN_URL", "key_fingerprint",
    ],
)  # fmt: skip
def test_names_that_only_speak_about_a_secret(name: str) -> None:
    assert tier(name, fake("{{alnum:32}}")) == ""
    assert "name:" in why(name, fake("{{alnum:32}}"))


def test_the_id_of_a_secret_pair_is_one_of_its_halves() -> None:
    assert tier("secret_id", fake("{{alnum:40}}")) == "likely"


@pytest.mark.parametrize(
    "path",
    [
        "tests/app.py", "src/test_login.py", "pkg/login_test.go", "web/login.spec.ts", "README.md",
        "docs/setup.yml", "examples/app.env", "conf/app.ini.example", "data/examples-1.json",
    ],
)  # fmt: skip
def test_a_test_an_example_or_a_manual_is_only_possible(path: str) -> None:
    value = fake("{{alnum:32}}")
    assert tier("api_key", value, path) == "possible"
    assert "path:" in why("api_key", value, path)


def test_a_name_that_says_it_is_played_with_is_only_possible() -> None:
    assert tier("fakeToken", fake("{{alnum:32}}")) == "possible"


def test_a_bare_key_is_only_possible() -> None:
    assert tier("key", fake("{{alnum:40}}")) == "possible"
    assert tier("api_key", fake("{{alnum:40}}")) == "likely"


def test_a_chosen_password_is_worth_a_warning_where_a_token_is_not() -> None:
    for value in (b"winter-2031", b"Br1dge.Lane", b"trombone83"):
        assert tier(PASSWORD, value)
        assert tier("token", value) == ""


def test_a_short_odd_word_is_a_possible_password() -> None:
    assert tier(PASSWORD, b"gzkvpq") == "possible"
    assert tier(PASSWORD, b"kitchen") == ""


def test_digits_can_be_a_password_and_never_a_token() -> None:
    assert tier(PASSWORD, b"924095") == "possible"
    assert tier("token", b"92409586") == ""


def test_a_uuid_names_things_more_often_than_it_opens_them() -> None:
    assert tier("token", fake("{{uuid}}")) == "possible"


def test_hexadecimal_counts_from_the_length_of_a_key() -> None:
    assert tier("secret", fake("{{hex:16}}")) == ""
    assert tier("secret", fake("{{hex:32}}")) == "likely"


@pytest.mark.parametrize(
    "recipe",
    [
        "$2b$12${{alnum:53}}", "$6${{alnum:8}}${{alnum:86}}", "{SSHA}{{base64:32}}",
        "pbkdf2_sha256$600000${{alnum:22}}${{base64:43}}", "MFkwEwYHKoZIzj0CAQYI{{base64:80}}",
    ],
)  # fmt: skip
def test_hashes_and_public_keys_are_left_to_their_own_rules(recipe: str) -> None:
    assert tier("password", fake(recipe)) == ""


def test_a_word_in_a_translation_is_a_label() -> None:
    assert tier(PASSWORD, b"Lozinka", "resources/lang/hr.php") == ""
    assert tier(PASSWORD, b"Lozinkx", "src/settings.php") == "possible"


def test_surprise_tells_random_text_from_words() -> None:
    def each(value: bytes) -> float:
        return surprise(value) / len(value)

    assert each(b"configuration") < each(b"hunter2") < each(fake("{{alnum:32}}"))


def test_entropy_of_bytes() -> None:
    assert entropy(b"aaaa") == 0
    assert entropy(b"abab") == 1
    assert entropy(bytes(range(16))) == 4


@given(st.binary(min_size=1, max_size=200), st.binary(max_size=60), st.text(max_size=60))
def test_anything_can_be_weighed(value: bytes, name: bytes, path: str) -> None:
    found, evidence = weigh(name, value, path)
    assert found in ("", "possible", "likely")
    assert evidence
    assert isinstance(dummy(value), str)


@given(st.integers(0, 10_000), st.sampled_from(["{{password:16}}", "{{alnum:32}}", "{{hex:40}}"]))
def test_the_reasons_never_quote_what_was_kept(seed: int, recipe: str) -> None:
    value = fake(recipe, seed)
    found, evidence = weigh(b"password", value, CODE)
    text = " ".join(one.detail for one in evidence)
    assert not found or value.decode() not in text
