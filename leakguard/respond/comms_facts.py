"""Every fact a message may show, each from the incident's record and the organisation's profile.

`FACTS` is the whole list; leakguard/data/templates/facts.yml says in words what
each one is and which command supplies it. A fact is text or a list of texts; an
empty one is not known. Nothing here invents: what only a person can say is
stated (`leakguard respond ID --fact NAME=...`), also when it is "unknown".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from leakguard.errors import UsageError
from leakguard.incident import Incident, Status, StepState
from leakguard.preset import Preset
from leakguard.profile import Profile
from leakguard.respond import comms_state as state
from leakguard.respond.comms import Template
from leakguard.respond.comms_about import COPY, SECRET, TENANT, exposure_window
from leakguard.respond.comms_case import Case, Fact, open_steps, stated
from leakguard.respond.comms_order import coming_update
from leakguard.respond.comms_state import counted, said, when
from leakguard.respond.comms_words import (
    CHANNELS,
    SOURCES,
    account,
    class_words,
    copy_state,
    done_so_far,
    open_questions,
    secret_line,
    verdict_sentence,
)


def facts_for(
    template: Template,
    incident: Incident,
    preset: Preset,
    profile: Profile,
    now: datetime,
    subject: str = "",
) -> dict[str, Any]:
    """What `template` may show of this incident, unknown facts as empty ones.

    `subject` names the secret, copy or tenant of a message about one; with only
    one in the incident it need not be given. Raises UsageError for a wrong one.
    """
    subject = _subject(template, incident, subject)
    case = Case(incident, preset, profile, now, subject, template.cadence)
    facts: dict[str, Any] = {name: FACTS[name](case) for name in template.facts}
    facts |= {"incident_id": incident.id, "subject": subject}
    facts["moving"] = tuple(str(facts[one]) for one in MOVING if facts.get(one))
    facts["drill"] = "drill" if incident.opened.drill else ""
    return facts


def subjects(template: Template, incident: Incident) -> tuple[str, ...]:
    """Whom or what a message of this kind can be about: one message for each."""
    if template.per == "secret":
        return tuple(incident.secrets)
    if template.per == "exposure":
        return tuple(incident.copies)
    if template.per == "tenant":
        return tuple(subject for fact, subject in incident.stated if fact == "tenant")
    return ("",)


def _subject(template: Template, incident: Incident, subject: str) -> str:
    known = subjects(template, incident)
    if subject in known:
        return subject
    if not subject and len(known) == 1:
        return known[0]
    listed = f"one of: {', '.join(known)}" if known else _none(template, incident)
    what = f"{subject!r} is no {template.per} of {incident.id}" if subject else (
        f"the {template.title.lower()} is about one {template.per}: which?"
    )  # fmt: skip
    raise UsageError(what, listed)


def _none(template: Template, incident: Incident) -> str:
    if template.per == "tenant":
        return f'leakguard respond {incident.id} --fact tenant="S1 S2" --subject TENANT'
    what = "secret" if template.per == "secret" else "exposure"
    return f"leakguard {what} add {incident.id}"


def _role(name: str) -> Callable[[Case], str]:
    return lambda case: case.incident.roles.get(name, "")


def _contact(name: str) -> Callable[[Case], str]:
    return lambda case: case.profile.contacts.get(name, "")


_FIRST = (
    "amber",
    "birch",
    "cedar",
    "copper",
    "coral",
    "ember",
    "flint",
    "indigo",
    "opal",
    "willow",
)
_SECOND = ("badger", "crane", "falcon", "finch", "heron", "lark", "lynx", "otter", "tern", "wren")


def _code_name(case: Case) -> str:
    """A name that tells nothing to whoever overhears it; always the same for an incident."""
    given = case.incident.fact("code-name") or case.incident.opened.code_name
    digest = hashlib.sha256(case.incident.id.encode()).digest()
    return given or f"{_FIRST[digest[0] % 10]} {_SECOND[digest[1] % 10]}"


def _level(case: Case) -> str:
    return case.incident.severity.label if case.incident.severity else ""


def _detected_at(case: Case) -> str:
    return said(when(case.incident.opened.detected_at))


def _detected_how(case: Case) -> str:
    return SOURCES.get(case.incident.opened.source, case.incident.opened.source)


def _types(case: Case) -> tuple[str, ...]:
    found = [class_words(secret) for secret in case.incident.secrets.values()]
    return tuple(
        kind if found.count(kind) == 1 else f"{kind} ({found.count(kind)})"
        for kind in dict.fromkeys(found)
    )


def _environments(case: Case) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.added.environment for one in case.incident.secrets.values()))


def _channels(case: Case) -> tuple[str, ...]:
    found = (CHANNELS.get(one.added.channel, one.added.channel) for one in
             case.incident.copies.values())  # fmt: skip
    return tuple(dict.fromkeys(found))


def _exposed(case: Case) -> str:
    """Yes, no, or what is only claimed; a copy counts until it is confirmed gone."""
    copies = case.incident.copies.values()
    left = [copy for copy in copies if copy.state != "confirmed-gone"]
    if not copies:
        return ""
    if not left:
        return "no, every known copy is confirmed gone"
    claimed = sum(copy.state == "removed-claimed" for copy in left)
    note = f"; {claimed} of them said to be removed, not confirmed" if claimed else ""
    return f"yes, {len(left)} of {counted(len(copies), 'copy')}{note}"


def _channel_link(case: Case) -> str:
    return case.incident.fact("channel-link") or case.profile.channel


def _next_steps(case: Case) -> tuple[str, ...]:
    """The first open steps; without a checklist there is nothing to tell people to do."""
    return tuple(open_steps(case)[:5])


def _next_update(case: Case) -> str:
    """Sending this message restarts the timer, so it counts from now."""
    if case.incident.over or state.status(case.incident) == "RESOLVED":
        return "none planned, it is resolved"
    at = coming_update(case.incident, case.preset, case.now, case.cadence)
    return said(at) or "no fixed time at this level"


def _boxes(case: Case) -> tuple[dict[str, str], ...]:
    return tuple(box._asdict() for box in state.boxes(case.incident))


def _assessment(case: Case) -> str:
    return state.ASSESSMENTS[state.verdict(case.incident)]


def _account(case: Case) -> str:
    return account(case.incident)


def _confidence(case: Case) -> str:
    given = case.incident.fact("confidence")
    certainty = state.since(case.incident)[1]
    first = "confirmed" if case.incident.opened.confirmed else "suspected, not confirmed"
    return given or f"leak {first}; begin of the exposure {certainty}"


def _milestone(case: Case) -> str:
    given = case.incident.fact("next-milestone")
    return given or next(iter(open_steps(case)), "")


def _conditions(case: Case) -> tuple[str, ...]:
    found = [secret_line(secret) for secret in case.incident.secrets.values()]
    copies = [f"{copy.id} in {CHANNELS.get(copy.added.channel, 'another place')}: "
              f"{copy_state(copy)}" for copy in case.incident.copies.values()]  # fmt: skip
    return (*found, *copies, verdict_sentence(case.incident))


def _actions(case: Case) -> tuple[str, ...]:
    """The latest steps that were carried out, newest first."""
    done = [task for task in case.incident.tasks.values() if task.at is not None]
    done.sort(key=lambda task: task.at or case.now, reverse=True)
    return tuple(f"{said(task.at)} {task.step.title}: {task.state}" for task in done[:8]) or (
        "none recorded yet",
    )


def _needs(case: Case) -> tuple[str, ...]:
    incident = case.incident
    found = [incident.fact("needs")] if incident.fact("needs") else []
    found += [f"waiting: {incident.hold}"] if incident.hold else []
    found += [f"nobody is {role}" for role in ("commander", "fixer") if role not in incident.roles]
    found += [
        f"{task.step.title}: {task.state}"
        for task in incident.tasks.values()
        if task.state in (StepState.FAILED, StepState.UNKNOWN)
    ]
    return tuple(found) or ("nothing at present",)


def _done_so_far(case: Case) -> tuple[str, ...]:
    return done_so_far(case.incident)


def _not_known(case: Case) -> tuple[str, ...]:
    return open_questions(case.incident)


def _recovered_at(case: Case) -> str:
    return said(case.incident.reached.get(Status.RECOVERED))


def _received_at(case: Case) -> str:
    given = case.incident.fact("reported-at")
    opened = case.incident.opened
    at = given or (opened.detected_at if opened.source == "report" else "")
    return said(when(at))


def _next_contact(case: Case) -> str:
    given = case.incident.fact("next-contact")
    return given or said(coming_update(case.incident, case.preset, case.now, "acknowledge"))


FACTS: Mapping[str, Callable[[Case], Fact]] = {
    **SECRET,
    **COPY,
    **TENANT,
    "exposure_window": exposure_window,
    "incident_id": lambda case: case.incident.id,
    "today": lambda case: f"{case.now:%Y-%m-%d}",
    "organisation": lambda case: case.profile.organisation,
    "code_name": _code_name,
    "level": _level,
    "status": lambda case: state.status(case.incident),
    "public_state": lambda case: state.public_state(case.incident),
    "detected_at": _detected_at,
    "detected_how": _detected_how,
    "secret_types": _types,
    "environments": _environments,
    "channels": _channels,
    "still_exposed": _exposed,
    "commander": _role("commander"),
    "fixer": _role("fixer"),
    "channel_link": _channel_link,
    "next_steps": _next_steps,
    "next_update": _next_update,
    "boxes": _boxes,
    "assessment": _assessment,
    "verdict": lambda case: verdict_sentence(case.incident),
    "account": _account,
    "business_impact": stated("business-impact"),
    "affected": stated("people-affected"),
    "affected_basis": stated("people-affected-basis"),
    "decisions_needed": stated("decisions-needed"),
    "legal_clocks": stated("legal-clocks"),
    "outage": stated("outage"),
    "next_milestone": _milestone,
    "confidence": _confidence,
    "conditions": _conditions,
    "actions": _actions,
    "needs": _needs,
    "what_happened": stated("what-happened"),
    "data_exposed": stated("data-exposed"),
    "done_so_far": _done_so_far,
    "customers_should": stated("customers-should"),
    "not_known": _not_known,
    "contact": lambda case: case.profile.security_address,
    "updates": lambda case: case.profile.status_page or case.incident.fact("updates"),
    "support": _contact("support"),
    "component": stated("component"),
    "customer_effect": stated("customer-effect"),
    "regions": stated("regions"),
    "recovered_at": _recovered_at,
    "lingering": stated("lingering-effects"),
    "follow_up": stated("follow-up"),
    "received_at": _received_at,
    "next_contact": _next_contact,
}
"""Name to where it comes from; the names a template may use."""

MOVING = ("today", "next_update", "next_contact")
"""Facts that change by themselves as time goes on."""

_ONLY: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "incident": (SECRET, COPY, TENANT),
    "secret": (COPY, TENANT),
    "exposure": (TENANT,),
    "tenant": (SECRET, COPY),
}


def unfit(fact: str, per: str) -> bool:
    """Whether a template about one `per` cannot know `fact`: it belongs to something else."""
    return any(fact in others for others in _ONLY[per])
