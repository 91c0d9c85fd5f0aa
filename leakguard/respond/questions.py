"""What to ask people at the start of an incident: only what nothing else tells, worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leakguard.facts import ANSWERS, Facts
from leakguard.incident import Incident
from leakguard.respond.companions import APART, Result

MOST = 5
"""Nobody answers more while a leak is open."""

_CONTAINERS = frozenset({"vault-token", "approle-secret-id", "unseal-share", "kek"})


@dataclass(frozen=True, slots=True)
class Question:
    """One question. The answer is a stated fact of `subject`; `default` is the cautious one."""

    fact: str
    text: str
    flag: str
    choices: tuple[str, ...]
    default: str
    why: str
    subject: str = ""

    @property
    def argument(self) -> str:
        """What answers it on the command line, but for the answer."""
        if self.flag != "--fact":
            return self.flag
        return f"--fact {self.fact}:{self.subject}=" if self.subject else f"--fact {self.fact}="


def questions(
    incident: Incident, facts: Facts, results: Sequence[Result] = ()
) -> tuple[Question, ...]:
    """At most five questions, in the order of what their answers change.

    None for what never left the machine: no answer would change anything.
    """
    channels, pushed = (facts.get(name, frozenset()) for name in ("channel", "history-pushed"))
    local = channels == frozenset({"local-commit"}) and "yes" not in pushed
    if local:
        return ()
    asked = [*_of_sets(results, opening=True), *_of_facts(incident, facts),
             *_of_sets(results, opening=False)]  # fmt: skip
    return tuple(asked[:MOST])


def _of_sets(results: Sequence[Result], *, opening: bool) -> Iterator[Question]:
    """Is the other half there too? First for what would open a whole container."""
    for one in results:
        if one.state == "unknown" and bool(one.opens) is opening:
            yield _of_set(one)


def _of_set(one: Result) -> Question:
    why = "until somebody says no, it is handled as if everything leaked"
    if one.apart:
        text = f"Do the parts of {one.title} that were found apart belong together?"
        return _question("other-half", text, ANSWERS, "unknown", why, subject=one.set + APART)
    return _question("other-half", one.question, ANSWERS, "unknown", why, subject=one.set)


def _of_facts(incident: Incident, facts: Facts) -> Iterator[Question]:
    """The rest, but for what is known or cannot matter."""
    if _unknown(facts, "intrusion") and facts.get("class", frozenset()) & _CONTAINERS:
        yield _question(
            "intrusion", "Did somebody get into the vault or its server?",
            ("vault", "server", "none", "unknown"), "unknown",
            "an intrusion asks for sealing; a leaked token alone does not",
        )  # fmt: skip
    if _unknown(facts, "evidence-of-use"):
        yield _question(
            "evidence-of-use", "Was it used by somebody who should not have it?", ANSWERS,
            "unknown", "use makes it worst, and brings the legal questions", "--used",
        )  # fmt: skip
    if _unknown(facts, "audience"):
        yield _question(
            "audience", "Who could have read it?",
            ("few", "internal", "partner", "public", "none", "unknown"), "unknown",
            "as long as nobody says, anybody could", "--audience",
        )  # fmt: skip
    for secret in incident.secrets.values():
        if _environment(incident, secret.id, secret.added.environment) == "unknown":
            yield _question(
                "environment", f"What does {secret.name} open?",
                ("production", "staging", "development", "unknown"), "unknown",
                "as long as nobody says, it opens production", "--environment", secret.id,
            )  # fmt: skip
            break
    if _unknown(facts, "customer-data"):
        yield _question(
            "customer-data", "Does it reach data of customers or other people?", ANSWERS,
            "unknown", "it decides whom to tell, and how soon",
        )  # fmt: skip
    if _unknown(facts, "privilege"):
        yield _question(
            "privilege", "What may its holder do?", ("read", "write", "admin", "unknown"),
            "unknown", "it bounds what has to be looked through",
        )  # fmt: skip


def _environment(incident: Incident, secret: str, told: str) -> str:
    return incident.fact("environment", secret) or incident.fact("environment") or told


def _unknown(facts: Facts, name: str) -> bool:
    return "unknown" in facts.get(name, frozenset({"unknown"}))


def _question(
    fact: str,
    text: str,
    choices: tuple[str, ...],
    default: str,
    why: str,
    flag: str = "--fact",
    subject: str = "",
) -> Question:
    return Question(fact, text, flag, choices, default, why, subject)
