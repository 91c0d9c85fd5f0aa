"""Running git so that nothing in the scanned repository can run.

Every call switches off hooks, fsmonitor, pagers, external diffs, text
conversion, replace objects, lazy fetching and every network protocol: a
repository that we scan is a stranger's. Paths travel NUL-terminated.

On the start-up path of every commit, so children are started without
`subprocess` (10 ms) where the platform can.
"""

from __future__ import annotations

import os

from leakguard.errors import UnreadError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SAFE = (
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.alternateRefsCommand=",
    "-c", "core.quotePath=false",
    "-c", "log.showSignature=false",
    "-c", "i18n.logOutputEncoding=UTF-8",  # UTF-16 would put NULs between our fields
    "-c", "diff.external=",
    "-c", "diff.orderFile=/dev/null",
    "-c", "submodule.recurse=false",
    "-c", "core.packedGitLimit=64m",  # keeps git's own memory flat; costs it a tenth
    "-c", "core.packedGitWindowSize=8m",
    "-c", "core.deltaBaseCacheLimit=32m",
    "--no-pager",
    "--no-optional-locks",
    "--literal-pathspecs",
)  # fmt: skip

_FIXED = {
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "LC_ALL": "C",
}
_DROPPED = (
    "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_ASKPASS", "GIT_EDITOR",
    # Each contradicts --literal-pathspecs, or would say it twice.
    "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS",
)  # fmt: skip

CHUNK = 1024 * 1024
MAX_STDERR = 16 * 1024


def environment() -> dict[str, str]:
    """Ours, made safe. Variables that say which repository and index to use stay."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _DROPPED and not name.startswith("GIT_TRACE")
    }
    return kept | _FIXED


class Process:
    """A running git whose output is read from `out`; its messages go to a hidden file."""

    def __init__(self, args: tuple[str, ...], folder: str | None, stdin: int | None = None) -> None:
        """Raises UnreadError when git cannot be started."""
        self._args = args
        command = ["git", *(("-C", folder) if folder else ()), *_SAFE, *args]
        self._messages = _hidden_file()
        source = os.open(os.devnull, os.O_RDONLY) if stdin is None else stdin
        self.out, child_out = os.pipe()
        try:
            self._start(command, source, child_out)
        except OSError as error:
            os.close(self.out)
            os.close(self._messages)
            raise UnreadError(
                "git could not be started",
                "install git, or put it on PATH",
                cause=error.strerror or "",
            ) from None
        finally:
            os.close(child_out)
            if stdin is None:
                os.close(source)

    if hasattr(os, "posix_spawnp"):

        def _start(self, command: list[str], stdin: int, stdout: int) -> None:
            actions = [
                (os.POSIX_SPAWN_DUP2, stdin, 0),
                (os.POSIX_SPAWN_DUP2, stdout, 1),
                (os.POSIX_SPAWN_DUP2, self._messages, 2),
            ]
            self._pid = os.posix_spawnp("git", command, environment(), file_actions=actions)

        def wait(self) -> int:
            """The exit status, once the output has been read."""
            return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

        def stop(self) -> None:
            """End it early; for a reader that gave up."""
            os.close(self.out)
            try:
                os.kill(self._pid, 15)
            except ProcessLookupError:
                pass  # it had ended by itself
            os.waitpid(self._pid, 0)
            os.close(self._messages)

    else:

        def _start(self, command: list[str], stdin: int, stdout: int) -> None:
            import subprocess

            self._child = subprocess.Popen(
                command, stdin=stdin, stdout=stdout, stderr=self._messages, env=environment()
            )

        def wait(self) -> int:
            """The exit status, once the output has been read."""
            return self._child.wait()

        def stop(self) -> None:
            """End it early; for a reader that gave up."""
            os.close(self.out)
            self._child.terminate()
            self._child.wait()
            os.close(self._messages)

    def finish(self) -> int:
        """Close, wait, and return the exit status; `messages()` is then complete."""
        os.close(self.out)
        return self.wait()

    def fields(self) -> Iterator[bytes]:
        """NUL-terminated output, piece by piece as it comes."""
        rest = b""
        while part := os.read(self.out, CHUNK):
            *whole, rest = (rest + part).split(b"\0")
            yield from whole
        if rest:
            yield rest

    def expect(self, what: str) -> None:
        """Finish; raises UnreadError, `what` being what could not be done, if git failed."""
        status = self.finish()
        said = self.messages()
        if status:
            raise failure(what, said)

    def messages(self) -> str:
        """What git said, its last 16 KiB; closes the hidden file."""
        size = os.lseek(self._messages, 0, os.SEEK_END)
        os.lseek(self._messages, max(0, size - MAX_STDERR), os.SEEK_SET)
        text = os.read(self._messages, MAX_STDERR).decode("utf-8", "replace").strip()
        os.close(self._messages)
        return text


def _hidden_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("git-messages")
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def hidden_input(data: bytes) -> int:
    """An open file without a name that holds `data`, ready to be a child's input."""
    descriptor = _hidden_file()
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def output(
    *args: str, folder: str | None = None, what: str = "", ok: tuple[int, ...] = (0,)
) -> bytes:
    """All that git prints. Raises UnreadError, `what` being what could not be done."""
    return run(*args, folder=folder, what=what, ok=ok)[1]


def run(
    *args: str,
    folder: str | None = None,
    what: str = "",
    ok: tuple[int, ...] = (0,),
    stdin: int | None = None,
) -> tuple[int, bytes]:
    """(exit status, output). Raises UnreadError for a status that is not in `ok`."""
    process = Process(args, folder, stdin)
    parts = []
    while part := os.read(process.out, CHUNK):
        parts.append(part)
    status = process.finish()
    said = process.messages()
    if status not in ok:
        raise failure(what or f"git {args[0]} failed", said)
    return status, b"".join(parts)


_GONE = ("promisor", "not allowed", "missing", "bad object", "unable to read")
"""Words of git for an object that it does not have."""


def failure(what: str, said: str) -> UnreadError:
    """The error for a git that gave up, with a hint for the reasons we know."""
    hints = ["run git status; if that fails too, the repository needs repair"]
    if "dubious ownership" in said:
        hints = [
            "the repository belongs to another user; git refuses to read it",
            "if you trust it: git config --global --add safe.directory <its path>",
        ]
    elif "not a git repository" in said:
        hints = ["this is not a git repository; leakguard scan PATH reads any folder"]
    elif "bad revision" in said or "unknown revision" in said or "Invalid revision" in said:
        hints = [
            "name commits that are here; a shallow clone may lack them: git fetch --unshallow",
        ]
    elif any(word in said for word in _GONE):
        hints = [
            "objects are missing here (a shallow or partial clone, or damage)",
            "fetch them first: git fetch --unshallow, or git fetch --refetch",
        ]
    hints.append("unread is not clean, so this counts as a failure")
    return UnreadError(what, *hints, cause=complaint(said))


def complaint(said: str) -> str:
    """The line of git's messages that says what is wrong."""
    lines = said.splitlines()
    return next((line for line in lines if line.startswith(("fatal", "error"))), said)


def records(*args: str, folder: str | None = None, what: str = "") -> list[bytes]:
    """NUL-terminated output, split."""
    raw = output(*args, folder=folder, what=what)
    return raw.split(b"\0")[:-1] if raw else []


def text(*args: str, folder: str | None = None, ok: tuple[int, ...] = (0,)) -> str:
    """Output as text without the line end; "" for a status in `ok` that prints nothing."""
    return os.fsdecode(output(*args, folder=folder, ok=ok)).rstrip("\n")
