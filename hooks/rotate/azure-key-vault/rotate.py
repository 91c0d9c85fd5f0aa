#!/usr/bin/env python3
"""Adds a version to a secret in Azure Key Vault, and disables the leaked one.

Who reads the secret without a version gets the new value from then on; who pinned a
version goes on getting that one until it is disabled, which can be taken back. Content
type, tags and dates of the secret stay.
"""

from __future__ import annotations

import functools
import json
from typing import Any
from urllib.parse import quote, urlsplit

from leakguard.rotate.kit import Answer, Fail, Request, script

rotate = script()

KINDS = {400: "unsupported", 401: "auth", 403: "permission", 404: "not_found", 409: "conflict",
         429: "quota"}  # fmt: skip
API = "7.4"


@rotate.phase
def describe(_: Request) -> Answer:
    """The same as the manifest says."""
    names = ("reversible_disable", "kills_sessions", "label_support")
    said = {"secret_origin": "client", "overlap": "none", "max_active": 0, "dry_run": "simulated"}
    return Answer(more={"capabilities": said | dict.fromkeys(names, False)})


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the secret is there, holds what leaked, and we may. Changes nothing."""
    checks = _may(ask)
    more: dict[str, Any] = {"actions": _actions(ask), "known": [], "checks": checks}
    if all(check["ok"] for check in checks):
        version, held = _read(ask)
        checks.append(_right_one(ask, held))
        more |= {"known": sorted(_enabled(ask)), "snapshot": {"version": version}}
    return Answer(more=more)


@rotate.phase
def distribute(ask: Request) -> Answer:
    """Add a version, if the one of the plan is still the last, and disable older ones."""
    version, held = _read(ask)
    if held == ask.secret("new"):
        ended = _disable_others(ask, version)
        return Answer("done" if ended else "already", observed=[f"version {version}", *ended])
    planned = ask.plan.get("snapshot", {}).get("version", version)
    if version != planned:
        raise Fail("conflict", f"somebody added version {version} after the plan: plan again")
    if ask.dry_run:
        return Answer(observed=["a version would be added"])
    made = _add(ask, ask.secret("new"))
    return Answer(observed=[f"added version {made}", *_disable_others(ask, made)])


@rotate.phase
def confirm(ask: Request) -> Answer:
    """Read it back; with `health_url`, ask who reads it which version that was."""
    version, held = _read(ask)
    if held != ask.secret("new"):
        raise Fail("conflict", f"version {version} holds another value than the new one")
    urls = (ask.target.get("health_url") or "").split()
    late = [urlsplit(url).netloc for url in urls if str(_has_read(ask, url)) != version]
    if late:
        told = [f"{one} has not read version {version} yet" for one in late]
        return Answer("pending", observed=told, more={"method": "health"})
    seen = "so do its readers" if urls else "nobody looked at who reads it"
    method = "health" if urls else "config"
    return Answer(observed=[f"version {version} holds it; {seen}"], more={"method": method})


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which value the last version holds, as far as we were given values to compare with."""
    _, held = _read(ask)
    state: dict[str, Any] = {
        slot: ("active" if held == ask.secrets[slot] else "absent")
        if slot in ask.secrets
        else "unknown"
        for slot in ("old", "new")
    }
    listed = [{"id": one, "state": "active", "label": ""} for one in sorted(_enabled(ask))]
    return Answer(more={"state": state | {"credentials": listed}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Add the old value as another version, out of the one that held it; disable the new one."""
    version, held = _read(ask)
    if held == ask.secrets.get("old"):
        return Answer("already", observed=[f"version {version} holds the old value"])
    if held != ask.secret("new"):
        raise Fail("conflict", f"version {version} holds neither the old value nor the new one")
    before = ask.plan.get("snapshot", {}).get("version", "")
    if ask.dry_run:
        return Answer(observed=["a version with the old value would be added"])
    if before:
        _switch(ask, before, on=True)
    value = ask.secrets.get("old") or (_value(ask, before) if before else "")
    if not value:
        raise Fail("missing", "neither the old value nor its version is known")
    made = _add(ask, value)
    _switch(ask, version, on=False)
    return Answer(observed=[f"added the old value as version {made}; disabled version {version}"])


# Versions


def _disable_others(ask: Request, last: str) -> list[str]:
    """Older versions would go on handing out what leaked; says which were ended."""
    if ask.target.get("old_versions") == "keep" or ask.dry_run:
        return []
    ended = []
    for version in sorted(_enabled(ask) - {last}):
        if _value(ask, version) != ask.secret("new"):
            _switch(ask, version, on=False)
            ended.append(version)
    return [f"disabled version {', '.join(ended)}"] if ended else []


def _read(ask: Request) -> tuple[str, str]:
    """The id of the current version, and its value."""
    said = _must(_call(ask, "GET", _where(ask))).json()
    return said["id"].rpartition("/")[2], said["value"]


def _value(ask: Request, version: str) -> str:
    return str(_must(_call(ask, "GET", f"{_where(ask)}/{version}")).json()["value"])


def _add(ask: Request, value: str) -> str:
    """The id of the version that was added. What describes the secret goes along."""
    before = _must(_call(ask, "GET", _where(ask))).json()
    dates = {name: before["attributes"][name] for name in ("nbf", "exp")
             if name in before["attributes"]}  # fmt: skip
    body = {"value": value, "attributes": {"enabled": True, **dates}}
    body |= {name: before[name] for name in ("contentType", "tags") if before.get(name)}
    said = _must(_call(ask, "PUT", _where(ask), body)).json()
    return str(said["id"].rpartition("/")[2])


def _enabled(ask: Request) -> set[str]:
    found, url = set(), f"{_where(ask)}/versions"
    while url:
        said = _must(_call(ask, "GET", url)).json()
        found |= {
            one["id"].rpartition("/")[2] for one in said["value"] if one["attributes"]["enabled"]
        }
        url = said.get("nextLink") or ""
        if url and urlsplit(url).netloc != urlsplit(_where(ask)).netloc:
            raise Fail("bug", "the next page is at another address")
    return found


def _switch(ask: Request, version: str, *, on: bool) -> None:
    body = {"attributes": {"enabled": on}}
    _must(_call(ask, "PATCH", f"{_where(ask)}/{version}", body))


def _where(ask: Request) -> str:
    return f"{ask.target['vault'].rstrip('/')}/secrets/{quote(ask.target['secret'], safe='')}"


# What has to hold before


def _may(ask: Request) -> list[dict[str, Any]]:
    """Key Vault tells no permission before it is used: only reading and listing are tried."""
    checks = []
    for what, url in (("get", _where(ask)), ("list", f"{_where(ask)}/versions")):
        status = _call(ask, "GET", url).status_code
        why = f"Key Vault answered {status}"
        checks.append(_check(f"may {what} the secret", status == 200, why))
    return checks


def _right_one(ask: Request, held: str) -> dict[str, Any]:
    what = "the secret holds the value that leaked"
    if "old" not in ask.secrets or not ask.target.get("expect_old", True):
        return _check(what, True, "")
    why = "it holds another: the right secret? if so, expect_old=false"
    return _check(what, held == ask.secret("old"), why)


def _check(what: str, ok: bool, otherwise: str) -> dict[str, Any]:
    return {"what": what, "ok": ok, "detail": "" if ok else otherwise}


def _actions(ask: Request) -> list[dict[str, Any]]:
    where, how = ask.target["secret"], ask.target.get("old_versions") or "disable"
    undo = "add the old value again"
    rows = (
        ("distribute", "add a version", where, f"it is the latest; {how} older ones", undo),
        ("confirm", "ask", ask.target.get("health_url") or where, "nothing changes", None),
    )
    names = ("phase", "verb", "target", "effect", "undo")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _has_read(ask: Request, url: str) -> Any:
    """Which version an address says that it has read; None while it does not answer."""
    import requests

    try:
        said: Any = requests.get(url, timeout=(3, 5), allow_redirects=False).json()
        for name in (ask.target.get("health_field") or "version").split("."):
            said = said[name]
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return None
    return said


# Talking to Azure


def _call(ask: Request, method: str, url: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {_bearer(ask)}"}
    params = {} if "api-version=" in url else {"api-version": API}
    return _send(method, url, params=params, json=body, headers=headers)


def _bearer(ask: Request) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": ask.target["client_id"],
        "client_secret": ask.secret("admin"),
        "scope": ask.target.get("scope") or "https://vault.azure.net/.default",
    }
    login = (ask.target.get("login") or "https://login.microsoftonline.com").rstrip("/")
    url = f"{login}/{quote(ask.target['tenant'], safe='')}/oauth2/v2.0/token"
    return _token(url, json.dumps(form))


@functools.cache
def _token(url: str, form: str) -> str:
    """One access token serves all requests of a phase."""
    response = _send("POST", url, data=json.loads(form))
    if response.status_code != 200:
        raise Fail("auth", f"the token service answered {response.status_code} to client_id")
    return str(response.json()["access_token"])


def _send(method: str, url: str, **parts: Any) -> Any:
    import requests

    _encrypted(url)
    with requests.Session() as session:
        session.trust_env = False
        try:
            response = session.request(method, url, timeout=(5, 15), allow_redirects=False, **parts)
        except requests.RequestException as error:
            raise Fail("network", type(error).__name__, retryable=True) from None
    if response.status_code >= 500:
        raise Fail("network", f"Azure answered {response.status_code}", retryable=True)
    return response


def _must(response: Any) -> Any:
    status = response.status_code
    if status >= 300:
        again = status == 429
        raise Fail(KINDS.get(status, "bug"), f"Azure answered {status}", retryable=again)
    return response


def _encrypted(url: str) -> None:
    """A token never leaves this machine in the clear."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise Fail("unsupported", "tokens are sent over https only: use an https address")


if __name__ == "__main__":
    rotate.main()
