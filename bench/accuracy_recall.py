"""Recall: the values of each rule in places and under names its author did not write down.

The value is cut out of an expanded example by the rule itself, so that a new rule is measured
as soon as it is there. It is then put into every context under a name made of the service's
word and of what such a thing is called. A hit is a finding whose span covers the value.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from accuracy_contexts import CONTEXTS, Context, Name
from accuracy_product import BLOCKS, WARNS, Product

from leakguard.blob import Blob, Origin
from leakguard.cli.rules_check import complete
from leakguard.detect.match import Book
from leakguard.detect.prefilter import PlainPrefilter
from leakguard.detect.scanner import Scanner
from leakguard.load import body
from leakguard.load.rules import read_bundled
from leakguard.recipe import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from leakguard.finding import Candidate
    from leakguard.rule import Rule

MISSED = "missed"
TIERS = (BLOCKS, WARNS, MISSED)

NO_SERVICE = frozenset(
    ("generic", "database", "private-key", "http-auth", "uri-credentials", "jwt", "totp",
     "password-hash", "http", "env", "connection-string", "crypto")
)  # fmt: skip
"""Rule files that are about no service."""
OWN_SERVICES = ((), ("db",), ("app",), ("admin",), ("acme",), ("prod",), ("internal", "api"))
"""What people put before the word where no service has a name for it."""

ONLY_WARNS = "meant: the rule only warns"
HALF = "meant: half of a pair, the other half is not there"
MEANT = (ONLY_WARNS, HALF)
"""Causes that a rule's author has chosen."""

HEADS = {
    "key": (("api", "key"), ("access", "key"), ("secret", "key"), ("key",)),
    "token": (("token",), ("api", "token"), ("access", "token"), ("auth", "token")),
    "secret": (("secret",), ("client", "secret"), ("secret", "key")),
    "password": (("password",), ("pass",), ("pwd",)),
    "passphrase": (("passphrase",),),
    "credential": (("credential",), ("api", "token")),
    "credentials": (("credentials",), ("auth",)),
    "pat": (("pat",), ("token",)),
    "id": (("id",),),
    "url": (("url",), ("webhook", "url"), ("endpoint",)),
    "address": (("url",), ("dsn",)),
    "dsn": (("dsn",),),
    "string": (("connection", "string"),),
    "cookie": (("cookie",), ("session",)),
    "hash": (("hash",),),
}
"""What people call a thing, by the word that its rule's name has for it."""
USUAL = (("api", "key"), ("token",), ("secret",), ("api", "token"))
WHOLE = re.compile(
    r"(?:jdbc:)?[A-Za-z][\w+.-]*://[^\s\"'`<>]+|\b[A-Za-z][\w ]+=[^;\s\"'=]+;[^\n\"'`<>]+"
)
"""Addresses and connection strings: the text that a value is part of moves with it."""
QUALIFIERS = frozenset(
    """
    access account admin api app application auth bearer bot client consumer deploy encryption
    installation integration license login machine management master oauth personal private
    project public publish refresh registry restricted sandbox secret service session shared
    signing storage team upload user webhook write
    """.split()  # noqa: SIM905  # quotes around each word would hide the words
)
"""Words that belong to the name of a thing (`webhook secret`)."""


@dataclass(frozen=True, slots=True)
class Token:
    """A value to hide: the text that is put somewhere, and the value's place in it."""

    text: str
    start: int
    end: int
    stands: bool = True  # whether its rule finds it without a name before it


@dataclass(frozen=True, slots=True)
class Trial:
    """One value in one context, and what came of it."""

    rule: Rule
    context: str
    tier: str
    by: str  # the rule that found it
    cause: str = ""

    @property
    def own(self) -> bool:
        """Whether a rule of the same service found it."""
        return self.by.startswith(self.rule.provider)


@dataclass(slots=True)
class Bench:
    """The rules, the product, and a scanner for each rule alone."""

    product: Product
    seed: int
    contexts: Sequence[Context] = CONTEXTS
    rules: list[Rule] = field(init=False)
    skipped: dict[str, str] = field(default_factory=dict)
    _alone: dict[str, Scanner] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {rule.id for rule in self.product.pack.book.rules}  # a pack keeps no examples
        self.rules = [rule for rule in read_bundled() if rule.id in known]

    def run(self, *, diagnose: bool = True) -> list[Trial]:
        """Every rule in every context that its value fits."""
        return [trial for rule in self.rules for trial in self.trials(rule, diagnose=diagnose)]

    def trials(self, rule: Rule, *, diagnose: bool = True) -> list[Trial]:
        """One rule in every context."""
        if rule.paths:
            self.skipped[rule.id] = "looks in some files only"
            return []
        rng = Random(f"{self.seed} {rule.id}")
        tokens = [token for example in rule.examples for token in self.tokens(rule, example, rng)]
        if not tokens:
            self.skipped[rule.id] = "its value could not be cut out of an example"
            return []
        trials = []
        for number, context in enumerate(self.contexts):
            token = tokens[number % len(tokens)]
            name = named(rule, rng)
            if context.takes(token.text) and not (rule.guessable and context.machine):
                trials.append((context, name, token))
        if not tokens[0].stands and not any(self.puts(rule, *one) for one in trials):
            self.skipped[rule.id] = "a form of its own, such as a command line or a pair"
            return []
        return [self.trial(rule, *one, diagnose=diagnose) for one in trials]

    def puts(self, rule: Rule, context: Context, name: Name, token: Token) -> bool:
        """Whether the rule alone finds its value there."""
        return bool(self.finds(rule, context.put(name, token.text)[0]))

    def alone(self, rule: Rule) -> Scanner:
        """A scanner that knows this rule only."""
        if rule.id not in self._alone:
            table, anchors = body.tabulate([rule])
            self._alone[rule.id] = Scanner(Book([rule], table), PlainPrefilter(anchors).scan)
        return self._alone[rule.id]

    def finds(self, rule: Rule, text: str) -> list[Candidate]:
        """What the rule alone finds in a text."""
        return self.alone(rule).look(Blob(Origin("tree", "file"), text.encode()))

    def tokens(self, rule: Rule, example: str, rng: Random) -> list[Token]:
        """The value of an example, with as much around it as belongs to it."""
        text = expand(example, rng, complete(rule))  # type: ignore[arg-type]
        for one in self.finds(rule, text):
            value = one.secret.reveal().decode()
            if one.decoded:
                continue
            if self.finds(rule, f"\n{value}\n"):
                return [Token(value, 0, len(value))]
            for whole in WHOLE.findall(text):
                if value in whole and self.finds(rule, f"\n{whole}\n"):
                    at = whole.rindex(value)
                    return [Token(whole, at, at + len(value))]
            return [Token(value, 0, len(value), stands=False)]
        return []

    def weight(self, rule: Rule, found: Sequence[Candidate]) -> str:
        """Why a rule that finds the value does not block."""
        if rule.confidence == "possible" or rule.severity == "info":
            return ONLY_WARNS
        if rule.companions and (rule.alone_confidence or rule.alone_severity):
            return HALF
        if any(self.product.tier(one) == BLOCKS for one in found):
            return "overlap: another rule's finding took its place, or it ends elsewhere"
        return "judged: a doubt about the path, the name or the value"

    def trial(
        self, rule: Rule, context: Context, name: Name, token: Token, *, diagnose: bool
    ) -> Trial:
        """Put a token somewhere and look for it."""
        text, start, end = context.put(name, token.text)
        if piecewise(context.spell, token):
            end = start + len(context.spell(token.text[: token.end]))
            start += len(context.spell(token.text[: token.start]))
        best, by = MISSED, ""
        for one in self.product.look(context.where(name), text.encode()):
            if covers(one, start, end):
                tier = self.product.tier(one)
                if TIERS.index(tier) < TIERS.index(best):
                    best, by = tier, one.rule.id
        cause = self.cause(rule, context, text, start) if best != BLOCKS and diagnose else ""
        return Trial(rule, context.name, best, by, cause)

    def cause(self, rule: Rule, context: Context, text: str, start: int) -> str:
        """Why the rule itself did not find it, learnt by helping it."""
        found = self.finds(rule, text)
        if found:
            return self.weight(rule, found)
        if not rule.value:
            return "form: the pattern wants other text around the value"
        line = text.rfind("\n", 0, start) + 1
        word = f"# {rule.words[0].replace(' ', '')}_api_key\n"
        key = f" {rule.keys[0].replace(' ', '_')}: " if rule.keys else ""
        if self.finds(rule, text[:line] + word + text[line:]):
            return "words: none of the service's words is near"
        if self.finds(rule, text[:start] + key + text[start:]):
            return "keys: none of its keys stands before the value"
        if self.finds(rule, text[:line] + word + text[line:start] + key + text[start:]):
            return "words and keys"
        return "edge or judged: the shape does not match here, or the value is dropped"


def piecewise(spell: Callable[[str], str], token: Token) -> bool:
    """Whether parts of the text are spelt as they are in the whole: Base64 shifts them."""
    parts = token.text[: token.start], token.text[token.start : token.end], token.text[token.end :]
    return "".join(map(spell, parts)) == spell(token.text)


def covers(one: Candidate, start: int, end: int) -> bool:
    """Whether a finding is about the value between two places."""
    low, high = one.span
    if one.decoded:  # traced back to groups of base64, so the ends are rough
        return low < end and start < high
    return low <= start and end <= high


def named(rule: Rule, rng: Random) -> Name:
    """A name for a value of the rule, in the words of its service and of its kind."""
    if rule.provider in NO_SERVICE:
        service = rng.choice(OWN_SERVICES)
    elif rule.words and rng.random() < 0.5:
        service = tuple(re.findall("[a-z0-9]+", rng.choice(rule.words)))
    else:
        service = tuple(rule.provider.split("-"))
    return Name(service, noun(rule, rng))


def noun(rule: Rule, rng: Random) -> tuple[str, ...]:
    """What the thing is called: as its rule's name says, or as people say for short."""
    words = re.findall("[a-z]+", rule.name.lower())
    places = [at for at, word in enumerate(words) if word in HEADS]
    if not places:
        return rng.choice(USUAL)
    at = places[0] if words[places[0]] in ("password", "passphrase") else places[-1]
    head = words[at]
    said = [word for word in words[max(0, at - 2) : at] if word in QUALIFIERS]
    if said and rng.random() < 0.6:
        return (*said, head)
    return rng.choice(HEADS[head])


def recall(trials: Iterable[Trial], tier: str = BLOCKS) -> float:
    """The share that was found at the tier or above."""
    tiers = Counter(trial.tier for trial in trials)
    hits = tiers[BLOCKS] + (tiers[WARNS] if tier == WARNS else 0)
    return hits / max(tiers.total(), 1)


def grouped(trials: Iterable[Trial], by: str) -> dict[str, list[Trial]]:
    """Trials by `provider`, `rule` or `context`."""
    found: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        name = {"provider": trial.rule.provider, "rule": trial.rule.id}.get(by, trial.context)
        found[name].append(trial)
    return dict(found)


def macro(trials: Iterable[Trial], tier: str = BLOCKS) -> float:
    """The mean of the providers' recalls: each counts once, however many rules it has."""
    parts = grouped(trials, "provider").values()
    return sum(recall(part, tier) for part in parts) / max(len(parts), 1)
