"""Messages out of facts: a template, the facts it must have, and the words that come out.

Nothing is guessed. A fact that is not known stops the message and says which
command supplies it; what changed later makes a new version that says so.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from leakguard.errors import UsageError
from leakguard.event import MessageDrafted
from leakguard.incident import Message
from leakguard.respond.comms_sandbox import fill, plain
from leakguard.respond.guards import Gap

AUDIENCES = ("internal", "owner", "executive", "vendor", "reporter", "customers", "status-page")
INSIDE = frozenset({"internal", "owner", "executive"})
"""Audiences within the organisation; a message to any other one leaves it."""

GATES = ("none", "approval", "legal")
"""Who agrees before it leaves: nobody, somebody, somebody of legal."""

TLP = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
PER = ("incident", "secret", "exposure", "tenant")

CHANGED = "## Changed since version"

Facts = Mapping[str, Any]

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?: [0-9]{2}:[0-9]{2} UTC)?")


class Ask(NamedTuple):
    """A fact that a template must have: what it is, and the command that supplies it."""

    fact: str
    what: str
    command: str


@dataclass(frozen=True, slots=True)
class Template:
    """A kind of message. `order` names rules of respond.comms_order, `cadence` a timer."""

    id: str
    number: str
    title: str
    audience: str
    subject: str
    body: str
    requires: tuple[Ask, ...]
    uses: tuple[str, ...] = ()
    tlp: str = "AMBER"
    gate: str = "none"
    order: tuple[str, ...] = ()
    per: str = "incident"
    from_level: int = 3  # offered at this level and at worse ones
    cadence: str = ""
    due: str = ""
    source: str = ""
    body_line: int = 1

    @property
    def leaves(self) -> bool:
        """Whether it goes to somebody outside the organisation."""
        return self.audience not in INSIDE

    @property
    def facts(self) -> tuple[str, ...]:
        """Everything it may show."""
        return (*(ask.fact for ask in self.requires), *self.uses)


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as its template and the facts make it, before it has a number."""

    template: str
    incident: str
    audience: str
    tlp: str
    subject: str
    text: str
    moving: tuple[str, ...] = ()  # what stands in it because of the hour it was made


def missing(template: Template, facts: Facts) -> list[Gap]:
    """The required facts that are not known, each with the command that supplies it."""
    known = {"incident": facts.get("incident_id", ""), "subject": facts.get("subject", "")}
    return [
        Gap("G-04", ask.what, _filled(ask.command, known))
        for ask in template.requires
        if not facts.get(ask.fact)
    ]


def render(template: Template, facts: Facts) -> Draft:
    """The message. Raises UsageError that lists every missing fact, ConfigError for a bad template.

    The mark of a drill is put on here, where no template can leave it out.
    """
    gaps = missing(template, facts)
    if gaps:
        raise UsageError(
            f"the {template.title.lower()} lacks {', '.join(gap.what for gap in gaps)}",
            *(gap.command for gap in gaps),
        )
    given = {name: facts[name] for name in template.facts if name in facts}
    text = fill(template.body, given, template.source).strip()
    subject = " ".join(plain(fill(template.subject, given, template.source)).split())
    if facts.get("drill"):
        subject = f"[DRILL] {subject}"
        text = f"**DRILL. This is an exercise; nothing in it is real.**\n\n{text}"
    incident = str(facts["incident_id"])
    moving = tuple(facts.get("moving", ()))
    return Draft(
        template.id, incident, template.audience, template.tlp, subject[:200], text, moving
    )


def next_version(
    previous: MessageDrafted | None, draft: Draft, message: str
) -> MessageDrafted | None:
    """The event of a draft under the number `message`; None when it says nothing new.

    After a `previous` one it is the next version, and says itself what changed.
    """
    version, changes = 1, ""
    if previous is not None:
        before = _bare(previous.text)
        if before == draft.text and previous.subject == draft.subject:
            return None
        version = previous.version + 1
        changes = _changes(before, draft.text)
    text = draft.text
    if changes:
        text += f"\n\n{CHANGED} {version - 1}\n\n{changes}"
    text += f"\n\n---\nTLP:{draft.tlp} | {draft.incident} | version {version}\n"
    return MessageDrafted(
        message=message,
        template=draft.template,
        version=version,
        audience=draft.audience,
        subject=draft.subject,
        text=text,
        sha256=seal(draft.subject, text),
        tlp=draft.tlp,
        changes=changes,
    )


def stands(message: Message, draft: Draft) -> bool:
    """Whether a message that has not left by all its ways still says what `draft` says.

    Only the hour has moved on: the day of the title, the time of the next update.
    A new version would take away what people agreed to, and arrive a second time
    where the first one did.
    """
    left = {one.through for _, one in message.sent}
    waits = {one.through for _, one in message.failed} - left
    if (left and not waits) or message.draft.template != draft.template:
        return False
    before = [message.draft.subject, *_bare(message.draft.text).splitlines()]
    after = [draft.subject, *draft.text.splitlines()]
    if len(before) != len(after):
        return False
    return all(_alike(old, new, draft.moving) for old, new in zip(before, after, strict=True))


def seal(subject: str, text: str) -> str:
    """The hash that a message is kept with."""
    return hashlib.sha256(f"{subject}\n\n{text}".encode()).hexdigest()


def _alike(old: str, new: str, moving: tuple[str, ...]) -> bool:
    """The same line, but for a time that moves by itself."""
    if old == new:
        return True
    held = [one for one in moving if one and one in new]
    return bool(held) and _TIME.sub("", old) == _TIME.sub("", new)


def _filled(command: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        command = command.replace(f"{{{name}}}", value or name.upper())
    return command


def _bare(text: str) -> str:
    """A stored message without its footer and its list of changes."""
    body = text.rpartition("\n\n---\nTLP:")[0]
    return body.rpartition(f"\n\n{CHANGED} ")[0] or body


def _changes(before: str, after: str) -> str:
    """What is said now and was not, and what is not said any more; line by line."""
    told = [
        f"- {'now' if line[0] == '+' else 'before'}: {line[2:]}"
        for line in difflib.ndiff(_lines(before), _lines(after))
        if line.startswith(("+ ", "- "))
    ]
    shown = told[:40]
    if len(told) > len(shown):
        shown.append(f"- and {len(told) - len(shown)} more")
    return "\n".join(shown)


def _lines(text: str) -> list[str]:
    """The lines that say something, without the marks of lists and headings."""
    lines = (re.sub(r"^(?:#{1,6}|[-*]|[0-9]{1,3}[.)]) +", "", one.strip()) for one in
             text.splitlines())  # fmt: skip
    return [line for line in lines if line]
