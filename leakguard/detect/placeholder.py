"""What people write, and documentation and templates show, in place of a real secret.

`dummy` is about values that a person may have chosen. `stand_in` is meant for long
machine-made ones, in which a short word may stand by chance: a word counts only where
it is set off, and a run only where chance would not make it once in a million tokens.
"""

from __future__ import annotations

import re

from leakguard import late
from leakguard.detect.printed import printed
from leakguard.detect.score import surprise

_STAND_IN = late.pattern(
    rb"example|placeholder|redacted|change_?me|insert_|([B-Zb-z0-9])\1{6}"
    rb"|0123456789|1234567890|12345678(?!\d)|abcdefgh|ABCDEFGH|deadbeefdeadbeef"
    rb"|\.{3}|(?:^|[_.-])(?:your|sample|dummy|fake|xxxx+|test[_-]?(?:key|token)|my[_-]?(?:key|token|secret)"
    rb"|token|secret|here|foo|bar)(?:[_.-]|$)",
    re.IGNORECASE,
)
_TEMPLATE = late.pattern(rb"\$\{|\{\{|<[A-Za-z]|%\(|#\{|\*{4}")


def stand_in(value: bytes, public_prefix: str = "") -> bool:
    """Whether a token-like value is a stand-in for a real one; its public prefix says nothing."""
    if printed(value):
        return True
    value = value.removeprefix(public_prefix.encode())
    return bool(
        _STAND_IN.search(value)
        or _TEMPLATE.search(value)
        or len(set(value)) <= 3 + len(value) // 40
    )


REFERENCE = late.pattern(
    rb"\$\{|\{\{|\}\}|\$\(|<%|%\(|#\{|^\$[A-Za-z_]|^%[A-Za-z_.]+%?$|%[sdv]\b|^<[^>]{1,80}>"
    rb"|^\{[^}]{0,80}\}$|^\{[A-Za-z_]|^[@:!&][A-Za-z_]+$|^\*[A-Za-z_]\w*_\w+$|^\[|^--[a-z]|^(?-i:(?:ConvertTo|Get|Read)-[A-Z])|^[A-Za-z_][\w.]*\(|^(?:self|this)\."
    rb"|environ|getenv|process\.env|\bconfig\b|secrets?\.|vars?\.|\.get\b|\(\)|=>|->|::|&&|\|\|"
    rb"|\(\?|[\])][+*]|\[\^|\]\{\d|^#(?:[0-9a-f]{3}){1,2}$"
    rb"|^(?:https?|file|ftp|s3|ipfs|arn|data|ssm|vault|op|ref|env|keyring|projects|urn|sm|aws|gcp|kms)[:/]"
    rb"|^(?:/|\./|\.\./|~/)[\w./-]{3,}$"
    rb"|\.(?:pem|key|crt|cer|jks|p12|pfx|json|txt|ya?ml|py|js|ts|php|html?|conf|cfg|env|sh|go|rb)$",
    re.IGNORECASE,
)
"""A template, a variable, a call, an expression, a path or an address: the value is elsewhere."""

DUMMY = late.pattern(
    rb"example|sample|dummy|placeholder|change.?(?:me|it|this)|redacted|replace|insert"
    rb"|(?<![a-z])(?:your|todo|asdf|fixme)|(?-i:Your(?=[A-Z]))|<[a-z][\w -]{1,40}>"
    rb"|x{4,}|(?<![a-z])(?:xxx|yyy|zzz)(?![a-z])|\*{3,}|\.{3,}|-{4,}|_{4,}|#{3,}|0{6,}|1{6,}"
    rb"|(?:0?123|1?234)45|0123456|01020304|a1b2c3d4|abcdef(?!.*[0-9])|abc123|deadbeef|cafebabe"
    rb"|s3cr3t|eyJzdWIiOiIxMjM0NTY3ODkw"  # the last is what jwt.io opens with
    rb"|^rfc[ -]?\d{3,5}$|qwert|lorem|ipsum|undefined|not[-_ ]?set"
    rb"|goes[-_ ]?here|p[a@4][s5$]{1,2}w[0o]rd|my[-_]?(?:secret|key|token|api)"
    rb"|(?:secret|token)[-_]?(?:key|here|value|name)|^fake|fake[-_]|(?:foo|bar|baz){2}"
    rb"|^(?:foo|bar|baz|test|demo|mock|some|dev|local)[-_.]|[-_.](?:foo|bar|baz|test|demo|mock)$",
    re.IGNORECASE,
)
"""What people write where a secret would stand."""

WORDS = frozenset(
    b"""password passwd pass pwd pw passphrase secret token key apikey none null nil true false
    yes no on off string str text bytes int integer number bool boolean default required optional
    username user usr admin administrator root guest test tests testing tester hidden masked
    private public enabled disabled auth basic bearer oauth api access client app value val name
    field input label type object array unknown empty anonymous changeit letmein welcome hello
    world foo bar baz qux demo dev local localhost prod production staging mysql postgres
    postgresql rabbitmq redis mongo mongodb mariadb oracle db database login credential
    credentials my new old wrong bad invalid correct valid good strong weak secure unsecure
    insecure not real super very important a the an is for of some any this that here id code one
    two web server service github gitlab git docker sa jwt session cookie signing webhook bot
    shared master temp tmp initial random hunter monkey dragon tiger scott
    passwort kennwort wachtwoord senha geslo heslo lozinka cyfrinair parola haslo jelszo salasana
    losenord adgangskode parool sifre sandi salasanasi pasahitza paswoord contrasenya
    clave unused unset minio""".split()
)
"""Words that a value about a secret is made of."""

_CREDENTIAL = late.pattern(
    rb"pass(?:word|wd)?|pwd|secret|token|(?:api)?[-_]?key|user|admin", re.IGNORECASE
)
_WORD = late.pattern(rb"[A-Z]?[a-z]+|[A-Z]+")


def dummy(value: bytes) -> str:
    """Why the value is a stand-in, or "" when it may be real."""
    if REFERENCE.search(value):
        return "a reference or template, not a value"
    found = DUMMY.search(value)
    if found:
        return f"a stand-in ({found.group()[:12].decode('ascii', 'replace').lower()!r})"
    words = _WORD.findall(value)
    if sum(map(len, words)) >= 0.6 * len(value) and all(word.lower() in WORDS for word in words):
        return "words about secrets"
    if len(set(value)) <= max(2, len(value) // 12):
        return "a few characters repeated"
    rest = _CREDENTIAL.sub(b"", value)
    if len(rest) < len(value) and surprise(rest.decode("latin-1")) < 28:
        return "a word about secrets with little else"
    return "printed in a standard or a manual" if printed(value) else ""
