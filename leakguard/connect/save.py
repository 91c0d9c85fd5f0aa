"""Downloads into a folder, within limits; what cannot be had is a gap, not an end."""

from __future__ import annotations

import os
import re
import shutil

from leakguard.blob import Unread
from leakguard.connect.fetched import Case
from leakguard.connect.http import Client, GoneError, TooLargeError
from leakguard.errors import UnreadError

_ODD = re.compile(r"[^\w.()-]+", re.ASCII)
MOST_FILES = 2000
SPARE = 64 * 1024 * 1024
"""So much of the disk is left free."""


class Saver:
    """Saves files one after the other in a folder that only the owner can enter."""

    def __init__(self, folder: str, limit: int) -> None:
        """`limit` is the most bytes of one file."""
        self._folder = folder
        self._limit = limit
        os.makedirs(folder, mode=0o700, exist_ok=True)

    def save(
        self, client: Client, case: Case, url: str, name: str, *, may_be_gone: bool = False
    ) -> None:
        """Fetch a file of the case. One that is too large, or gone, is noted there.

        Raises UnreadError for what would stop every other file too.
        """
        if len(case.files) >= MOST_FILES:
            raise UnreadError(f"{case.title} has more than {MOST_FILES} files")
        name = _ODD.sub("_", name)[:180].lstrip(".")
        path = os.path.join(self._folder, name)
        room = min(self._limit, max(0, shutil.disk_usage(self._folder).free - SPARE))
        try:
            case.files.append(client.download(url, path, name, room))
        except TooLargeError as problem:
            size = f"{problem.size:,} bytes are" if problem.size else "it is"
            hint = "raise --max-size" if room == self._limit else "the disk is nearly full"
            case.missed.append(Unread(name, f"{size} more than the limit of {room:,}; {hint}"))
        except GoneError as problem:
            if may_be_gone:
                case.notes.append(f"{name}: the service has it no more")
            else:
                case.missed.append(Unread(name, "; ".join((problem.message, *problem.hints))))
        except OSError as error:
            raise UnreadError(f"{name} cannot be saved", cause=error.strerror or "") from None
