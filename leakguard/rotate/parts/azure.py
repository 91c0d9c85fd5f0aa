"""Acting as an application of Azure, with its client secret."""

from __future__ import annotations

import functools
from typing import Any
from urllib.parse import quote

from leakguard.rotate.kit import Fail, Request
from leakguard.rotate.parts import web

AZURE = "Azure"


def send(ask: Request, scope: str, method: str, url: str, **parts: Any) -> Any:
    """What Azure answers to the application that the target names with `client_id`."""
    login = ask.target.get("login") or "https://login.microsoftonline.com"
    tenant = quote(ask.target["tenant"], safe="")
    where = f"{login.rstrip('/')}/{tenant}/oauth2/v2.0/token"
    bearer = _bearer(where, ask.target["client_id"], ask.secret("admin"), scope)
    return web.send(AZURE, method, url, headers={"Authorization": f"Bearer {bearer}"}, **parts)


@functools.cache
def _bearer(url: str, client_id: str, client_secret: str, scope: str) -> str:
    """One access token serves all requests of a phase."""
    form = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": client_secret,
        "scope": scope,
    }
    answer = web.send(AZURE, "POST", url, data=form)
    if answer.status_code != 200:
        raise Fail("auth", f"the token service answered {answer.status_code} to client_id")
    return str(answer.json()["access_token"])
