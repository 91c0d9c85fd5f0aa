"""A value handed to a program through a pipe: no argument, no environment, no file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pipe(text: str) -> Iterator[int]:
    """The reading end of a pipe that holds a text; give its number to the program."""
    reading, writing = os.pipe()
    try:
        os.write(writing, text.encode())
        os.close(writing)
        yield reading
    finally:
        os.close(reading)
