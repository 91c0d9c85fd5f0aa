"""A command at a real terminal: what it shows, and what a person types there.

with Terminal([sys.executable, "-m", "leakguard", ...], cwd=folder) as screen:
    screen.until("password:")
    screen.type(value)
    assert screen.end() == 0
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# A terminal that a session leader opens becomes its own: passwords are asked for at /dev/tty.
OWN = "import os, sys; os.open(os.ttyname(0), os.O_RDWR); os.execv(sys.argv[1], sys.argv[1:])"


CTRL_C = b"\x03"


class Terminal:
    """One program in a terminal of its own."""

    def __init__(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None,
        columns: int = 80,
    ) -> None:  # fmt: skip
        self._screen, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._program = subprocess.Popen(
            [sys.executable, "-I", "-c", OWN, *argv], stdin=theirs, stdout=theirs, stderr=theirs,
            cwd=cwd, env={**os.environ, "TERM": "dumb", "COLUMNS": str(columns), **(env or {})},
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""
        self._read = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._program.poll() is None:
            os.killpg(self._program.pid, signal.SIGKILL)
        self._program.wait()
        os.close(self._screen)

    def until(self, text: str, *, within: float = 60.0) -> str:
        """Wait for a text that was not waited for before; what was shown up to it."""
        end = time.monotonic() + within
        while text not in self.shown[self._read :]:
            assert time.monotonic() < end, f"no {text!r} within {within} s: {self.shown[-2000:]}"
            assert self._more(), f"it ended without {text!r}: {self.shown[-2000:]}"
        at = self.shown.index(text, self._read) + len(text)
        part, self._read = self.shown[self._read : at], at
        return part

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._screen, line.encode() + b"\n")

    def end(self, *, within: float = 120.0, press: bytes = b"") -> int:
        """Wait until it ends; its exit status. Keys are pressed once a second until then: what
        comes between a question and the look for its answer is lost.
        """
        end, pressed = time.monotonic() + within, 0.0
        while self._more():
            assert time.monotonic() < end, f"it does not end: {self.shown[-2000:]}"
            if press and time.monotonic() > pressed + 1:
                os.write(self._screen, press)
                pressed = time.monotonic()
        return self._program.wait(within)

    def _more(self) -> bool:
        """Read what comes within a moment; False when nobody holds the terminal any more."""
        ready, _, _ = select.select([self._screen], [], [], 0.2)
        if not ready:
            return True
        try:
            part = os.read(self._screen, 65536)
        except OSError:
            return False  # how Linux says it
        self.shown += part.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(part)
