"""Talking to Vault or OpenBao: one request, one answer, and what a token may there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from leakguard.rotate.kit import Fail, Request, check
from leakguard.rotate.parts import web

KINDS = {403: "permission", 404: "not_found", 412: "network", 429: "quota"}
STALE = "check-and-set"


def call(
    ask: Request, method: str, path: str, body: Any = None, *, token: str = "", broken: int = 500
) -> Any:
    """The answer to one request as `token`; as nobody when that is empty.

    Raises Fail when nobody answers, and for a status of `broken` and above.
    """
    with _session(ask, token) as session:
        return _answer(ask, session, method, path, body, broken)


def must(response: Any) -> Any:
    """An answer that has to be a success. Raises Fail with the class of what it is instead."""
    status = response.status_code
    if status < 300:
        return response
    if status == 400 and STALE in response.text:
        raise Fail("conflict", "somebody else wrote just now: plan again")
    kind = KINDS.get(status, "unsupported")
    raise Fail(kind, f"Vault answered {status}", retryable=status in (412, 429))


def data(response: Any) -> dict[str, Any]:
    """What a successful answer holds: some paths put it into `data`, some do not."""
    said: dict[str, Any] = must(response).json() if response.content else {}
    found: dict[str, Any] = said.get("data") or said
    return found


def login(ask: Request, token: str) -> str:
    """What the server says to a token that looks itself up, in the words of a probe."""
    try:
        status = call(ask, "GET", "auth/token/lookup-self", token=token).status_code
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"
    return {200: "accepted", 403: "refused"}.get(status, "unknown")


def tokens(ask: Request) -> dict[str, dict[str, Any]]:
    """Every token of the server by its accessor, as the slot `admin` may look it up."""
    with _session(ask, ask.secret("admin")) as session:
        found = _answer(ask, session, "GET", "auth/token/accessors?list=true")
        listed = data(found)["keys"] if found.status_code != 404 else ()  # a namespace without any
        path = "auth/token/lookup-accessor"
        said = {one: _answer(ask, session, "POST", path, {"accessor": one}) for one in listed}
    # One that ended since it was listed is answered with 400, 403 or 404, by version.
    return {one: data(told) for one, told in said.items() if told.status_code == 200}


def may(ask: Request, token: str, needed: Mapping[str, set[str]]) -> list[dict[str, Any]]:
    """A check for each path: whether the token has the capabilities, as the server itself says."""
    body = {"paths": list(needed)}
    can = data(call(ask, "POST", "sys/capabilities-self", body, token=token))
    checks = []
    for path, wanted in needed.items():
        has = set(can.get(path, ()))
        lacks = set() if "root" in has else wanted - has
        why = f"allow {', '.join(sorted(lacks))}"
        checks.append(check(f"the acting token may use {path}", not lacks, why))
    return checks


@contextmanager
def _session(ask: Request, token: str) -> Iterator[Any]:
    with web.session() as session:
        session.verify = ask.target.get("ca_file") or True
        session.headers["X-Vault-Request"] = "true"
        if token:
            session.headers["X-Vault-Token"] = token
        if ask.target.get("namespace"):
            session.headers["X-Vault-Namespace"] = ask.target["namespace"]
        yield session


def _answer(
    ask: Request, session: Any, method: str, path: str, body: Any = None, broken: int = 500
) -> Any:
    url = f"{ask.target['address'].rstrip('/')}/v1/{path}"
    web.encrypted(url)
    try:
        response = session.request(method, url, json=body, timeout=(5, 15), allow_redirects=False)
    except OSError as error:  # as all that requests raises is
        raise Fail("network", type(error).__name__, retryable=True) from None
    if response.status_code >= broken:
        why = "is sealed or not ready" if response.status_code == 503 else "failed"
        raise Fail("network", f"Vault {why} ({response.status_code})", retryable=True)
    return response
