#!/usr/bin/env python3
"""Rotates an S3 access key of a Ceph RGW user through the admin API, acting as somebody else.

The plan chooses the id of the new key, and the gateway its secret: so a second `create`
finds the key that a first one made, and reads its secret back, as whoever may read users can.
One key cannot be disabled, only its user with all keys, so the leaked one is deleted.

A dead key is refused with InvalidAccessKeyId, at every gateway that was named. Gateways that
take temporary credentials (rgw s3 auth use sts) say AccessDenied to all that they
refuse; then the admin API has to agree that the key is gone. Such credentials, once a
role was assumed, outlive the key and the suspension of the user, and a deny on their
age does not reach them: they end with the role's longest session, or when its policy denies all.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
from typing import Any
from urllib.parse import quote, urlencode

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts.web import encrypted, session

rotate = script()

REGION = "us-east-1"  # a gateway takes whichever was signed
UNKNOWN_KEY = "InvalidAccessKeyId"
ERRORS = {
    "AccessDenied": "permission",
    UNKNOWN_KEY: "auth",
    "NoSuchUser": "not_found",
    "RequestTimeTooSkewed": "auth",
    "SignatureDoesNotMatch": "auth",
    "SlowDown": "quota",
    "UserSuspended": "auth",
}


@rotate.phase
def plan(ask: Request) -> Answer:
    """Who acts, which keys there are, what each gateway says to a key that does not exist."""
    checks, observed = _gateways(ask)
    old, known = str(ask.old.get("id", "")), []
    try:
        user = _user(ask)
        known = sorted(key["access_key"] for key in user["keys"])
        old = _which_leaked(ask, user)
        checks += [_acts_as_another(ask, known), _is_the_users(ask, old, known), _awake(user)]
        checks.append(_may_write(ask))
    except Fail as fail:
        if fail.kind not in ("auth", "permission", "not_found"):
            raise
        why = f"{fail.message}: give the acting user the capability users=*, and look at the uid"
        checks.append(check("the admin API shows the user", False, why))
    return Answer(
        observed=observed,
        more={
            "actions": _actions(ask, old),
            "known": known,
            "checks": checks,
            "old": {"id": old},
            "snapshot": {"new_id": _key_id()},
        },
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """Make a key under the id that the plan chose; one that is there was made by us."""
    key = str(ask.plan["snapshot"]["new_id"])
    listed = _user(ask)["keys"]
    if there := [one for one in listed if one["access_key"] == key]:
        found = ["an earlier try made it: its secret was read back"]
        value = str(there[0]["secret_key"])
        return Answer("already", new={"id": key}, secrets={"new": value}, observed=found)
    owner = next((one["user"] for one in listed if one["access_key"] == _old(ask)), "")
    wanted = {"key": "", "uid": ask.target["user"], "access-key": key, "generate-key": "True"}
    if ":" in owner:
        wanted |= {"subuser": owner, "key-type": "s3"}
    made = _admin(ask, "PUT", wanted)
    value = next(str(one["secret_key"]) for one in made if one["access_key"] == key)
    return Answer(new={"id": key}, secrets={"new": value}, observed=[f"made {key}"])


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """List the buckets with the new key, at every gateway."""
    for base in _bases(ask):
        said = _knock(ask, base, _new(ask), ask.secret("new"))
        if said in (UNKNOWN_KEY, "AccessDenied"):
            return Answer("pending", observed=[f"{base} does not know the new key yet"])
        if said != "accepted":
            raise Fail(ERRORS.get(said, "network"), f"{base} answered {said} to the new key")
    return Answer(observed=[f"S3 takes the new key at {', '.join(_bases(ask))}"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Delete the leaked key: nothing less ends one key."""
    if not _old(ask) or _old(ask) == _new(ask):
        raise Fail("bug", "the old key is not known, or is the new one")
    if _old(ask) not in _keys(ask):
        return Answer("already", observed=[f"{_old(ask)} is gone"])
    _delete(ask, _old(ask))
    return Answer(observed=[f"{_old(ask)} is deleted"])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Both keys, and one that does not exist, at every gateway in one round."""
    try:
        listed = _keys(ask)
    except Fail as fail:
        if fail.kind != "network":
            raise
        nobody = {"new": "unreachable", "old": "unreachable", "derived": "unknown"}
        return Answer(more={"probe": nobody})
    rounds = [_round(ask, base, listed) for base in _bases(ask)]
    new = _first([one["new"] for one in rounds], "refused", "unknown", "unreachable", "accepted")
    old = _first([one["old"] for one in rounds], "accepted", "unknown", "unreachable", "refused")
    sessions = any(one["sessions"] for one in rounds)
    said = {"new": new, "old": old, "method": "login"}
    said |= {"old_error": "auth" if old == "refused" else ""}
    said |= {"derived": "unknown" if sessions else "none"}
    told = f"the admin API lists {_old(ask)}" if _old(ask) in listed else f"{_old(ask)} is gone"
    return Answer(more={"probe": said}, observed=[told])


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """It was deleted before; delete it if not."""
    return disable_old(ask)


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Delete the new key, as long as the old one is there."""
    keys = _keys(ask)
    if _old(ask) not in keys:
        raise Fail("not_found", f"{_old(ask)} is deleted and does not come back")
    made = _new(ask) or str(ask.plan.get("snapshot", {}).get("new_id", ""))
    if made not in keys or made == _old(ask):
        return Answer("already", observed=[f"{_old(ask)} was never disabled"])
    _delete(ask, made)
    return Answer(observed=[f"deleted the new key {made}; {_old(ask)} was never disabled"])


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which keys the user has now."""
    user = _user(ask)
    keys = {key["access_key"] for key in user["keys"]}
    there = "disabled" if user.get("suspended") else "active"
    state: dict[str, Any] = {
        slot: (there if key in keys else "absent") if key else "unknown"
        for slot, key in (("old", _old(ask)), ("new", _new(ask)))
    }
    listed = [{"id": key, "state": there, "label": ""} for key in sorted(keys)]
    return Answer(more={"state": state | {"credentials": listed}})


# -- the plan


def _gateways(ask: Request) -> tuple[list[dict[str, Any]], list[str]]:
    """Whether each gateway refuses a key that does not exist, and which take sessions, too."""
    said = {base: _knock(ask, base, _key_id(), _key_id()) for base in _bases(ask)}
    checks = [
        check(f"{base} refuses a key that does not exist", told in (UNKNOWN_KEY, "AccessDenied"),
              f"it answered {told}: is it the address of a gateway?")
        for base, told in said.items()
    ]  # fmt: skip
    sessions = [
        f"{base} takes temporary credentials: those of a role that was assumed with the leaked"
        " key live on until they expire; deny all in the role's policy to end them"
        for base, told in said.items()
        if told == "AccessDenied"
    ]
    return checks, sessions


def _which_leaked(ask: Request, user: dict[str, Any]) -> str:
    """The id that was named; else the key that has the leaked value."""
    named = str(ask.old.get("id", ""))
    leaked = ask.secrets.get("old", "")
    if not leaked or any(key["access_key"] == named for key in user["keys"]):
        return named
    holds = (key for key in user["keys"] if _same(key["secret_key"], leaked))
    return str(next(holds, {"access_key": named})["access_key"])


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _acts_as_another(ask: Request, known: list[str]) -> dict[str, Any]:
    other = ask.target["admin_key_id"] not in known
    why = "it is a key of the leaked user: give one of another user in admin_key_id"
    return check("the acting identity is not the leaked one", other, why)


def _is_the_users(ask: Request, old: str, known: list[str]) -> dict[str, Any]:
    why = f"say which of {', '.join(known)} leaked: its id" if known else "the user has no S3 key"
    if old and old not in known:
        why = f"{old} is {_whose(ask, old)}"
    return check("the leaked key belongs to the user", old in known, why, found=old)


def _whose(ask: Request, key: str) -> str:
    code, user = _answer(ask, "GET", {"access-key": key})
    if code:
        return "no key here: it is deleted, or belongs elsewhere"
    return f"a key of {user['user_id']}"


def _awake(user: dict[str, Any]) -> dict[str, Any]:
    why = "it is suspended, and so would be its new key"
    return check("the user is not suspended", not user.get("suspended"), why)


def _may_write(ask: Request) -> dict[str, Any]:
    """Delete a key that does not exist: the permission is looked at first."""
    nobodys = {"key": "", "uid": ask.target["user"], "access-key": _key_id()}
    code, _ = _answer(ask, "DELETE", nobodys)
    may = code in (UNKNOWN_KEY, "NoSuchKey")
    return check("may change keys", may, "give the acting user the capability users=*")


def _actions(ask: Request, old: str) -> list[dict[str, Any]]:
    user = ask.target["user"]
    return [
        action("create", "create", f"access key of {user}", "both keys work", "delete it"),
        action("disable_old", "delete", old, "the leaked key is gone for good"),
    ]


# -- does a key work


def _round(ask: Request, base: str, listed: dict[str, str]) -> dict[str, Any]:
    nobodys = _knock(ask, base, _key_id(), _key_id())
    new = "unknown"
    if "new" in ask.secrets:
        new = _new_state(_knock(ask, base, _new(ask), ask.secret("new")))
    # Without the leaked value a wrong one tells, too: a living key calls it a wrong signature.
    old = _knock(ask, base, _old(ask) or _key_id(), ask.secrets.get("old") or _key_id())
    old = _old_state(ask, old, nobodys, gone=bool(_old(ask)) and _old(ask) not in listed)
    return {"new": new, "old": old, "sessions": nobodys != UNKNOWN_KEY}


def _new_state(said: str) -> str:
    dead = (UNKNOWN_KEY, "UserSuspended", "SignatureDoesNotMatch")
    if said in ("accepted", "unreachable"):
        return said
    return "refused" if said in dead else "unknown"


def _old_state(ask: Request, said: str, nobodys: str, *, gone: bool) -> str:
    """A suspended user is no dead key, and neither is a key that has another secret."""
    if said in ("accepted", "unreachable"):
        return said
    if said == "SignatureDoesNotMatch" and "old" not in ask.secrets:
        return "accepted"
    like_nobodys = said == nobodys and said in (UNKNOWN_KEY, "AccessDenied")
    return "refused" if like_nobodys and gone else "unknown"


def _first(found: list[str], *order: str) -> str:
    return next(one for one in order if one in found)


def _knock(ask: Request, base: str, key: str, secret: str) -> str:
    """Whether S3 lists the buckets: accepted, unreachable, or the code of its refusal."""
    try:
        response = _send(ask, "GET", f"{base}/", key, secret)
    except Fail as fail:
        return "unreachable" if fail.kind == "network" else "unknown"
    if response.status_code == 200 and b"ListAllMyBucketsResult" in response.content:
        return "accepted"
    found = re.search(r"<Code>(\w+)</Code>", response.text)
    return found[1] if found else f"{response.status_code}"


# -- the admin API


def _user(ask: Request) -> dict[str, Any]:
    return dict(_admin(ask, "GET", {"uid": ask.target["user"]}))


def _keys(ask: Request) -> dict[str, str]:
    return {key["access_key"]: key["secret_key"] for key in _user(ask)["keys"]}


def _delete(ask: Request, key: str) -> None:
    _admin(ask, "DELETE", {"key": "", "uid": ask.target["user"], "access-key": key})


def _admin(ask: Request, method: str, query: dict[str, str]) -> Any:
    code, said = _answer(ask, method, query)
    if code:
        raise Fail(ERRORS.get(code, "bug"), f"the admin API answered {code} to {method}")
    return said


def _answer(ask: Request, method: str, query: dict[str, str]) -> tuple[str, Any]:
    """The code of a failure, "" when there is none, and what was said."""
    entry = ask.target.get("admin_entry") or "admin"
    words = urlencode({**query, "format": "json"}, quote_via=quote)
    url = f"{_bases(ask)[0]}/{quote(entry)}/user?{words}"
    response = _send(ask, method, url, ask.target["admin_key_id"], ask.secret("admin"))
    status = str(response.status_code)
    try:
        said = response.json() if response.content else {}
    except ValueError:
        return status, None
    if status == "200":
        return "", said
    return str(said.get("Code", status)) if isinstance(said, dict) else status, None


def _send(ask: Request, method: str, url: str, key: str, secret: str) -> Any:
    import requests

    encrypted(url)
    with session() as opened:
        opened.verify = ask.target.get("ca_file") or True
        signed = _signed(method, url, key, secret)
        try:
            # A gateway that hangs keeps one that changes a key waiting for half a minute.
            answer = opened.request(
                method, url, headers=signed, timeout=(5, 60), allow_redirects=False
            )
        except requests.RequestException as error:
            raise Fail("network", type(error).__name__, retryable=True) from None
    if answer.status_code >= 500:
        raise Fail("network", f"the gateway answered {answer.status_code}", retryable=True)
    return answer


def _signed(method: str, url: str, key: str, secret: str) -> dict[str, str]:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method=method, url=url)
    S3SigV4Auth(Credentials(key, secret), "s3", REGION).add_auth(request)
    return dict(request.headers)


def _bases(ask: Request) -> list[str]:
    words = [ask.target["endpoint"], *(ask.target.get("gateways") or "").split()]
    return list(dict.fromkeys(word.rstrip("/") for word in words))


def _key_id() -> str:
    """A new id in the shape that the gateways give."""
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(20))


def _old(ask: Request) -> str:
    return str(ask.plan.get("old", {}).get("id") or ask.old.get("id") or "")


def _new(ask: Request) -> str:
    return str(ask.new.get("id", ""))


if __name__ == "__main__":
    rotate.main()
