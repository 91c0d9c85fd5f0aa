"""`leakguard notice`: a message filled from facts, checked, approved, and sent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
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
        return _settle(desk, number, said["settle"], said["arrived"])
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
    channels = _channels(through, draft.audience)
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

    earlier = [one for one in incident.messages.values() if _same_kind(one, asked, draft)]
    if earlier and stands(earlier[-1], draft):
        return incident, earlier[-1]
    previous = earlier[-1].draft if earlier else None
    event = next_version(previous, draft, f"M{len(incident.messages) + 1}")
    if event is None:
        return incident, earlier[-1]
    incident = desk.change(incident.id, lambda _: [event])
    return incident, incident.messages[event.message]


def _same_kind(message: Message, asked: Asked, draft: Draft) -> bool:
    same = message.draft.template == asked.template.id
    return same and (not asked.about or message.draft.subject == draft.subject)


def _through(desk: Desk, incident: Incident, message: Message, channel: Any) -> int:
    """Send through one channel, once, and record what came of it.

    That sending began is recorded before: after a crash nobody takes it for unsent.
    """
    notify = import_module("leakguard.connect.notify")
    told: list[ev.MessageSent | ev.MessageFailed] = [one for _, one in message.failed]
    told += [one for _, one in message.sent]
    earlier = [one for one in told if one.through == channel.name]
    began = ev.MessageFailed(message.id, channel.name, "sending began", unknown=True)
    if not any(isinstance(one, ev.MessageSent) for one in earlier):
        incident = desk.change(incident.id, lambda _: [began])
    outgoing = notify.outgoing(incident, message)
    answer = notify.send(channel, outgoing, before=earlier, dry_run=False)
    return _recorded(desk, incident, message, answer)


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


def _settle(desk: Desk, number: str, message: str, arrived: bool | None) -> int:
    if arrived is None:
        raise UsageError("say --sent or --not-sent", "look at the receiver's side first")

    def decide(now: Incident) -> list[ev.Event]:
        open_ones = [one for _, one in _message(now, message).failed if one.unknown]
        if not open_ones:
            raise UsageError(f"nothing is unknown about {message}")
        through = open_ones[-1].through
        if arrived:
            return [ev.MessageSent(message, through, f"seen there by {desk.actor}")]
        return [ev.MessageFailed(message, through, f"not there, says {desk.actor}", unknown=False)]

    desk.change(number, decide)
    console.show(f"{message} was {'sent' if arrived else 'not sent'}\n")
    return exits.CLEAN


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


def _channels(through: Sequence[str], audience: str) -> list[Channel]:
    """The channels that were named, else those for the audience. Raises UsageError for none."""
    from leakguard.keep.place import data_folder
    from leakguard.load.channels import FILE, armed, channel, channels

    folder = data_folder()
    if through:
        return [channel(name, folder, os.environ) for name in through]
    fitting = [one for one in channels(folder) if audience in one.audience]
    if not fitting:
        raise UsageError(
            f"no channel is for {audience}",
            f"describe one in {os.path.join(folder, FILE)} (docs/communication.md)",
            "sent by hand? leakguard notice INCIDENT --by-hand WHERE",
        )
    return [armed(one, os.environ) for one in fitting]
