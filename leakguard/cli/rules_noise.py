"""Ordinary source, made up at run time: an anchor that hits it often would slow every scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import product
from random import Random

LINES = 1000

OFTEN = 6
"""A provider's anchor may hit so many of the lines."""

_WORDS = """
access account action active add address admin after agent alias all allow amount app append apply
area args array asset async author balance base batch before begin bind block body bool branch
break browser bucket buffer build bundle button byte cache call callback cancel card case catch
cell center chain change channel char chart chat check child chunk city class clean clear click
client clone close cloud cluster code color column command comment commit common company compare
compile complete component compute config connect console const contact container content context
control convert cookie copy core count country create current cursor custom customer dash data
database date day debug decode default define delete delta deploy depth design detail device diff
digest direct disable disk display document domain done double down draft draw drive driver drop
dump edit editor element email empty enable encode end engine enter entity entry enum env error
event example exec exit expand expect export extend extract factory fail false fetch field file
filter final find first fix flag flat flow flush focus folder font for force form format forward
frame free front full function future game gate get global grant graph grid group guard guide
handle handler hash head header health height help hidden history home hook host hour html icon id
image import in index info init inner input insert install instance int interface invoice is issue
item iterator job join json key kind label lambda language last layer layout leaf left length
level library license limit line link list live load local location lock log logger login loop
main make manager map mark mask master match max mean media member memory menu merge message meta
method metric middle min mock mode model module month mount move name native nested network new
next node none normal note notify null number object offset on open operator option order origin
other out outer output override owner package padding page pair panel parent parse part patch path
pattern pause payload payment phone pipe pixel plan player plugin point policy pool pop port post
prefix press price print private process product profile program progress project promise prompt
proxy public publish pull push query queue quick random range rate raw read ready record redirect
reduce reference region register release reload remote remove render repeat replace report request
require reset resize resource response result resume retry return reverse right role root route
row rule run runtime sample save scale scan schedule schema scope score screen script scroll
search section segment select self send sequence serial server service session set setting setup
shape share shell shift show side signal simple single site size skip slice slot smart snapshot
socket sort source space span split stack stage start state static status step stop storage store
stream string strip struct style submit success sum super support swap switch symbol sync system
tab table tag target task team template term test text theme thread throw ticket tile time timer
title toggle token tool total trace track trade traffic transaction transfer tree trigger true try
tuple type unique unit update upload url user util valid value variable vector version video view
void wait watch web week weight widget width window with word work write year yield zone
""".split()  # noqa: SIM905 (words, not data)

_SECRET = [
    "api_key", "apiKey", "API_KEY", "access_token", "accessToken", "auth_token", "password",
    "passwd", "secret", "secret_key", "client_secret", "clientSecret", "private_key", "auth",
    "authorization", "credentials", "hmac", "session_id", "user_id", "db_password", "DB_PASSWORD",
]  # fmt: skip

_FORMS = (
    "    {snake} = {camel}({word}, {word})",
    "def {snake}(self, {word}: str) -> {Camel}:",
    "import {{ {Camel} }} from './{word}/{word}';",
    "  const {camel} = await this.{word}.{camel}({{ {word}: '{word}' }});",
    "#define {UPPER} {word}_{word}",
    "  {word}: {word}-{word}",
    '    "{snake}": "{word} {word}",',
    "// {word} the {word} of {word} when {word} is {word}",
    "public static {Camel} {camel}({Camel} {word}) throws {Camel}Exception {{",
    "{UPPER}=${{{UPPER}:-{word}}}",
    "  {secret} = os.environ['{secret}']",
    "  {secret}: {word}.{secret}",
    "    if not {secret}: raise {Camel}Error('no {secret} given')",
    "  assert {word}.{snake} == '{word}'  # {word}",
    "http://{word}.example.org/{word}/{word}?{word}={word}",
    "SELECT {snake}, {word} FROM {snake} WHERE {word} = 1;",
    "FROM {word}/{word}:1.2 AS {word}",
    "<div class='{word}-{word}' id='{camel}'>{word} {word}</div>",
)


def source(lines: int = LINES) -> list[bytes]:
    """So many lines as they stand in code, configuration and prose everywhere; always the same."""
    rng = Random("ordinary source")
    made = []
    forms = product(range(lines // len(_FORMS) + 1), _FORMS)
    for _, form in forms:
        first, second = rng.choices(_WORDS, k=2)
        text = form
        for slot in ("{word}",) * form.count("{word}"):
            text = text.replace(slot, rng.choice(_WORDS), 1)
        text = text.replace("{secret}", rng.choice(_SECRET))
        text = text.format(
            snake=f"{first}_{second}",
            camel=first + second.title(),
            Camel=first.title() + second.title(),
            UPPER=f"{first}_{second}".upper(),
        )
        made.append(text.encode())
    return made[:lines]


def hits(scan: Callable[[bytes], list[tuple[int, int]]]) -> Counter[int]:
    """How many of these lines each anchor hits."""
    return Counter(number for line in source() for number in {hit for hit, _ in scan(line + b"\n")})
