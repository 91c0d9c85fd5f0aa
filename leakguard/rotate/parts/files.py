"""A file on this machine that is replaced at once, and whether somebody has read it since."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from leakguard.rotate.kit import Answer, Fail, Request, action, check
from leakguard.rotate.parts.web import told


@dataclass(frozen=True)
class Kept:
    """A file as it was read."""

    text: str
    stat: os.stat_result

    @property
    def mode(self) -> int:
        """Who may do what with it."""
        return stat.S_IMODE(self.stat.st_mode)

    @property
    def changed(self) -> float:
        """When it came to be what it is. A rename counts, so nobody read it earlier."""
        return max(self.stat.st_mtime, self.stat.st_ctime)


def path_of(ask: Request) -> str:
    """Where the file is that the target names."""
    path: str = ask.target["path"]
    if not os.path.isabs(path):
        raise Fail("unsupported", "path has to be absolute: scripts work in a folder of their own")
    return os.path.realpath(path) if ask.target.get("follow_symlink") else path


def read(path: str) -> Kept:
    """A regular file that is no link. Raises Fail(not_found), (permission) or (unsupported)."""
    if os.path.islink(path):
        raise Fail("unsupported", f"{path} is a link: name the file, or follow_symlink=true")
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise Fail("unsupported", f"{path} is no regular file")
            return Kept(file.read().decode("utf-8", "surrogateescape"), found)
    except FileNotFoundError:
        raise Fail("not_found", f"there is no {path}") from None
    except PermissionError:
        raise Fail("permission", f"{path} may not be read") from None


def replace(path: str, kept: Kept | None, text: str) -> None:
    """Put a new file in the place of the old one, so that a crash leaves one of the two."""
    folder = os.path.dirname(path)
    beside = os.path.join(folder, f".{os.path.basename(path)}.{os.urandom(6).hex()}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            if kept:
                _as_it_was(file.fileno(), path, kept)
            file.flush()
            os.fsync(file.fileno())
        if not _untouched(path, kept):
            raise Fail("conflict", f"somebody else changed {path} just now", retryable=True)
        os.rename(beside, path)
        _sync(folder)
    except PermissionError:
        raise Fail("permission", f"{path} may not be replaced by this user") from None
    finally:
        if os.path.lexists(beside):
            os.unlink(beside)


def _untouched(path: str, kept: Kept | None) -> bool:
    if kept is None:
        return not os.path.lexists(path)
    return os.path.lexists(path) and _identity(os.lstat(path)) == _identity(kept.stat)


def _as_it_was(number: int, path: str, kept: Kept) -> None:
    mine = os.fstat(number)
    if (mine.st_uid, mine.st_gid) != (kept.stat.st_uid, kept.stat.st_gid):
        os.fchown(number, kept.stat.st_uid, kept.stat.st_gid)
    os.fchmod(number, kept.mode)
    for name in os.listxattr(path) if hasattr(os, "listxattr") else ():
        if name.startswith(("user.", "system.posix_acl")):
            os.setxattr(number, name, os.getxattr(path, name))


def _sync(folder: str) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


# What a plan says


def replaceable(kept: Kept, path: str) -> list[dict[str, Any]]:
    """Checks of whether a file can be replaced without a trace of the old value."""
    folder = os.path.dirname(path)
    ours = os.geteuid() in (0, kept.stat.st_uid)
    single = kept.stat.st_nlink == 1
    way = "the new value would be committed: git rm --cached it, and ignore it"
    return [
        check("its folder lets us replace it", os.access(folder, os.W_OK), "run as its owner"),
        check("its owner stays", ours, "it belongs to somebody else: run as its owner"),
        check("the file has one name", single, "a hard link would keep the old value"),
        check("git does not track the file", not _tracked(path), way),
    ]


def actions(ask: Request, verb: str, what: str) -> list[dict[str, Any]]:
    """What happens to the file, and who is looked at then."""
    effect, undo = "who starts later reads the new value", "write the old value again"
    return [
        action("distribute", verb, what, effect, undo),
        action("confirm", "look at", _who(ask), "nothing changes"),
    ]


def open_to(kept: Kept, path: str) -> list[str]:
    """A remark, when others may read the file."""
    return [f"others may read {path}: chmod o-rwx"] * bool(kept.mode & 0o007)


def _tracked(path: str) -> bool:
    git = shutil.which("git")
    if git is None:
        return False
    folder, name = os.path.split(path)
    argv = [git, "-C", folder, "-c", "safe.directory=*", "ls-files", "--error-unmatch", "--", name]
    done = subprocess.run(argv, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    return done.returncode == 0


# Who has read it


def seen(
    ask: Request,
    kept: Kept,
    *,
    inside: Callable[[int], bool | None] = lambda _: None,
    generation: str = "",
) -> Answer:
    """Whether the process and the addresses that the parameters name have the new value.

    `inside` says whether a process, by its number, was started with it, if it can tell;
    `generation` is what an address says that has it, instead of when it was started.
    """
    late: list[str] = []
    method = "config"
    if ask.target.get("pid_file"):
        late += _process_is_late(ask, kept.changed, inside)
        method = "usage"
    if ask.target.get("health_url"):
        late += _health_is_late(ask, kept.changed, generation)
        method = "health"
    by = "nobody looked at who reads it" if method == "config" else f"so does {_who(ask)}"
    said = late or [f"{path_of(ask)} holds the new value; {by}"]
    return Answer("pending" if late else "done", observed=said, more={"method": method})


def _who(ask: Request) -> str:
    return str(ask.target.get("health_url") or ask.target.get("pid_file") or path_of(ask))


def _process_is_late(
    ask: Request, changed: float, inside: Callable[[int], bool | None]
) -> list[str]:
    """Why the process may still have the old value; nothing when it cannot."""
    number = _pid(ask.target["pid_file"])
    started = _started(number) if number else None
    if started is None:
        return ["the process is not running, or pid_file is out of date"]
    fresh = inside(number)
    if fresh is not None:
        return [] if fresh else [f"process {number} has another value in its environment"]
    return [] if started > changed else [f"process {number} is older than the file: restart it"]


def _pid(path: str) -> int:
    try:
        with open(path, encoding="utf-8") as file:
            return int(file.read(64).split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def _started(number: int) -> float | None:
    """When a process was started, in seconds since 1970."""
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def _health_is_late(ask: Request, changed: float, generation: str) -> list[str]:
    field = ask.target.get("health_field") or ("generation" if generation else "started_at")
    late = []
    for url in ask.target["health_url"].split():
        said = told(url, field)
        fresh = said == generation if generation else _moment(said) > changed
        late += [] if fresh else [f"{urlsplit(url).netloc} is not on the new value yet"]
    return late


def _moment(said: Any) -> float:
    """Seconds since 1970 or an ISO date; 0 for anything else."""
    if isinstance(said, (int, float)):
        return float(said)
    try:
        return datetime.fromisoformat(str(said)).timestamp()
    except ValueError:
        return 0.0
