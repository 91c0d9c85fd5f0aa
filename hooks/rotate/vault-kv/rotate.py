#!/usr/bin/env python3
"""Writes a new value into a field of a KV version 2 secret, with check-and-set.

The plan notes the version that is there. Whoever writes in between makes the number
stale, and then nothing is overwritten. Other fields stay. Older versions that hold
another value are deleted: KV would go on handing out the leaked one to who asks for it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script, state_by
from leakguard.rotate.parts import vault, web

rotate = script()


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the secret is there, holds what leaked, and may be written. Changes nothing."""
    if ask.secret("token") == ask.secrets.get("old"):
        way = "give a token that did not leak"
        return Answer(
            more={"checks": [check("the acting token is not the leaked one", False, way)]}
        )
    checks = vault.may(ask, ask.secret("token"), _needed(ask))
    more: dict[str, Any] = {"actions": _actions(ask), "known": [], "checks": checks}
    if all(one["ok"] for one in checks):
        version, data = _read(ask)
        checks += [_right_one(ask, data)]
        more["known"] = [str(version)]
        more["snapshot"] = {"version": version}
    return Answer(more=more)


@rotate.phase
def distribute(ask: Request) -> Answer:
    """Write the next version, if the one of the plan is still the last; end older ones."""
    version, data = _read(ask)
    made = _with(ask, data, ask.secret("new"), ask.new)
    if made == data:
        ended = _end_older(ask, version)
        return Answer("done" if ended else "already", observed=[f"version {version}", *ended])
    planned = ask.plan.get("snapshot", {}).get("version", version)
    if version != planned:
        raise Fail("conflict", f"somebody wrote version {version} after the plan: plan again")
    if ask.dry_run:
        return Answer(observed=[f"version {version + 1} would be written"])
    version = _write(ask, made, version)
    return Answer(observed=[f"wrote version {version}", *_end_older(ask, version)])


@rotate.phase
def confirm(ask: Request) -> Answer:
    """Read it back; with `health_url`, ask who reads it which version that was."""
    version, data = _read(ask)
    if data.get(ask.target["field"]) != ask.secret("new"):
        raise Fail("conflict", f"version {version} holds another value than the new one")
    urls = (ask.target.get("health_url") or "").split()
    late = [urlsplit(url).netloc for url in urls if not _has_read(ask, url, version)]
    if late:
        told = [f"{one} has not read version {version} yet" for one in late]
        return Answer("pending", observed=told, more={"method": "health"})
    seen = "so do its readers" if urls else "nobody looked at who reads it"
    method = "health" if urls else "config"
    return Answer(observed=[f"version {version} holds it; {seen}"], more={"method": method})


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which value the last version holds, as far as we were given values to compare with."""
    version, data = _read(ask)
    state = state_by(data.get(ask.target["field"]), ask.secrets)
    listed = [{"id": str(version), "state": "active", "label": ""}]
    return Answer(more={"state": state | {"credentials": listed}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Write the old value as another version, out of the version that held it."""
    version, data = _read(ask)
    before, was = _before(ask)
    if data.get(ask.target["field"]) == before:
        return Answer("already", observed=[f"version {version} holds the old value"])
    if data.get(ask.target["field"]) != ask.secret("new"):
        raise Fail("conflict", f"version {version} holds neither the old value nor the new one")
    made = data | {ask.target["field"]: before}
    name = ask.target.get("id_field")
    if name and name in was:
        made[name] = was[name]
    if not ask.dry_run:
        version = _write(ask, made, version)
    return Answer(observed=[f"wrote the old value as version {version}"])


def _before(ask: Request) -> tuple[str, dict[str, Any]]:
    """The old value: as it was handed over, else from the version that the plan saw."""
    number = ask.plan.get("snapshot", {}).get("version", 0)
    was: dict[str, Any] = {}
    if number and not ask.dry_run:
        vault.must(_call(ask, "POST", _where(ask, "undelete"), {"versions": [number]}))
        was = _call(ask, "GET", f"{_where(ask)}?version={number}").json()["data"]["data"] or {}
    value = ask.secrets.get("old") or was.get(ask.target["field"])
    if not value:
        raise Fail("missing", f"version {number} is destroyed: hand over the old value")
    return value, was


# The secret


def _read(ask: Request) -> tuple[int, dict[str, Any]]:
    response = _call(ask, "GET", _where(ask))
    if response.status_code == 404 and response.json().get("data"):
        raise Fail("not_found", "the last version is deleted: write or undelete one first")
    data = vault.data(response)
    return data["metadata"]["version"], data["data"]


def _write(ask: Request, data: dict[str, Any], version: int) -> int:
    body = {"options": {"cas": version}, "data": data}
    made: int = vault.must(_call(ask, "POST", _where(ask), body)).json()["data"]["version"]
    return made


def _with(ask: Request, data: dict[str, Any], value: str, public: dict[str, Any]) -> dict[str, Any]:
    made = data | {ask.target["field"]: value}
    if ask.target.get("id_field"):
        made[ask.target["id_field"]] = public.get("user") or public.get("id")
        if not made[ask.target["id_field"]]:
            raise Fail("missing", "id_field is set, but the issuer names no public half")
    return made


def _end_older(ask: Request, last: int) -> list[str]:
    """Delete or destroy what would still hand out another value; says which."""
    how = _ending(ask)
    if how == "keep" or ask.dry_run:
        return []
    found = vault.must(_call(ask, "GET", _where(ask, "metadata"))).json()["data"]["versions"]
    open_to_all = [
        int(number)
        for number, one in found.items()
        if int(number) < last
        and not one["destroyed"]
        and (how == "destroy" or not one["deletion_time"])
    ]
    ended = sorted(number for number in open_to_all if _differs(ask, number))
    if not ended:
        return []
    vault.must(_call(ask, "POST", _where(ask, how), {"versions": ended}))
    words = "destroyed" if how == "destroy" else "deleted"
    return [f"{words} version {', '.join(map(str, ended))}"]


def _differs(ask: Request, number: int) -> bool:
    response = _call(ask, "GET", f"{_where(ask)}?version={number}")
    data = response.json().get("data", {}).get("data")
    return data is None or (
        ask.target["field"] in data and data[ask.target["field"]] != ask.secret("new")
    )


def _ending(ask: Request) -> str:
    return str(ask.target.get("old_versions") or "delete")


def _where(ask: Request, what: str = "data") -> str:
    names = [quote(one, safe="") for one in ask.target["path"].strip("/").split("/")]
    return f"{(ask.target.get('mount') or 'secret').strip('/')}/{what}/{'/'.join(names)}"


# What has to hold before


def _needed(ask: Request) -> dict[str, set[str]]:
    how, needed = _ending(ask), {_where(ask): {"read", "update"}}
    if how != "keep":
        needed |= {_where(ask, how): {"update"}, _where(ask, "metadata"): {"read"}}
    return needed


def _right_one(ask: Request, data: dict[str, Any]) -> dict[str, Any]:
    what = "the field holds the value that leaked"
    held = data.get(ask.target["field"])
    if held is None:
        return check("the field is there", False, f"there are: {', '.join(sorted(data))}")
    if "old" not in ask.secrets or not ask.target.get("expect_old", True):
        return check(what, True)
    same = held == ask.secret("old")
    return check(what, same, "it holds another: the right field? if so, expect_old=false")


def _actions(ask: Request) -> list[dict[str, Any]]:
    where, effect = _where(ask), f"a new version; {_ending(ask)} older ones"
    asked = ask.target.get("health_url") or where
    return [
        action("distribute", "write", where, effect, "write the old value again"),
        action("confirm", "ask", asked, "nothing changes"),
    ]


def _has_read(ask: Request, url: str, version: int) -> bool:
    """Whether an address says that it has read this version or a later one."""
    seen = web.told(url, ask.target.get("health_field") or "version")
    return str(seen).isdecimal() and int(seen) >= version


def _call(ask: Request, method: str, path: str, body: Any = None) -> Any:
    return vault.call(ask, method, path, body, token=ask.secret("token"))


if __name__ == "__main__":
    rotate.main()
