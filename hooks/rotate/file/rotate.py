#!/usr/bin/env python3
"""Writes a new value as the whole content of a file, and looks whether somebody has read it.

The file is replaced, so that a reader sees the old content or the new one and never a
half; its owner, its mode, its access lists and whether it ends with a line end stay.
A file proves nothing of a process that read it yesterday: `confirm` therefore looks
whether the process is younger than the file, or asks it.
"""

from __future__ import annotations

import os
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, check, script, state_by
from leakguard.rotate.parts import files
from leakguard.rotate.parts.files import Kept

rotate = script()


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the file is there, ours to replace, and holds what leaked. Changes nothing."""
    path = files.path_of(ask)
    kept = _found(ask)
    more = {
        "actions": files.actions(ask, "write" if kept else "create", path),
        "known": [path] if kept else [],
        "checks": [
            _right_one(ask, kept),
            *(files.replaceable(kept, path) if kept else _creatable(path)),
        ],
    }
    return Answer(observed=files.open_to(kept, path) if kept else [], more=more)


@rotate.phase
def distribute(ask: Request) -> Answer:
    """Replace the file by one with the new value."""
    return _put(ask, ask.secret("new"))


@rotate.phase
def confirm(ask: Request) -> Answer:
    """Read it back, then look at the running process where the parameters say which."""
    path = files.path_of(ask)
    kept = files.read(path)
    if _bare(kept.text) != _bare(ask.secret("new")):
        raise Fail("conflict", f"{path} holds another value than the new one")
    return files.seen(ask, kept)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which value the file holds, as far as we were given values to compare with."""
    kept = _found(ask)
    given = {slot: _bare(value) for slot, value in ask.secrets.items()}
    state = state_by(_bare(kept.text) if kept else None, given)
    return Answer(more={"state": state | {"credentials": []}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Write the old value again, unless somebody else has changed it since."""
    kept = _found(ask)
    ours = [_bare(ask.secret("old")), _bare(ask.secrets.get("new", ""))]
    if kept and _bare(kept.text) not in ours:
        path = files.path_of(ask)
        raise Fail("conflict", f"{path} holds neither the old value nor the new one")
    return _put(ask, ask.secret("old"))


def _put(ask: Request, value: str) -> Answer:
    path, kept = files.path_of(ask), _found(ask)
    if kept and _bare(kept.text) == _bare(value):
        return Answer("already", observed=[f"{path} is as it should be"])
    if not ask.dry_run:
        end = _end(kept.text) if kept and not value.endswith("\n") else "\n"
        files.replace(path, kept, _bare(value) + end)
    return Answer(observed=[f"wrote {path}"])


def _bare(text: str) -> str:
    """A value without the line end that a key in PEM form has, and that editors add."""
    return text.removesuffix(_end(text))


def _end(text: str) -> str:
    return next((end for end in ("\r\n", "\n") if text.endswith(end)), "")


def _found(ask: Request) -> Kept | None:
    try:
        return files.read(files.path_of(ask))
    except Fail as fail:
        if fail.kind == "not_found" and ask.target.get("create"):
            return None
        raise


# What has to hold before


def _right_one(ask: Request, kept: Kept | None) -> dict[str, Any]:
    what = "the file holds the value that leaked"
    if "old" not in ask.secrets or not ask.target.get("expect_old", True) or kept is None:
        return check(what, True, found="not compared")
    same = _bare(kept.text) == _bare(ask.secret("old"))
    return check(what, same, "it holds another: the right file? if so, expect_old=false")


def _creatable(path: str) -> list[dict[str, Any]]:
    folder = os.path.dirname(path)
    able = os.access(folder, os.W_OK)
    return [check("its folder lets us make it", able, f"make {folder}, run as its owner")]


if __name__ == "__main__":
    rotate.main()
