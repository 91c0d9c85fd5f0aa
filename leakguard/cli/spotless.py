"""No secret goes into the record or out in a message: our own detectors read it first."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields

from leakguard import event as ev
from leakguard.blob import Blob, Origin
from leakguard.errors import RefusedError

OURS = (ev.ChecklistComposed, ev.SeverityJudged)
"""Events that only say what playbooks and policies say."""


def found_in(text: str) -> list[str]:
    """The rules that find a secret in a text; those that only guess do not count."""
    from leakguard.detect.scanner import Scanner
    from leakguard.load.pack import open_pack

    pack = open_pack(None)
    scanner = Scanner(pack.book, pack.prefilter.scan)
    hits = scanner.look(Blob(Origin("stdin", "text"), text.encode("utf-8", "replace")))
    return list(dict.fromkeys(one.rule.id for one in hits if one.confidence != "possible"))


def check(events: Sequence[ev.Event]) -> None:
    """Raises RefusedError (G-20) when what is to be recorded holds a secret; never quotes it.

    Who acts is recorded too, and may have been pasted.
    """
    from leakguard.cli.desk import WHO

    told = [os.environ.get(WHO, ""), *(text for event in events for text in texts(event))]
    for text in dict.fromkeys(told):
        rules = found_in(text) if len(text) >= SHORTEST else []
        if rules:
            raise RefusedError(
                f"that text holds a secret ({', '.join(rules)}) [G-20]",
                "say it without the value: its name, its id, its place",
                "is it one more leaked secret? leakguard respond -",
            )


SHORTEST = 8
"""No rule that is sure of itself finds anything shorter."""


def texts(event: ev.Event) -> Iterator[str]:
    """Everything in an event that a person or a stranger wrote."""
    if isinstance(event, OURS):
        return
    for one in fields(event):
        yield from _strings(getattr(event, one.name))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Iterable):
        for one in value:
            yield from _strings(one)
