#!/usr/bin/env python3
"""Replaces the secret of an OAuth client through Keycloak's administration (REST).

There is one secret: the new one kills the old at once, so consumers are cut over hard. Where
a policy of the realm rotates secrets, one that Keycloak replaced lives on for a while, and
our new one leaves it alive: if that is the leaked one, `disable_old` takes it away.

Tokens that were minted with the old secret live on: `kill_derived` sets the client's
`notBefore`, and everything issued earlier ends, consumers' own tokens too (they ask for new
ones).

Whether a secret works is asked with a refresh of nonsense: the server checks the client
first, so `invalid_grant` is a login, and nothing is minted. A refusal is `invalid_client`
(RFC 6749, 5.2); Keycloak says 401 `unauthorized_client` when the secret is wrong. `plan`
tries a wrong one, so that a server that answers otherwise is not misread.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts.web import must, send

rotate = script()


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the administration knows the client and lets us manage it."""
    client, checks = ask.target["client_id"], [_another_acts(ask), _told_apart(ask)]
    found: dict[str, Any] = {}
    try:
        found = _client(ask)
        checks += [_right_client(ask, found), _may_manage(found), _by_secret(found)]
    except Fail as fail:
        if fail.kind not in ("auth", "permission", "not_found"):
            raise
        checks.append(check("the administration shows the client", False, fail.message))
    return Answer(
        more={
            "actions": _actions(client),
            "known": [client],
            "checks": checks,
            "old": {"id": client},
            "snapshot": {"not_before": found.get("notBefore", 0)},
        }
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """Put the new secret in the place of the old one."""
    new = {"id": ask.target["client_id"]}
    if _knock(ask, ask.secret("new")) == "accepted":
        return Answer("already", new=new)
    _change(ask, {"secret": ask.secret("new")})
    return Answer(new=new, observed=["the secret is replaced"])


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Authenticate as the client with the new secret."""
    if (said := _knock(ask, ask.secret("new"))) != "accepted":
        raise Fail("network" if said == "unreachable" else "auth", f"the new secret is {said}")
    return Answer(observed=["the token endpoint accepts the new secret"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """The new secret has replaced it; one that a policy had replaced before is taken away."""
    said = _both(ask)
    if said["old"] == "refused":
        return Answer("already", observed=["the old secret was replaced, and is refused"])
    if said["old"] != "accepted":
        raise Fail("network", f"the old secret is {said['old']}", retryable=True)
    if said["new"] != "accepted":
        raise Fail("conflict", "the old secret still works: create has not replaced it")
    _admin(ask, "DELETE", "/client-secret/rotated")
    if (now := _knock(ask, ask.secret("old"))) != "refused":
        raise Fail("conflict", f"the replaced secret is taken away, and is {now}")
    return Answer(observed=["a policy let the replaced secret live on: it is taken away"])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """End every token that the client was given until now; only once the old secret is dead."""
    disable_old(ask)
    if _ended(ask, _client(ask)):
        return Answer("already", observed=["notBefore is set"])
    # It counts whole seconds: what was issued within the present one has to end, too, and
    # what is issued from now on, by consumers that start again, must not.
    moment = _second(ask) + 1
    time.sleep(1)
    _change(ask, {"notBefore": moment})
    if not _ended(ask, _client(ask)):
        raise Fail("conflict", "the server took notBefore, and does not show it")
    return Answer(observed=[f"tokens issued before {moment} are ended"])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Both secrets at the same endpoint, in one round."""
    said = _both(ask)
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    try:
        said["derived"] = "none" if _ended(ask, _client(ask)) else "alive"
    except Fail:
        said["derived"] = "unknown"
    return Answer(more={"probe": said | {"method": "login"}})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Nothing is left of a secret that was replaced."""
    return disable_old(ask)


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Put the old secret back. Tokens that were ended stay ended."""
    if _knock(ask, ask.secret("old")) == "accepted":
        return Answer("already", observed=["the old secret is in place"])
    _change(ask, {"secret": ask.secret("old")})
    return Answer(observed=["the old secret is back; ended tokens stay ended"])


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which of the two the token endpoint accepts now."""
    names = {"accepted": "active", "refused": "absent"}
    said = {slot: names.get(state, "unknown") for slot, state in _both(ask).items()}
    listed = [{"id": ask.target["client_id"], "state": "active", "label": ""}]
    return Answer(more={"state": said | {"credentials": listed}})


# -- the plan


def _another_acts(ask: Request) -> dict[str, Any]:
    other = ask.target["admin_client_id"] != ask.target["client_id"]
    other = other and ask.secret("admin") != ask.secrets.get("old")
    why = "it is the leaked one: give another client in admin_client_id"
    return check("the acting identity is not the leaked one", other, why)


def _told_apart(ask: Request) -> dict[str, Any]:
    said = _knock(ask, secrets.token_urlsafe(24))
    why = f"to one that nobody set it says what we call {said}: no proof is to be had there"
    return check("the token endpoint refuses a wrong secret", said == "refused", why)


def _right_client(ask: Request, found: dict[str, Any]) -> dict[str, Any]:
    told = str(found.get("clientId"))
    right = told == ask.target["client_id"]
    return check("admin_url is the client's", right, f"it is the address of {told}", found=told)


def _may_manage(found: dict[str, Any]) -> dict[str, Any]:
    may = found.get("access", {}).get("configure") is True
    return check("may manage the client", may, "give admin_client_id the role manage-clients")


def _by_secret(found: dict[str, Any]) -> dict[str, Any]:
    """A client that is off, or signs instead, refuses every secret: that would look like dead."""
    by = found.get("clientAuthenticatorType", "client-secret")
    right = found.get("enabled") is True and not found.get("publicClient") and by == "client-secret"
    why = "it is disabled, public, or logs in by other means than a secret"
    return check("the client is enabled and logs in by its secret", right, why)


def _actions(client: str) -> list[dict[str, Any]]:
    return [
        action("create", "replace", f"secret of {client}", "the old one is refused at once",
               "rollback puts the old one back"),
        action("disable_old", "take away", f"rotated secret of {client}",
               "only if the leaked one is a rotated one, which a policy lets live on",
               "rollback puts the old one back"),
        action("kill_derived", "set notBefore", client, "tokens issued until then end"),
    ]  # fmt: skip


# -- does a secret work


def _both(ask: Request) -> dict[str, str]:
    return {
        slot: _knock(ask, ask.secrets[slot]) if slot in ask.secrets else "unknown"
        for slot in ("new", "old")
    }


def _knock(ask: Request, secret: str) -> str:
    """Refresh nonsense as the client: the answer tells only whether the client was believed."""
    form = {"grant_type": "refresh_token", "refresh_token": secrets.token_urlsafe(24)}
    auth = (ask.target["client_id"], secret)
    try:
        response = send("the token endpoint", "POST", ask.target["token_url"], auth=auth, data=form)
        error = response.json().get("error")
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"
    except (ValueError, AttributeError):
        return "unknown"
    if error == "unauthorized_client" and response.status_code == 401:
        return "refused"  # in Keycloak's words
    # Nothing else is a login: an unknown grant type is told before the client is looked at.
    return {"invalid_grant": "accepted", "invalid_client": "refused"}.get(error, "unknown")


def _ended(ask: Request, client: dict[str, Any]) -> bool:
    """Whether tokens were ended since the plan."""
    before = ask.plan.get("snapshot", {}).get("not_before", 0)
    return int(client.get("notBefore") or 0) > int(before)


# -- talking to the server


def _client(ask: Request) -> dict[str, Any]:
    return dict(_admin(ask, "GET").json())


def _change(ask: Request, change: dict[str, Any]) -> None:
    """Send the whole client back, changed.

    A representation without `serviceAccountsEnabled` makes Keycloak replace the service
    account: its tokens die, and the new one has none of its roles.
    """
    rest = {name: value for name, value in _client(ask).items() if name != "secret"}
    _admin(ask, "PUT", json=rest | change)


def _admin(ask: Request, method: str, below: str = "", **parts: Any) -> Any:
    bearer = {"Authorization": f"Bearer {_bearer(ask)}"}
    response = send(
        "the administration", method, ask.target["admin_url"] + below, headers=bearer, **parts
    )
    return must("the administration", response)


def _second(ask: Request) -> int:
    """The time by the server's clock, which is what it compares with: a new token tells."""
    try:
        body = _bearer(ask).split(".")[1]
        return int(json.loads(base64.urlsafe_b64decode(body + "=="))["iat"])
    except (IndexError, KeyError, ValueError):
        return int(time.time())  # no JWT


def _bearer(ask: Request) -> str:
    form = {"grant_type": "client_credentials", "scope": ask.target.get("admin_scope", "")}
    auth = (ask.target["admin_client_id"], ask.secret("admin"))
    form = {key: value for key, value in form.items() if value}
    response = send("the token endpoint", "POST", ask.target["token_url"], auth=auth, data=form)
    if response.status_code != 200:
        raise Fail("auth", f"the token endpoint answered {response.status_code} to admin_client_id")
    return str(response.json()["access_token"])


if __name__ == "__main__":
    rotate.main()
