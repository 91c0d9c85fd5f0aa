"""The allowance file: one line an entry, sorted, no line numbers, so merges are easy.

```
<fingerprint> <rule id> <last day or "never"> <path or "*"> <reason>
```

Spaces and other odd characters of a path are percent-encoded. A reason is
required; the file is read by people in review.
"""

from __future__ import annotations

import os
from datetime import date

from leakguard import late
from leakguard.errors import ConfigError, Place
from leakguard.load import inside
from leakguard.policy import Allowance

FILE = os.path.join(".leakguard", "allow")
HEADER = (
    "# leakguard allowances: fingerprint, rule, last day, path, reason. Sorted; one line each.\n"
)
MAX_BYTES = 8 * 1024 * 1024

_FINGERPRINT = late.pattern(r"[0-9a-f]{16}")


def read(top: str | None) -> list[Allowance]:
    """The allowances of a repository; none when there is no file. Raises ConfigError."""
    if top is None:
        return []
    raw = inside.read(top, FILE, MAX_BYTES)
    return [] if raw is None else parse(raw)


def parse(raw: bytes) -> list[Allowance]:
    """The entries of an allowance file. Raises ConfigError at the first wrong line."""
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"larger than {MAX_BYTES} bytes", place=Place(FILE))
    lines = raw.decode("utf-8", "surrogateescape").splitlines()
    return [
        _entry(number, line)
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith("#")
    ]


def _entry(number: int, line: str) -> Allowance:
    def wrong(message: str, *hints: str) -> ConfigError:
        if line.startswith(("<<<<<<<", "|||||||", "=======", ">>>>>>>")):
            hints = ("this is a merge conflict: keep the lines of both sides",)
        return ConfigError(message, *hints, place=Place(FILE, number, 1, line))

    fields = line.split(None, 4)
    if len(fields) < 5:
        raise wrong(
            "an allowance needs a fingerprint, a rule, a last day, a path and a reason",
            'leakguard allow ID --reason "why it is safe" writes the line',
        )
    fingerprint, rule_id, until, path, reason = fields
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise wrong(f"{fingerprint!r} is not a fingerprint (16 hex digits)")
    try:
        last = None if until == "never" else date.fromisoformat(until)
    except ValueError:
        raise wrong(f"{until!r} is not a day (2027-05-21) or 'never'") from None
    from urllib.parse import unquote_to_bytes

    where = "" if path == "*" else os.fsdecode(unquote_to_bytes(path))
    return Allowance(fingerprint, rule_id, last, where, reason)


def spell(allowance: Allowance) -> str:
    """The line of one entry, without its newline."""
    from urllib.parse import quote_from_bytes

    path = quote_from_bytes(os.fsencode(allowance.path), safe="/!._-+@,=~") or "*"
    until = allowance.until.isoformat() if allowance.until else "never"
    reason = " ".join(allowance.reason.split())
    return f"{allowance.fingerprint} {allowance.rule_id} {until} {path} {reason}"


def write(top: str, allowances: list[Allowance]) -> None:
    """Replace the file, sorted, in one step. Raises OSError."""
    path = os.path.join(top, FILE)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    lines = sorted({spell(allowance) for allowance in allowances})
    temporary = f"{path}.{os.getpid()}.new"
    with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(HEADER + "".join(line + "\n" for line in lines))
    os.replace(temporary, path)
