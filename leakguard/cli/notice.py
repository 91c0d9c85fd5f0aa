"""`leakguard notice`: a message filled from facts, checked, approved, and sent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any

import click

from leakguard import event as ev
from leakguard import exits
from leakguard.cli import console, spotless
from leakguard.cli.desk import Desk, pass_desk, refuse
from leakguard.errors import RefusedError, UsageError
from leakguard.incident import Incident, Message
from leakguard.load.channels import Channel
from leakguard.profile import Profile
from leakguard.report.style import clean
from leakguard.respond.comms import Draft, Template
from leakguard.respond.guards import Gap

DEFAULT = "declaration"
ROLES = ("legal", "commander", "comms", "executive")


@dataclass(frozen=True, slots=True)
class Asked:
    """What one call of the command is about."""

    template: Template
    about: str
    profile: Profile


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.argument("template", required=False)
@click.option("--about", default="", metavar="S1", help="Of which secret, copy or tenant.")
@click.option("--list", "listed", is_flag=True, help="The kinds of message, and what was sent.")
@click.option("--send", is_flag=True, help="Send it; without this it is only shown.")
@click.option("--through", multiple=True, metavar="CHANNEL",
              help="Channels of notify.yml; default: those of its audience.")  # fmt: skip
@click.option("--by-hand", metavar="WHERE", help="You sent this text yourself: record it.")
@click.option("--dry-run", is_flag=True, help="With --send: say where it would go, and stop.")
@click.option("--approve", metavar="M1", help="Agree to a draft, as --role.")
@click.option("--role", type=click.Choice(ROLES), default="commander", show_default=True,
              help="With --approve: as what.")  # fmt: skip
@click.option(
    "--settle", metavar="M1", help="Say what became of a message that may have been sent."
)
@click.option("--sent/--not-sent", "arrived", default=None, help="With --settle: which.")
@pass_desk
def command(desk: Desk, number: str, template: str | None, **said: Any) -> int:
    """Fill a message from the facts of an incident, and send it when asked to.

    A fact that is missing is named with the command that supplies it; nothing is
    invented. Words that play down, blame or promise too much are named. Inside
    comes before outside, and what lawyers have to see waits for them.

    \b
    Examples:
      leakguard notice 12                    the declaration, as it would be
      leakguard notice 12 declaration --send --through ops
      leakguard notice 12 --list
      leakguard notice 12 --approve M2 --role legal
    """
    if said["listed"]:
        return _list(desk.incident(number))
    if said["approve"]:
        return _approve(desk, number, said["approve"], said["role"])
    if said["settle"]:
        return _settle(desk, number, said["settle"], said["arrived"], said["through"])
    asked = Asked(_template(template or DEFAULT), said["about"], _profile())
    incident = desk.incident(number)
    draft = _draft(desk, incident, asked)
    _show(draft, incident)
    if said["by_hand"]:
        return _by_hand(desk, incident, asked, draft, said["by_hand"])
    if not said["send"]:
        console.show(f"\nNothing was sent. To send it:  leakguard notice {incident.id} "
                     f"{asked.template.id} --send\n")  # fmt: skip
        return exits.CLEAN
    return _send(desk, incident, asked, draft, said["through"], dry_run=said["dry_run"])


def draft_or_gaps(desk: Desk, incident: Incident, name: str) -> str:
    """A message as Markdown; while facts are missing, which ones and what supplies each."""
    from leakguard.respond.comms import missing, render
    from leakguard.respond.comms_facts import facts_for

    template = _template(name)
    facts = facts_for(template, incident, desk.preset(incident), _profile(), desk.now())
    gaps = missing(template, facts)
    if gaps:
        rows = "".join(f"- {gap.what}: `{gap.command}`\n" for gap in gaps)
        return f"# {template.title}\n\nNot complete. Missing:\n\n{rows}"
    draft = render(template, facts)
    return f"# {draft.subject}\n\n{draft.text}\n"


def _draft(desk: Desk, incident: Incident, asked: Asked) -> Draft:
    """The message. Raises RefusedError naming every fact that is missing."""
    from leakguard.respond.comms import missing, render
    from leakguard.respond.comms_facts import facts_for

    preset, now = desk.preset(incident), desk.now()
    facts = facts_for(asked.template, incident, preset, asked.profile, now, asked.about)
    refuse(f"the {asked.template.title.lower()} cannot be filled", missing(asked.template, facts))
    return render(asked.template, facts)


def _show(draft: Draft, incident: Incident) -> None:
    from leakguard.respond.wording_lint import lint

    text = "".join(f"{clean(line)}\n" for line in draft.text.splitlines())
    console.show(f"Subject: {clean(draft.subject)}\n\n{text}")
    for one in lint(draft.text, incident, spotless.found_in):
        word = "error" if one.severity == "err" else "note"
        console.show(f"{word}: {one.what}: {clean(one.excerpt)}; rather: {one.instead}\n")


def _send(
    desk: Desk, incident: Incident, asked: Asked, draft: Draft, through: Sequence[str],
    *, dry_run: bool,
) -> int:  # fmt: skip
    _proper(draft, incident)
    channels = _channels(through, draft, incident.id)
    if dry_run:
        for one in channels:
            console.show(f"Would go through {clean(one.name)} ({clean(one.kind)})\n")
        return exits.CLEAN
    incident, message = _kept(desk, incident, asked, draft)
    refuse(f"{message.id} is not sent", _held_back(incident, asked, message))
    return max(_through(desk, incident, message, one) for one in channels)


def _by_hand(desk: Desk, incident: Incident, asked: Asked, draft: Draft, where: str) -> int:
    """Record that a person sent it, under the same conditions as if we had."""
    _proper(draft, incident)
    incident, message = _kept(desk, incident, asked, draft)
    refuse(f"{message.id} is not recorded as sent", _held_back(incident, asked, message))
    sent = ev.MessageSent(message.id, where, f"by hand, by {desk.actor}")
    desk.change(incident.id, lambda _: [sent])
    console.show(f"\n{message.id} is recorded as sent: {clean(where)}\n")
    return exits.CLEAN


def _held_back(incident: Incident, asked: Asked, message: Message) -> list[Gap]:
    from leakguard.respond.comms_order import may_send

    return may_send(incident, asked.template, message, asked.about)


def _proper(draft: Draft, incident: Incident) -> None:
    """Raises RefusedError for words that must not leave."""
    from leakguard.respond.wording_lint import lint

    bad = [one for one in lint(draft.text, incident, spotless.found_in) if one.severity == "err"]
    if bad:
        hints = [f"{one.what}: {clean(one.excerpt)}; rather: {one.instead}" for one in bad]
        raise RefusedError("this message is not sent as it stands", *hints)


def _kept(desk: Desk, incident: Incident, asked: Asked, draft: Draft) -> tuple[Incident, Message]:
    """The incident with the draft recorded, and its message; what says nothing new is not new."""
    from leakguard.respond.comms import next_version, stands

    chosen: list[str] = []

    def decide(now: Incident) -> list[ev.Event]:
        earlier = [one for one in now.messages.values() if _same_kind(one, asked, draft)]
        event = None
        if not (earlier and stands(earlier[-1], draft)):
            previous = earlier[-1].draft if earlier else None
            event = next_version(previous, draft, f"M{len(now.messages) + 1}")
        chosen[:] = [event.message if event else earlier[-1].id]
        return [event] if event else []

    incident = desk.change(incident.id, decide)
    return incident, incident.messages[chosen[0]]


def _same_kind(message: Message, asked: Asked, draft: Draft) -> bool:
    same = message.draft.template == asked.template.id
    return same and (not asked.about or message.draft.subject == draft.subject)


def _through(desk: Desk, incident: Incident, message: Message, channel: Channel) -> int:
    """Send through one channel, once, and record what came of it.

    That sending begins is recorded before, and only while nobody else is at it: after a crash,
    or with two people at once, nobody takes it for unsent.
    """
    notify = import_module("leakguard.connect.notify")
    earlier: list[ev.MessageSent | ev.MessageFailed] = []

    def decide(now: Incident) -> list[ev.Event]:
        earlier[:] = _past(now.messages[message.id], channel.name)
        last = earlier[-1] if earlier else None
        if isinstance(last, ev.MessageSent):
            return []
        lost = isinstance(last, ev.MessageFailed) and last.unknown
        if lost and channel.kind not in notify.RECOGNISES:
            settle = f"leakguard notice {now.id} --settle {message.id} --through {channel.name}"
            gap = Gap("G-16", "look there first; it may have arrived, or somebody sends it now",
                      f"{settle} --sent (or --not-sent)")  # fmt: skip
            refuse(f"{message.id} is not sent through {channel.name} again", [gap])
        return [ev.MessageFailed(message.id, channel.name, "sending began", unknown=True)]

    incident = desk.change(incident.id, decide)
    outgoing = notify.outgoing(incident, message)
    answer = notify.send(channel, outgoing, before=earlier, dry_run=False)
    return _recorded(desk, incident, message, answer)


def _past(message: Message, channel: str) -> list[ev.MessageSent | ev.MessageFailed]:
    """What is recorded of a message and a channel, oldest first."""
    told: list[tuple[datetime, ev.MessageSent | ev.MessageFailed]] = [
        *message.failed,
        *message.sent,
    ]
    ordered = sorted(told, key=lambda one: one[0])
    return [one for _, one in ordered if one.through == channel]


def _recorded(desk: Desk, incident: Incident, message: Message, answer: Any) -> int:
    name, problem = answer.channel, getattr(answer, "problem", "")
    event: ev.Event = ev.MessageSent(message.id, name, getattr(answer, "detail", ""))
    if problem:
        event = ev.MessageFailed(message.id, name, problem, answer.unknown)
    if problem or answer.sent:  # what had been sent before is recorded already
        desk.change(incident.id, lambda _: [event])
    if not problem:
        console.show(f"{message.id} sent through {clean(name)}\n")
        return exits.CLEAN
    how = "may have been sent" if answer.unknown else "was not sent"
    console.show(f"error: {message.id} {how} through {clean(name)}: {clean(problem)}\n")
    if answer.unknown:
        console.show(f"  hint: look there, then: leakguard notice {incident.id} --settle "
                     f"{message.id} --sent (or --not-sent)\n")  # fmt: skip
    return exits.OUTCOME


def _approve(desk: Desk, number: str, message: str, role: str) -> int:
    def decide(now: Incident) -> list[ev.Event]:
        author = _message(now, message).author
        if author == desk.actor and now.level <= 1:
            gap = Gap(
                "G-04", "whoever wrote it does not approve it alone", "somebody else approves"
            )
            refuse(f"{message} is not approved", [gap])
        return [ev.MessageApproved(message, desk.actor, role)]

    incident = desk.change(number, decide)
    console.show(f"{message} of {incident.id} is approved by {clean(desk.actor)} ({role})\n")
    return exits.CLEAN


def _settle(
    desk: Desk, number: str, message: str, arrived: bool | None, through: Sequence[str]
) -> int:  # fmt: skip
    if arrived is None:
        raise UsageError("say --sent or --not-sent", "look at the receiver's side first")

    def decide(now: Incident) -> list[ev.Event]:
        found = _message(now, message)
        names = {one.through for _, one in found.failed}
        lost = [name for name in sorted(names) if _is_lost(_past(found, name)[-1])]
        chosen = [name for name in lost if not through or name in through]
        if len(chosen) != 1:
            many = f"which way? --through {' or '.join(lost)}" if lost else "nothing is unknown"
            raise UsageError(f"{message}: {many}", f"leakguard notice {now.id} --list")
        if arrived:
            return [ev.MessageSent(message, chosen[0], f"seen there by {desk.actor}")]
        return [ev.MessageFailed(message, chosen[0], f"not there, says {desk.actor}")]

    desk.change(number, decide)
    console.show(f"{message} was {'sent' if arrived else 'not sent'}\n")
    return exits.CLEAN


def _is_lost(last: ev.MessageSent | ev.MessageFailed) -> bool:
    return isinstance(last, ev.MessageFailed) and last.unknown


def _list(incident: Incident) -> int:
    from leakguard.load.templates import templates

    for one in templates():
        if incident.level <= one.from_level:
            console.show(f"{one.id:<24} {one.audience:<12} {one.title}\n")
    for message in incident.messages.values():
        kind = f"{message.draft.template} version {message.draft.version}"
        console.show(f"{message.id:<4} {message.state:<9} {kind}: {clean(message.draft.subject)}\n")
    return exits.CLEAN


def _message(incident: Incident, wanted: str) -> Message:
    if wanted not in incident.messages:
        listed = ", ".join(incident.messages) or "none yet"
        raise UsageError(f"{incident.id} has no message {wanted!r}", f"there are: {listed}")
    return incident.messages[wanted]


def _template(name: str) -> Template:
    from leakguard.load.templates import template

    return template(name)


def _profile() -> Profile:
    from leakguard.keep.place import data_folder
    from leakguard.load.profile import profile

    return profile(data_folder())


def _channels(through: Sequence[str], draft: Draft, number: str) -> list[Channel]:
    """The channels that were named, else those for the audience. Raises UsageError for none."""
    from leakguard.keep.place import data_folder
    from leakguard.load.channels import FILE, armed, channel, channels

    folder = data_folder()
    if through:
        return [channel(name, folder, os.environ) for name in through]
    fitting = [one for one in channels(folder) if draft.audience in one.audience]
    if not fitting:
        raise UsageError(
            f"no channel is for {draft.audience}",
            f"describe one in {os.path.join(folder, FILE)} (docs/communication.md)",
            f"you sent it yourself: leakguard notice {number} {draft.template} --by-hand WHERE",
        )
    return [armed(one, os.environ) for one in fitting]
