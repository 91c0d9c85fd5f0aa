"""Sending a message through a channel, once.

Nobody can promise "exactly once" to a service that forgets. So: whoever calls
first records that sending begins, passes every earlier try as `before`, and
records what came out. A try whose outcome nobody knows is not repeated, unless
the other side recognises a repetition or can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib import import_module

from leakguard.errors import LeakguardError
from leakguard.event import MessageFailed, MessageSent
from leakguard.incident import Incident, Message
from leakguard.load.channels import Channel
from leakguard.respond.comms_state import status


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as it goes out. Its text holds no secret; that was checked before."""

    incident: str
    message: str
    version: int
    audience: str
    subject: str
    text: str
    tlp: str
    level: int
    opened_at: datetime
    drill: bool = False
    resolved: bool = False

    def key(self, channel: str) -> str:
        """What makes a second delivery recognisable as the same."""
        return f"{self.incident}/{self.message}/v{self.version}/{channel}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """It arrived, `sent` now or earlier; in a dry run nothing left."""

    channel: str
    key: str
    detail: str
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Failure:
    """It did not arrive; or, if `unknown`, nobody can say."""

    channel: str
    key: str
    problem: str
    unknown: bool = False


class UnsureError(Exception):
    """The message may have been taken: the body was on its way when the line went dead."""


Past = MessageSent | MessageFailed
Way = Callable[[Channel, Outgoing], str]

WAYS = {
    "apprise": "notify_apprise",
    "webhook": "webhook",
    "slack": "notify_slack",
    "pagerduty": "notify_pagerduty",
    "mail": "mail",
    "github": "issue",
    "gitlab": "issue",
}
RECOGNISES = frozenset({"github", "gitlab", "pagerduty"})
"""Kinds where a repetition is found out: by asking first, or by the service itself."""


def outgoing(incident: Incident, message: Message) -> Outgoing:
    """A message of an incident, ready to go out."""
    draft = message.draft
    return Outgoing(
        incident=incident.id,
        message=message.id,
        version=draft.version,
        audience=draft.audience,
        subject=draft.subject,
        text=draft.text,
        tlp=draft.tlp,
        level=incident.level,
        opened_at=incident.opened_at,
        drill=incident.opened.drill,
        resolved=status(incident) == "RESOLVED",
    )


def send(
    channel: Channel, message: Outgoing, *, before: Sequence[Past] = (), dry_run: bool = True
) -> Receipt | Failure:
    """Deliver `message`, or say why not; `before` is what is recorded of earlier tries.

    Nothing raises for what a network can do. No answer holds a secret of the channel.
    """
    key = message.key(channel.name)
    settled = _settled(channel, message, key, before)
    if settled is not None:
        return settled
    if dry_run:
        return Receipt(channel.name, key, f"dry run: nothing was sent by {channel.kind}", False)
    try:
        detail = _way(channel.kind)(channel, message)
    except UnsureError as error:
        return _hiding(channel, Failure(channel.name, key, str(error), unknown=True))
    except LeakguardError as error:
        problem = "; ".join((error.message, *error.hints))
        return _hiding(channel, Failure(channel.name, key, problem))
    return _hiding(channel, Receipt(channel.name, key, detail))


def _settled(
    channel: Channel, message: Outgoing, key: str, before: Sequence[Past]
) -> Receipt | Failure | None:
    """The answer when nothing has to be sent, or nothing may be."""
    if message.audience not in channel.audience:
        allowed = ", ".join(channel.audience)
        problem = f"channel {channel.name} reaches {allowed}, not {message.audience}"
        return Failure(channel.name, key, problem)
    if message.tlp == "RED":
        return Failure(channel.name, key, "TLP:RED is told by voice, not through a channel")
    own = [one for one in before if one.message == message.message and one.through == channel.name]
    for one in own:
        if isinstance(one, MessageSent):
            return Receipt(channel.name, key, f"sent before: {one.receipt}", sent=False)
    last = own[-1] if own else None
    unknown = isinstance(last, MessageFailed) and last.unknown
    if unknown and channel.kind not in RECOGNISES:
        problem = "nobody knows whether it arrived before; look there, then settle it"
        return Failure(channel.name, key, problem, unknown=True)
    return None


def _way(kind: str) -> Way:
    """The module of a kind is loaded when it is needed; apprise is large."""
    deliver: Way = import_module(f"leakguard.connect.{WAYS[kind]}").deliver
    return deliver


def _hiding(channel: Channel, answer: Receipt | Failure) -> Receipt | Failure:
    """What another program said, without the channel's secrets."""
    said = answer.detail if isinstance(answer, Receipt) else answer.problem
    said = " ".join("".join(char if char.isprintable() else "?" for char in said).split())[:300]
    for secret in channel.secrets.values():
        said = said.replace(secret.reveal().decode("utf-8", "replace"), "*****")
    if isinstance(answer, Receipt):
        return replace(answer, detail=said)
    return replace(answer, problem=said)
