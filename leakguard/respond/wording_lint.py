"""Words that should not leave: minimising, blaming, claiming more than the record shows.

It reads a draft as its readers will. `err` stops a message, `warn` asks for a
second look. The lists are English; a message in another language still gets
the checks for people, numbers and secrets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from leakguard.incident import Incident
from leakguard.respond import comms_state as state


class Lint(NamedTuple):
    """One finding: `err` or `warn`, what it is, where, and what to write instead."""

    severity: str
    what: str
    excerpt: str
    instead: str


def lint(
    text: str, incident: Incident, scan: Callable[[str], Sequence[str]] | None = None
) -> tuple[Lint, ...]:
    """Everything wrong with the words of a message about `incident`, worst first.

    `scan` looks for secrets in the text and names what it finds; the values
    themselves must not be in its answers.
    """
    found = [
        *_phrases(text),
        *_claims(text, incident),
        *_blame(text, incident),
        *_errors_without_cause(text),
        *_vague(text, incident),
    ]
    secrets = scan(text) if scan is not None else ()
    found += [Lint("err", "a secret", one, "its name or its public identifier") for one in secrets]
    return tuple(sorted(dict.fromkeys(found), key=lambda one: one.severity))


class _Phrase(NamedTuple):
    severity: str
    pattern: re.Pattern[str]
    what: str
    instead: str


def _phrase(severity: str, pattern: str, what: str, instead: str) -> _Phrase:
    return _Phrase(severity, re.compile(pattern, re.IGNORECASE), what, instead)


_SAY_SIZE = "the number, or that it is not known"
_SAY_FACT = "what happened and what was done"

_PHRASES = (
    _phrase("err", r"\btakes? (?:your |our |the |customers?' )?(?:security|privacy|protection)"
            r"[\w ,]{0,40} (?:very |extremely |incredibly )?seriously",
            "an empty phrase", _SAY_FACT),
    _phrase("err", r"\b(?:security|privacy)[\w ,]{0,40} is (?:our|a) (?:top|highest|first|number"
            r"[- ]one)[- ]priority", "an empty phrase", _SAY_FACT),
    _phrase("err", r"\b(?:out of|in) an abundance of caution", "an empty phrase",
            "the reason for the step"),
    _phrase("err", r"\b(?:small|minor|tiny|little|trivial|insignificant|negligible|isolated) "
            r"(?:security )?(?:incident|issue|matter|leak|breach|problem|event|exposure)s?",
            "it makes the incident small", _SAY_SIZE),
    _phrase("err", r"\b(?:no (?:cause|reason|need) (?:for|to be|to) (?:alarm|concern|worry|panic"
            r"|alarmed|concerned|worried)|rest assured|nothing to worry about|do not worry"
            r"|don't worry)", "it calms instead of telling", _SAY_FACT),
    _phrase("err", r"\b(?:very |extremely |only a |just a |a )?(?:small|limited|tiny|low|handful) "
            r"(?:number|subset|fraction|portion|percentage|of) of? ?(?:\w+ )?(?:users|customers"
            r"|people|accounts|records|tenants)", "it makes a number small", _SAY_SIZE),
    _phrase("warn", r"(?<![-\w])(?:merely|simply|minor|trivial|inadvertently|unlikely"
            r"|harmless|low[- ]risk|theoretical(?:ly)?)(?![-\w])", "it may minimise", _SAY_FACT),
    _phrase("warn", r"(?<![-\w])(?:only|just)(?= (?:a|an|one|two|some|few|the|affected|exposed"
            r"|leaked|visible|internal(?:ly)?|for|[0-9]))", "it may minimise",
            "the number or the time without it"),
    _phrase("warn", r"\b(?:so-called|alleged|potential) (?:incident|leak|breach)",
            "it may minimise", "leak, if it is one"),
    _phrase("warn", r"\b(?:sophisticated|state[- ]sponsored|highly skilled) (?:attack|attacker"
            r"|actor|threat)", "it praises an attacker nobody has seen", "what the logs show"),
)  # fmt: skip

_DATA = r"(?:data|records?|information|accounts?|systems?|customers?|users?|secrets?|credentials?)"
_TOUCHED = (
    r"(?:accessed|affected|compromised|stolen|exposed|taken|viewed|read|exfiltrated|impacted|lost"
    r"|misused)"
)
_BEEN = r"(?:was|were|is|are|has been|have been)"
_NOBODY = r"(?:nobody|no one|no-one|no third party|no attacker|no outsider)"
_DID = r"(?:accessed|used|seen|saw|read|viewed|touched|abused|exploited|gained)"
_DEED = r"(?:access|use|misuse|abuse|breach|intrusion|impact|data loss|activity|party|parties)"
_KIND = r"(?:unauthori[sz]ed|illegitimate|malicious)"
_SAFE = r"(?:safe|secure|protected|untouched|intact|unaffected)"
_ABSENCE = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bno (?:\w+ ){{0,3}}{_DATA} (?:\w+ ){{0,3}}{_BEEN} (?:ever )?{_TOUCHED}",
        rf"\b{_DATA} (?:was|were|has|have|is|are)(?: not|n't) (?:been )?(?:ever )?{_TOUCHED}",
        r"\bno (?:signs?|evidence|indications?|trace|proof) (?:of|that|for)\b",
        rf"\b{_NOBODY}(?: has| had| else)? (?:ever )?{_DID}",
        rf"\bthere (?:was|is|has been) no (?:{_KIND} )?{_DEED}",
        rf"\bno {_KIND} {_DEED}",
        rf"\b{_DATA} (?:{_BEEN}|remains?|stays?) (?:completely |fully |entirely )?{_SAFE}",
        r"\b(?:was|were|has|had)(?: not|n't| never) (?:been )?(?:abused|exploited|misused)\b",
        r"\bwas never (?:used|abused|seen|accessed)\b",
    )
)
_DEATH = re.compile(
    r"\b(?:no longer (?:works?|valid|usable|active|accepted|be used)|(?:is|are|was|were) (?:now )?"
    r"(?:dead|useless|worthless|harmless|invalid(?:ated)?|inert)|can(?:not|'t| no longer) be used"
    r"|the risk (?:is|was|has been) (?:fully |completely )?(?:eliminated|removed|gone))",
    re.IGNORECASE,
)
_OVER = re.compile(
    r"\b(?:fully|completely|entirely|100 ?%) (?:resolved|secure[d]?|contained|remediated|fixed)"
    r"|\b(?:is|was|has been) (?:resolved|closed|over)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:cannot|can not|can't|could not|unable to|do not|don't|not yet|whether|if|unknown|until"
    r"|neither)\b[^.!?\n]{0,80}$",
    re.IGNORECASE,
)

_CAUSE = re.compile(
    r"\b(?:caus\w*|because|due to|fault|blame\w*|mistak\w*|forg[eo]t\w*|careless\w*|negligen\w*"
    r"|failed to|neglected|should have|pushed|committed|pasted|leaked|posted|uploaded|wrote|sent"
    r"|shared|copied|ignored|bypassed|root cause|responsible for)\b",
    re.IGNORECASE,
)
_ABOUT_CAUSE = re.compile(r"\b(?:cause|why|how it happened)", re.IGNORECASE)
_HUMAN = re.compile(
    r"\b(?:human|operator|user|developer|engineer|employee|manual|pilot) (?:error|mistake"
    r"|negligence|failure|oversight)|\b(?:careless(?:ness|ly)?|negligen(?:ce|t)|sloppy|forgot to"
    r"|should have known|failed to follow|was not careful)\b",
    re.IGNORECASE,
)
_SYSTEM = re.compile(
    r"\b(?:gate|hook|check|scanner|masking|pipeline|process|control|review|default|tool(?:ing)?"
    r"|guard\w*|automation|alert\w*|design|template|training|procedure|permission\w*|policy"
    r"|logger|configuration|nothing (?:stopped|prevented)|(?:was|were) not (?:blocked|prevented)"
    r"|no (?:check|gate|guard|review|control|alert))\b",
    re.IGNORECASE,
)
_VAGUE = re.compile(
    r"\b(?:some|several|various|many|numerous|a few|a number of|multiple|a couple of|a handful of"
    r"|certain) (?:\w+ ){0,2}(?P<noun>secrets?|credentials?|keys?|passwords?|tokens?|copies"
    r"|places|services|consumers|customers|users|people|records|accounts|tenants|vendors)\b",
    re.IGNORECASE,
)
_AFFECTED = re.compile(
    r"(?<!\bno )\b(?:customers|users|people|accounts|records|tenants)\b[^.\n]{0,60}"
    r"\b(?:affected|concerned|exposed|at risk)\b",
    re.IGNORECASE,
)
_MACHINES = frozenset({"root", "admin", "bot", "system", "leakguard", "pipeline", "runner", "user"})


def _phrases(text: str) -> Iterator[Lint]:
    for severity, pattern, what, instead in _PHRASES:
        for match in pattern.finditer(text):
            yield Lint(severity, what, _around(text, match), instead)


def _claims(text: str, incident: Incident) -> Iterator[Lint]:
    """Absence, death and an end are claimed only when the record proves them (G-02, G-15)."""
    verdict = state.verdict(incident)
    if verdict != state.NONE:
        instead = {
            state.PENDING: "that it is still being examined",
            state.UNAUTHORISED: "what the logs show",
            state.CANNOT: "that it cannot be determined",
        }[verdict]
        for pattern in _ABSENCE:
            yield from _said(text, pattern, "it claims that nothing happened", instead)
    if not state.proven(incident):
        instead = "what is done, and that the proof is missing"
        yield from _said(text, _DEATH, "it claims that the secret is dead", instead)
    if state.status(incident) != "RESOLVED":
        instead = f"that it is {state.status(incident).lower()}"
        yield from _said(text, _OVER, "it claims an end", instead)


def _said(text: str, pattern: re.Pattern[str], what: str, instead: str) -> Iterator[Lint]:
    """Matches, but for "we cannot say that ..." and questions."""
    for match in pattern.finditer(text):
        if not _NEGATED.search(text, max(0, match.start() - 120), match.start()):
            yield Lint("err", what, _around(text, match), instead)


def _blame(text: str, incident: Incident) -> Iterator[Lint]:
    """A person in a sentence about the cause, or under a heading about it (G-05, P-47)."""
    people = _people(incident)
    if not people:
        return
    names = "|".join(map(re.escape, people))
    known = re.compile(rf"(?<![\w-])@?(?:{names})(?![\w-])", re.IGNORECASE)
    about_cause = False
    for paragraph in text.splitlines():
        if paragraph.startswith("#"):
            about_cause = _ABOUT_CAUSE.search(paragraph) is not None
        for sentence in re.split(r"(?<=[.;!?])\s+", paragraph):
            match = known.search(sentence)
            if match and (about_cause or _CAUSE.search(sentence)):
                yield Lint("err", "it names a person as the cause", _around(sentence, match),
                           "what let it happen: the check that was missing")  # fmt: skip


def _people(incident: Incident) -> list[str]:
    """Everybody the record names, also by the first part of an address; longest first."""
    named = incident.people | set(incident.roles.values()) | {incident.opened_by}
    named |= {task.assignee for task in incident.tasks.values()}
    named |= {task.by for task in incident.tasks.values()}
    named |= {approval.approver for message in incident.messages.values()
              for approval in message.approvals}  # fmt: skip
    found = set()
    for name in named:
        found |= {name, name.partition("@")[0]}
        if " " in name:
            found |= set(name.split())
    kept = [name for name in found if len(name) > 2 and name.casefold() not in _MACHINES]
    return sorted(kept, key=lambda name: (-len(name), name))


def _errors_without_cause(text: str) -> Iterator[Lint]:
    """To call it human error ends the search for a cause; something let the error through."""
    for paragraph in re.split(r"\n\s*\n", text):
        match = _HUMAN.search(paragraph)
        if match and not _SYSTEM.search(paragraph):
            yield Lint("warn", "a person's error without what let it through",
                       _around(paragraph, match), "which check or default was missing")  # fmt: skip


def _vague(text: str, incident: Incident) -> Iterator[Lint]:
    """Some credentials, several customers, where the record holds how many."""
    known = _numbers(incident)
    for match in _VAGUE.finditer(text):
        noun = match["noun"].lower()
        number = known.get(noun if noun.endswith("s") else f"{noun}s", "")
        if number:
            yield Lint("warn", "a number is known and not said", _around(text, match), number)
    people = incident.fact("people-affected")
    mentions = _AFFECTED.search(text)
    if mentions and any(char.isdigit() for char in people) and people not in text:
        yield Lint("warn", "a number is known and not said", _around(text, mentions), people)


def _numbers(incident: Incident) -> dict[str, str]:
    secrets, copies = len(incident.secrets), len(incident.copies)
    consumers = len(incident.consumers)
    found = dict.fromkeys(("secrets", "credentials", "keys", "passwords", "tokens"), secrets)
    found |= dict.fromkeys(("copies", "places"), copies)
    found |= dict.fromkeys(("consumers", "services"), consumers)
    told = {noun: f"{number} {noun}" for noun, number in found.items() if number}
    people = incident.fact("people-affected")
    if any(char.isdigit() for char in people):
        for noun in ("customers", "users", "people", "records", "accounts"):
            told[noun] = people
    return told


def _around(text: str, match: re.Match[str]) -> str:
    """The match with a little of what stands around it, on one line."""
    begin, end = max(0, match.start() - 20), min(len(text), match.end() + 20)
    return " ".join(text[begin:end].split())[:120]
