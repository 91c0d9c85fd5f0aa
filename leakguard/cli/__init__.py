"""The command line. One catcher turns every failure into words and an exit code.

Commands are loaded when they are named; a git hook and a plain scan do not even load click.
"""

from __future__ import annotations

import sys

from leakguard import exits
from leakguard.errors import LeakguardError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


_NOT_DONE: dict[tuple[str, ...], str] = {
    ("hook", "pre-commit"): "commit not scanned",
    ("hook", "commit-msg"): "message not scanned",
    ("hook", "pre-push"): "push not scanned",
    ("hook", "pre-receive"): "push not scanned",
}
"""What a failure means to the person who waits for a hook."""


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit status, never an exception."""
    try:
        return _dispatch(list(arguments))
    except LeakguardError as problem:
        from leakguard.cli import console

        console.problem(problem, _NOT_DONE.get(tuple(arguments[:2]), ""), arguments)
        return problem.exit_code
    except KeyboardInterrupt:
        print("\nerror: interrupted; nothing was decided", file=sys.stderr)
        return exits.INTERRUPTED
    except BrokenPipeError:
        return exits.UNREAD
    except Exception as bug:  # noqa: BLE001 - the one catcher: a trace-back might quote a secret
        from leakguard.cli import console

        console.bug(bug)
        return exits.BUG


def _dispatch(arguments: list[str]) -> int:
    name, *rest = arguments or [""]
    if name == "hook" and rest not in (["-h"], ["--help"]):
        from leakguard.cli import hook

        return hook.run(rest)
    if name == "scan" and not any(word.startswith("-") for word in rest):
        from leakguard.cli import tree_scan

        return tree_scan.run(tuple(rest))
    from leakguard.cli import app

    return app.run(arguments)
