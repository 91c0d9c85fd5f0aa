"""A new value in AWS Secrets Manager and in Parameter Store, against moto with enforced policies."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import aws, free_port, place
from servers.fake import Asked, Fake, Said

from rotate.drive import (
    SCRIPTS,
    call,
    done,
    failed,
    failing_checks,
    manifest_of,
)

pytestmark = pytest.mark.skipif(bool(aws.available()), reason=f"moto: {aws.available()}")

MANAGER, PARAMETERS = SCRIPTS / "aws-secrets-manager", SCRIPTS / "aws-ssm"


@pytest.fixture(scope="module")
def server() -> Iterator[aws.Server]:
    with place() as folder, aws.start(folder) as running:
        yield running


class Kept:
    """What both kinds of places have in common."""

    def __init__(self, server: aws.Server) -> None:
        self.server = server
        self.name = f"/app/{secrets.token_hex(4)}"
        self.old, self.new = secrets.token_hex(16), secrets.token_hex(16)
        self.more: dict[str, Any] = {}
        self.user = aws.ADMIN
        self.set_up()

    def set_up(self) -> None:
        raise NotImplementedError

    @property
    def where(self) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def parts(self) -> dict[str, Any]:
        key, secret = self.server.keys[self.user]
        common = {"region": "us-east-1", "key_id": key, "endpoint": self.server.url}
        where = common | self.where | self.more
        values = {"old": self.old, "new": self.new, "key": secret}
        return {"target": where, "consumer": where, "secrets": values}


class Secret(Kept):
    """A secret with two fields."""

    def set_up(self) -> None:
        self.client = self.server.client("secretsmanager")
        value = json.dumps({"user": "app_a", "password": self.old})
        self.client.create_secret(Name=self.name, SecretString=value)

    @property
    def where(self) -> dict[str, Any]:
        return {"secret_id": self.name, "field": "password"}

    def held(self) -> Any:
        said = self.client.get_secret_value(SecretId=self.name, VersionStage="AWSCURRENT")
        return json.loads(said["SecretString"])

    def stages(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = self.client.describe_secret(SecretId=self.name)
        return {one: stages for one, stages in found["VersionIdsToStages"].items() if stages}


class Parameter(Kept):
    """An encrypted parameter."""

    def set_up(self) -> None:
        self.client = self.server.client("ssm")
        self.client.put_parameter(Name=self.name, Value=self.old, Type="SecureString")

    @property
    def where(self) -> dict[str, Any]:
        return {"name": self.name}

    def held(self, selector: str = "") -> tuple[str, str, int]:
        said = self.client.get_parameter(Name=self.name + selector, WithDecryption=True)
        one = said["Parameter"]
        return one["Value"], one["Type"], one["Version"]


@pytest.fixture
def secret(server: aws.Server) -> Secret:
    return Secret(server)


@pytest.fixture
def parameter(server: aws.Server) -> Parameter:
    return Parameter(server)


class Reader(Fake):
    """An application that tells which version it has read."""

    version: Any = None

    def answer(self, _: Asked) -> Said:
        return Said(200, {"version": self.version})


@pytest.mark.parametrize("script", [MANAGER, PARAMETERS], ids=lambda one: one.name)
def test_the_scripts_are_what_their_manifests_say(script: Any) -> None:
    said = call(script, "describe", target={})["capabilities"]
    assert said["dry_run"] == manifest_of(script)["dry_run"]


# Secrets Manager


def test_a_version_becomes_current_and_the_leaked_one_loses_its_last_stage(
    secret: Secret,
) -> None:
    plan = done(MANAGER, "plan", **secret.parts)
    assert failing_checks(plan) == []
    before = secret.stages()
    done(MANAGER, "distribute", **secret.parts, plan=plan, dry_run=True)
    assert secret.stages() == before
    assert done(MANAGER, "distribute", **secret.parts, plan=plan)["status"] == "done"
    assert secret.held() == {"user": "app_a", "password": secret.new}
    (only,) = secret.stages().items()
    assert only[0] not in plan["known"]
    assert only[1] == ["AWSCURRENT"]
    assert done(MANAGER, "distribute", **secret.parts, plan=plan)["status"] == "already"
    assert dict([only]) == secret.stages()
    said = done(MANAGER, "confirm", **secret.parts)
    assert (said["status"], said["method"]) == ("done", "config")


def test_a_crash_after_pending_is_made_good(secret: Secret) -> None:
    """The first try came as far as AWSPENDING."""
    plan = done(MANAGER, "plan", **secret.parts)
    value = json.dumps({"user": "app_a", "password": secret.new})
    ours = done(MANAGER, "distribute", **secret.parts, dry_run=True)["observed"][0].split()[1]
    secret.client.put_secret_value(
        SecretId=secret.name, ClientRequestToken=ours, SecretString=value,
        VersionStages=["AWSPENDING"],
    )  # fmt: skip
    assert failing_checks(done(MANAGER, "plan", **secret.parts)) == []
    done(MANAGER, "distribute", **secret.parts, plan=plan)
    assert secret.stages() == {ours: ["AWSCURRENT"]}


def test_the_way_back_makes_the_version_of_before_current(secret: Secret) -> None:
    plan = done(MANAGER, "plan", **secret.parts)
    done(MANAGER, "distribute", **secret.parts, plan=plan)
    done(MANAGER, "rollback", **secret.parts, plan=plan)
    assert secret.held()["password"] == secret.old
    assert list(secret.stages().values()) == [["AWSCURRENT"]]
    assert done(MANAGER, "rollback", **secret.parts, plan=plan)["status"] == "already"
    state = done(MANAGER, "observe", **secret.parts)["state"]
    assert (state["old"], state["new"]) == ("active", "absent")


def test_the_public_half_goes_along_and_the_whole_value_can_be_one(secret: Secret) -> None:
    secret.more = {"id_field": "user"}
    done(MANAGER, "distribute", **secret.parts, new={"user": "app_b"})
    assert secret.held() == {"user": "app_b", "password": secret.new}
    secret.more = {"field": "", "expect_old": False}
    done(MANAGER, "distribute", **secret.parts)
    said = secret.client.get_secret_value(SecretId=secret.name, VersionStage="AWSCURRENT")
    assert said["SecretString"] == secret.new


def test_somebody_elses_version_is_not_pushed_aside(secret: Secret) -> None:
    plan = done(MANAGER, "plan", **secret.parts)
    value = json.dumps({"user": "app_a", "password": secret.old, "host": "db2"})
    secret.client.put_secret_value(SecretId=secret.name, SecretString=value)
    assert failed(MANAGER, "distribute", **secret.parts, plan=plan) == "conflict"
    assert secret.held()["host"] == "db2"
    assert failed(MANAGER, "rollback", **secret.parts, plan=plan) == "conflict"


def test_another_rotation_under_way_stands_in_the_way(secret: Secret) -> None:
    other = secrets.token_hex(20)
    secret.client.put_secret_value(
        SecretId=secret.name, ClientRequestToken=other, SecretString="{}",
        VersionStages=["AWSPENDING"],
    )  # fmt: skip
    secret.old = secrets.token_hex(4)
    assert failing_checks(done(MANAGER, "plan", **secret.parts)) == [
        "no other rotation is under way", "the secret holds the value that leaked",
    ]  # fmt: skip


def test_it_is_confirmed_by_who_reads_it(secret: Secret) -> None:
    reader = Reader()
    assert failed(MANAGER, "confirm", **secret.parts) == "conflict"
    done(MANAGER, "distribute", **secret.parts)
    with reader.serving():
        secret.more = {"health_url": reader.url}
        assert done(MANAGER, "confirm", **secret.parts)["status"] == "pending"
        (reader.version,) = secret.stages()
        assert done(MANAGER, "confirm", **secret.parts)["status"] == "done"


# Parameter Store


def test_a_parameter_gets_a_version_and_stays_what_it_is(parameter: Parameter) -> None:
    parameter.more = {"label": "live"}
    plan = done(PARAMETERS, "plan", **parameter.parts)
    assert failing_checks(plan) == []
    assert "the history keeps the old value" in plan["observed"][0]
    done(PARAMETERS, "distribute", **parameter.parts, plan=plan, dry_run=True)
    assert parameter.held() == (parameter.old, "SecureString", 1)
    assert done(PARAMETERS, "distribute", **parameter.parts, plan=plan)["status"] == "done"
    assert parameter.held(":live") == (parameter.new, "SecureString", 2)
    assert done(PARAMETERS, "distribute", **parameter.parts, plan=plan)["status"] == "already"
    assert parameter.held()[2] == 2
    assert done(PARAMETERS, "confirm", **parameter.parts)["method"] == "config"
    without = {name: one for name, one in parameter.parts["secrets"].items() if name != "old"}
    done(PARAMETERS, "rollback", **parameter.parts | {"secrets": without}, plan=plan)
    assert parameter.held(":live") == (parameter.old, "SecureString", 3)
    state = done(PARAMETERS, "observe", **parameter.parts)["state"]
    assert (state["old"], state["new"]) == ("active", "absent")


def test_a_parameter_that_somebody_wrote_is_left_alone(parameter: Parameter) -> None:
    plan = done(PARAMETERS, "plan", **parameter.parts)
    other = secrets.token_hex(8)
    parameter.client.put_parameter(
        Name=parameter.name, Value=other, Type="SecureString", Overwrite=True
    )
    assert failed(PARAMETERS, "distribute", **parameter.parts, plan=plan) == "conflict"
    assert failed(PARAMETERS, "rollback", **parameter.parts, plan=plan) == "conflict"
    assert parameter.held()[0] == other


def test_a_parameter_in_the_clear_and_its_readers(parameter: Parameter) -> None:
    reader = Reader()
    done(PARAMETERS, "distribute", **parameter.parts)
    with reader.serving():
        parameter.more = {"health_url": reader.url}
        for version, status in ((1, "pending"), (2, "done")):
            reader.version = version
            assert done(PARAMETERS, "confirm", **parameter.parts)["status"] == status
    parameter.more, parameter.name = {}, f"/app/{secrets.token_hex(4)}"
    parameter.client.put_parameter(Name=parameter.name, Value=parameter.old, Type="String")
    assert failing_checks(done(PARAMETERS, "plan", **parameter.parts)) == [
        "the parameter is encrypted"
    ]


# Both


@pytest.fixture(params=["secret", "parameter"])
def either(request: pytest.FixtureRequest) -> tuple[Any, Kept]:
    script = MANAGER if request.param == "secret" else PARAMETERS
    return script, request.getfixturevalue(request.param)


def test_who_may_not_is_told_so(either: tuple[Any, Kept]) -> None:
    script, kept = either
    kept.user = aws.USER  # it has no policy at all
    assert failed(script, "plan", **kept.parts) == "permission"
    assert failed(script, "distribute", **kept.parts) == "permission"


def test_a_permission_that_only_writing_needs_is_missed_by_the_plan(
    either: tuple[Any, Kept],
) -> None:
    script, kept = either
    user = f"reader-{secrets.token_hex(3)}"
    iam = kept.server.client("iam")
    iam.create_user(UserName=user)
    made = iam.create_access_key(UserName=user)["AccessKey"]
    kept.server.keys[user] = (made["AccessKeyId"], made["SecretAccessKey"])
    may = ["iam:Simulate*", "sts:*", "ssm:Get*", "ssm:Describe*",
           "secretsmanager:Get*", "secretsmanager:Describe*"]  # fmt: skip
    statement = {"Effect": "Allow", "Action": may, "Resource": "*"}
    iam.put_user_policy(UserName=user, PolicyName="reads", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": statement}))  # fmt: skip
    kept.user = user
    found = failing_checks(done(script, "plan", **kept.parts))
    assert found
    assert all("Put" in one or "Update" in one for one in found)


def test_nobody_there_and_a_wrong_key(either: tuple[Any, Kept]) -> None:
    script, kept = either
    parts = kept.parts
    wrong = parts["secrets"] | {"key": secrets.token_hex(20)}
    # AWS says InvalidSignatureException; moto answers in XML, of which 403 is all that arrives.
    assert failed(script, "distribute", **parts | {"secrets": wrong}) == "permission"
    kept.more = {"endpoint": f"http://127.0.0.1:{free_port()}"}
    assert failed(script, "distribute", **kept.parts) == "network"
    kept.more = {"secret_id": "none"} if script == MANAGER else {"name": "none"}
    assert failed(script, "plan", **kept.parts) == "not_found"
