"""No secret goes into the record or out in a message: our own detectors read it first.

What leaked is known by its fingerprint too, so that also a password which no rule finds
is recognised when somebody types it as a word of a note.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from leakguard import event as ev
from leakguard.blob import Blob, Origin
from leakguard.errors import RefusedError
from leakguard.read import repository
from leakguard.secret import MASK, Secret

if TYPE_CHECKING:
    from leakguard.detect.scanner import Scanner
    from leakguard.finding import Candidate

OURS = (ev.ChecklistComposed, ev.SeverityJudged)
"""Events that only say what playbooks and policies say."""

SHORTEST = 8
"""No rule that is sure of itself finds anything shorter."""

MOST_WORDS = 200
"""So many words of a text are compared with what leaked; a guessable one takes 10 ms."""

FEWEST = 4
"""Shorter words stand in any text."""

_SIGNS = "\"'`,.;:!?()[]{}<>"
_BETWEEN = re.compile(r"[\"'`,;:()\[\]{}<>=/?&#]+")


def found_in(text: str) -> list[str]:
    """The rules that find a secret in a text; those that only guess do not count."""
    return list(dict.fromkeys(one.rule.id for one in _sure(text)))


def check(events: Sequence[ev.Event], known: Known | None = None) -> None:
    """Raises RefusedError (G-20) when what is to be recorded holds a secret; never quotes it.

    Who acts is recorded too, and may have been pasted.
    """
    from leakguard.cli.desk import WHO

    told = [os.environ.get(WHO, ""), *(text for event in events for text in texts(event))]
    for text in dict.fromkeys(told):
        rules = found_in(text) if len(text) >= SHORTEST else []
        if rules:
            raise _refused(", ".join(rules))
        if known is not None and known.named(text):
            raise _refused("the one that leaked")


def _refused(what: str) -> RefusedError:
    return RefusedError(
        f"that text holds a secret ({what}) [G-20]",
        "say it without the value: its name, its id, its place",
        "is it one more leaked secret? leakguard respond -",
    )


def masked(events: Iterable[ev.Event], known: Known | None = None) -> list[ev.Event]:
    """The same events with stars for each secret in them.

    What a report calls its files and rules is a stranger's text: it must neither get into the
    record nor keep an incident from being opened.
    """
    return [one if isinstance(one, OURS) else _masked(one, known) for one in events]


def texts(event: ev.Event) -> Iterator[str]:
    """Everything in an event that a person or a stranger wrote."""
    if isinstance(event, OURS):
        return
    for one in fields(event):
        yield from _strings(getattr(event, one.name))


class Known:
    """The secrets of an incident, recognised by their fingerprints: (rule, fingerprint) pairs.

    `keyed` is what the record makes of a finding's fingerprint.
    """

    def __init__(self, secrets: Iterable[tuple[str, str]], keyed: Callable[[str], str]) -> None:
        told = {(rule, kept) for rule, kept in secrets if kept}
        self._rules = {rule for rule, _ in told}
        self._kept = {kept for _, kept in told}
        self._keyed = keyed
        self._seen: dict[str, bool] = {}  # a guess at a password is slow on purpose

    def named(self, text: str) -> list[str]:
        """The words of a text that are one of these secrets."""
        if not self._kept:
            return []
        found = _words(text)
        self._seen |= {word: self._is_one(word) for word in found if word not in self._seen}
        return [word for word in found if self._seen[word]]

    def _is_one(self, word: str) -> bool:
        salt, ways = self._ways
        value = Secret(word.encode("utf-8", "replace"))
        return any(
            self._keyed(value.fingerprint(family, salt, guessable=guessable)) in self._kept
            for family, guessable in ways
        )

    @functools.cached_property
    def _ways(self) -> tuple[bytes, set[tuple[str, bool]]]:
        """How the fingerprints of these rules are made here: the salt is that of the repository's
        own policy; intake makes those of other tools.
        """
        from leakguard.load.pack import open_pack

        pack = open_pack(repository.find_top())
        ours = [one for one in pack.book.rules if one.id in self._rules]
        foreign = self._rules - {one.id for one in ours}
        return pack.policy.salt.encode(), {(one.family, one.guessable) for one in ours} | {
            (f"foreign:{rule}", True) for rule in foreign
        }


def _words(text: str) -> list[str]:
    """The words of a text, with the signs around and between their parts, and without."""
    found = [text.strip()]
    for word in text.split()[:MOST_WORDS]:
        found += [word, word.strip(_SIGNS), *_BETWEEN.split(word)]
    return [one for one in dict.fromkeys(found) if len(one) >= FEWEST]


@functools.cache
def _scanner() -> Scanner:
    from leakguard.detect.scanner import Scanner
    from leakguard.load.pack import open_pack

    pack = open_pack(None)
    return Scanner(pack.book, pack.prefilter.scan)


def _sure(text: str) -> list[Candidate]:
    """What is found by rules that do not only guess."""
    hits = _scanner().look(Blob(Origin("stdin", "text"), text.encode("utf-8", "replace")))
    return [one for one in hits if one.confidence != "possible"]


def _masked(event: Any, known: Known | None) -> Any:
    changes = {}
    for one in fields(event):
        value = getattr(event, one.name)
        told = _starred(value, known)
        if told != value:
            changes[one.name] = told
    return replace(event, **changes) if changes else event


def _starred(value: Any, known: Known | None) -> Any:
    if isinstance(value, tuple):
        return tuple(_starred(one, known) for one in value)
    if not isinstance(value, str):
        return value
    hits = [one.secret.reveal() for one in _sure(value)] if len(value) >= SHORTEST else []
    words = [word.encode("utf-8", "replace") for word in (known.named(value) if known else ())]
    raw = value.encode("utf-8", "replace")
    for hit in sorted({*hits, *words}, key=len, reverse=True):
        raw = raw.replace(hit, MASK.encode())
    return raw.decode("utf-8", "replace") if raw != value.encode("utf-8", "replace") else value


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Iterable):
        for one in value:
            yield from _strings(one)
