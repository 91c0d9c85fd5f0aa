"""Files of a repository that decide something, read so that they can only be what they seem."""

from __future__ import annotations

import os
import stat

from leakguard.errors import ConfigError, Place

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read(top: str, path: str, limit: int) -> bytes | None:
    """At most `limit` + 1 bytes of a file below `top`; None if it is not there.

    Raises ConfigError for a link that leads out of the repository, for what is
    no file, and for a file that cannot be read.
    """
    full = os.path.join(top, path)
    if not os.path.lexists(full):
        return None
    real, root = os.path.realpath(full), os.path.realpath(top)
    if os.path.commonpath([real, root]) != root:
        raise ConfigError("leads out of the repository", place=Place(path))
    return read_file(real, path, limit)


def read_file(full: str, shown: str, limit: int) -> bytes:
    """At most `limit` + 1 bytes of a regular file; never waits for a pipe. Raises ConfigError."""
    try:
        descriptor = os.open(full, _FLAGS)
    except OSError as error:
        raise ConfigError(
            "cannot be read", place=Place(shown), cause=error.strerror or ""
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ConfigError("is not a file", place=Place(shown))
    with open(descriptor, "rb") as file:
        return file.read(limit + 1)
