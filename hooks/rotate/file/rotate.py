#!/usr/bin/env python3
"""Writes a new value as the whole content of a file, and looks whether somebody has read it.

The file is replaced, so that a reader sees the old content or the new one and never a
half; its owner, its mode, its access lists and whether it ends with a line end stay.
A file proves nothing of a process that read it yesterday: `confirm` therefore looks
whether the process is younger than the file, or asks it.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from leakguard.rotate.kit import Answer, Fail, Request, script

rotate = script()


@rotate.phase
def describe(_: Request) -> Answer:
    """The same as the manifest says."""
    names = ("reversible_disable", "kills_sessions", "label_support")
    said = {"secret_origin": "client", "overlap": "none", "max_active": 0, "dry_run": "real"}
    return Answer(more={"capabilities": said | dict.fromkeys(names, False)})


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the file is there, ours to replace, and holds what leaked. Changes nothing."""
    path = _path(ask)
    kept = _found(ask)
    verb = "write" if kept else "create"
    actions = [
        _action("distribute", verb, path, "who starts later reads the new value"),
        _action("confirm", "look at", _who(ask), "nothing changes"),
    ]
    checks = [_right_one(ask, kept), *(_replaceable(kept, path) if kept else _creatable(path))]
    open_to = [f"others may read {path}: chmod o-rwx"] * bool(kept and kept.mode & 0o007)
    known = [path] if kept else []
    return Answer(observed=open_to, more={"actions": actions, "known": known, "checks": checks})


@rotate.phase
def distribute(ask: Request) -> Answer:
    """Replace the file by one with the new value."""
    return _put(ask, ask.secret("new"))


@rotate.phase
def confirm(ask: Request) -> Answer:
    """Read it back, then look at the running process where the parameters say which."""
    path = _path(ask)
    kept = _read(path)
    if kept.value != _bare(ask.secret("new")):
        raise Fail("conflict", f"{path} holds another value than the new one")
    late: list[str] = []
    method = "config"
    if ask.target.get("pid_file"):
        late += _process_is_late(ask, kept.changed)
        method = "usage"
    if ask.target.get("health_url"):
        late += _health_is_late(ask, kept.changed)
        method = "health"
    told = late or [f"{path} holds the new value; {_seen(method, ask)}"]
    return Answer("pending" if late else "done", observed=told, more={"method": method})


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which value the file holds, as far as we were given values to compare with."""
    kept = _found(ask)
    held = kept.value if kept else None
    state: dict[str, Any] = {
        slot: ("active" if held == _bare(ask.secrets[slot]) else "absent")
        if slot in ask.secrets
        else "unknown"
        for slot in ("old", "new")
    }
    return Answer(more={"state": state | {"credentials": []}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Write the old value again, unless somebody else has changed it since."""
    kept = _found(ask)
    ours = [_bare(ask.secret("old")), _bare(ask.secrets.get("new", ""))]
    if kept and kept.value not in ours:
        raise Fail("conflict", f"{_path(ask)} holds neither the old value nor the new one")
    return _put(ask, ask.secret("old"))


def _put(ask: Request, value: str) -> Answer:
    path, kept = _path(ask), _found(ask)
    if kept and kept.value == _bare(value):
        return Answer("already", observed=[f"{path} is as it should be"])
    if not ask.dry_run:
        end = kept.end if kept and not value.endswith("\n") else "\n"
        _replace(path, kept, _bare(value) + end)
    return Answer(observed=[f"wrote {path}"])


def _bare(value: str) -> str:
    """A value without the line end that a key in PEM form has and others do not."""
    return value.removesuffix("\n")


# The file


@dataclass(frozen=True)
class Kept:
    """A file as it was read."""

    text: str
    stat: os.stat_result

    @property
    def value(self) -> str:
        """The content, without the line end that editors add."""
        return self.text.removesuffix(self.end)

    @property
    def end(self) -> str:
        """How it ends."""
        return next((end for end in ("\r\n", "\n") if self.text.endswith(end)), "")

    @property
    def mode(self) -> int:
        """Who may do what with it."""
        return stat.S_IMODE(self.stat.st_mode)

    @property
    def changed(self) -> float:
        """When it came to be what it is. A rename counts, so nobody read it earlier."""
        return max(self.stat.st_mtime, self.stat.st_ctime)


def _found(ask: Request) -> Kept | None:
    try:
        return _read(_path(ask))
    except Fail as fail:
        if fail.kind == "not_found" and ask.target.get("create"):
            return None
        raise


def _path(ask: Request) -> str:
    path: str = ask.target["path"]
    if not os.path.isabs(path):
        raise Fail("unsupported", "path has to be absolute: scripts work in a folder of their own")
    return os.path.realpath(path) if ask.target.get("follow_symlink") else path


def _read(path: str) -> Kept:
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


def _replace(path: str, kept: Kept | None, text: str) -> None:
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


# What has to hold before


def _right_one(ask: Request, kept: Kept | None) -> dict[str, Any]:
    what = "the file holds the value that leaked"
    if "old" not in ask.secrets or not ask.target.get("expect_old", True) or kept is None:
        return _check(what, True, "not compared", "")
    same = kept.value == _bare(ask.secret("old"))
    return _check(what, same, "", "it holds another: the right file? if so, expect_old=false")


def _creatable(path: str) -> list[dict[str, Any]]:
    folder = os.path.dirname(path)
    able = os.access(folder, os.W_OK)
    return [_check("its folder lets us make it", able, "", f"make {folder}, run as its owner")]


def _replaceable(kept: Kept, path: str) -> list[dict[str, Any]]:
    folder = os.path.dirname(path)
    ours = os.geteuid() in (0, kept.stat.st_uid)
    single = kept.stat.st_nlink == 1
    return [
        _check("its folder lets us replace it", os.access(folder, os.W_OK), "", "run as its owner"),
        _check("its owner stays", ours, "", "it belongs to somebody else: run as its owner"),
        _check("the file has one name", single, "", "a hard link would keep the old value"),
        _check("git does not track the file", not _tracked(path), "",
               "the new value would be committed: git rm --cached it, and ignore it"),
    ]  # fmt: skip


def _tracked(path: str) -> bool:
    git = shutil.which("git")
    if git is None:
        return False
    folder, name = os.path.split(path)
    argv = [git, "-C", folder, "-c", "safe.directory=*", "ls-files", "--error-unmatch", "--", name]
    done = subprocess.run(argv, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    return done.returncode == 0


def _check(what: str, ok: bool, detail: str, otherwise: str) -> dict[str, Any]:
    return {"what": what, "ok": ok, "detail": detail if ok else otherwise}


def _action(phase: str, verb: str, target: str, effect: str) -> dict[str, Any]:
    undo = "write the old value again" if phase == "distribute" else None
    return {"phase": phase, "verb": verb, "target": target, "effect": effect, "undo": undo}


# The running process


def _who(ask: Request) -> str:
    return str(ask.target.get("health_url") or ask.target.get("pid_file") or _path(ask))


def _seen(method: str, ask: Request) -> str:
    return "nobody looked at who reads it" if method == "config" else f"so does {_who(ask)}"


def _process_is_late(ask: Request, changed: float) -> list[str]:
    """Why the process may still have the old value; nothing when it cannot."""
    number = _pid(ask.target["pid_file"])
    started = _started(number) if number else None
    if started is None:
        return ["the process is not running, or pid_file is out of date"]
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


def _health_is_late(ask: Request, changed: float) -> list[str]:
    late = []
    for url in ask.target["health_url"].split():
        said = _asked(url, ask.target.get("health_field") or "started_at")
        if _moment(said) <= changed:
            late.append(f"{urlsplit(url).netloc} has not read it yet")
    return late


def _asked(url: str, field: str) -> Any:
    """A field of what an address answers; None while it does not."""
    import requests

    try:
        found = requests.get(url, timeout=(3, 5), allow_redirects=False)
        said: Any = found.json() if found.status_code == 200 else None
        for name in field.split("."):
            said = said[name]
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return None
    return said


def _moment(said: Any) -> float:
    """Seconds since 1970 or an ISO date; 0 for anything else."""
    if isinstance(said, (int, float)):
        return float(said)
    try:
        return datetime.fromisoformat(str(said)).timestamp()
    except ValueError:
        return 0.0


if __name__ == "__main__":
    rotate.main()
