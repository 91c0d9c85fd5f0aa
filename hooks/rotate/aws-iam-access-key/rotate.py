#!/usr/bin/env python3
"""Rotates an access key of an AWS IAM user, acting as somebody else.

AWS makes the key and shows its secret once. A user may hold two, so a key whose
secret was lost in a crash would block every later try: `create` deletes a key that is
neither in the plan nor ever used. The leaked key goes Inactive (reversible), then
is deleted; temporary credentials that it obtained end by a deny on their age, because
they outlive the key. A quarantine policy that AWS attached stays where it is.

The id of a key is no secret: `old.id` says which one leaked, `new.id` goes to consumers
beside the value.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts import aws

rotate = script()

QUARANTINE = "AWSCompromisedKeyQuarantine"  # also ...V2, ...V3
DENY_USER = "LeakguardDenyOlderSessions"
DENY_ROLE = "AWSRevokeOlderSessions"  # the name that the AWS console uses for the same thing
NOBODYS_KEY = "A" * 20  # well-formed, and no key: IAM checks the permission before it looks
ACTIONS = ("CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey", "PutUserPolicy")
ERRORS = aws.ERRORS | {
    "ConcurrentModification": "conflict",
    "EntityTemporarilyUnmodifiable": "conflict",
    "LimitExceeded": "quota",
    "NoSuchEntity": "not_found",
    "unreachable": "network",
}
AGAIN = ("ConcurrentModification", "EntityTemporarilyUnmodifiable")


@rotate.phase
def plan(ask: Request) -> Answer:
    """Who acts, which keys there are, and whether there is room and permission for another."""
    with aws.speaking(ERRORS, AGAIN):
        acting = _client(ask, "sts").get_caller_identity()["Arn"]
        iam = _client(ask, "iam")
        keys = _keys(iam, ask)
        old = _which_leaked(ask, keys)
        checks = [
            _acts_as_another(ask, acting, old),
            _leaked_key_is_the_users(iam, old, keys),
            _room_for_one_more(iam, old, keys),
            *_permissions(iam, ask, acting),
        ]
        quarantine = _quarantine(iam, ask)
    return Answer(
        observed=quarantine,
        more={
            "actions": _actions(ask, old),
            "known": sorted(keys),
            "checks": checks,
            "old": {"id": old},
            "snapshot": {"acting": acting, "keys": keys},
        },
    )


@rotate.phase
def create(ask: Request) -> Answer:
    """Make the new key, after deleting one that an earlier try made and lost."""
    with aws.speaking(ERRORS, AGAIN):
        iam = _client(ask, "iam")
        lost = [key for key in _keys(iam, ask) if key not in {*_known(ask), _old(ask)}]
        for key in lost:
            _delete_lost(iam, ask, key)
        made = iam.create_access_key(UserName=_user(ask))["AccessKey"]
    return Answer(
        new={"id": made["AccessKeyId"]},
        observed=[f"deleted {key}: made by an earlier try, its secret was lost" for key in lost],
        secrets={"new": made["SecretAccessKey"]},
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Ask STS who the new key is. IAM is eventually consistent: a refusal means `pending`."""
    user, said = _user(ask), _login(ask, _new(ask), ask.secret("new"))
    if said == "InvalidClientTokenId":
        return Answer("pending", observed=["STS does not know the new key yet"])
    if not said.startswith("arn:"):
        raise Fail(ERRORS.get(said, "bug"), f"STS answered {said} to the new key")
    if not _is_user(said, user):
        raise Fail("conflict", f"the new key is {said}, not a key of {user}")
    return Answer(observed=[f"STS knows the new key as {said}"])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Set the leaked key Inactive; `rollback` can undo it."""
    with aws.speaking(ERRORS, AGAIN):
        iam = _client(ask, "iam")
        state = _keys(iam, ask).get(_old(ask), "absent")
        if state != "Active":
            return Answer("already", observed=[f"{_old(ask)} is {state}"])
        _never_the_new_one(ask)
        iam.update_access_key(UserName=_user(ask), AccessKeyId=_old(ask), Status="Inactive")
    return Answer(observed=[f"{_old(ask)} is Inactive"])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """End temporary credentials: deny everything to those issued until now.

    The condition is about `aws:TokenIssueTime`, which requests signed with an access key
    do not have: the new key is not touched.
    """
    with aws.speaking(ERRORS, AGAIN):
        iam = _client(ask, "iam")
        if _cut_off(iam, ask):
            return Answer("already", observed=_cut_off_where(ask))
        document = json.dumps(_deny_older(ask.rotation, datetime.now(UTC)))
        iam.put_user_policy(UserName=_user(ask), PolicyName=DENY_USER, PolicyDocument=document)
        for role in _roles(ask):
            iam.put_role_policy(RoleName=role, PolicyName=DENY_ROLE, PolicyDocument=document)
    return Answer(observed=_cut_off_where(ask), evidence=[{"denied": 1 + len(_roles(ask))}])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Both keys in one round: by their values where we have them, else by what IAM lists."""
    try:
        with aws.speaking(ERRORS, AGAIN):
            iam = _client(ask, "iam")
            keys = _keys(iam, ask)
            derived = "none" if _cut_off(iam, ask) else "unknown"
    except Fail as fail:
        if fail.kind != "network":
            raise
        nobody = {"new": "unreachable", "old": "unreachable", "derived": "unknown"}
        return Answer(more={"probe": nobody})
    said = {"derived": derived, "method": "login"}
    if "new" in ask.secrets:
        said["new"] = _state_of_login(_login(ask, _new(ask), ask.secret("new")))
    else:
        said |= {"new": _state_of_metadata(keys.get(_new(ask))), "method": "metadata"}
    if "old" in ask.secrets and _old(ask):
        error = _login(ask, _old(ask), ask.secret("old"))
        said["old"] = _state_of_login(error)
        said["old_error"] = ERRORS.get(error, "")
    else:
        said |= {"old": _state_of_metadata(keys.get(_old(ask))), "method": "metadata"}
        said["old_error"] = "auth" if said["old"] == "refused" else ""
    return Answer(more={"probe": said}, observed=[f"IAM lists {_old(ask)}: {keys.get(_old(ask))}"])


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Delete the leaked key, for good."""
    with aws.speaking(ERRORS, AGAIN):
        iam = _client(ask, "iam")
        if _old(ask) not in _keys(iam, ask):
            return Answer("already", observed=[f"{_old(ask)} is gone"])
        _never_the_new_one(ask)
        iam.delete_access_key(UserName=_user(ask), AccessKeyId=_old(ask))
    return Answer(observed=[f"{_old(ask)} is deleted"])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """The old key Active again, our deny policies and the new key gone."""
    did = []
    with aws.speaking(ERRORS, AGAIN):
        iam = _client(ask, "iam")
        keys = _keys(iam, ask)
        if _old(ask) not in keys:
            raise Fail("not_found", f"{_old(ask)} is deleted and does not come back")
        if keys[_old(ask)] != "Active":
            iam.update_access_key(UserName=_user(ask), AccessKeyId=_old(ask), Status="Active")
            did.append(f"{_old(ask)} is Active again")
        did += _lift_denials(iam, ask)
        if _new(ask) in keys and _new(ask) != _old(ask):
            iam.delete_access_key(UserName=_user(ask), AccessKeyId=_new(ask))
            did.append(f"deleted the new key {_new(ask)}")
    return Answer("done" if did else "already", observed=did)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which keys the user has now."""
    with aws.speaking(ERRORS, AGAIN):
        keys = _keys(_client(ask, "iam"), ask)
    states = {"Active": "active", "Inactive": "disabled", None: "absent"}
    listed = [{"id": key, "state": states[keys[key]], "label": ""} for key in sorted(keys)]
    state = {"old": states[keys.get(_old(ask))] if _old(ask) else "unknown", "credentials": listed}
    state["new"] = states[keys.get(_new(ask))] if _new(ask) else "unknown"
    return Answer(more={"state": state})


# -- checks of the plan


def _acts_as_another(ask: Request, acting: str, old: str) -> dict[str, Any]:
    same_key = ask.target["admin_key_id"] == old
    return check(
        "the acting identity is not the leaked one",
        not same_key and not _is_user(acting, _user(ask)),
        f"{acting} is the leaked identity: give the key of another one in admin_key_id",
        found=f"acts as {acting}",
    )


def _which_leaked(ask: Request, keys: dict[str, str]) -> str:
    """The id that was named; else the key that the leaked value opens."""
    named = str(ask.old.get("id", ""))
    if named in keys or named == ask.target["admin_key_id"] or "old" not in ask.secrets:
        return named
    opened = (key for key in sorted(keys) if _login(ask, key, ask.secrets["old"])[:4] == "arn:")
    return next(opened, named)


def _leaked_key_is_the_users(iam: Any, old: str, keys: dict[str, str]) -> dict[str, Any]:
    what = "the leaked key belongs to the user"
    if not re.fullmatch("[A-Z0-9]{16,128}", old):
        return check(what, False, f"say which of {', '.join(sorted(keys))} leaked: its id")
    return check(what, old in keys, f"{old} {_whose(iam, old)}", found=f"{old} is {keys.get(old)}")


def _whose(iam: Any, key: str) -> str:
    from botocore.exceptions import ClientError

    try:
        return f"is a key of {iam.get_access_key_last_used(AccessKeyId=key)['UserName']}"
    except ClientError:
        return "is no key of this account: it is deleted, or belongs elsewhere"


def _room_for_one_more(iam: Any, old: str, keys: dict[str, str]) -> dict[str, Any]:
    others = sorted(set(keys) - {old})
    used = [f"{key} ({keys[key]}, last used {_last_used(iam, key) or 'never'})" for key in others]
    return check(
        "there is room for a second key",
        len(keys) < 2,
        f"no room: delete one that nobody uses, {', '.join(used)}",
        found=f"{len(keys)} of 2 keys",
    )


def _permissions(iam: Any, ask: Request, acting: str) -> list[dict[str, Any]]:
    """What policy simulation says; where that is not allowed, what a change of no key says."""
    from botocore.exceptions import ClientError

    try:
        found = iam.simulate_principal_policy(
            PolicySourceArn=_principal(acting),
            ActionNames=[f"iam:{action}" for action in ACTIONS],
            ResourceArns=[iam.get_user(UserName=_user(ask))["User"]["Arn"]],
        )["EvaluationResults"]
    except ClientError:
        return [_may_update(iam, ask)]
    return [
        check(
            f"may {one['EvalActionName']}",
            one["EvalDecision"] == "allowed",
            f"{one['EvalDecision']}: allow {one['EvalActionName']} to {acting}",
            found="policy simulation says so",
        )
        for one in found
    ]


def _principal(acting: str) -> str:
    """Simulation takes the role, not its session."""
    role = re.fullmatch(r"(arn:[^:]+):sts:(:[0-9]+):assumed-role/([^/]+)/.*", acting)
    return f"{role[1]}:iam:{role[2]}:role/{role[3]}" if role else acting


def _may_update(iam: Any, ask: Request) -> dict[str, Any]:
    from botocore.exceptions import ClientError

    code = ""
    try:
        iam.update_access_key(UserName=_user(ask), AccessKeyId=NOBODYS_KEY, Status="Inactive")
    except ClientError as error:
        code = error.response["Error"]["Code"]
    return check(
        "may iam:UpdateAccessKey",
        ERRORS.get(code) == "not_found",
        f"{code}: allow iam:{', iam:'.join(ACTIONS)} to the acting identity",
        found="a change of no key was not denied; the rest could not be simulated",
    )


def _quarantine(iam: Any, ask: Request) -> list[str]:
    attached = iam.list_attached_user_policies(UserName=_user(ask))["AttachedPolicies"]
    return [
        f"AWS attached {policy['PolicyName']}: it knows of the leak; never detach it, a new key"
        " of this user stays restricted until the case with AWS is closed"
        for policy in attached
        if policy["PolicyName"].startswith(QUARANTINE)
    ]


def _actions(ask: Request, old: str) -> list[dict[str, Any]]:
    user = _user(ask)
    rows = (
        ("create", "create", f"access key of {user}", "both keys work", "delete it"),
        ("disable_old", "set Inactive", old, "the leaked key is refused", "set Active"),
        ("kill_derived", "deny older sessions", ", ".join((user, *_roles(ask))),
         "temporary credentials issued until then are refused", "delete the inline policies"),
        ("destroy_old", "delete", old, "the leaked key is gone for good", None),
    )  # fmt: skip
    return [action(*row) for row in rows]


# -- keys


def _keys(iam: Any, ask: Request) -> dict[str, str]:
    found = iam.list_access_keys(UserName=_user(ask))["AccessKeyMetadata"]
    return {key["AccessKeyId"]: key["Status"] for key in found}


def _last_used(iam: Any, key: str) -> str:
    used = iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]
    when = used.get("LastUsedDate")
    return f"{when:%Y-%m-%d}" if when else ""


def _delete_lost(iam: Any, ask: Request, key: str) -> None:
    """Somebody else may have made a key since the plan: one that was used is not lost."""
    if used := _last_used(iam, key):
        raise Fail("conflict", f"{key} appeared after the plan and was used on {used}: plan again")
    iam.delete_access_key(UserName=_user(ask), AccessKeyId=key)


def _never_the_new_one(ask: Request) -> None:
    if not _old(ask) or _old(ask) == _new(ask):
        raise Fail("bug", "the old key is not known, or is the new one")


# -- sessions


def _deny_older(rotation: str, now: datetime) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": {
            "Sid": _sid(rotation),
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"DateLessThan": {"aws:TokenIssueTime": f"{now:%Y-%m-%dT%H:%M:%SZ}"}},
        },
    }


def _sid(rotation: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", rotation)


def _cut_off(iam: Any, ask: Request) -> bool:
    """Whether this rotation's deny stands on the user and on each role."""
    found = [_policy(iam.get_user_policy, UserName=_user(ask), PolicyName=DENY_USER)]
    found += [_policy(iam.get_role_policy, RoleName=r, PolicyName=DENY_ROLE) for r in _roles(ask)]
    return all(one.get("Statement", {}).get("Sid") == _sid(ask.rotation) for one in found)


def _policy(get: Any, **which: str) -> dict[str, Any]:
    from botocore.exceptions import ClientError

    try:
        document = get(**which)["PolicyDocument"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return {}
        raise
    return document if isinstance(document.get("Statement"), dict) else {}


def _cut_off_where(ask: Request) -> list[str]:
    where = [f"user {_user(ask)} has {DENY_USER}"]
    return where + [f"role {role} has {DENY_ROLE}" for role in _roles(ask)]


def _lift_denials(iam: Any, ask: Request) -> list[str]:
    if not _cut_off(iam, ask):
        return []
    iam.delete_user_policy(UserName=_user(ask), PolicyName=DENY_USER)
    for role in _roles(ask):
        iam.delete_role_policy(RoleName=role, PolicyName=DENY_ROLE)
    return ["temporary credentials are no longer denied"]


# -- talking to AWS


def _client(ask: Request, service: str) -> Any:
    session = ask.secrets.get("admin_session")
    return aws.client(ask, service, ask.target["admin_key_id"], ask.secret("admin"), session)


def _login(ask: Request, key: str, secret: str) -> str:
    """The ARN that STS knows this key by, or the code of its refusal, or "unreachable"."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return str(aws.client(ask, "sts", key, secret).get_caller_identity()["Arn"])
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except BotoCoreError:
        return "unreachable"


def _state_of_login(said: str) -> str:
    if said.startswith("arn:"):
        return "accepted"
    if ERRORS.get(said) == "network":
        return "unreachable"
    # A wrong signature says that the key lives and that our value is not its value.
    return "refused" if said in ("InvalidClientTokenId", "InvalidAccessKeyId") else "unknown"


def _state_of_metadata(status: str | None) -> str:
    return "accepted" if status == "Active" else "refused"


def _is_user(arn: str, user: str) -> bool:
    return re.search(f":user/(.*/)?{re.escape(user)}$", arn) is not None


def _user(ask: Request) -> str:
    return str(ask.target["user"])


def _roles(ask: Request) -> list[str]:
    return [role.strip() for role in ask.target.get("roles", "").split(",") if role.strip()]


def _old(ask: Request) -> str:
    return str(ask.plan.get("old", {}).get("id") or ask.old.get("id") or "")


def _new(ask: Request) -> str:
    return str(ask.new.get("id", ""))


def _known(ask: Request) -> list[str]:
    return list(ask.plan.get("known", []))


if __name__ == "__main__":
    rotate.main()
