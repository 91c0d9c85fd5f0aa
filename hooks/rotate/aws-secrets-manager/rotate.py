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
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from leakguard.rotate.kit import Answer, Fail, Request, script

rotate = script()

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
ACTIONS = ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
ERRORS = {
    "403": "permission",  # somebody in between, who does not speak the service's JSON
    "429": "quota",
    "500": "network",
    "503": "network",
    "AccessDeniedException": "permission",
    "AccessDenied": "permission",
    "DecryptionFailure": "permission",
    "EncryptionFailure": "permission",
    "ExpiredTokenException": "auth",
    "InternalServiceError": "network",
    "InternalServiceErrorException": "network",
    "InvalidClientTokenId": "auth",
    "InvalidRequestException": "conflict",
    "InvalidSignatureException": "auth",
    "LimitExceededException": "quota",
    "ResourceExistsException": "conflict",
    "ResourceNotFoundException": "not_found",
    "SignatureDoesNotMatch": "auth",
    "ThrottlingException": "quota",
    "UnrecognizedClientException": "auth",
}
AGAIN = ("InternalServiceError", "InternalServiceErrorException", "ThrottlingException")


@rotate.phase
def describe(_: Request) -> Answer:
    """The same as the manifest says."""
    names = ("reversible_disable", "kills_sessions", "label_support")
    said = {"secret_origin": "client", "overlap": "none", "max_active": 0, "dry_run": "simulated"}
    return Answer(more={"capabilities": said | dict.fromkeys(names, False)})


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the secret is there, nobody else rotates it, and we may. Changes nothing."""
    with _speaking():
        client = _client(ask, "secretsmanager")
        about = client.describe_secret(SecretId=ask.target["secret_id"])
        stages = _stages(about)
        held = _value(ask, client, stages.get(CURRENT, ""))
        checks = [*_free(ask, about, stages), _right_one(ask, held), *_may(ask, about["ARN"])]
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
    with _speaking():
        client = _client(ask, "secretsmanager")
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
    with _speaking():
        client = _client(ask, "secretsmanager")
        said = client.get_secret_value(SecretId=ask.target["secret_id"], VersionStage=CURRENT)
    if _part(ask, said["SecretString"]) != ask.secret("new"):
        raise Fail("conflict", f"{CURRENT} holds another value than the new one")
    urls = (ask.target.get("health_url") or "").split()
    late = [urlsplit(url).netloc for url in urls if _has_read(ask, url) != said["VersionId"]]
    if late:
        told = [f"{one} has not read version {said['VersionId']} yet" for one in late]
        return Answer("pending", observed=told, more={"method": "health"})
    seen = "so do its readers" if urls else "nobody looked at who reads it"
    method = "health" if urls else "config"
    return Answer(observed=[f"{CURRENT} holds it; {seen}"], more={"method": method})


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which value is current, as far as we were given values to compare with."""
    with _speaking():
        client = _client(ask, "secretsmanager")
        stages = _stages(client.describe_secret(SecretId=ask.target["secret_id"]))
        held = _value(ask, client, stages.get(CURRENT, ""))
    state: dict[str, Any] = {
        slot: ("active" if held == ask.secrets[slot] else "absent")
        if slot in ask.secrets
        else "unknown"
        for slot in ("old", "new")
    }
    listed = [{"id": one, "state": "active", "label": stage} for stage, one in stages.items()]
    return Answer(more={"state": state | {"credentials": listed}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Make the version of before current again; from the old value when AWS deleted it."""
    with _speaking():
        client = _client(ask, "secretsmanager")
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
        _check("no other rotation is under way", not unfinished, f"version {pending} is pending"),
        _check("AWS does not rotate it itself", not about.get("RotationEnabled"),
               "its schedule would replace the value: cancel the rotation, or let AWS do it"),
        _check("it is no service's own", not owner, f"{owner} manages it: change it there"),
        _check("it is not being deleted", "DeletedDate" not in about, "restore it first"),
    ]  # fmt: skip


def _right_one(ask: Request, held: str) -> dict[str, Any]:
    what = "the secret holds the value that leaked"
    if "old" not in ask.secrets or not ask.target.get("expect_old", True):
        return _check(what, True, "")
    why = "it holds another: the right secret? if so, expect_old=false"
    return _check(what, held == ask.secret("old"), why)


def _may(ask: Request, arn: str) -> list[dict[str, Any]]:
    """What policy simulation says; nothing where that is not allowed."""
    from botocore.exceptions import ClientError

    try:
        acting = _client(ask, "sts").get_caller_identity()["Arn"]
        said = _client(ask, "iam").simulate_principal_policy(
            PolicySourceArn=acting,
            ActionNames=[f"secretsmanager:{action}" for action in ACTIONS],
            ResourceArns=[arn],
        )["EvaluationResults"]
    except ClientError:
        return []
    return [
        _check(f"may {one['EvalActionName']}", one["EvalDecision"] == "allowed", f"to {acting}")
        for one in said
    ]


def _check(what: str, ok: bool, otherwise: str) -> dict[str, Any]:
    return {"what": what, "ok": ok, "detail": "" if ok else otherwise}


def _actions(ask: Request) -> list[dict[str, Any]]:
    where = ask.target["secret_id"]
    rows = (
        ("distribute", "put", where, f"a new version is {CURRENT}", "make the old one current"),
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


# Talking to AWS


@contextmanager
def _speaking() -> Iterator[None]:
    """Turns what AWS answers into our classes; its messages may quote, so only its codes go on."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        what = f"AWS answered {code} to {error.operation_name}"
        raise Fail(ERRORS.get(code, "bug"), what, retryable=code in AGAIN) from None
    except BotoCoreError as error:
        raise Fail("network", type(error).__name__, retryable=True) from None


def _client(ask: Request, service: str) -> Any:
    import boto3
    from botocore.config import Config

    session = ask.secrets.get("session")
    made = boto3.session.Session(
        ask.target["key_id"], ask.secret("key"), session, ask.target["region"]
    )
    return made.client(
        service,
        endpoint_url=ask.target.get("endpoint") or None,
        config=Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 2}),
    )


if __name__ == "__main__":
    rotate.main()
