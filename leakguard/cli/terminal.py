"""The POSIX side of running a command: pipes, terminals, signals, what is typed."""

from __future__ import annotations

import errno
import fcntl
import os
import selectors
import signal
import struct
import subprocess
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from leakguard.cli.child import CHUNK, Filter, Stream, pump, same_output, started
from leakguard.errors import UnreadError

PASSED_ON = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip
KEYS = (signal.SIGINT, signal.SIGQUIT)
"""Signals that a terminal sends to all it runs when their key is hit."""


def run(
    command: Sequence[str], through: Callable[[str], Filter], *, terminal: bool
) -> tuple[int, Exception | None]:
    """See `cli.child.run`."""
    shows = [terminal and os.isatty(number) for number in (1, 2)]
    with ExitStack() as stack:
        if any(shows):
            setup = _with_terminal(command, through, shows, stack)
        else:
            setup = _with_pipes(command, through, stack)
        process, streams, typed = setup
        stack.enter_context(_passing_on(process, typed))
        wakes = stack.enter_context(_children_told())
        failure = pump(process, _Selecting(streams, typed, wakes), streams)
    return process.returncode, failure


class _Typed:
    """What is typed at our terminal, on its way to the command's."""

    def __init__(self, master: int, *, keys: bool) -> None:
        self.master = master
        self.keys = keys  # whether our standard input is the terminal
        self.waiting = b""

    def move(self) -> None:
        """Hand over what the command's terminal takes; the rest waits."""
        try:
            self.waiting = self.waiting[os.write(self.master, self.waiting) :]
        except BlockingIOError:
            pass
        except OSError:
            self.waiting = b""  # the command's terminal is closed

    def resize(self) -> None:
        """Give the command's terminal the size of ours."""
        for number in (1, 2, 0):
            try:
                size = fcntl.ioctl(number, termios.TIOCGWINSZ, bytes(8))
                if any(struct.unpack("4H", size)[:2]):
                    fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)
                    return
            except OSError:
                continue


Setup = tuple["subprocess.Popen[bytes]", list[Stream], _Typed | None]


def _with_pipes(
    command: Sequence[str], through: Callable[[str], Filter], stack: ExitStack
) -> Setup:
    reader, writer = _pipe(stack)
    if same_output():
        process = started(command, stdout=writer, stderr=writer)
        streams = [Stream(reader, 1, through("output"))]
        os.close(writer)
        return process, streams, None
    reader2, writer2 = _pipe(stack)
    process = started(command, stdout=writer, stderr=writer2)
    os.close(writer)
    os.close(writer2)
    streams = [Stream(reader, 1, through("stdout")), Stream(reader2, 2, through("stderr"))]
    return process, streams, None


def _pipe(stack: ExitStack) -> tuple[int, int]:
    reader, writer = os.pipe()
    stack.callback(os.close, reader)
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        try:
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, CHUNK)
        except OSError:
            pass  # more than this user may have; it only makes more steps
    return reader, writer


def _with_terminal(
    command: Sequence[str], through: Callable[[str], Filter], shows: list[bool], stack: ExitStack
) -> Setup:
    """A terminal for what of ours is one, a pipe for the other output."""
    try:
        master, slave = os.openpty()
    except OSError as error:
        raise UnreadError(
            "no terminal could be made for the command",
            "leakguard exec --no-tty -- ... runs it with pipes", cause=error.strerror or "",
        ) from None  # fmt: skip
    stack.callback(os.close, master)
    keys = os.isatty(0) and _in_front(0)
    typed = _Typed(master, keys=keys)
    _dress(slave, shows, keys=keys)
    typed.resize()
    ends = [slave, slave]
    streams: list[Stream] = []
    for at, name in enumerate(("stdout", "stderr")):
        if not shows[at]:
            reader, ends[at] = _pipe(stack)
            streams.append(Stream(reader, at + 1, through(name)))
    name = "output" if all(shows) else "stdout" if shows[0] else "stderr"
    streams.append(Stream(master, 1 if shows[0] else 2, through(name)))
    process = started(
        command,
        stdin=slave if keys else None, stdout=ends[0], stderr=ends[1],
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),  # no threads run here
    )  # fmt: skip
    for end in {slave, *ends}:
        os.close(end)
    os.set_blocking(master, False)
    if keys:
        stack.enter_context(_raw(0))
    return process, streams, typed


def _dress(slave: int, shows: list[bool], *, keys: bool) -> None:
    """The command's terminal behaves like ours; only where keys are handed on does it make
    line ends, since ours is raw then.
    """
    modes = termios.tcgetattr(1 if shows[0] else 2)
    if not keys:
        modes[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, modes)


def _in_front(number: int) -> bool:
    """Whether the terminal `number` listens to us, not to another job."""
    try:
        return os.tcgetpgrp(number) == os.getpgrp()
    except OSError:
        return False


@contextmanager
def _raw(number: int) -> Iterator[None]:
    """Our terminal hands on every key as it is; afterwards it is as it was."""
    before = termios.tcgetattr(number)
    tty.setraw(number)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _told_by_keyboard() -> bool:
    """Whether a terminal sends its signals to us, and so to a command in the same group."""
    try:
        number = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return _in_front(number)
    finally:
        os.close(number)


@contextmanager
def _passing_on(process: subprocess.Popen[bytes], typed: _Typed | None) -> Iterator[None]:
    """Signals that reach us reach the command."""

    def hand_on(number: int, _frame: object) -> None:
        if typed is None and number in KEYS and _told_by_keyboard():
            return  # the terminal has told it already
        if process.poll() is not None:
            return
        try:
            if typed is not None:
                os.killpg(process.pid, number)
            else:
                os.kill(process.pid, number)
        except OSError:
            pass  # it has just ended

    before = {number: signal.signal(number, hand_on) for number in PASSED_ON}
    if typed is not None:
        before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, lambda *_: typed.resize())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _children_told() -> Iterator[int]:
    """A descriptor that can be read once a child has ended."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    old = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(old)
        signal.signal(signal.SIGCHLD, before)
        os.close(reader)
        os.close(writer)


class _Selecting:
    """Waits for all streams, for keys and for the command's end."""

    def __init__(self, streams: list[Stream], typed: _Typed | None, wakes: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._typed = typed
        self._streams = streams
        for stream in streams:
            self._selector.register(stream.reader, selectors.EVENT_READ, stream)
        self._selector.register(wakes, selectors.EVENT_READ, None)
        self._wakes = wakes
        if typed is not None and typed.keys:
            self._selector.register(0, selectors.EVENT_READ, typed)

    def wait(self, seconds: float | None) -> list[tuple[Stream, bytes]]:
        """What came, at the latest after so many seconds."""
        self._forget()
        came: list[tuple[Stream, bytes]] = []
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, Stream):
                data = _read(key.data.reader)
                if data is not None:
                    came.append((key.data, data))
            elif isinstance(key.data, _Typed):
                self._keys(key.data)
            else:
                _read(self._wakes)
        if self._typed is not None and self._typed.waiting:
            self._typed.move()
        return came

    def _forget(self) -> None:
        """Streams that are closed are not waited for; what writes there learns of it."""
        for stream in list(self._streams):
            if not stream.open:
                self._streams = [one for one in self._streams if one is not stream]
                self._selector.unregister(stream.reader)
                _shut(stream.reader)

    def _keys(self, typed: _Typed) -> None:
        data = _read(0)
        if data:
            typed.waiting += data
        elif data == b"":
            self._selector.unregister(0)


def _shut(number: int) -> None:
    """Close the pipe but keep its number taken, so that nothing else is closed in its place."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, number, inheritable=False)
    os.close(null)


def _read(number: int) -> bytes | None:
    """What can be read now; b"" at the end, None for nothing after all."""
    try:
        return os.read(number, CHUNK)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno == errno.EIO:  # how a terminal says that nobody has it open any more
            return b""
        raise
