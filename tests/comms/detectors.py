"""Our own detectors over a text, as the command line runs them over every message."""

from __future__ import annotations

from functools import cache

from leakguard.cli.rules_check import found, scanner
from leakguard.detect.scanner import Scanner
from leakguard.load.rules import read_bundled


@cache
def _scanner() -> Scanner:
    return scanner(read_bundled())


def detect(text: str) -> list[str]:
    """The names of the rules that find something."""
    return sorted(found(_scanner(), text.encode(), "message.md"))
