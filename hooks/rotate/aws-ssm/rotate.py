#!/usr/bin/env python3
"""Writes a new version of a parameter in AWS Systems Manager, and moves a label to it.

Type, key and tier of the parameter stay. The service knows no check-and-set: we read the
version right before we write, and the version that the write answers shows whether somebody
came in between. It also deletes no single version: the leaked value stays in the history,
for whoever may read that, until the parameter itself is deleted. The plan says so.
"""

from __future__ import annotations

from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script, state_by
from leakguard.rotate.parts import aws
from leakguard.rotate.parts.holder import read_by, right_one

rotate = script()

ERRORS = aws.ERRORS | {
    "InvalidKeyId": "permission",
    "ParameterMaxVersionLimitExceeded": "quota",
    "ParameterNotFound": "not_found",
    "ParameterVersionNotFound": "not_found",
    "TooManyUpdates": "conflict",
}
ACTIONS = ("ssm:GetParameter", "ssm:GetParameters", "ssm:PutParameter", "ssm:DescribeParameters")
HISTORY = "the history keeps the old value: only deleting the parameter ends that"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether the parameter is there, holds what leaked, and may be written. Changes nothing."""
    with aws.speaking(ERRORS, ["TooManyUpdates"]):
        client = aws.acting(ask, "ssm")
        found = _read(ask, client)
        checks = [
            _secure(found),
            right_one(ask, found["Value"], "parameter"),
            *aws.may(ask, ACTIONS, found["ARN"]),
        ]
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
    with aws.speaking(ERRORS, ["TooManyUpdates"]):
        client = aws.acting(ask, "ssm")
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
    with aws.speaking(ERRORS, ["TooManyUpdates"]):
        found = _read(ask, aws.acting(ask, "ssm"), ask.target.get("label") or "")
    version = found["Version"]
    if found["Value"] != ask.secret("new"):
        raise Fail("conflict", f"version {version} holds another value than the new one")
    return read_by(ask, str(version))


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which value the last version holds, as far as we were given values to compare with."""
    with aws.speaking(ERRORS, ["TooManyUpdates"]):
        found = _read(ask, aws.acting(ask, "ssm"))
    listed = [{"id": str(found["Version"]), "state": "active", "label": ""}]
    return Answer(more={"state": state_by(found["Value"], ask.secrets) | {"credentials": listed}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Write the old value as another version, out of the history when it was not handed over."""
    with aws.speaking(ERRORS, ["TooManyUpdates"]):
        client = aws.acting(ask, "ssm")
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
    return check("the parameter is encrypted", found["Type"] == "SecureString", why)


def _actions(ask: Request) -> list[dict[str, Any]]:
    where = ask.target["name"]
    rows = (
        ("distribute", "put", where, "a new version", "write the old value again"),
        ("confirm", "ask", ask.target.get("health_url") or where, "nothing changes", None),
    )
    return [action(*row) for row in rows]


if __name__ == "__main__":
    rotate.main()
