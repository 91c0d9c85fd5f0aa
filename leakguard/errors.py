"""What can go wrong, each with the place and the way out.

LeakguardError
 |- UsageError     2  the command line asks for something impossible
 |- ConfigError    3  a configuration, rule or allowance file is wrong
 |- UnreadError    4  something that had to be read could not be
 |- OutcomeError   5  what was to happen failed, or nobody knows whether it did
 `- RefusedError   6  a guard said no; the hints say what is missing

Messages are lower case without a full stop. Only `cli` turns them into text and
an exit code.
"""

from leakguard import exits


class Place:
    """A spot in a text file that a person can jump to; line and column from 1."""

    __slots__ = ("column", "line", "path", "text", "width")

    def __init__(
        self, path: str, line: int = 0, column: int = 0, text: str = "", width: int = 1
    ) -> None:
        self.path = path
        self.line = line
        self.column = column
        self.text = text
        self.width = width


class LeakguardError(Exception):
    """A failure that is explained: what, where, why, and what to do next."""

    exit_code = exits.BUG

    def __init__(
        self, message: str, *hints: str, place: Place | None = None, cause: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hints = hints
        self.place = place
        self.cause = cause


class UsageError(LeakguardError):
    """The command line asks for something that cannot be."""

    exit_code = exits.USAGE


class ConfigError(LeakguardError):
    """A configuration, rule or allowance file says something we cannot follow."""

    exit_code = exits.CONFIG


class UnreadError(LeakguardError):
    """Something that had to be scanned could not be read."""

    exit_code = exits.UNREAD


class OutcomeError(LeakguardError):
    """An action outside failed, or its outcome is unknown."""

    exit_code = exits.OUTCOME


class RefusedError(LeakguardError):
    """Something may not be done, or not yet."""

    exit_code = exits.REFUSED
