"""What every test may ask for: a seeded generator, fakes made at run time, the bundled rules.

Hypothesis runs in one of three profiles, chosen with `HYPOTHESIS_PROFILE` or
`--hypothesis-profile`: `quick` (the same few examples each time), `ci` (more, and
other ones each time) and `endless` (for a fuzz target that runs until it is stopped).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, settings

from leakguard.cli.rules_check import scanner as scanner_for
from leakguard.detect.checksum import CHECKSUMS
from leakguard.detect.scanner import Scanner
from leakguard.load.rules import read_bundled
from leakguard.recipe import expand
from leakguard.rule import Rule

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # or no child could be interrupted

SLOW_IS_FINE = (HealthCheck.too_slow, HealthCheck.data_too_large)

settings.register_profile(
    "quick", max_examples=40, deadline=None, derandomize=True, suppress_health_check=SLOW_IS_FINE
)
settings.register_profile(
    "ci", max_examples=500, deadline=None, print_blob=True, suppress_health_check=SLOW_IS_FINE
)
settings.register_profile(
    "endless", max_examples=1_000_000_000, deadline=None, suppress_health_check=SLOW_IS_FINE
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> Random:
    """A generator of its own for each test, and the same one each time it runs."""
    return Random(request.node.nodeid)


@pytest.fixture
def fake(rng: Random) -> Callable[..., str]:
    """Expands a recipe; with a rule, its `{{checksum}}` too."""

    def make(recipe: str, rule: Rule | None = None) -> str:
        checksum = CHECKSUMS.get(rule.checksum) if rule is not None else None
        return expand(recipe, rng, checksum.complete if checksum else None)

    return make


class Rules(list[Rule]):
    """Rules that a failing property names in few words."""

    def __repr__(self) -> str:
        return f"<{len(self)} rules>"


@pytest.fixture(scope="session")
def rules() -> list[Rule]:
    """Every rule that ships with leakguard."""
    return Rules(read_bundled())


@pytest.fixture(scope="session")
def scanner(rules: list[Rule]) -> Scanner:
    """A scanner for all of them."""
    return scanner_for(rules)
