"""Words and random material, and the slots of templates that draw on them.

`@hex:40` in a template is forty hexadecimal digits, `@svc` the name of a service. With a
number after it, as in `@svc#1`, a slot gives the same text wherever it stands in one filling.
An `@` that names no slot stays (`@media`). A `~` ends a slot that letters follow.
"""

from __future__ import annotations

import base64
import re
import string
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from sample_text import WORDS, camel, date, pascal, phrase, snake, uuid, version

if TYPE_CHECKING:
    from collections.abc import Callable

SLOT = re.compile(r"@([A-Za-z0-9]+)(?::(\d+))?(?:#(\d))?~?")

SERVICES = tuple(
    """
    adyen airbrake airtable akamai algolia amplitude anthropic appcenter appveyor artifactory asana
    atlassian auth0 aws azure bamboo beamer bitbucket bitly bitrise braintree branch browserstack
    buildkite bugsnag checkout chargebee circleci clearbit clickhouse clockwork close cloudflare
    cloudinary codacy codecov cohere coinbase confluent contentful coveralls crowdin customerio
    databricks datadog dd deepgram digitalocean discord docker doppler drift drone dropbox
    dynatrace elastic etsy eventbrite facebook fastly figma firebase flickr flutterwave freshdesk
    front gcp ghost github gitlab gitter google grafana gusto harness helpscout heroku hubspot
    huggingface infura instagram intercom ipstack jenkins jira kraken kubernetes launchdarkly linear
    linkedin lob looker mailchimp mailgun mandrill mapbox mattermost maxmind messagebird mixpanel
    monday mongodb mux netlify newrelic ngrok notion npm nuget okta onelogin onesignal openai
    opsgenie optimizely pagerduty paypal paystack pendo percy pinecone pingdom pipedrive plaid
    planetscale postman postmark prefect pusher pypi rapidapi razorpay recurly redis replicate
    rollbar rubygems salesforce sauce segment sendgrid sentry shippo shodan shopify slack snowflake
    snyk sonar sonarqube spotify square statuspage stripe supabase surge tailscale telegram
    terraform todoist travis trello twilio twitch twitter typeform unsplash vault vercel vonage
    wakatime webex wise wordpress yandex yelp zapier zendesk zoom
    """.split()  # noqa: SIM905  # quotes around each word would hide the words
)

NOUNS = (
    "token", "api_key", "api_token", "secret", "password", "access_token", "secret_key",
    "client_secret", "auth_token", "access_key", "webhook_secret", "private_key", "app_key",
    "refresh_token", "signing_key", "passphrase", "encryption_key", "bearer_token", "license_key",
)  # fmt: skip
"""What people call a credential."""

DUMMIES = (
    "changeme", "change-me", "CHANGE_ME", "changeit", "test", "test123", "test-token", "testing",
    "secret", "s3cr3t", "supersecret", "super-secret", "password", "password123", "passw0rd",
    "foo", "foobar", "foo-bar-baz", "abc123", "dummy", "dummy-token", "fake", "fake-api-key",
    "fake_secret", "mock-token", "my-secret", "my_api_key", "mysecretpassword", "some-token",
    "some_secret_value", "not-a-real-key", "not-a-secret", "example", "example-token", "hunter2",
    "placeholder", "12345", "123456", "1234567890", "qwerty", "letmein", "admin", "root", "guest",
    "redacted", "a-very-secret-token", "this-is-a-secret", "valid-token", "invalid-token",
    "expired-token", "wrong-password", "bad_token", "new-password", "old-password", "token123",
    "secret123", "topsecret", "the-api-key", "user-token", "default", "none", "unused", "unset",
    "local-dev-only", "dev-secret", "insecure", "insecure-dev-key", "postgres", "mysql", "minio",
)  # fmt: skip
"""What tests and examples assign where a credential would stand."""

STUBS = (
    "your-api-key", "YOUR_API_KEY", "your_@svc_@noun", "YOUR_@SVC_@NOUN", "<your-@noun>",
    "<YOUR_@NOUN>", "<@noun>", "@x:16", "@x:32", "@x:40", "XXXXXXXXXXXX", "xxxx-xxxx-xxxx",
    "sk_live_@x:24", "sk_test_...", "sk-...", "sk-@x:48", "ghp_@x:36", "ghp_...",
    "github_pat_@x:22", "glpat-@x:20", "xoxb-your-token", "xoxb-@zero:12-@zero:12-@x:24",
    "AKIA@X:16", "SG.@x:22.@x:43", "pk_test_...", "npm_@x:36", "hf_@x:34", "AIza@x:35",
    "key-@x:32", "[REDACTED]", "REDACTED", "[MASKED]", "********", "****************", "...",
    "replace-me", "REPLACE_ME", "REPLACE_WITH_YOUR_@NOUN", "insert-your-key-here", "INSERT_@NOUN",
    "enter_your_@noun", "put-your-@noun-here", "paste your @noun here", "TODO", "FIXME", "TBD",
    "${@SVC_@NOUN}", "$@SVC_@NOUN", "$(@SVC_@NOUN)", "{{ @svc_@noun }}", "{{@svc_@noun}}",
    "{@noun}", "%@SVC_@NOUN%", "%(@noun)s", "<%= @svc_@noun %>", "#{@noun}", "@{@noun}",
    "${env:@SVC_@NOUN}", "${var.@svc_@noun}", "${{ secrets.@SVC_@NOUN }}", "$[[ @noun ]]",
    "env(@SVC_@NOUN)", "!vault_@noun", "op://vault/@svc/@noun", "vault:secret/@svc#@noun",
    "file:/run/secrets/@svc_@noun", "null", "none", "undefined", "", "my-@svc-@noun",
    "my_@svc_@noun", "the-@noun-you-got", "example-@noun", "EXAMPLE@NOUN", "sample_@noun",
    "@zero:32", "@zero:8-@zero:4-@zero:4-@zero:4-@zero:12", "a1b2c3d4e5f6", "abcdef",
    "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "12345678-1234-1234-1234-123456789012",
    "0123456789abcdef", "@count:32", "1234567890abcdef", "abcdefghijklmnopqrstuvwxyz",
    "@awsid", "@awssecret", "@jwtio", "@dead:32", "base64-encoded-@noun",
    "<base64 of the @noun>", "see 1Password", "ask @word", "from the @svc dashboard",
)  # fmt: skip
"""What documentation shows in place of a credential."""

FOREIGN = (
    "Motdepasse", "MotDePasse", "Kennwort", "Passwort", "Wachtwoord", "Contrasena", "Senha",
    "Adgangskode", "Heslo", "Jelszo", "Parola", "Losenord", "Geheimnis", "Zugangscode",
    "Kennwortwiederholung", "Geheimschluessel", "Toegangstoken", "Salasana", "Haslo",
)  # fmt: skip
"""What translations say for a credential."""

LIPSUM = tuple(
    """
    the a to of and in is that it for on with as be this by from at are or an not can you if will
    when which but have has was all one more use used should must may only their they we there
    other than then into out up its our your do does how what who so also any each never
    """.split()  # noqa: SIM905  # the same
)


def draw(alphabet: str, length: int, rng: Random) -> str:
    """`length` characters of an alphabet."""
    return "".join(rng.choices(alphabet, k=length))


def b64(size: int, rng: Random) -> str:
    """`size` random bytes in base64."""
    return base64.b64encode(rng.randbytes(size)).decode()


def b64url(size: int, rng: Random) -> str:
    """`size` random bytes in base64url without padding."""
    return base64.urlsafe_b64encode(rng.randbytes(size)).rstrip(b"=").decode()


def prose(words: int, rng: Random) -> str:
    """A sentence of about as many words."""
    picked = [rng.choice(LIPSUM if n % 2 else WORDS) for n in range(words)]
    return " ".join(picked).capitalize() + "."


def _noun(rng: Random) -> str:
    return rng.choice(NOUNS)


def _address(rng: Random) -> str:
    return f"10.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"


def _clock(rng: Random) -> str:
    hour, minute, second = rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59)
    return f"{date(rng)}T{hour:02}:{minute:02}:{second:02}.{rng.randint(0, 999):03}Z"


def _joined(separator: str) -> Callable[[Random, int], str]:
    return lambda rng, _: snake(rng).replace("_", separator)


def _published_id() -> str:
    """The key id of the AWS documentation, which the repository must not hold in one piece."""
    return "AKIA" + "IOSFODNN7" + "EXAMPLE"


def _published_secret() -> str:
    return "wJalrXUtnFEMI" + "/K7MDENG/" + "bPxRfiCY" + "EXAMPLEKEY"


def _published_jwt() -> str:
    """The token that jwt.io opens with."""
    parts = (
        b'{"alg":"HS256","typ":"JWT"}',
        b'{"sub":"1234567890","name":"John Doe","iat":1516239022}',
    )
    head = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    return head + ".SflKxwRJSMeKKF2QT4fw" + "pMeJf36POk6yJV_adQssw5c"


MAKERS: dict[str, Callable[[Random, int], str]] = {
    "hex": lambda rng, n: f"{rng.getrandbits(4 * n):0{n}x}",
    "HEX": lambda rng, n: f"{rng.getrandbits(4 * n):0{n}X}",
    "b64": lambda rng, n: b64(n, rng),
    "b64url": lambda rng, n: b64url(n, rng),
    "alnum": lambda rng, n: draw(string.ascii_letters + string.digits, n, rng),
    "lownum": lambda rng, n: draw(string.ascii_lowercase + string.digits, n, rng),
    "upnum": lambda rng, n: draw(string.ascii_uppercase + string.digits, n, rng),
    "lower": lambda rng, n: draw(string.ascii_lowercase, n, rng),
    "digits": lambda rng, n: draw(string.digits, n, rng),
    "x": lambda _, n: "x" * n,
    "X": lambda _, n: "X" * n,
    "zero": lambda _, n: "0" * n,
    "count": lambda _, n: ("0123456789abcdef" * 8)[:n],
    "dead": lambda _, n: ("deadbeef" * 8)[:n],
    "snake": lambda rng, _: snake(rng),
    "camel": lambda rng, _: camel(rng),
    "Pascal": lambda rng, _: pascal(rng),
    "kebab": _joined("-"),
    "dotted": _joined("."),
    "UPPER": lambda rng, _: snake(rng).upper(),
    "word": lambda rng, _: rng.choice(WORDS),
    "Word": lambda rng, _: rng.choice(WORDS).capitalize(),
    "text": lambda rng, _: phrase(rng),
    "prose": lambda rng, n: prose(n, rng),
    "n": lambda rng, n: str(rng.randint(0, n or 10 ** rng.randint(1, 5))),
    "uuid": lambda rng, _: uuid(rng),
    "version": lambda rng, _: version(rng),
    "date": lambda rng, _: date(rng),
    "time": lambda rng, _: _clock(rng),
    "ip": lambda rng, _: _address(rng),
    "svc": lambda rng, _: rng.choice(SERVICES),
    "Svc": lambda rng, _: rng.choice(SERVICES).capitalize(),
    "SVC": lambda rng, _: rng.choice(SERVICES).upper(),
    "noun": lambda rng, _: _noun(rng),
    "NOUN": lambda rng, _: _noun(rng).upper(),
    "Noun": lambda rng, _: "".join(part.capitalize() for part in _noun(rng).split("_")),
    "kebabnoun": lambda rng, _: _noun(rng).replace("_", "-"),
    "saynoun": lambda rng, _: _noun(rng).replace("_", " "),
    "dummy": lambda rng, _: rng.choice(DUMMIES),
    "mot": lambda rng, _: rng.choice(FOREIGN),
    "stub": lambda rng, _: fill(rng.choice(STUBS), rng),
    "awsid": lambda *_: _published_id(),
    "awssecret": lambda *_: _published_secret(),
    "jwtio": lambda *_: _published_jwt(),
}
"""Slot by name: a maker and what the number after the colon means to it."""


def fill(template: str, rng: Random) -> str:
    """The template with its slots filled."""
    same: dict[tuple[str, str], str] = {}

    def put(found: re.Match[str]) -> str:
        name, size, mark = found.groups()
        maker = MAKERS.get(name)
        if maker is None:
            return found[0]
        if not mark:
            return maker(rng, int(size or 0))
        if (name, mark) not in same:
            same[name, mark] = maker(rng, int(size or 0))
        return same[name, mark]

    return SLOT.sub(put, template)


@dataclass(frozen=True, slots=True)
class File:
    """A file that holds no secret."""

    path: str
    text: str

    @property
    def lines(self) -> int:
        """How many lines it has; one of a bundle counts as one, however long."""
        return self.text.count("\n") + (not self.text.endswith("\n"))


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of file, how it is made, and how many lines of it the corpus has."""

    name: str
    lines: int
    make: Callable[[Random], File]


KINDS: dict[str, Kind] = {}
"""Every kind, in the order of the modules."""


def kind(
    name: str, lines: int = 3000
) -> Callable[[Callable[[Random], File]], Callable[[Random], File]]:
    """Put a generator of files on the list."""

    def add(make: Callable[[Random], File]) -> Callable[[Random], File]:
        KINDS[name] = Kind(name, lines, make)
        return make

    return add


def sheet(
    name: str, path: str, rows: tuple[str, ...], *, head: str = "", tail: str = "",
    between: str = "\n", count: int = 60, lines: int = 3000,
) -> None:  # fmt: skip
    """Put a kind on the list that is a head, some of the rows in any order, and a tail."""

    def make(rng: Random) -> File:
        body = between.join(fill(rng.choice(rows), rng) for _ in range(count))
        return File(fill(path, rng), fill(head, rng) + body + fill(tail, rng) + "\n")

    KINDS[name] = Kind(name, lines, make)
