"""Putting git hooks in place and taking them away, without losing anybody else's."""

from leakguard import errors


class RefusedError(errors.RefusedError):
    """We could write, but should not: the place belongs to someone else.

    `paste` is what a person can add there instead, ready to copy.
    """

    def __init__(self, message: str, *hints: str, cause: str = "", paste: str = "") -> None:
        super().__init__(message, *hints, cause=cause)
        self.paste = paste
