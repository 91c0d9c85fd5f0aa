"""What goes to the terminal, and in which colour; decided once, here."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from leakguard import late
from leakguard.errors import ConfigError, LeakguardError, Place, UnreadError
from leakguard.report.style import Style, defused


def style(stream: TextIO | None, choice: str = "auto") -> Style:
    """`--color`, then NO_COLOR, FORCE_COLOR, TERM=dumb, then whether it is a terminal."""
    terminal = stream is not None and stream.isatty()
    if choice in ("always", "never"):
        colour = choice == "always"
    elif os.environ.get("NO_COLOR"):
        colour = False
    elif os.environ.get("FORCE_COLOR"):
        colour = True
    else:
        colour = terminal and os.environ.get("TERM") != "dumb"
    return Style(colour=colour, links=terminal and colour)


def show(text: str, stream: TextIO | None = None) -> None:
    """Print; what the terminal's encoding cannot show is escaped, and standard error, where
    only words for people go, never commands a CI runner.

    Raises UnreadError when a report cannot be written: nobody knows the result.
    """
    stream = stream or sys.stdout
    if stream is None:
        return  # closed by whoever started us; the exit status still tells
    if stream is sys.stderr:
        text = defused(text)
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnreadError("the report could not be written", cause=error.strerror or "") from None


def _complain(text: str) -> None:
    """Print on stderr; when even that is gone, the exit status has to do."""
    if sys.stderr is not None:
        with suppress(OSError, UnreadError):
            show(text, sys.stderr)


def problem(error: LeakguardError, what: str = "", typed: Sequence[str] = ()) -> None:
    """An explained failure, on stderr; `what` says what did not happen because of it.

    A secret that was `typed` where a name belongs is not repeated.
    """
    from leakguard.report.problem import render

    _complain(render(_discreet(error, typed), style(sys.stderr), what=what))


def unsaid(text: str, typed: Sequence[str]) -> str:
    """`text` with what looks random in the words that were typed starred out."""
    for run in {run for word in typed for run in _RUN.findall(word) if _masked(run) != run}:
        if not _ID.fullmatch(run):
            text = text.replace(run, "*" * len(run))
    return text


_RUN = late.pattern(r"[A-Za-z0-9]{9,}")
_ID = late.pattern(r"[0-9a-f]{1,16}")
"""As much of a hash as our own findings are known by."""
_SAME_KIND = late.pattern(r"[a-z]+|[A-Z]+|[0-9]+")


def _masked(text: str) -> str:
    """`text` with what looks random starred out; words and paths change their kind of letter
    seldom, and stay.
    """

    def star(run: re.Match[str]) -> str:
        changes = len(_SAME_KIND.findall(run[0])) - 1
        return "*" * len(run[0]) if changes >= max(3, len(run[0]) // 6) else run[0]

    return _RUN.sub(star, text)


def _discreet(error: LeakguardError, typed: Sequence[str] = ()) -> LeakguardError:
    """The same error; where it quotes a configuration, no secret that stands there by mistake."""
    error.message, error.cause = unsaid(error.message, typed), unsaid(error.cause, typed)
    error.hints = tuple(unsaid(hint, typed) for hint in error.hints)
    if not isinstance(error, ConfigError):
        return error
    place = error.place
    if place is not None:
        place = Place(place.path, place.line, place.column, _masked(place.text), place.width)
    return ConfigError(
        _masked(error.message), *error.hints, place=place, cause=_masked(error.cause)
    )


def bug(error: Exception) -> None:
    """A failure that nobody foresaw: where it happened, without any value of a variable.

    The text of the exception is left out, since it may quote what was scanned.
    """
    import traceback

    frames = traceback.extract_tb(error.__traceback__)[-6:]
    lines = [
        f"  {os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames
    ]
    _complain(
        f"error: leakguard failed ({type(error).__name__}); this is a bug in leakguard\n"
        + "\n".join(lines)
        + "\n  hint: nothing was decided, so this counts as a failure\n"
        + "  hint: please report these lines; they hold nothing of what was scanned\n"
    )
