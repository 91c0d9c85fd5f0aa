"""The findings of the last run in a repository, so that a person can type six digits.

Kept in the repository's git folder; holds no secret, only what reports show.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from leakguard.errors import UsageError

FILE = os.path.join("leakguard", "last.json")


def save(git_folder: str, report: str) -> None:
    """Keep a JSON report. A folder that cannot be written only costs the short ids."""
    path = os.path.join(git_folder, FILE)
    temporary = f"{path}.{os.getpid()}.new"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(report)
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _sound(entry: Any) -> bool:
    """Whether a finding is what we write; a report may come from a stranger."""
    return (
        isinstance(entry, dict)
        and re.fullmatch(r"[0-9a-f]{16}", str(entry.get("fingerprint"))) is not None
        and re.fullmatch(r"[a-z0-9][a-z0-9-]*", str(entry.get("rule_id"))) is not None
    )


def find(git_folder: str, prefix: str, report: str = "") -> list[dict[str, Any]]:
    """The findings whose fingerprint begins with `prefix`, one entry a finding.

    They are those of the last run, or of a JSON `report` of another machine. Raises UsageError
    when there is none or when the prefix fits several secrets.
    """
    prefix = prefix.lower()
    try:
        with open(report or os.path.join(git_folder, FILE), encoding="utf-8") as file:
            known = json.load(file)["findings"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        known = []
    known = [entry for entry in known if _sound(entry)]
    fitting = [entry for entry in known if entry["fingerprint"].startswith(prefix)]
    names = {entry["fingerprint"] for entry in fitting}
    if not fitting or len(prefix) < 4:
        raise UsageError(
            f"no finding {prefix!r} in {'that report' if report else 'the last run here'}",
            "run the scan or the commit again, then copy the id from its report",
            "an id of a pipeline: add its JSON report, --report leakguard.json",
        )
    if len(names) > 1:
        raise UsageError(f"{prefix!r} fits {len(names)} findings", "type more digits of the id")
    return fitting
