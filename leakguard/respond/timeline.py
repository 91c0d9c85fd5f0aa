"""An incident's events as sentences, for people and for the record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from leakguard import event as ev
from leakguard.event import Entry
from leakguard.report import escape
from leakguard.respond.page import page


def lines(entries: Iterable[Entry]) -> Iterator[tuple[str, str, str]]:
    """(time, who, what) of each entry, in order; times in UTC to the second."""
    for entry in entries:
        yield entry.at.strftime("%Y-%m-%d %H:%M:%SZ"), entry.actor, sentence(entry.event)


def text(entries: Iterable[Entry]) -> str:
    """The timeline as lines of text."""
    rows = list(lines(entries))
    width = max((len(who) for _, who, _ in rows), default=0)
    return "".join(f"{at}  {who:<{width}}  {what}\n" for at, who, what in rows)


def markdown(entries: Iterable[Entry], title: str) -> str:
    """The timeline as a table in Markdown; foreign text cannot break out of its cell."""
    rows = [
        f"| {at} | {escape.markdown(who)} | {escape.markdown(what)} |\n"
        for at, who, what in lines(entries)
    ]
    head = f"# {escape.markdown(title)}\n\n| when | who | what |\n|---|---|---|\n"
    return head + "".join(rows)


def html(entries: Iterable[Entry], title: str) -> str:
    """The timeline as a page of its own."""
    rows = [
        f'<li><p class="soft">{at} {escape.xml(who)}</p><p>{escape.xml(what)}</p></li>\n'
        for at, who, what in lines(entries)
    ]
    return page(title, f'<h1>{escape.xml(title)}</h1>\n<ol class="plain">\n{"".join(rows)}</ol>\n')


def sentence(event: ev.Event) -> str:
    """What happened, in one line."""
    match event:
        case ev.Opened():
            how = "a drill, from" if event.drill else "from"
            return f"opened {how} {event.source}: {event.title}"
        case ev.SecretAdded():
            name = event.label or event.rule_id or event.secret_class
            kind = f"{event.secret_class}, {event.environment}"
            return f"{event.secret} is {name} ({kind}): {event.reason}"
        case ev.ExposureAdded():
            since = f" since {event.since[:19]}Z" if event.since else ""
            place = f"{event.exposure} of {event.secret}: {event.channel}, {event.where}"
            return f"{place}, audience {event.audience}{since}"
        case ev.ExposureClosed():
            return _with(f"{event.exposure}: {event.state}", event.detail)
        case ev.ConsumerAdded():
            place = f"{event.consumer} uses {event.secret}: {event.name}"
            return _with(place, event.where if event.where != event.name else "")
        case ev.ConsumerExcepted():
            return f"{event.consumer} is excepted, accepted by {event.approver}: {event.reason}"
        case ev.ConsumersCounted():
            told = "are all listed" if event.complete == "yes" else "may not all be listed"
            return _with(f"consumers of {event.secret} {told}", event.why)
        case ev.Stated():
            subject = f" of {event.subject}" if event.subject else ""
            return _with(f"fact: {event.fact}{subject} is {event.value}", event.why)
        case ev.SeverityJudged():
            urgency = f"rotate {event.rotation}, tell {event.notification}"
            return f"severity {event.label}: {urgency}; " + "; ".join(
                dict.fromkeys(why for _, level, why in event.rules if level == event.level)
            )
        case ev.SeverityLowered():
            return f"level lowered to {event.level}, agreed by {event.approver}: {event.reason}"
        case ev.ChecklistComposed():
            return f"checklist of {len(event.steps)} steps (playbooks {event.playbooks[:12]})"
        case ev.StepDone():
            said = "done" if event.outcome == "succeeded" else f"outcome {event.outcome}"
            agreed = f", agreed by {event.approver}" if event.approver else ""
            return _with(f"{event.step} {said}{agreed}", event.note)
        case ev.StepSkipped():
            agreed = f", agreed by {event.approver}" if event.approver else ""
            return f"{event.step} skipped{agreed}: {event.reason}"
        case ev.StepAssigned():
            return f"{event.step} is for {event.who}"
        case ev.StepReopened():
            return f"{event.step} is open again: {event.reason}"
        case ev.SecretMoved():
            return _with(f"{event.secret} is {event.state}", event.why)
        case ev.Proved():
            said = "proven" if event.holds else "NOT proven"
            agreed = f", agreed by {event.approver}" if event.approver else ""
            what = f"{event.subject} {said} {event.kind} by {event.method}{agreed}"
            return _with(what, event.detail)
        case ev.EvidenceAdded():
            of = f" of {event.of}" if event.of else ""
            return _with(f"{event.evidence}{of}: {event.name}, SHA-256 {event.sha256}", event.how)
        case ev.LogReviewed():
            return f"logs of {event.secret} reviewed ({event.source}): {event.verdict}"
        case ev.AnomalyFound():
            return f"{event.anomaly} with {event.secret}: {event.detail}"
        case ev.AnomalyDecided():
            told = ", to be disclosed" if event.disclose else ""
            return f"{event.anomaly} is {event.decision}{told}: {event.why}"
        case ev.RoleTaken():
            return f"{event.who} is {event.role}"
        case ev.Advanced():
            return _with(f"status {event.status}", event.why)
        case ev.Reopened():
            return f"opened again: {event.reason}"
        case ev.FalsePositive():
            return f"dismissed as a false positive: {event.reason}"
        case ev.MergedInto():
            return f"merged into {event.other}: {event.reason}"
        case ev.Absorbed():
            return f"took in {event.other}"
        case ev.HoldSet():
            return f"on hold: {event.reason}" if event.on else "no longer on hold"
        case ev.Noted():
            return event.text
        case ev.MessageDrafted():
            return f"{event.message} drafted: {event.template} version {event.version}"
        case ev.MessageApproved():
            return f"{event.message} approved by {event.approver} ({event.role})"
        case ev.MessageSent():
            return _with(f"{event.message} sent through {event.through}", event.receipt)
        case ev.MessageFailed():
            said = "may have been sent" if event.unknown else "was not sent"
            return f"{event.message} {said} through {event.through}: {event.problem}"
        case ev.MitigationSet():
            return f"{event.vector}: {event.mitigation} {event.state}, {event.reference}"
        case ev.PostMortem():
            return _with(f"post-mortem {event.state}", event.reference or event.reason)
        case ev.RotationNoted():
            said = f"{event.rotation} ({event.script}) {event.phase}: {event.status}"
            return _with(said, event.detail)
        case _:
            assert_never(event)


def _with(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what
