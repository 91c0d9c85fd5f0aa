"""Where the data that ships with leakguard lies: in a wheel, or in a checkout."""

from __future__ import annotations

import os


def folder(room: str) -> str:
    """The path of a top-level data folder (`rules`, `hooks`), wherever we are installed."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    inside = os.path.join(package, "_bundled", room)
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(package), room)


def installed(folder: str) -> bool:
    """Whether a data folder is part of an installed package, which nobody edits."""
    return os.path.basename(os.path.dirname(folder)) == "_bundled"
