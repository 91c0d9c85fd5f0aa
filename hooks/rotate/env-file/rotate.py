#!/usr/bin/env python3
"""Writes a new value into a file of KEY=value lines, and looks whether somebody has read it.

The file is replaced as a whole, so that a reader sees the old one or the new one and
never a half; its other lines, its owner, its mode and its access lists stay. A value in
a file proves nothing of a process that read it yesterday: `confirm` therefore looks at
the process (its environment, or whether it is younger than the file) or asks it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from leakguard.rotate.kit import Answer, Fail, Request, check, script, state_by
from leakguard.rotate.parts import files
from leakguard.rotate.parts.holder import right_one

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
def plan(ask: Request) -> Answer:
    """Whether the file is there, ours to replace, and holds what leaked. Changes nothing."""
    path, key = files.path_of(ask), ask.target["key"]
    kept = files.read(path)
    held = {name: _held(ask, kept.text, name) for name in _keys(ask)}
    missing = [] if ask.target.get("add_missing") else [n for n in held if held[n] is None]
    there = held[key]
    leaked = None if there is None else _secret_of(ask, there)
    more = {
        "actions": files.actions(ask, "write", f"{key} in {path}"),
        "known": [name for name in held if held[name] is not None],
        "checks": [
            check("the keys are in the file", not missing, f"add_missing=true, or add {missing}"),
            right_one(ask, leaked, "key"),
            *files.replaceable(kept, path),
        ],
    }
    return Answer(observed=files.open_to(kept, path), more=more)


@rotate.phase
def distribute(ask: Request) -> Answer:
    """Replace the file by one with the new value."""
    public = str(ask.new.get("user") or ask.new.get("id") or "")
    return _put(ask, ask.secret("new"), public, ask.rotation)


@rotate.phase
def confirm(ask: Request) -> Answer:
    """Read it back, then look at the running process where the parameters say which."""
    path = files.path_of(ask)
    kept = files.read(path)
    if _secret_of(ask, _held(ask, kept.text, ask.target["key"])) != ask.secret("new"):
        raise Fail("conflict", f"{ask.target['key']} holds another value than the new one")
    generation = ask.rotation if ask.target.get("generation_key") else ""
    inside = functools.partial(_inside, ask)
    return files.seen(ask, kept, inside=inside, generation=generation)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which value the file holds, as far as we were given values to compare with."""
    held = _secret_of(ask, _held(ask, files.read(files.path_of(ask)).text, ask.target["key"]))
    return Answer(more={"state": state_by(held, ask.secrets) | {"credentials": []}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Write the old value again, unless somebody else has changed it since."""
    held = _secret_of(ask, _held(ask, files.read(files.path_of(ask)).text, ask.target["key"]))
    if held not in (ask.secret("old"), ask.secrets.get("new")):
        raise Fail("conflict", f"{ask.target['key']} holds neither the old value nor the new one")
    return _put(
        ask, ask.secret("old"), str(ask.old.get("user") or ask.old.get("id") or ""), "before"
    )


def _put(ask: Request, value: str, public: str, generation: str) -> Answer:
    path = files.path_of(ask)
    kept = files.read(path)
    text = _set(ask, kept.text, ask.target["key"], lambda held: _made(ask, held, value, public))
    for name, said in (("id_key", public), ("generation_key", generation)):
        if ask.target.get(name):
            if not said:
                raise Fail("missing", f"{name} is set, but the issuer names no public half")
            text = _set(ask, text, ask.target[name], _always(said))
    if text == kept.text:
        return Answer("already", observed=[f"{path} is as it should be"])
    if not ask.dry_run:
        files.replace(path, kept, text)
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


# The process


def _inside(ask: Request, number: int) -> bool | None:
    """Whether a process was started with the new value, if its environment tells."""
    held = _environment(number, ask.target["key"])
    return None if held is None else _secret_of(ask, held) == ask.secret("new")


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


if __name__ == "__main__":
    rotate.main()
