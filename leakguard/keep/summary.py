"""What a list shows of an incident, kept in columns so that a list needs no events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from leakguard.event import instant, stamp
from leakguard.incident import PROVEN, Incident, Status


@dataclass(frozen=True, slots=True)
class SummaryFields:
    """What the caller computes for the list, since the store knows no deadlines."""

    next_due: datetime | None = None


Summarise = Callable[[Incident], SummaryFields]


@dataclass(frozen=True, slots=True)
class Summary:
    """An incident in a line."""

    id: str
    title: str
    status: Status
    over: bool
    level: int
    label: str
    drill: bool
    hold: str
    secrets: int
    proven: int
    opened_at: datetime
    changed_at: datetime
    next_due: datetime | None
    seq: int


def columns(incident: Incident, summarise: Summarise | None) -> dict[str, Any]:
    """The columns of an incident. Without `summarise` the one for `next_due` stays as it is."""
    made = told(incident)
    if summarise is not None:
        due = summarise(incident).next_due
        made["next_due"] = stamp(due) if due else None
    return made


def told(incident: Incident) -> dict[str, Any]:
    """The columns that follow from the events alone."""
    return {
        "seq": incident.seq,
        "status": incident.status.value,
        "over": incident.over,
        "level": incident.level,
        "label": _plain(incident.severity.label if incident.severity else ""),
        "title": _plain(incident.opened.title),
        "drill": incident.opened.drill,
        "hold": _plain(incident.hold),
        "secrets": len(incident.secrets),
        "proven": sum(one.state in PROVEN for one in incident.secrets.values()),
        "opened_at": stamp(incident.opened_at),
        "changed_at": stamp(incident.changed_at or incident.opened_at),
    }


def summary(row: Row[Any]) -> Summary:
    """The line behind a row of the table."""
    due = row.next_due
    return Summary(
        row.id, row.title, Status(row.status), row.over, row.level, row.label, row.drill, row.hold,
        row.secrets, row.proven, instant(row.opened_at), instant(row.changed_at),
        instant(due) if due else None, row.seq,
    )  # fmt: skip


def _plain(text: str) -> str:
    """Text that both databases take: no NUL, no half of a surrogate pair."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()
