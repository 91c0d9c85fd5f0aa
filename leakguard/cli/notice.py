"""`leakguard notice`: a message filled from facts, checked, approved, and sent."""

from __future__ import annotations

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
      leakguard notice 12                          the declaration, as it would be
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
    allowed = import_module("leakguard.respond.comms_order").may_send
    refuse(f"{message.id} is not sent", allowed(incident, asked.template, message, asked.about))
    return max(_through(desk, incident, message, one) for one in channels)


def _proper(draft: Draft, incident: Incident) -> None:
    """Raises RefusedError for words that must not leave."""
    from leakguard.respond.wording_lint import lint

    bad = [one for one in lint(draft.text, incident, spotless.found_in) if one.severity == "err"]
    if bad:
        hints = [f"{one.what}: {clean(one.excerpt)}; rather: {one.instead}" for one in bad]
        raise RefusedError("this message is not sent as it stands", *hints)


def _kept(desk: Desk, incident: Incident, asked: Asked, draft: Draft) -> tuple[Incident, Message]:
    """The incident with the draft recorded, and its message; what says nothing new is not new."""
    from leakguard.respond.comms import next_version

    earlier = [one for one in incident.messages.values() if _same_kind(one, asked, draft)]
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
    """Send through one channel, once, and record what came of it."""
    if any(sent.through == channel.name for _, sent in message.sent):
        console.show(f"{message.id} went through {clean(channel.name)} already\n")
        return exits.CLEAN
    if any(one.unknown and one.through == channel.name for _, one in message.failed):
        settle = f"leakguard notice {incident.id} --settle {message.id}"
        raise RefusedError(
            f"{message.id} may have gone through {clean(channel.name)}: the answer was lost",
            f"look there, then: {settle} --sent, or {settle} --not-sent",
        )
    answer = import_module("leakguard.connect.notify").send(channel, message.draft, dry_run=False)
    return _recorded(desk, incident, message, channel.name, answer)


def _recorded(desk: Desk, incident: Incident, message: Message, name: str, answer: Any) -> int:
    if getattr(answer, "problem", None) is None:
        event: ev.Event = ev.MessageSent(message.id, name, str(answer.receipt))
        desk.change(incident.id, lambda _: [event])
        console.show(f"{message.id} sent through {clean(name)}\n")
        return exits.CLEAN
    event = ev.MessageFailed(message.id, name, str(answer.problem), bool(answer.unknown))
    desk.change(incident.id, lambda _: [event])
    how = "may have been sent" if answer.unknown else "was not sent"
    console.show(f"error: {message.id} {how} through {clean(name)}: {clean(answer.problem)}\n")
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


def _channels(through: Sequence[str], audience: str) -> Sequence[Any]:
    """The channels that were named, else those for the audience. Raises UsageError for none."""
    from leakguard.keep.place import data_folder

    found: Sequence[Any] = import_module("leakguard.load.channels").chosen(
        data_folder(), through, audience
    )
    return found
