#!/usr/bin/env python3
"""Puts a new value into AWS Secrets Manager, and takes the last stage from the leaked one.

The new version comes in as AWSPENDING, is read back, and only then becomes AWSCURRENT.
Its id is made from the rotation, so a repetition finds what the first try left. AWS
keeps the replaced version as AWSPREVIOUS, readable to whoever asks for it: that stage is
removed, after which the version is deprecated and AWS deletes it in its own time.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script, state_by
from leakguard.rotate.parts import aws
from leakguard.rotate.parts.holder import read_by, right_one

rotate = script()

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
ACTIONS = tuple(
    f"secretsmanager:{one}"
    for one in ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
)
ERRORS = aws.ERRORS | {
    "DecryptionFailure": "permission",
    "EncryptionFailure": "permission",
    "InvalidRequestException": "conflict",
    "LimitExceededException": "quota",
    "ResourceExistsException": "conflict",
    "ResourceNotFoundException": "not_found",
}


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the secret is there, nobody else rotates it, and we may. Changes nothing."""
    with aws.speaking(ERRORS):
        client = aws.acting(ask, "secretsmanager")
        about = client.describe_secret(SecretId=ask.target["secret_id"])
        stages = _stages(about)
        held = _value(ask, client, stages.get(CURRENT, ""))
        checks = [
            *_free(ask, about, stages),
            right_one(ask, held, "secret"),
            *aws.may(ask, ACTIONS, about["ARN"]),
        ]
    more = {
        "actions": _actions(ask),
        "known": sorted(about.get("VersionIdsToStages", {})),
        "checks": checks,
        "snapshot": {"version": stages.get(CURRENT, "")},
    }
    return Answer(more=more)


@rotate.phase
def distribute(ask: Request) -> Answer:
    """Pending, read back, current; then no stage is left on what leaked."""
    with aws.speaking(ERRORS):
        client = aws.acting(ask, "secretsmanager")
        stages = _stages(client.describe_secret(SecretId=ask.target["secret_id"]))
        ours, current = _ours(ask), stages.get(CURRENT, "")
        if current != ours:
            _same_as_planned(ask, current)
            if ask.dry_run:
                return Answer(observed=[f"version {ours} would become {CURRENT}"])
            _put(ask, client, ours, _made(ask, client, current))
            _move(ask, client, CURRENT, to=ours, away=current)
        ended = [] if ask.dry_run else _end_stages(ask, client, ours)
    status = "already" if current == ours and not ended else "done"
    return Answer(status, observed=[f"version {ours} is {CURRENT}", *ended])


@rotate.phase
def confirm(ask: Request) -> Answer:
    """Read the current version; with `health_url`, ask who reads it which that was."""
    with aws.speaking(ERRORS):
        client = aws.acting(ask, "secretsmanager")
        said = client.get_secret_value(SecretId=ask.target["secret_id"], VersionStage=CURRENT)
    if _part(ask, said["SecretString"]) != ask.secret("new"):
        raise Fail("conflict", f"{CURRENT} holds another value than the new one")
    return read_by(ask, said["VersionId"], CURRENT)


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which value is current, as far as we were given values to compare with."""
    with aws.speaking(ERRORS):
        client = aws.acting(ask, "secretsmanager")
        stages = _stages(client.describe_secret(SecretId=ask.target["secret_id"]))
        held = _value(ask, client, stages.get(CURRENT, ""))
    listed = [{"id": one, "state": "active", "label": stage} for stage, one in stages.items()]
    return Answer(more={"state": state_by(held, ask.secrets) | {"credentials": listed}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Make the version of before current again; from the old value when AWS deleted it."""
    with aws.speaking(ERRORS):
        client = aws.acting(ask, "secretsmanager")
        stages = _stages(client.describe_secret(SecretId=ask.target["secret_id"]))
        ours, current = _ours(ask), stages.get(CURRENT, "")
        before = ask.plan.get("snapshot", {}).get("version", "")
        if current in (before, _ours(ask, "back")):
            return Answer("already", observed=[f"version {current} is {CURRENT}"])
        if current != ours:
            raise Fail("conflict", f"somebody else made version {current} {CURRENT}")
        if ask.dry_run:
            return Answer(observed=[f"version {before} would be {CURRENT}"])
        if not before or not _readable(ask, client, before):
            before = _ours(ask, "back")
            _put(ask, client, before, _made(ask, client, ours, back=True))
        _move(ask, client, CURRENT, to=before, away=ours)
        _end_stages(ask, client, before)
    return Answer(observed=[f"version {before} is {CURRENT} again"])


# Versions


def _ours(ask: Request, suffix: str = "") -> str:
    """The id of our version: the same at each try (ClientRequestToken, 32 to 64 characters)."""
    words = f"{ask.rotation}\0{ask.target['secret_id']}\0{ask.target.get('field', '')}\0{suffix}"
    return hashlib.sha256(words.encode()).hexdigest()[:40]


def _stages(about: dict[str, Any]) -> dict[str, str]:
    versions = about.get("VersionIdsToStages", {})
    return {stage: version for version, stages in versions.items() for stage in stages}


def _value(ask: Request, client: Any, version: str) -> str:
    if not version:
        return ""
    said = client.get_secret_value(SecretId=ask.target["secret_id"], VersionId=version)
    if "SecretString" not in said:
        raise Fail("unsupported", "the secret is binary")
    return _part(ask, said["SecretString"])


def _part(ask: Request, text: str) -> str:
    return str(_object(text).get(ask.target["field"], "")) if ask.target.get("field") else text


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Fail("unsupported", "the secret is no JSON object: leave out `field`")
    return found


def _made(ask: Request, client: Any, version: str, *, back: bool = False) -> str:
    """The whole value of the next version: all fields but ours stay."""
    value, public = (ask.secret("old"), ask.old) if back else (ask.secret("new"), ask.new)
    if not ask.target.get("field"):
        return value
    said = client.get_secret_value(SecretId=ask.target["secret_id"], VersionId=version)
    fields = _object(said["SecretString"]) | {ask.target["field"]: value}
    if ask.target.get("id_field"):
        fields[ask.target["id_field"]] = public.get("user") or public.get("id")
        if not fields[ask.target["id_field"]]:
            raise Fail("missing", "id_field is set, but the issuer names no public half")
    return json.dumps(fields)


def _put(ask: Request, client: Any, version: str, value: str) -> None:
    """Store it as pending and read it back. The same token and value twice is no error."""
    where = {"SecretId": ask.target["secret_id"]}
    client.put_secret_value(
        **where, ClientRequestToken=version, SecretString=value, VersionStages=[PENDING]
    )
    if client.get_secret_value(**where, VersionId=version)["SecretString"] != value:
        raise Fail("conflict", f"version {version} holds another value")


def _move(ask: Request, client: Any, stage: str, *, to: str = "", away: str = "") -> None:
    ends = {"MoveToVersionId": to, "RemoveFromVersionId": away}
    client.update_secret_version_stage(
        SecretId=ask.target["secret_id"], VersionStage=stage,
        **{name: one for name, one in ends.items() if one},
    )  # fmt: skip


def _end_stages(ask: Request, client: Any, current: str) -> list[str]:
    """Take AWSPENDING from ours, and AWSPREVIOUS from any other; says what was done."""
    stages = _stages(client.describe_secret(SecretId=ask.target["secret_id"]))
    done = []
    if stages.get(PENDING) == current:
        _move(ask, client, PENDING, away=current)
    if PREVIOUS in stages and not ask.target.get("keep_previous"):
        _move(ask, client, PREVIOUS, away=stages[PREVIOUS])
        done.append(f"version {stages[PREVIOUS]} has no stage any more")
    return done


def _readable(ask: Request, client: Any, version: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        client.get_secret_value(SecretId=ask.target["secret_id"], VersionId=version)
    except ClientError:
        return False
    return True


def _same_as_planned(ask: Request, current: str) -> None:
    planned = ask.plan.get("snapshot", {}).get("version", current)
    if current != planned:
        raise Fail("conflict", f"somebody made version {current} {CURRENT}: plan again")


# What has to hold before


def _free(ask: Request, about: dict[str, Any], stages: dict[str, str]) -> list[dict[str, Any]]:
    pending = stages.get(PENDING, "")
    unfinished = pending and pending not in (stages.get(CURRENT), _ours(ask))
    owner = about.get("OwningService", "")
    return [
        check("no other rotation is under way", not unfinished, f"version {pending} is pending"),
        check("AWS does not rotate it itself", not about.get("RotationEnabled"),
               "its schedule would replace the value: cancel the rotation, or let AWS do it"),
        check("it is no service's own", not owner, f"{owner} manages it: change it there"),
        check("it is not being deleted", "DeletedDate" not in about, "restore it first"),
    ]  # fmt: skip


def _actions(ask: Request) -> list[dict[str, Any]]:
    where = ask.target["secret_id"]
    rows = (
        ("distribute", "put", where, f"a new version is {CURRENT}", "make the old one current"),
        ("confirm", "ask", ask.target.get("health_url") or where, "nothing changes", None),
    )
    return [action(*row) for row in rows]


if __name__ == "__main__":
    rotate.main()
