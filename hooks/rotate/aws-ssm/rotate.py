#!/usr/bin/env python3
"""Writes a new version of a parameter in AWS Systems Manager, and moves a label to it.

Type, key and tier of the parameter stay. The service knows no check-and-set: we read the
version right before we write, and the version that the write answers shows whether somebody
came in between. It also deletes no single version: the leaked value stays in the history,
for whoever may read that, until the parameter itself is deleted. The plan says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from leakguard.rotate.kit import Answer, Fail, Request, script

rotate = script()

ERRORS = {
    "403": "permission",  # somebody in between, who does not speak the service's JSON
    "429": "quota",
    "500": "network",
    "503": "network",
    "AccessDeniedException": "permission",
    "AccessDenied": "permission",
    "ExpiredTokenException": "auth",
    "InternalServerError": "network",
    "InvalidClientTokenId": "auth",
    "InvalidKeyId": "permission",
    "InvalidSignatureException": "auth",
    "ParameterMaxVersionLimitExceeded": "quota",
    "ParameterNotFound": "not_found",
    "ParameterVersionNotFound": "not_found",
    "SignatureDoesNotMatch": "auth",
    "ThrottlingException": "quota",
    "TooManyUpdates": "conflict",
    "UnrecognizedClientException": "auth",
}
AGAIN = ("InternalServerError", "ThrottlingException", "TooManyUpdates")
ACTIONS = ("GetParameter", "GetParameters", "PutParameter", "DescribeParameters")
HISTORY = "the history keeps the old value: only deleting the parameter ends that"


@rotate.phase
def describe(_: Request) -> Answer:
    """The same as the manifest says."""
    names = ("reversible_disable", "kills_sessions", "label_support")
    said = {"secret_origin": "client", "overlap": "none", "max_active": 0, "dry_run": "simulated"}
    return Answer(more={"capabilities": said | dict.fromkeys(names, False)})


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the parameter is there, holds what leaked, and may be written. Changes nothing."""
    with _speaking():
        client = _client(ask, "ssm")
        found = _read(ask, client)
        checks = [_secure(found), _right_one(ask, found["Value"]), *_may(ask, found["ARN"])]
    version = found["Version"]
    more = {
        "actions": _actions(ask),
        "known": [str(version)],
        "checks": checks,
        "snapshot": {"version": version},
    }
    return Answer(observed=[HISTORY], more=more)


@rotate.phase
def distribute(ask: Request) -> Answer:
    """Write the next version, if the one of the plan is still the last."""
    with _speaking():
        client = _client(ask, "ssm")
        found = _read(ask, client)
        if found["Value"] == ask.secret("new"):
            _label(ask, client, found["Version"])
            return Answer("already", observed=[f"version {found['Version']} holds it"])
        planned = ask.plan.get("snapshot", {}).get("version", found["Version"])
        if found["Version"] != planned:
            raise Fail("conflict", f"somebody wrote version {found['Version']}: plan again")
        version = _write(ask, client, found, ask.secret("new"))
    return Answer(observed=[f"wrote version {version}", HISTORY])


@rotate.phase
def confirm(ask: Request) -> Answer:
    """Read it back; with `health_url`, ask who reads it which version that was."""
    with _speaking():
        found = _read(ask, _client(ask, "ssm"), ask.target.get("label") or "")
    version = found["Version"]
    if found["Value"] != ask.secret("new"):
        raise Fail("conflict", f"version {version} holds another value than the new one")
    urls = (ask.target.get("health_url") or "").split()
    late = [urlsplit(url).netloc for url in urls if str(_has_read(ask, url)) != str(version)]
    if late:
        told = [f"{one} has not read version {version} yet" for one in late]
        return Answer("pending", observed=told, more={"method": "health"})
    seen = "so do its readers" if urls else "nobody looked at who reads it"
    method = "health" if urls else "config"
    return Answer(observed=[f"version {version} holds it; {seen}"], more={"method": method})


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which value the last version holds, as far as we were given values to compare with."""
    with _speaking():
        found = _read(ask, _client(ask, "ssm"))
    state: dict[str, Any] = {
        slot: ("active" if found["Value"] == ask.secrets[slot] else "absent")
        if slot in ask.secrets
        else "unknown"
        for slot in ("old", "new")
    }
    listed = [{"id": str(found["Version"]), "state": "active", "label": ""}]
    return Answer(more={"state": state | {"credentials": listed}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Write the old value as another version, out of the history when it was not handed over."""
    with _speaking():
        client = _client(ask, "ssm")
        found = _read(ask, client)
        before = ask.secrets.get("old") or _from_history(ask, client)
        if found["Value"] == before:
            return Answer("already", observed=[f"version {found['Version']} holds the old value"])
        if found["Value"] != ask.secret("new"):
            raise Fail("conflict", "it holds neither the old value nor the new one")
        version = _write(ask, client, found, before)
    return Answer(observed=[f"wrote the old value as version {version}"])


# The parameter


def _read(ask: Request, client: Any, selector: str = "") -> dict[str, Any]:
    name = f"{ask.target['name']}:{selector}" if selector else ask.target["name"]
    found: dict[str, Any] = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    return found


def _from_history(ask: Request, client: Any) -> str:
    version = ask.plan.get("snapshot", {}).get("version")
    if not version:
        raise Fail("missing", "neither the old value nor its version is known")
    return str(_read(ask, client, str(version))["Value"])


def _write(ask: Request, client: Any, found: dict[str, Any], value: str) -> int:
    """Which version it became. Type, key and tier are as they were."""
    if ask.dry_run:
        return int(found["Version"]) + 1
    wanted = {"Key": "Name", "Option": "Equals", "Values": [ask.target["name"]]}
    about = client.describe_parameters(ParameterFilters=[wanted])["Parameters"][0]
    kept = {name: about[name] for name in ("KeyId", "Tier") if about.get(name)}
    version: int = client.put_parameter(
        Name=ask.target["name"], Value=value, Type=found["Type"], Overwrite=True, **kept
    )["Version"]
    if version != found["Version"] + 1:
        raise Fail("conflict", f"somebody wrote version {version - 1} just now; ours is {version}")
    _label(ask, client, version)
    return version


def _label(ask: Request, client: Any, version: int) -> None:
    if not ask.target.get("label") or ask.dry_run:
        return
    said = client.label_parameter_version(
        Name=ask.target["name"], ParameterVersion=version, Labels=[ask.target["label"]]
    )
    if said.get("InvalidLabels"):
        raise Fail("unsupported", "the label is none that Systems Manager takes")


# What has to hold before


def _secure(found: dict[str, Any]) -> dict[str, Any]:
    why = "it is stored in the clear: make it a SecureString"
    return _check("the parameter is encrypted", found["Type"] == "SecureString", why)


def _right_one(ask: Request, held: str) -> dict[str, Any]:
    what = "the parameter holds the value that leaked"
    if "old" not in ask.secrets or not ask.target.get("expect_old", True):
        return _check(what, True, "")
    why = "it holds another: the right parameter? if so, expect_old=false"
    return _check(what, held == ask.secret("old"), why)


def _may(ask: Request, arn: str) -> list[dict[str, Any]]:
    """What policy simulation says; nothing where that is not allowed."""
    from botocore.exceptions import ClientError

    try:
        acting = _client(ask, "sts").get_caller_identity()["Arn"]
        said = _client(ask, "iam").simulate_principal_policy(
            PolicySourceArn=acting,
            ActionNames=[f"ssm:{action}" for action in ACTIONS],
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
    where = ask.target["name"]
    rows = (
        ("distribute", "put", where, "a new version", "write the old value again"),
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
