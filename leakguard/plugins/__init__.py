"""Foreign detectors that a repository may ask for (`detectors:` in `.leakguard.yml`).

Their findings go through the same judge as ours, as rules of their own. Nothing
here is loaded unless it was asked for, and no hook runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from leakguard.detect.match import Match
from leakguard.rule import Rule

Detector = Callable[[bytes, str], Iterator[Match]]
"""What a detector says of a text in a file of that name."""

DETECTORS = ("detect-secrets",)
"""Every detector by the name under which it is asked for."""


def rules_of(name: str) -> list[Rule]:
    """The rules that stand for what a detector finds; it must be one of `DETECTORS`.

    Raises ConfigError when its package is not installed.
    """
    assert name in DETECTORS
    from leakguard.plugins import yelp

    return yelp.rules()


def detector(names: Sequence[str], rules: Sequence[Rule]) -> Detector | None:
    """The named detectors, as far as their rules are on; None when there is none.

    Raises ConfigError when a package is not installed.
    """
    if not names:
        return None
    from leakguard.plugins import yelp

    return yelp.detector(rules)
