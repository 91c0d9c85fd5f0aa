"""The findings of the last run in a repository, so that a person can type six digits.

Kept in the repository's git folder; holds no secret, only what reports show.
"""

from __future__ import annotations

import json
import os
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


def find(git_folder: str, prefix: str) -> list[dict[str, Any]]:
    """The findings whose fingerprint begins with `prefix`, one entry a finding.

    Raises UsageError when there is none or when the prefix fits several secrets.
    """
    prefix = prefix.lower()
    try:
        with open(os.path.join(git_folder, FILE), encoding="utf-8") as file:
            known = json.load(file)["findings"]
    except (OSError, ValueError, KeyError, TypeError):
        known = []
    fitting = [entry for entry in known if entry["fingerprint"].startswith(prefix)]
    names = {entry["fingerprint"] for entry in fitting}
    if not fitting or len(prefix) < 4:
        raise UsageError(
            f"no finding {prefix!r} in the last run here",
            "run the scan or the commit again, then copy the id from its report",
        )
    if len(names) > 1:
        raise UsageError(f"{prefix!r} fits {len(names)} findings", "type more digits of the id")
    return fitting
