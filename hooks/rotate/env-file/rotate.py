#!/usr/bin/env python3
"""Writes a new value into a file of KEY=value lines, and looks whether somebody has read it.

The file is replaced as a whole, so that a reader sees the old one or the new one and
never a half; its other lines, its owner, its mode and its access lists stay. A value in
a file proves nothing of a process that read it yesterday: `confirm` therefore looks at
the process (its environment, or whether it is younger than the file) or asks it.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from leakguard.rotate.kit import Answer, Fail, Request, script

rotate = script()

PLAIN = re.compile(r"[A-Za-z0-9_./:@+=,-]+")
"""What needs no quotes for any reader."""

QUOTABLE = re.compile(r"[ -&(-\[\]-~]+")
"""What single quotes keep as it is: printable, neither a quote nor a backslash."""

LINE = (
    r"(?P<before>[ \t]*(?:export[ \t]+)?){key}(?P<is>[ \t]*{sign}[ \t]*)"
    r"(?P<value>\"[^\"\\]*\"|'[^']*'|[^\"'\s][^\r\n]*?|)(?P<after>(?:[ \t]+#[^\r\n]*)?[ \t]*)\r?\n?"
)

HALF = "the value of {key} has escapes, or goes on in the next line: write it on one line"


@rotate.phase
def describe(_: Request) -> Answer:
    """The same as the manifest says."""
    names = ("reversible_disable", "kills_sessions", "label_support")
    said = {"secret_origin": "client", "overlap": "none", "max_active": 0, "dry_run": "real"}
    return Answer(more={"capabilities": said | dict.fromkeys(names, False)})


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the file is there, ours to replace, and holds what leaked. Changes nothing."""
    path, key = _path(ask), ask.target["key"]
    kept = _read(path)
    held = {name: _held(ask, kept.text, name) for name in _keys(ask)}
    missing = [] if ask.target.get("add_missing") else [n for n in held if held[n] is None]
    checks = [
        _check("the keys are in the file", not missing, "", f"add_missing=true, or add {missing}"),
        _right_one(ask, held[key]),
        *_replaceable(kept, path),
    ]
    actions = [
        _action("distribute", "write", f"{key} in {path}", "who starts later reads the new value"),
        _action("confirm", "look at", _who(ask), "nothing changes"),
    ]
    open_to = [f"others may read {path}: chmod o-rwx"] * bool(kept.mode & 0o007)
    known = [name for name in held if held[name] is not None]
    return Answer(observed=open_to, more={"actions": actions, "known": known, "checks": checks})


@rotate.phase
def distribute(ask: Request) -> Answer:
    """Replace the file by one with the new value."""
    public = str(ask.new.get("user") or ask.new.get("id") or "")
    return _put(ask, ask.secret("new"), public, ask.rotation)


@rotate.phase
def confirm(ask: Request) -> Answer:
    """Read it back, then look at the running process where the parameters say which."""
    path = _path(ask)
    kept = _read(path)
    if _secret_of(ask, _held(ask, kept.text, ask.target["key"])) != ask.secret("new"):
        raise Fail("conflict", f"{ask.target['key']} holds another value than the new one")
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
    held = _secret_of(ask, _held(ask, _read(_path(ask)).text, ask.target["key"]))
    state: dict[str, Any] = {
        slot: ("active" if held == ask.secrets[slot] else "absent")
        if slot in ask.secrets
        else "unknown"
        for slot in ("old", "new")
    }
    return Answer(more={"state": state | {"credentials": []}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Write the old value again, unless somebody else has changed it since."""
    held = _secret_of(ask, _held(ask, _read(_path(ask)).text, ask.target["key"]))
    if held not in (ask.secret("old"), ask.secrets.get("new")):
        raise Fail("conflict", f"{ask.target['key']} holds neither the old value nor the new one")
    return _put(
        ask, ask.secret("old"), str(ask.old.get("user") or ask.old.get("id") or ""), "before"
    )


def _put(ask: Request, value: str, public: str, generation: str) -> Answer:
    path = _path(ask)
    kept = _read(path)
    text = _set(ask, kept.text, ask.target["key"], lambda held: _made(ask, held, value, public))
    for name, said in (("id_key", public), ("generation_key", generation)):
        if ask.target.get(name):
            if not said:
                raise Fail("missing", f"{name} is set, but the issuer names no public half")
            text = _set(ask, text, ask.target[name], _always(said))
    if text == kept.text:
        return Answer("already", observed=[f"{path} is as it should be"])
    if not ask.dry_run:
        _replace(path, kept, text)
    return Answer(observed=[f"wrote {', '.join(_keys(ask))} in {path}"])


def _always(said: str) -> Callable[[str], str]:
    return lambda _: said


# The lines


def _line(ask: Request, key: str) -> re.Pattern[str]:
    sign = "[=:]" if ask.target.get("section") else "="
    return re.compile(LINE.replace("{sign}", sign).replace("{key}", re.escape(key)))


def _lines(ask: Request, text: str) -> list[tuple[bool, str]]:
    """Each line, and whether it stands where the keys are ours."""
    wanted, here = ask.target.get("section", ""), ""
    found = []
    for line in text.splitlines(keepends=True):
        header = re.match(r"[ \t]*\[([^\]]*)\]", line)
        here = header[1].strip() if header else here
        found.append((not wanted or here == wanted, line))
    return found


def _matches(ask: Request, text: str, key: str) -> list[re.Match[str]]:
    start = re.compile(rf"[ \t]*(?:export[ \t]+)?{re.escape(key)}[ \t]*[=:]")
    found = []
    for ours, line in _lines(ask, text):
        match = _line(ask, key).fullmatch(line) if ours else None
        if ours and match is None and start.match(line):
            raise Fail("unsupported", HALF.format(key=key))
        found += [match] if match else []
    return found


def _held(ask: Request, text: str, key: str) -> str | None:
    """The value of a key, without its quotes. The last one counts, as it does for readers."""
    found = _matches(ask, text, key)
    value = found[-1]["value"] if found else None
    return value[1:-1] if value and value[0] in "\"'" else value


def _set(ask: Request, text: str, key: str, make: Callable[[str], str]) -> str:
    """The text with another value wherever the key stands, all else as it was."""
    if not _matches(ask, text, key):
        return _appended(ask, text, key, make(""))
    made = []
    for ours, line in _lines(ask, text):
        match = _line(ask, key).fullmatch(line) if ours else None
        made.append(_with_value(match, make) if match else line)
    return "".join(made)


def _with_value(match: re.Match[str], make: Callable[[str], str]) -> str:
    old, line = match["value"], match.string
    mark = old[0] if old[:1] in ("'", '"') else ""
    value = _quoted(make(old[1:-1] if mark else old), mark, old)
    return line[: match.start("value")] + value + line[match.end("value") :]


def _appended(ask: Request, text: str, key: str, value: str) -> str:
    if not ask.target.get("add_missing"):
        raise Fail("not_found", f"there is no {key} in the file")
    if ask.target.get("section"):
        raise Fail("unsupported", f"add {key} to its section by hand")
    end = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{end}{key}={_quoted(value, '', '')}\n"


def _quoted(value: str, mark: str, old: str) -> str:
    """A value as it has to stand in the file. Refuses what readers would read differently."""
    if PLAIN.fullmatch(value) or urlsplit(old.strip("\"'")).password:
        return f"{mark}{value}{mark}"
    if mark == "'" and QUOTABLE.fullmatch(value):
        return f"'{value}'"
    raise Fail("unsupported", "the value has characters that readers of such files take apart")


# The value, or the login within a URL


def _made(ask: Request, held: str, value: str, public: str) -> str:
    if ask.target.get("part") != "url-login":
        return value
    url = urlsplit(held)
    if url.password is None:
        raise Fail("unsupported", f"{ask.target['key']} is no URL with a password in it")
    user = quote(public, safe="") if public and not ask.target.get("id_key") else url.username
    place = url.netloc.rpartition("@")[2]
    return urlunsplit(url._replace(netloc=f"{user}:{quote(value, safe='')}@{place}"))


def _secret_of(ask: Request, held: str | None) -> str:
    if ask.target.get("part") != "url-login":
        return held or ""
    return unquote(urlsplit(held or "").password or "")


def _keys(ask: Request) -> list[str]:
    names = ("key", "id_key", "generation_key")
    return [ask.target[name] for name in names if ask.target.get(name)]


# The file


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


def _replace(path: str, kept: Kept, text: str) -> None:
    """Put a new file in the place of the old one, so that a crash leaves one of the two."""
    folder = os.path.dirname(path)
    beside = os.path.join(folder, f".{os.path.basename(path)}.{os.urandom(6).hex()}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            _as_it_was(file.fileno(), path, kept)
            file.flush()
            os.fsync(file.fileno())
        if _identity(os.lstat(path)) != _identity(kept.stat):
            raise Fail("conflict", f"somebody else changed {path} just now", retryable=True)
        os.rename(beside, path)
        _sync(folder)
    except PermissionError:
        raise Fail("permission", f"{path} may not be replaced by this user") from None
    finally:
        if os.path.lexists(beside):
            os.unlink(beside)


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


def _right_one(ask: Request, held: str | None) -> dict[str, Any]:
    what = "the key holds the value that leaked"
    if "old" not in ask.secrets or not ask.target.get("expect_old", True) or held is None:
        return _check(what, True, "not compared", "")
    same = _secret_of(ask, held) == ask.secret("old")
    return _check(what, same, "", "it holds another: the right key? if so, expect_old=false")


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
    inside = _environment(number, ask.target["key"])
    if inside is not None:
        fresh = _secret_of(ask, inside) == ask.secret("new")
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


def _environment(number: int, key: str) -> str | None:
    """What a process was started with under a key, if it was and we may look."""
    try:
        with open(f"/proc/{number}/environ", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return None
    start = f"{key}=".encode()
    found = [word[len(start) :] for word in words if word.startswith(start)]
    return found[-1].decode("utf-8", "surrogateescape") if found else None


def _health_is_late(ask: Request, changed: float) -> list[str]:
    late = []
    by_generation = bool(ask.target.get("generation_key"))
    field = ask.target.get("health_field") or ("generation" if by_generation else "started_at")
    for url in ask.target["health_url"].split():
        said = _asked(url, field)
        fresh = said == ask.rotation if by_generation else _moment(said) > changed
        late += [] if fresh else [f"{urlsplit(url).netloc} is not on the new value yet"]
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
