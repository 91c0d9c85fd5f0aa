#!/usr/bin/env python3
"""Writes a new value into a CI/CD variable of GitLab.

Whether it is masked, protected, expanded or a file stays as it is; only the value changes.
A variable that is hidden shows its value to nobody, so what can be confirmed of it is that
GitLab took the value. Runs that began earlier go on with the old one.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts import web

rotate = script()

GITLAB = "GitLab"
MASKABLE = re.compile(r"[A-Za-z0-9+/=@:.~_-]{8,}")
"""What GitLab can mask in every version that can mask."""


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the variable is there, holds what leaked, and logs hide it. Changes nothing."""
    if ask.secret("token") == ask.secrets.get("old"):
        way = "give a token that did not leak"
        return Answer(
            more={"checks": [check("the acting token is not the leaked one", False, way)]}
        )
    found = _read(ask)
    checks = [
        _right_one(ask, found),
        check("job logs mask it", found["masked"], "set `masked`, else jobs print the new value"),
        _writable(ask),
    ]
    wide = ["it is not protected: any branch's jobs get it"] * (not found.get("protected"))
    known = [f"{ask.target['key']} in {found['environment_scope']}"]
    more = {"actions": _actions(ask), "known": known, "checks": checks}
    return Answer(observed=wide, more=more)


@rotate.phase
def distribute(ask: Request) -> Answer:
    """Write the new value, unless the variable has it."""
    return _put(ask, ask.secret("new"))


@rotate.phase
def confirm(ask: Request) -> Answer:
    """Read it back where GitLab shows it."""
    found = _read(ask)
    if found["value"] is None:
        seen = "it is hidden: GitLab took the value, and shows it to nobody"
    elif found["value"] != ask.secret("new"):
        raise Fail("conflict", f"{ask.target['key']} holds another value than the new one")
    else:
        seen = "the variable holds the new value; jobs that began earlier have the old one"
    return Answer(observed=[seen], more={"method": "config"})


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which value the variable has, where GitLab shows it."""
    held = _read(ask)["value"]
    state = {slot: _state(ask, slot, held) for slot in ("old", "new")}
    return Answer(more={"state": {**state, "credentials": []}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Write the old value again, unless somebody else has changed it since."""
    held = _read(ask)["value"]
    if held not in (None, ask.secret("old"), ask.secrets.get("new")):
        raise Fail("conflict", f"{ask.target['key']} holds neither the old value nor the new one")
    return _put(ask, ask.secret("old"))


def _put(ask: Request, value: str) -> Answer:
    found = _read(ask)
    if found["value"] == value:
        return Answer("already", observed=[f"{ask.target['key']} is as it should be"])
    if found["masked"] and not MASKABLE.fullmatch(value):
        raise Fail("unsupported", "the variable is masked, and GitLab could not mask this value")
    if not ask.dry_run:
        _must(_call(ask, "PUT", _where(ask), {"value": value, "filter": _filter(ask)}))
    return Answer(observed=[f"wrote {ask.target['key']}"])


# The variable


def _read(ask: Request) -> dict[str, Any]:
    scope = quote(_filter(ask)["environment_scope"], safe="")
    path = f"{_where(ask)}?filter[environment_scope]={scope}"
    found: dict[str, Any] = _must(_call(ask, "GET", path)).json()
    return found


def _filter(ask: Request) -> dict[str, str]:
    return {"environment_scope": ask.target.get("scope") or "*"}


def _owner(ask: Request) -> str:
    project, group = ask.target.get("project"), ask.target.get("group")
    if bool(project) == bool(group):
        raise Fail("unsupported", "name a project or a group")
    kind = "projects" if project else "groups"
    return f"/{kind}/{quote(str(project or group), safe='')}"


def _where(ask: Request) -> str:
    return f"{_owner(ask)}/variables/{quote(ask.target['key'], safe='')}"


def _state(ask: Request, slot: str, held: str | None) -> str:
    if slot not in ask.secrets or held is None:
        return "unknown"
    return "active" if held == ask.secrets[slot] else "absent"


# What has to hold before


def _right_one(ask: Request, found: dict[str, Any]) -> dict[str, Any]:
    what = "the variable holds the value that leaked"
    hidden = found["value"] is None
    if "old" not in ask.secrets or hidden or not ask.target.get("expect_old", True):
        return check(what, True)
    why = "it holds another: the right variable? if so, expect_old=false"
    return check(what, found["value"] == ask.secret("old"), why)


def _writable(ask: Request) -> dict[str, Any]:
    """A token tells its own scopes; of other kinds (job, OAuth) nothing is known before."""
    response = _call(ask, "GET", "/personal_access_tokens/self")
    scopes = response.json().get("scopes", []) if response.status_code == 200 else ["api"]
    why = f"it has {', '.join(scopes)}: make one with the scope api"
    return check("the token may write", "api" in scopes, why)


def _actions(ask: Request) -> list[dict[str, Any]]:
    where = _where(ask)
    rows = (
        ("distribute", "put", where, "later jobs get the new value", "put the old value"),
        ("confirm", "read", where, "nothing changes", None),
    )
    return [action(*row) for row in rows]


# Talking to GitLab


def _must(answer: Any) -> Any:
    return web.must(GITLAB, answer, web.KINDS | {400: "unsupported"})


def _call(ask: Request, method: str, path: str, body: Any = None) -> Any:
    url = (ask.target.get("api") or "https://gitlab.com/api/v4").rstrip("/") + path
    return web.send(GITLAB, method, url, json=body, headers={"PRIVATE-TOKEN": ask.secret("token")})


if __name__ == "__main__":
    rotate.main()
