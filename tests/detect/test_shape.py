"""Values without a prefix: their shape, and the words around them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from leakguard.detect import naming, shape
from leakguard.finding import Candidate

from .builders import acme, scan

Fake = Callable[..., str]


def look(text: str, *words: str, **fields: object) -> list[Candidate]:
    return scan(text, acme(value="hex:32", words=words or ("acme",), **fields))


@pytest.mark.parametrize("form", ["hex:32", "HEX:20", "alnum:40", "base64:40", "base64url:43", "uuid",
                                  "digits:12", "base32:16", "lowernum:26", "word:20", "letters:9"])  # fmt: skip
def test_a_shape_accepts_its_own_recipe(form: str, fake: Fake) -> None:
    value = fake(f"{{{{{form}}}}}")
    found = re.search(shape.pattern(form), f"x={value};")
    assert found is not None
    assert found["secret"] == value


@pytest.mark.parametrize("form", ["hex:32", "alnum:40", "base64url:43", "uuid"])
def test_a_shape_ends_where_the_value_ends(form: str, fake: Fake) -> None:
    value = fake(f"{{{{{form}}}}}")
    assert not re.search(shape.pattern(form), value + "a")
    assert not re.search(shape.pattern(form), "a" + value)


def test_a_length_may_be_a_range() -> None:
    assert re.search(shape.pattern("hex:4-6"), "abcde")
    assert not re.search(shape.pattern("hex:4-6"), "abcdefa")


def test_padding_is_not_part_of_a_base64_value() -> None:
    assert re.search(shape.pattern("base64:4"), "ab+/==")["secret"] == "ab+/"  # type: ignore[index]


def test_a_shape_may_be_an_expression() -> None:
    assert re.search(shape.pattern("/[a-c]{3}-[0-9]{4}/"), "=abc-1234,")


@pytest.mark.parametrize(
    "form", ["hex", "hex:0", "hex:5-2", "hex:99999", "octal:8", "password:9", "//"]
)
def test_an_unknown_shape_is_an_error(form: str) -> None:
    with pytest.raises(ValueError, match=r"length|unknown shape"):
        shape.pattern(form)


@pytest.mark.parametrize(
    "name", ["newRelic", "NEW_RELIC", "new-relic", "New Relic", "newrelic", "NEWRELIC_KEY"]
)
def test_two_words_match_every_spelling(name: str) -> None:
    assert re.search(shape.word_pattern("new relic"), name)


@pytest.mark.parametrize(("name", "spoken"), [
    ("DD_API_KEY", True), ("ddToken", True), ("dd-auth", True), ("dd", False), ("add_api_key", False),
    ("oddKey", False), ("dd.trace", False),
])  # fmt: skip
def test_a_very_short_word_must_begin_a_name_and_go_on_as_a_credential(
    name: str, spoken: bool
) -> None:
    assert bool(re.search(shape.word_pattern("dd"), name)) == spoken


@pytest.mark.parametrize(("name", "spoken"), [
    ("snyk_token", True), ("SNYK", True), ("snykKey", True), ("resnyk", False), ("snyking", False),
])  # fmt: skip
def test_a_short_word_must_begin_and_end_a_name(name: str, spoken: bool) -> None:
    assert bool(re.search(shape.word_pattern("snyk"), name)) == spoken


def test_identifier_words_come_apart() -> None:
    assert naming.words_of(b"DD_API_KEY ddApiKey HTTPServer2") == [
        "dd", "api", "key", "dd", "api", "key", "http", "server", "2",
    ]  # fmt: skip


def test_the_word_may_stand_before_or_after_on_the_line(fake: Fake) -> None:
    value = fake("{{hex:32}}")
    assert look(f"acme_key = {value}")
    assert look(f"key = {value}  # for acme")


def test_the_word_may_stand_up_to_three_lines_above(fake: Fake) -> None:
    value = fake("{{hex:32}}")
    for between in range(3):
        assert look("acme:\n" + "  a: b\n" * between + f"  key: {value}")
    assert not look("acme:\n" + "  a: b\n" * 3 + f"  key: {value}")
    assert not look(f"key: {value}\nacme")


def test_a_word_far_along_the_line_does_not_count(fake: Fake) -> None:
    value = fake("{{hex:32}}")
    assert look(f"acme {'x ' * 70} key {value}")
    assert not look(f"acme {'x ' * 300} key {value}")


def test_without_a_word_that_says_what_it_is_a_value_is_nothing(fake: Fake) -> None:
    value = fake("{{hex:32}}")
    assert not look(f"see acme, the build of {value}")
    assert look(f"see acme, the build of {value}", keys=())


@pytest.mark.parametrize("line", ["acme = {}", 'acme: "{}"', "'acme' => '{}'", 'ACME="{}"'])
def test_a_value_that_only_bears_the_services_name_is_possible(line: str, fake: Fake) -> None:
    (found,) = look(line.format(fake("{{hex:32}}")))
    assert found.confidence == "possible"
    assert "no word near by says that it is a credential" in [e.detail for e in found.evidence]


@pytest.mark.parametrize("line", [
    "acme_key_id = {}", "kms_key_id: {}  # acme", "acme token, trace {}", "acme key (version {})",
    "acme_api_key_hash = {}", "acme cache key {}", "acme_page_token: {}", "acme key docs moved in {}",
    "const acmeKey = o.key; const id = '{}'", "acme,an index of each api route,{}",
    "https://api.acme.example/v1/items/{}",
])  # fmt: skip
def test_a_value_with_a_name_of_its_own_is_no_credential(line: str, fake: Fake) -> None:
    assert not look(line.format(fake("{{hex:32}}")))


@pytest.mark.parametrize("line", [
    "acme_api_key = {}", "ACME_KEY_PROD={}", "acme.init('api_key', '{}')", "acme_api_key,{},2025-01-02",
    "https://api.acme.example/v1?page=2&key={}", "acme: {{name: x, token: '{}'}}",
    '{{"name": "acme-token", "value": "{}"}}', "acme_key = env['ACME_KEY'] || '{}'",
    "curl -u me@acme.example:key:{}",
])  # fmt: skip
def test_the_credential_word_names_the_value(line: str, fake: Fake) -> None:
    (found,) = look(line.format(fake("{{hex:32}}")))
    assert found.confidence == "likely"


@pytest.mark.parametrize("text", [
    "- name: ACME_TOKEN\n  value: {}", "<key>acmeToken</key>\n<string>{}</string>",
    "acme_token: |-\n  {}", "cat > acme-token <<EOF\n{}\nEOF", 'acme.setToken(\n  "{}"',
    'variable "acme_token" {{\n  type = string\n  default = "{}"',
])  # fmt: skip
def test_the_name_may_stand_above_where_the_value_stands_alone(text: str, fake: Fake) -> None:
    assert look(text.format(fake("{{hex:32}}")))


def test_a_value_in_a_column_has_no_name_above(fake: Fake) -> None:
    assert not look(f"acme api token,\n{fake('{{hex:32}}')},")


def test_keys_of_a_rules_own_may_name_an_identifier(fake: Fake) -> None:
    assert look(f"acme_client_id = {fake('{{hex:32}}')}", keys=("client",))
    assert not look(f"acme_token_id = {fake('{{hex:32}}')}", keys=("client", "token"))


@pytest.mark.parametrize(("recipe", "drawn"), [
    ("{{alnum:24}}", True), ("{{base64url:22}}", True), ("getUserAccountInformation", False),
    ("customer_subscription_id", False), ("api-{{uuid}}", True),
])  # fmt: skip
def test_a_name_is_no_value(recipe: str, drawn: bool, fake: Fake) -> None:
    rule = acme(value="/[0-9A-Za-z_-]{16,44}/", words=("acme",))
    assert bool(scan(f"acme_key = '{fake(recipe)}'", rule)) == drawn


@pytest.mark.parametrize("phrase", ["dd", "snyk", "acme corp", "new relic one", "s 3"])
def test_a_spelling_stands_in_every_form_of_a_phrase(phrase: str) -> None:
    forms = [phrase.replace(" ", joint).upper() + "_KEY" for joint in ("", " ", "_", "-", ".", "/")]
    for form in forms:
        assert re.search(shape.word_pattern(phrase), form)
        assert any(re.search(f"(?i){one}", form) for one in shape.spellings(phrase))
        found = re.search(shape.word_pattern(phrase), form)
        assert len(found.group()) <= shape.word_width(phrase)  # type: ignore[union-attr]


def test_only_the_rules_own_keys_count(fake: Fake) -> None:
    value = fake("{{hex:32}}")
    assert look(f"acme_app_key = {value}", keys=("app key",))
    assert not look(f"acme_key = {value}", keys=("app key",))


def test_a_cut_never_makes_a_word(fake: Fake) -> None:
    # 160 bytes before the value lies the middle of "add_key", where "dd_key" is left.
    value = fake("{{hex:32}}")
    line = "dd_key " + " " * (shape.LEFT - len("dd_key  key ")) + " key "
    assert look(line[:0] + "\n" + line + value, "dd")
    assert not look("a" + line + value, "dd")
    # And behind it, where the cut could pass for the end of a name.
    tail = " " * (shape.LEFT - len("pat")) + "pat"
    assert not look(f"key {value}{tail}tern", "pat", keys=("key",))


def test_the_evidence_names_the_word(fake: Fake) -> None:
    (found,) = look(f"acme_key = {fake('{{hex:32}}')}")
    assert "'acme' stands near by" in found.evidence[0].detail


@pytest.mark.parametrize(
    "text",
    [
        'const ACME_KEY: &str = "{{hex:32}}";',
        'static ACME_KEY: &\'static str = "{{hex:32}}";',
        "const key: string = process.env.ACME_TOKEN || '{{hex:32}}';",
        "$key = getenv('ACME_KEY') ?: '{{hex:32}}';",
        "key = prod ? '{{hex:32}}' : ''  # acme",
        "The Acme API key of the test account is {{hex:32}} and works until May.",
        "new Acme('{{hex:32}}')",
        "acme.init('{{hex:32}}', { region: 'eu' });",
        'client = AcmeClient("eu", "{{hex:32}}")',
        "acme.open('{{hex:32}}');  // acme API key",
    ],
)
def test_what_names_a_value_may_stand_in_many_places(text: str, fake: Fake) -> None:
    found = look(fake(text))
    assert [one.confidence for one in found] == ["likely"], found


@pytest.mark.parametrize(
    "text",
    [
        "acme.getCommit('{{hex:32}}');",
        "acme.fetch('/builds', '{{hex:32}}');",
        "commit = '{{hex:32}}'  # pinned by the acme token",
        "?acme_token=none&commit={{hex:32}}&page=2",
        'const ACME_COMMIT: &str = "{{hex:32}}";  // the key',
        "acme.open('{{hex:32}}');  // the acme token is read from the environment further below",
        "the cache key of the acme build is {{hex:32}}",
        "ami = '{{hex:32}}'  # acmeapi",
        "      - uses: acme/upload-token@{{hex:32}}",
        "// source: acme/connect_token.proto ({{hex:32}})",
        "acme_token_encrypted: '{{hex:32}}'",
    ],
)
def test_what_is_near_is_not_always_its_name(text: str, fake: Fake) -> None:
    assert look(fake(text)) == []


def test_a_client_is_not_opened_with_what_a_rule_calls_an_id(fake: Fake) -> None:
    text = fake("new Acme('{{hex:32}}')")
    assert look(text, keys=("client id",)) == []
    assert len(look(text, keys=("api key", "key"))) == 1
