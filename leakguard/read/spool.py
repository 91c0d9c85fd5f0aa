"""Container images that cannot be read back and forth: from a pipe, or packed once more.

What names an image's layers often stands at its end. So the image waits in a
temporary file that has no name and is gone when it is closed, whatever happens to us. It may
take half of what is free there; one that needs more is read as the tar that it is.
"""

from __future__ import annotations

import shutil
import tempfile
from typing import IO, TYPE_CHECKING, cast

from leakguard.read import image, members
from leakguard.read.source import PART, Source, from_region

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from leakguard.blob import Origin
    from leakguard.read.members import Member
    from leakguard.read.source import Budget


def layers(source: Source, origin: Origin, budget: Budget) -> Iterator[Member]:
    """The members of an image, or of a tar that only begins like one."""
    with tempfile.TemporaryFile(prefix="leakguard-", buffering=0) as kept:
        file = cast("BinaryIO", kept)
        size = _filled(kept, source)
        whole = not source.peek(1)
        found = image.members(file, size, origin, budget) if whole else None
        if found is None:
            first = from_region(file, 0, size, origin)
            rest = Source(lambda: first.some() or source.some(), origin)
            found = members.tar(rest, origin, budget)
        yield from found
        source.some()  # tells if it ended because of a problem


def _filled(file: IO[bytes], source: Source) -> int:
    """How much of `source` is in the file; what has no room stays where it is."""
    most = shutil.disk_usage(tempfile.gettempdir()).free // 2
    size = 0
    while size < most and (part := source.peek(PART)):
        try:
            written = file.write(part)
        except OSError:
            break  # the disk is full after all
        source.skip(written)
        size += written
    return size
