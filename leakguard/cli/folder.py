"""An incident as a folder of files, for a ticket or the artifacts of a pipeline."""

from __future__ import annotations

import json
import os
from contextlib import suppress

from leakguard.cli.desk import Desk
from leakguard.errors import UsageError
from leakguard.incident import Incident
from leakguard.report.escape import line
from leakguard.respond import checklist, record, timeline
from leakguard.respond.page import text_page


def write(desk: Desk, incident: Incident, folder: str) -> str:
    """Write `<folder>/<incident>/`: record.json; checklist, timeline and notice as .md and .html.

    Raises UsageError when the folder cannot be written.
    """
    preset = desk.preset(incident)
    now, entries, told = desk.now(), desk.store.entries(incident.id), desk.told(incident)
    whole = json.dumps(record.as_json(incident, entries), indent=1, ensure_ascii=True)
    drill = "DRILL " if incident.opened.drill else ""
    title = f"{drill}{incident.id}: {line(incident.opened.title)}"
    notice = _notice(desk, incident)
    files = {
        "record.json": whole + "\n",
        "checklist.md": checklist.markdown(incident, preset, now, told),
        "checklist.html": checklist.html(incident, preset, now, told),
        "timeline.md": timeline.markdown(entries, title),
        "timeline.html": timeline.html(entries, title),
        "notice.md": notice,
        "notice.html": text_page(title, notice),
    }
    place = os.path.join(folder, incident.id)
    if os.path.islink(place):
        raise UsageError(f"{place!r} is a link", "name a folder that is none")
    try:
        os.makedirs(place, exist_ok=True)
        for name, text in files.items():
            _put(os.path.join(place, name), text)
    except OSError as error:
        raise UsageError(f"cannot write {place!r}", cause=error.strerror or "") from None
    return place


def _put(path: str, text: str) -> None:
    """Write a new file in place of what is there: a repository may hold a link of that name."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    with open(path, "x", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.write(text)


def _notice(desk: Desk, incident: Incident) -> str:
    """The declaration as far as the facts go; what is missing is named, not invented."""
    from leakguard.cli.notice import draft_or_gaps

    return draft_or_gaps(desk, incident, "declaration")
