#!/usr/bin/env python3
"""Writes a secret of GitHub Actions, sealed for GitHub's key before it leaves this machine.

GitHub never shows the value again. What can be seen is when it was last changed, and
whether a workflow that began later succeeded; `confirm` looks at both. When GitHub has
changed its key in between it answers 422: the new key is fetched, once.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any
from urllib.parse import quote

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts import web

rotate = script()

GITHUB = "GitHub"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the secret is there and GitHub gives us the key to seal with. Changes nothing."""
    if ask.secret("token") == ask.secrets.get("old"):
        way = "give a token that did not leak"
        return Answer(
            more={"checks": [check("the acting token is not the leaked one", False, way)]}
        )
    found = _secret(ask)
    may = _call(ask, "GET", f"{_place(ask)}/public-key").status_code
    there = found is not None or bool(ask.target.get("create"))
    changed = found["updated_at"] if found else ""
    checks = [
        check("the token may seal secrets", may == 200, f"GitHub answered {may}"),
        check("the secret is there", there, "create=true, or look at its name"),
    ]
    if ask.target.get("workflow"):
        seen = _call(ask, "GET", _runs(ask)).status_code
        checks.append(check("its runs can be seen", seen == 200, f"GitHub answered {seen}"))
    known = [changed] if changed else []
    more = {"actions": _actions(ask), "known": known, "checks": checks}
    return Answer(more=more | {"snapshot": {"updated_at": changed}})


@rotate.phase
def distribute(ask: Request) -> Answer:
    """Seal the new value and write it. Nobody can see whether it is there: it is written again."""
    return _put(ask, ask.secret("new"))


@rotate.phase
def confirm(ask: Request) -> Answer:
    """Whether it was changed since the plan, and a run of the workflow succeeded since then."""
    found = _secret(ask)
    if found is None:
        raise Fail("not_found", f"there is no secret {ask.target['name']}")
    changed = found["updated_at"]
    if changed == ask.plan.get("snapshot", {}).get("updated_at"):
        raise Fail("conflict", f"it has not been changed since {changed}")
    if not ask.target.get("workflow"):
        seen = f"changed at {changed}; GitHub shows no value, and nobody looked at a run"
        return Answer(observed=[seen], more={"method": "config"})
    runs = web.must(GITHUB, _call(ask, "GET", _runs(ask))).json()["workflow_runs"]
    later = [run for run in runs if _moment(run["run_started_at"]) > _moment(changed)]
    if any(run["conclusion"] == "success" for run in later):
        return Answer(observed=[f"a run after {changed} succeeded"], more={"method": "usage"})
    told = f"no run of {ask.target['workflow']} that began after {changed} has succeeded yet"
    return Answer("pending", observed=[told], more={"method": "usage"})


@rotate.phase
def observe(ask: Request) -> Answer:
    """When it was changed. Which value it has nobody can see."""
    found = _secret(ask)
    known = "unknown" if found else "absent"
    listed = [{"id": found["updated_at"], "state": "active", "label": ""}] if found else []
    return Answer(more={"state": {"old": known, "new": known, "credentials": listed}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Write the old value again. It has to be handed over: GitHub shows none."""
    return _put(ask, ask.secret("old"))


def _put(ask: Request, value: str) -> Answer:
    found = _secret(ask)
    if found is None and not ask.target.get("create"):
        raise Fail("not_found", f"there is no secret {ask.target['name']}")
    key = web.must(GITHUB, _call(ask, "GET", f"{_place(ask)}/public-key")).json()
    if ask.dry_run:
        return Answer(observed=[f"{ask.target['name']} would be written"])
    response = _write(ask, key, value, found or {})
    if response.status_code == 422:
        fresh = web.must(GITHUB, _call(ask, "GET", f"{_place(ask)}/public-key")).json()
        if fresh["key_id"] != key["key_id"]:
            response = _write(ask, fresh, value, found or {})
    web.must(GITHUB, response)
    return Answer(observed=[f"wrote {ask.target['name']}"])


def _write(ask: Request, key: dict[str, str], value: str, found: dict[str, Any]) -> Any:
    body: dict[str, Any] = {"encrypted_value": _sealed(key["key"], value), "key_id": key["key_id"]}
    if ask.target.get("organization"):
        body["visibility"] = found["visibility"]
        if found["visibility"] == "selected":
            listed = web.must(
                GITHUB, _call(ask, "GET", f"{_where(ask)}/repositories?per_page=100")
            ).json()
            if listed["total_count"] > 100:
                raise Fail("unsupported", "shared by more than 100 repositories: change it by hand")
            body["selected_repository_ids"] = [one["id"] for one in listed["repositories"]]
    return _call(ask, "PUT", _where(ask), body)


def _sealed(key: str, value: str) -> str:
    from nacl.public import PublicKey, SealedBox

    box = SealedBox(PublicKey(base64.b64decode(key)))
    return base64.b64encode(box.encrypt(value.encode("utf-8", "surrogateescape"))).decode()


# Where it is


def _place(ask: Request) -> str:
    repository, organization = ask.target.get("repository"), ask.target.get("organization")
    if bool(repository) == bool(organization):
        raise Fail("unsupported", "name a repository (owner/name) or an organization")
    if organization:
        return f"/orgs/{quote(organization, safe='')}/actions/secrets"
    place = f"/repos/{quote(str(repository), safe='/')}"
    if ask.target.get("environment"):
        return f"{place}/environments/{quote(ask.target['environment'], safe='')}/secrets"
    return f"{place}/actions/secrets"


def _where(ask: Request) -> str:
    return f"{_place(ask)}/{quote(ask.target['name'], safe='')}"


def _runs(ask: Request) -> str:
    if not ask.target.get("repository"):
        raise Fail("unsupported", "workflow needs the repository whose runs show it")
    repository, workflow = ask.target["repository"], quote(ask.target["workflow"], safe="")
    return f"/repos/{quote(repository, safe='/')}/actions/workflows/{workflow}/runs?per_page=20"


def _secret(ask: Request) -> dict[str, Any] | None:
    response = _call(ask, "GET", _where(ask))
    if response.status_code == 404:
        return None
    found: dict[str, Any] = web.must(GITHUB, response).json()
    return found


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _actions(ask: Request) -> list[dict[str, Any]]:
    rows = (
        ("distribute", "put", _where(ask), "later runs get the new value", "put the old value"),
        ("confirm", "look at", ask.target.get("workflow") or _where(ask), "nothing changes", None),
    )
    return [action(*row) for row in rows]


# Talking to GitHub


def _call(ask: Request, method: str, path: str, body: Any = None) -> Any:
    url = (ask.target.get("api") or "https://api.github.com").rstrip("/") + path
    headers = {"Accept": "application/vnd.github+json", "User-Agent": "leakguard"}
    headers["Authorization"] = f"Bearer {ask.secret('token')}"
    return web.send(GITHUB, method, url, json=body, headers=headers)


if __name__ == "__main__":
    rotate.main()
