"""Tokens that documentation and templates show in place of a real one.

Meant for long machine-made values, in which a short word may stand by chance:
a word counts only where it is set off, and a run only where chance would not
make it once in a million tokens.
"""

from __future__ import annotations

import re

_STAND_IN = re.compile(
    rb"example|placeholder|redacted|change_?me|insert_|([B-Zb-z0-9])\1{6}"
    rb"|0123456789|1234567890|12345678(?!\d)|abcdefgh|ABCDEFGH|deadbeefdeadbeef"
    rb"|\.{3}|(?:^|[_.-])(?:your|sample|dummy|fake|xxxx+|test[_-]?(?:key|token)|my[_-]?(?:key|token|secret)"
    rb"|token|secret|here|foo|bar)(?:[_.-]|$)",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(rb"\$\{|\{\{|<[A-Za-z]|%\(|#\{|\*{4}")


def stand_in(value: bytes, public_prefix: str = "") -> bool:
    """Whether a token-like value is a stand-in for a real one; its public prefix says nothing."""
    value = value.removeprefix(public_prefix.encode())
    return bool(
        _STAND_IN.search(value)
        or _TEMPLATE.search(value)
        or len(set(value)) <= 3 + len(value) // 40
    )
