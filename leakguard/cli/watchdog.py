"""Time limits for patterns that strangers wrote."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from leakguard.errors import ConfigError
from leakguard.rule import Rule

WINDOW_SECONDS = 2.0
"""How long a rule of the repository's own may take on one window."""

RUN_SECONDS = 10.0
"""How long it may take in all, in one run."""


class Watchdog:
    """Stops a pattern that takes too long; ours were proven by their checks and run freely."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = {}

    def watch(self, rule: Rule) -> AbstractContextManager[object]:
        """A context in which the rule's pattern runs.

        Raises ConfigError in it when the time is over. Needs a POSIX timer;
        elsewhere the static check of the pattern has to do.
        """
        if rule.bundled or sys.platform == "win32":
            return nullcontext()
        return self._timed(rule)

    @contextmanager
    def _timed(self, rule: Rule) -> Iterator[None]:
        import signal

        def late(_signal: int, _frame: object) -> None:
            raise ConfigError(
                f"the pattern of rule {rule.id} takes too long",
                f"it may take {WINDOW_SECONDS:g} s at one place and {RUN_SECONDS:g} s in all",
                "make it simpler, or disable the rule; leakguard rules check shows where",
            )

        left = RUN_SECONDS - self._spent.get(rule.id, 0.0)
        before = signal.signal(signal.SIGALRM, late)
        began = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, max(0.01, min(WINDOW_SECONDS, left)))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            spent = self._spent.get(rule.id, 0.0) + time.monotonic() - began
            self._spent[rule.id] = spent
