#!/usr/bin/env python3
"""Writes a new value into a field of a KV version 2 secret, with check-and-set.

The plan notes the version that is there. Whoever writes in between makes the number
stale, and then nothing is overwritten. Other fields stay. Older versions that hold
another value are deleted: KV would go on handing out the leaked one to who asks for it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from leakguard.rotate.kit import Answer, Fail, Request, script

rotate = script()

KINDS = {403: "permission", 404: "not_found", 405: "unsupported", 412: "network", 429: "quota"}
STALE = "check-and-set"


@rotate.phase
def describe(_: Request) -> Answer:
    """The same as the manifest says."""
    names = ("reversible_disable", "kills_sessions", "label_support")
    said = {"secret_origin": "client", "overlap": "none", "max_active": 0, "dry_run": "real"}
    return Answer(more={"capabilities": said | dict.fromkeys(names, False)})


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the secret is there, holds what leaked, and may be written. Changes nothing."""
    if ask.secret("token") == ask.secrets.get("old"):
        way = "give a token that did not leak"
        return Answer(
            more={"checks": [_check("the acting token is not the leaked one", False, way)]}
        )
    checks = _may(ask)
    more: dict[str, Any] = {"actions": _actions(ask), "known": [], "checks": checks}
    if all(check["ok"] for check in checks):
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
    held = data.get(ask.target["field"])
    state: dict[str, Any] = {slot: _state(ask, slot, held) for slot in ("old", "new")}
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
        _must(_call(ask, "POST", _where(ask, "undelete"), {"versions": [number]}))
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
    data = _must(response).json()["data"]
    return data["metadata"]["version"], data["data"]


def _write(ask: Request, data: dict[str, Any], version: int) -> int:
    body = {"options": {"cas": version}, "data": data}
    made: int = _must(_call(ask, "POST", _where(ask), body)).json()["data"]["version"]
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
    how = ask.target.get("old_versions") or "delete"
    if how == "keep" or ask.dry_run:
        return []
    found = _must(_call(ask, "GET", _where(ask, "metadata"))).json()["data"]["versions"]
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
    _must(_call(ask, "POST", _where(ask, how), {"versions": ended}))
    words = "destroyed" if how == "destroy" else "deleted"
    return [f"{words} version {', '.join(map(str, ended))}"]


def _differs(ask: Request, number: int) -> bool:
    response = _call(ask, "GET", f"{_where(ask)}?version={number}")
    data = response.json().get("data", {}).get("data")
    return data is None or (
        ask.target["field"] in data and data[ask.target["field"]] != ask.secret("new")
    )


def _where(ask: Request, what: str = "data") -> str:
    names = [quote(one, safe="") for one in ask.target["path"].strip("/").split("/")]
    return f"{(ask.target.get('mount') or 'secret').strip('/')}/{what}/{'/'.join(names)}"


# What has to hold before


def _may(ask: Request) -> list[dict[str, Any]]:
    """What the token may do, as Vault itself says."""
    needed = {_where(ask): {"read", "update"}}
    if (ask.target.get("old_versions") or "delete") != "keep":
        needed[_where(ask, ask.target.get("old_versions") or "delete")] = {"update"}
        needed[_where(ask, "metadata")] = {"read"}
    asked = _must(_call(ask, "POST", "sys/capabilities-self", {"paths": list(needed)})).json()
    found = asked.get("data", asked)
    checks = []
    for path, wanted in needed.items():
        can = set(found.get(path, ()))
        lacks = set() if "root" in can else wanted - can
        checks.append(
            _check(f"the token may use {path}", not lacks, f"allow {', '.join(sorted(lacks))}")
        )
    return checks


def _right_one(ask: Request, data: dict[str, Any]) -> dict[str, Any]:
    what = "the field holds the value that leaked"
    held = data.get(ask.target["field"])
    if held is None:
        return _check("the field is there", False, f"there are: {', '.join(sorted(data))}")
    if "old" not in ask.secrets or not ask.target.get("expect_old", True):
        return _check(what, True, "")
    same = held == ask.secret("old")
    return _check(what, same, "it holds another: the right field? if so, expect_old=false")


def _check(what: str, ok: bool, otherwise: str) -> dict[str, Any]:
    return {"what": what, "ok": ok, "detail": "" if ok else otherwise}


def _actions(ask: Request) -> list[dict[str, Any]]:
    where, how = _where(ask), ask.target.get("old_versions") or "delete"
    rows = [
        (
            "distribute",
            "write",
            where,
            f"a new version; {how} older ones",
            "write the old value again",
        ),
        ("confirm", "ask", ask.target.get("health_url") or where, "nothing changes", None),
    ]
    names = ("phase", "verb", "target", "effect", "undo")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _state(ask: Request, slot: str, held: Any) -> str:
    if slot not in ask.secrets:
        return "unknown"
    return "active" if held == ask.secrets[slot] else "absent"


def _has_read(ask: Request, url: str, version: int) -> bool:
    """Whether an address says that it has read this version or a later one."""
    import requests

    try:
        said: Any = requests.get(url, timeout=(3, 5), allow_redirects=False).json()
        for name in (ask.target.get("health_field") or "version").split("."):
            said = said[name]
        return int(said) >= version
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return False


# Talking to Vault


def _must(response: Any) -> Any:
    status = response.status_code
    if status < 300:
        return response
    if status == 400 and STALE in response.text:
        raise Fail("conflict", "somebody else wrote just now: plan again")
    again = status in (412, 429)
    raise Fail(KINDS.get(status, "unsupported"), f"Vault answered {status}", retryable=again)


def _call(ask: Request, method: str, path: str, body: Any = None) -> Any:
    import requests

    url = f"{ask.target['address'].rstrip('/')}/v1/{path}"
    _encrypted(url)
    headers = {"X-Vault-Token": ask.secret("token"), "X-Vault-Request": "true"}
    if ask.target.get("namespace"):
        headers["X-Vault-Namespace"] = ask.target["namespace"]
    with requests.Session() as session:
        session.trust_env = False
        session.verify = ask.target.get("ca_file") or True
        try:
            response = session.request(
                method, url, json=body, headers=headers, timeout=(5, 15), allow_redirects=False
            )
        except requests.RequestException as error:
            raise Fail("network", type(error).__name__, retryable=True) from None
    if response.status_code >= 500:
        why = "is sealed or not ready" if response.status_code == 503 else "failed"
        raise Fail("network", f"Vault {why} ({response.status_code})", retryable=True)
    return response


def _encrypted(url: str) -> None:
    """A token never leaves this machine in the clear."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise Fail("unsupported", "tokens are sent over https only: use an https address")


if __name__ == "__main__":
    rotate.main()
