"""Assigned values: what settles them at once, what stands around them, how sure the scorer is."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.detect import generic
from leakguard.detect.generic import dummy, entropy, place_of, weigh
from leakguard.finding import Evidence
from leakguard.load import scorer
from leakguard.recipe import expand

CODE = "src/settings.py"
SCORER = scorer.path()


def fake(recipe: str, seed: int = 1) -> str:
    return expand(recipe, Random(seed))


def judged(name: str, value: str, path: str = CODE) -> tuple[str, tuple[Evidence, ...]]:
    """(tier, why) of `name = "value"` alone in a file."""
    before = f'{name} = "'.encode()
    raw = value.encode()
    data = before + raw + b'"\n'
    place = place_of(data, (len(before), len(before) + len(raw)), name.encode(), path)
    return weigh(place, path)


def tier(name: str, value: str, path: str = CODE) -> str:
    return judged(name, value, path)[0]


def why(name: str, value: str, path: str = CODE) -> str:
    return " ".join(f"{one.term}: {one.detail}" for one in judged(name, value, path)[1])


@pytest.mark.parametrize("seed", range(10))
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
    "path", ["tests/test_login.py", "web/login.spec.ts", "README.md", "a.env.example"]
)
@pytest.mark.parametrize("name", ["password", "api_key"])
def test_a_real_looking_value_in_a_test_or_an_example_counts_too(name: str, path: str) -> None:
    assert tier(name, fake("{{alnum:32}}"), path) == "likely"


@pytest.mark.parametrize(
    "value",
    [
        "changeme", "your-password-here", "<password>", "${DB_PASSWORD}", "{{ password }}", "%s",
        "$PASSWORD", "xxxxxxxxxxxx", "************", "secret123", "myPassword", "test-token",
        "P@ssw0rd", "p4ssw0rd!", "admin1234", "user:pass", "password_for_user", "aaaaaaaa",
        "os.environ", "config.password", "getpass()", "self.password", "/run/secrets/db",
        "https://acme.example/token", "vault:secret/data/app", "server.key", "!vault", "ENC[AES",
        "DEADBEEFDEADBEEF", "0123456789abcdef", "example.com", "redacted-by-us", "#a0b1c2", "lozinka",
        "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["password", "api_token"])
def test_stand_ins_and_references_are_no_credentials(name: str, value: str) -> None:
    assert tier(name, value) == ""
    assert why(name, value)


@pytest.mark.parametrize(
    "value",
    [
        "notifications", "identifier", "AbstractKeyProvider", "application-secrets",
        "SOME_CONSTANT_NAME", "user.notifications.title", "Invalid username", "refresh",
        "must be at least eight characters",
    ],
)  # fmt: skip
def test_words_are_no_tokens(value: str) -> None:
    assert tier("token", value) == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("password_hash", "a hash"),
        ("publicKey", "public"),
        ("csrf_token", "an identifier"),
        ("secret_sha256", "a hash"),
        ("access_key_id", "an identifier"),
        ("nextPageToken", "something public"),
        ("sync_token", "something public"),
        ("CACHE_KEY", "something public"),
        ("GPG_KEY", "something public"),
        ("api_key_encrypted", "something public"),
        ("SUPublicEDKey", "something public"),
        ("spec/apt_key.rb", "names a file"),
        ("input_token", "something public"),
        ("Sec-WebSocket-Key", "something public"),
        ("secretary", "an identifier"),
    ],
)
def test_names_of_what_looks_random_and_is_not_secret(name: str, reason: str) -> None:
    assert tier(name, fake("{{alnum:32}}")) == ""
    assert reason in why(name, fake("{{alnum:32}}"))


def test_a_function_that_brings_a_secret_is_told_its_name() -> None:
    data = b'token = keyring.get_password("' + fake("{{alnum:16}}").encode() + b'", user)'
    start = data.index(b'"') + 1
    place = place_of(data, (start, start + 16), b"keyring.get_password", CODE)
    assert weigh(place, CODE)[1][0].detail == "asks for a secret by its name"


@pytest.mark.parametrize("recipe", ["dd-v3-{{hex:40}}", "npm-{{hex:64}}", "linux-x64-{{hex:64}}"])
def test_a_key_of_words_and_a_digest_is_that_of_a_cache(recipe: str) -> None:
    assert "as a cache has them" in why("key", fake(recipe), "ci.yml")
    assert "as a cache has them" not in why("api_token", fake(recipe))


@pytest.mark.parametrize(
    "value", ["Nova Senha", "Wachtwoord aanvragen", "must be long.", "Neplatn\u00e9 heslo."]
)
def test_a_phrase_is_a_label_and_no_password(value: str) -> None:
    assert tier("password", value) == ""


def test_a_passphrase_may_be_words_and_a_password_may_have_spaces() -> None:
    words = " ".join(fake("{{lower:7}}", seed) for seed in range(4))
    assert "a phrase" not in why("passphrase", words)
    assert tier("password", fake("{{alnum:8}} {{alnum:8}}"))


def called(name: str, value: str, quote: str = '"', sep: str = "(") -> tuple[str, str]:
    """(tier, why) of a value that `name` is called with."""
    data = f"x = {name}{sep}{quote}{value}{quote})\n".encode()
    start = data.rindex(value.encode())
    place = place_of(data, (start, start + len(value)), name.encode(), CODE)
    found, reasons = weigh(place, CODE)
    return found, reasons[0].detail


def test_a_store_of_secrets_has_methods_that_take_none() -> None:
    assert called("mountSecrets.enable", fake("{{lower:7}}")) == (
        "",
        "calls a method of what keeps secrets",
    )
    assert called("password.sendKeys", fake("{{password:14}}"))[0] == "likely"


def test_a_parser_names_its_tokens() -> None:
    assert called("createToken", fake("{{upper:11}}")) == ("", "names a kind of token")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("password_last_set", "2018-05-24T17:14:38Z", "public"),
        ("token_owner", "S-1-5-21-1004336348-1177238915", "public"),
        ("userPassword", "RFC 4519", "a stand-in"),
        ("labelPassword", "Heslo:", "before a field"),
        ("passwd", "ConvertTo-SecureString", "a reference"),
        ("GPG key", "{{HEX:40}}", "the fingerprint of a public key"),
    ],
)
def test_values_that_only_stand_near_a_secret(name: str, value: str, reason: str) -> None:
    assert tier(name, fake(value)) == ""
    assert reason in why(name, fake(value))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("# old systems let --password suffer from the same bug", "suffer"),
        ("@sensitive('user', 'password', 'credit_card')", "credit_card"),
    ],
)
def test_words_of_a_sentence_and_of_a_list(line: str, value: str) -> None:
    data = line.encode()
    start = data.index(value.encode())
    place = place_of(data, (start, start + len(value)), b"password", CODE)
    assert weigh(place, CODE)[0] == ""


def test_a_method_of_a_secret_is_called_with_something_else() -> None:
    data = b'token = password.encode("latin1")'
    start = data.index(b"latin1")
    place = place_of(data, (start, start + 6), b"password.encode", CODE)
    assert "calls a method of text" in weigh(place, CODE)[1][0].detail


@pytest.mark.parametrize(
    "recipe",
    [
        "$2b$12${{alnum:53}}", "$6${{alnum:8}}${{alnum:86}}", "{SSHA}{{base64:32}}",
        "Ag" "B{{base64:90}}", "0x{{hex:40}}", "BK{{base64url:85}}",
        "pbkdf2_sha256$600000${{alnum:22}}${{base64:43}}", "MFkwEwYHKoZIzj0CAQYI{{base64:80}}",
    ],
)  # fmt: skip
def test_hashes_and_public_keys_are_left_to_their_own_rules(recipe: str) -> None:
    assert tier("password", fake(recipe)) == ""


def test_a_word_in_a_translation_is_a_label() -> None:
    assert "translation" in why("password", "Ingresar", "resources/lang/es.php")
    assert "translation" not in why("password", "Ingresar", "src/settings.php")


def test_a_name_that_says_nothing_is_what_its_rule_says() -> None:
    value = fake("{{password:14}}")
    assert tier("requirepass", value) == "likely"
    assert tier("result", value) == tier("result_password", value)


def test_what_stands_around_a_value() -> None:
    text = b"# the mail account\n# of the shop\nuser = 'shop'\nself.mailPassword := \"VALUE\", port=25\nssl: yes\n"
    start = text.index(b"VALUE")
    place = place_of(text, (start, start + 5), b"self.mailPassword", "tests/mail_test.go")
    assert (place.name, place.value, place.sep, place.quote) == (
        "self.mailPassword",
        "VALUE",
        ":=",
        '"',
    )
    assert place.tail == '", port=25'
    assert place.left == ("the", "shop", "user", "shop")
    assert place.right == ("port", "ssl", "yes")
    assert (place.ext, place.test, place.comment) == (".go", True, False)


@pytest.mark.parametrize(
    ("line", "sep", "quote"),
    [
        ("password: VALUE", ":", ""),
        ("'password' => 'VALUE'", "=>", "'"),
        ('setPassword("VALUE")', "(", '"'),
        ('define("password", "VALUE")', ",", '"'),
        ('const password: string = "VALUE"', "=", '"'),
        ("password VALUE", "", ""),
    ],
)
def test_the_form_of_an_assignment(line: str, sep: str, quote: str) -> None:
    data = line.encode()
    start = data.index(b"VALUE")
    name = b"setPassword" if b"setPassword" in data else b"password"
    place = place_of(data, (start, start + 5), name, CODE)
    assert (place.sep, place.quote) == (sep, quote)


def test_the_reasons_come_with_their_weights() -> None:
    evidence = judged("api_key", fake("{{alnum:32}}"))[1]
    assert evidence[0].term == "score"
    assert evidence[0].detail.endswith(" in 100")
    assert 2 <= len(evidence) <= 6
    assert all(
        one.detail.endswith(")") and ("(+" in one.detail or "(-" in one.detail)
        for one in evidence[1:]
    )


def test_a_neighbour_that_the_value_repeats_speaks_against_it() -> None:
    from leakguard.detect.score import learned

    data = b"user = grafton\npassword = graftontest\n"
    start = data.index(b"graftontest")
    place = place_of(data, (start, start + 11), b"password", CODE)
    alone = place._replace(left=("user",))
    assert learned().score(place)[0] < learned().score(alone)[0]


def test_entropy_of_bytes() -> None:
    assert entropy(b"aaaa") == 0
    assert entropy(b"abab") == 1
    assert entropy(bytes(range(16))) == 4


@given(
    st.binary(min_size=1, max_size=200),
    st.binary(max_size=60),
    st.text(max_size=60),
    st.binary(max_size=80),
)
def test_anything_can_be_weighed(value: bytes, name: bytes, path: str, around: bytes) -> None:
    data = around + name + around + value + around
    start = len(around + name + around)
    found, evidence = weigh(place_of(data, (start, start + len(value)), name, path), path)
    assert found in ("", "possible", "likely")
    assert evidence
    assert isinstance(dummy(value), str)


@given(st.integers(0, 10_000), st.sampled_from(["{{password:16}}", "{{alnum:32}}", "{{hex:40}}"]))
def test_the_reasons_never_quote_what_was_kept(seed: int, recipe: str) -> None:
    value = fake(recipe, seed)
    found, evidence = judged("password", value)
    text = " ".join(one.detail for one in evidence)
    assert not found or value not in text


def test_a_word_of_the_value_is_not_named() -> None:
    found = generic.explain(1.0, [("says:kitchen", 2.0), ("name:password", 1.0)])
    assert "kitchen" not in " ".join(one.detail for one in found)
    assert "password" in found[2].detail
