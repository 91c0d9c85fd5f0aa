"""What incidents are called: LG-2026-0001, or shorter where that is enough."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from leakguard.errors import UsageError
from leakguard.keep.tables import INCIDENT

_FORM = re.compile(r"(?:(?:LG-)?([0-9]{4})-)?([0-9]{1,9})", re.ASCII | re.IGNORECASE)


def full(year: int, number: int) -> str:
    """The id of the year's incident of this number."""
    return f"LG-{year:04}-{number:04}"


def year(now: datetime) -> int:
    """The year under which an incident of this moment is counted: UTC's."""
    return now.astimezone(UTC).year


def resolve(connection: Connection, text: str) -> str:
    """The one incident that `text` can mean. Raises UsageError."""
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise UsageError(f"{text!r} is no incident id", "write it like LG-2026-0001, 2026-1 or 1")
    found = select(INCIDENT.c.id).where(INCIDENT.c.number == int(form[2]))
    if form[1]:
        found = found.where(INCIDENT.c.year == int(form[1]))
    names = list(connection.execute(found.order_by(INCIDENT.c.year)).scalars())
    if len(names) > 1:
        raise UsageError(f"{text!r} can be several incidents", "one of: " + ", ".join(names))
    if not names:
        raise unknown(connection, text)
    return str(names[0])


def unknown(connection: Connection, text: str) -> UsageError:
    """The error for an incident that is not there, with those that it may have been."""
    newest = select(INCIDENT.c.id).order_by(INCIDENT.c.year.desc(), INCIDENT.c.number.desc())
    names = list(connection.execute(newest.limit(5)).scalars())
    hint = "the newest are: " + ", ".join(names) if names else "there is no incident yet"
    return UsageError(f"there is no incident {text}", hint)
