"""Rule files: what they say, and every mistake at its place."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from leakguard.detect import prefilter
from leakguard.detect.checksum import CHECKSUMS
from leakguard.errors import ConfigError
from leakguard.load import body
from leakguard.load.rules import read_file, unique
from leakguard.rule import Companion, Revoke, Rule

FIELDS = {
    "id": "acme-live-key",
    "name": "ACME live API key",
    "why": "whoever holds it can charge your customers",
    "class": "provider-api-key",
    "severity": "high",
    "confidence": "likely",
    "pattern": r"'\b(?P<secret>acme_live_[0-9A-Za-z]{32})\b'",
    "examples": "['acme_live_{{alnum:32}}']",
    "negatives": "['acme_live_your_key_here']",
}


def spell(**changes: str | None) -> str:
    """A rule file with one rule; a field that is None is left out."""
    fields = {
        **FIELDS,
        **{
            key.replace("_", "-") if key == "class_" else key: value
            for key, value in changes.items()
        },
    }
    lines = [f"{key}: {value}" for key, value in fields.items() if value is not None]
    return "provider: acme\nrules:\n  - " + "\n    ".join(lines) + "\n"


def read(text: str) -> list[Rule]:
    return read_file("acme.yml", text.encode())


def problem(text: str) -> ConfigError:
    """What is wrong with a rule file."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.place is not None
    assert caught.value.place.path == "acme.yml"
    return caught.value


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


# ------------------------------------------------------------------------------------ what is read


def test_a_small_rule() -> None:
    (rule,) = read(spell())
    assert rule.id == "acme-live-key"
    assert rule.provider == "acme"
    assert rule.secret_class == "provider-api-key"
    assert not rule.bundled


def test_every_field_is_read() -> None:
    (rule, _) = read(
        dedent(r"""
        provider: acme
        title: ACME
        rules:
          - id: acme-live-key
            name: ACME live API key
            why: whoever holds it can charge your customers
            fix: use the vault
            class: provider-api-key
            severity: high
            confidence: likely
            pattern: '\b(acme_live_[0-9A-Za-z]{32})(x)?\b'
            group: '1'
            public_prefix: acme_live_
            entropy: 3.5
            checksum: github
            paths: ['**/.acme', 'conf/*.ini']
            companions: [{rule: acme-id, within: 5}, {rule: acme-other}]
            alone: {severity: low, confidence: possible}
            supersedes: [acme-id]
            verify: {method: GET, url: 'https://acme.example', active: [200], inactive: [401, 403]}
            revoke: {url: 'https://acme.example/keys', how: delete the key}
            references: ['https://acme.example/docs']
            since: '0.1'
            examples: ['acme_live_{{alnum:32}}']
            negatives: ['acme_live_your_key_here']
          - id: acme-id
            name: ACME key id
            why: it names the key
            class: provider-api-key
            severity: low
            confidence: possible
            value: hex:32
            words: [acme, acme corp]
            keys: [id]
            examples: ['acme id {{hex:32}}']
            negatives: ['acme id 12']
        """)
    )
    assert rule.group == 1
    assert rule.entropy == 3.5
    assert rule.companions == (Companion("acme-id", 5), Companion("acme-other", 20))
    assert (rule.alone_severity, rule.alone_confidence) == ("low", "possible")
    assert rule.supersedes == ("acme-id",)
    assert rule.verify["inactive"] == ["401", "403"]
    assert rule.revoke == Revoke("https://acme.example/keys", "delete the key")
    assert rule.paths == ("**/.acme", "conf/*.ini")
    assert rule.fix == "use the vault"


def test_a_rule_survives_the_pack() -> None:
    rules = read(
        spell(verify="{active: [200], header: {name: x}}", companions="[{rule: acme-live-key}]")
    )
    for rule in rules:
        entry = body._plain(rule)
        kept = body._rule(json.loads(json.dumps(entry)))
        assert kept == rule._replace(examples=(), negatives=())  # only its checks need these


@pytest.mark.parametrize("name", sorted(CHECKSUMS))
def test_every_checksum_has_a_name(name: str) -> None:
    assert read(spell(checksum=name))[0].checksum == name


# ------------------------------------------------------------------------------------ every mistake


@pytest.mark.parametrize("field", [name for name in FIELDS if name != "pattern"])
def test_a_missing_field_is_named(field: str) -> None:
    error = problem(spell(**{field: None}))
    assert error.message == f"the rule lacks {field!r}"
    assert error.hints == ("see docs/writing-rules.md",)
    assert error.place.line == 3  # type: ignore[union-attr]


def test_only_our_own_rules_are_found_by_code() -> None:
    error = problem(spell(pattern=None, finder="workflow"))
    assert error.message == "rule acme-live-key: only leakguard's own rules have a finder"


@pytest.mark.parametrize(("field", "value", "message", "hint"), [
    ("patern", "x", "unknown key 'patern' in a rule", "did you mean 'pattern'?"),
    ("severity", "hi", "unknown severity 'hi'", "did you mean 'high'?"),
    ("severity", "severe", "unknown severity 'severe'", "one of: info, low, medium, high, critical"),
    ("confidence", "confirmed", "unknown confidence 'confirmed'", "one of: possible, likely"),
    ("class", "provider-key", "unknown class 'provider-key'", "did you mean 'provider-api-key'?"),
    ("checksum", "crc32-hex", "unknown checksum 'crc32-hex'", "did you mean"),
    ("entropy", "much", "entropy must be a number, not 'much'", ""),
    ("examples", "one", "this field must be a list", ""),
    ("name", "[a]", "this field must be text", ""),
    ("companions", "[{within: 3}]", "a companion needs the id of the other rule", ""),
    ("companions", "[{rule: x, wihtin: 3}]", "unknown key 'wihtin' in a companion", "did you mean 'within'?"),
    ("companions", "[{rule: x, within: near}]", "within must be a number, not 'near'", ""),
    ("alone", "{severity: none}", "unknown severity 'none'", ""),
    ("revoke", "{link: x}", "unknown key 'link' in revoke", "one of: url, how"),
    ("verify", "[GET]", "verify must be a mapping", ""),
    ("id", "Acme_Key", "'Acme_Key' is not a rule id", "use lower case, digits and -"),
    ("id", "acme--key", "'acme--key' is not a rule id", "use lower case"),
    ("id", "-acme", "'-acme' is not a rule id", "use lower case"),
    ("group", "token", "rule acme-live-key has no group 'token'", ""),
    ("group", "'7'", "rule acme-live-key has no group 7", ""),
    ("group", "'\u00b2'", "rule acme-live-key has no group", ""),
    ("pattern", "'acme_(live'", "not a usable pattern: missing )", ""),
    ("pattern", "'acme_[9-0]'", "not a usable pattern: bad character range", ""),
    ("pattern", "'acme{99999999999}'", "not a usable pattern", ""),
    ("pattern", r"'acme_\w+'", "a match could be longer than 65536 bytes", "{n,m}"),
    ("pattern", r"'acme(?!.*x)'", "what it looks ahead at could be longer", "{n,m}"),
    ("pattern", "'(?:a{0,3})?'", "nothing in it is certain to appear", ""),
    ("pattern", "'acme_(?:[a-z]{1,9}){1,9}'", "exponential time", "one character must decide"),
])  # fmt: skip
def test_a_wrong_field_is_told_at_its_place(
    field: str, value: str, message: str, hint: str
) -> None:
    text = spell(**{field: value})
    error = problem(text)
    assert message in error.message
    assert any(hint in one for one in error.hints) or not hint, error.hints
    assert error.place is not None
    assert error.place.line == line_of(text, f"{field}: {value}")
    assert error.place.text.strip().removeprefix("- ").startswith(f"{field}: ")


def value_rule(**changes: str | None) -> str:
    return spell(pattern=None, value="hex:32", words="[acme]", **changes)


@pytest.mark.parametrize(("text", "message"), [
    (spell(pattern=None), "needs either a pattern or a value with words"),
    (spell(value="hex:32", words="[acme]"), "needs either a pattern or a value with words"),
    (spell(pattern=None, value="hex:32"), "has a value shape but no words"),
    (value_rule().replace("[acme]", "['']"), "has an empty word"),
    (value_rule().replace("[acme]", "[acme, ' ']"), "has an empty word"),
    (value_rule().replace("[acme]", r'["ac\0me"]'), "has an empty word"),
    (value_rule().replace("hex:32", "octal:8"), "unknown shape 'octal:8'; one of: uuid, /regex/, hex:N"),
    (value_rule().replace("hex:32", "hex:many"), "not a length: 'many'"),
    (value_rule().replace("hex:32", "/[a-z/"), "not a usable pattern"),
    (value_rule().replace("hex:32", "/[a-z]+/"), "a match could be longer"),
    (value_rule().replace("hex:32", "/([a-z]{9})/"), "no groups of its own"),
    ("", "the rule file is empty"),
    ("provider: acme", "a rule file needs 'rules'"),
    ("rules: []", "a rule file needs 'provider'"),
    ("provider: acme\nrules: {}", "rules must be a list"),
    ("provider: acme\nrules: [a]", "a rule must be a mapping"),
    ("provider: acme\nruls: []", "unknown key 'ruls' in a rule file"),
])  # fmt: skip
def test_what_is_not_a_rule_is_told(text: str, message: str) -> None:
    assert message in problem(text).message


# ------------------------------------------------------------------------------- rules among rules


def test_two_rules_cannot_share_an_id() -> None:
    (rule,) = read(spell())
    with pytest.raises(ConfigError, match="two rules have the id 'acme-live-key'"):
        unique([rule, rule._replace(name="another")])


@pytest.mark.parametrize(
    "field", [{"companions": (Companion("acme-id"),)}, {"supersedes": ("acme-id",)}]
)
def test_a_rule_cannot_name_one_that_does_not_exist(field: dict[str, object]) -> None:
    (rule,) = read(spell())
    named = rule._replace(**field)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="names a rule that does not exist: 'acme-id'"):
        unique([named])
    unique([named, rule._replace(id="acme-id")])


def test_a_pattern_that_no_engine_takes_is_told_with_its_rule() -> None:
    (rule,) = read(spell(pattern=r"'acme\bx'"))
    table, expressions = body.tabulate([rule])
    with pytest.raises(ConfigError, match="acme-live-key") as caught:
        body._compile(prefilter.extension(), table, expressions)
    assert "never match" in caught.value.cause
