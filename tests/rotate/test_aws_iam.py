"""Rotating an access key of an IAM user, against moto with enforced signatures and policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from servers import aws, free_port, place

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

pytestmark = pytest.mark.skipif(bool(aws.available()), reason=f"moto: {aws.available()}")

SCRIPT = SCRIPTS / "aws-iam-access-key"


class Case:
    """One user with a leaked key, and what a rotation of it knows so far."""

    def __init__(self, server: aws.Server, user: str) -> None:
        self.server, self.user = server, user
        self.iam = server.client("iam")
        self.iam.create_user(UserName=user)
        self.leaked, self.value = self.make_key()
        self.secrets = {"admin": server.keys[aws.ADMIN][1], "old": self.value}
        self.target = {
            "user": user,
            "admin_key_id": server.keys[aws.ADMIN][0],
            "endpoint": server.url,
            "region": "us-east-1",
        }
        self.parts: dict[str, Any] = {"old": {"id": self.leaked}}

    def make_key(self) -> tuple[str, str]:
        made = self.iam.create_access_key(UserName=self.user)["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]

    def do(self, phase: str, **more: Any) -> dict[str, Any]:
        return done(SCRIPT, phase, **self._all(more))

    def fail(self, phase: str, **more: Any) -> str:
        return failed(SCRIPT, phase, **self._all(more))

    def _all(self, more: dict[str, Any]) -> dict[str, Any]:
        return {"target": self.target, "secrets": self.secrets, **self.parts, **more}

    def plan(self) -> dict[str, Any]:
        self.parts["plan"] = self.do("plan")
        return self.parts["plan"]

    def create(self) -> None:
        made = self.do("create")
        self.parts["new"] = made["new"]
        self.secrets["new"] = made["secrets"]["new"]

    def listed(self) -> dict[str, str]:
        found = self.iam.list_access_keys(UserName=self.user)["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in found}

    def probe(self, **more: Any) -> dict[str, Any]:
        said: dict[str, Any] = self.do("probe", **more)["probe"]
        return said

    def without(self, slot: str) -> dict[str, str]:
        return {name: value for name, value in self.secrets.items() if name != slot}


@pytest.fixture(scope="module")
def server() -> Iterator[aws.Server]:
    with place() as folder, aws.start(folder) as running:
        yield running


@pytest.fixture
def case(server: aws.Server, request: pytest.FixtureRequest) -> Case:
    return Case(server, f"user-{abs(hash(request.node.name)) % 10**9}")


def test_the_script_is_what_its_manifest_says() -> None:
    manifest = manifest_of(SCRIPT)
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said == {name: manifest[name] for name in said}


def test_a_leaked_key_is_replaced_disabled_and_deleted(case: Case) -> None:
    before = case.listed()
    plan = case.plan()
    assert failing_checks(plan) == []
    assert plan["known"] == [case.leaked]
    assert case.listed() == before

    case.create()
    new = case.parts["new"]["id"]
    assert case.do("verify_new")["status"] == "done"
    assert case.probe()["old"] == case.probe()["new"] == "accepted"

    assert case.do("disable_old")["status"] == "done"
    assert case.do("disable_old")["status"] == "already"
    assert case.listed() == {case.leaked: "Inactive", new: "Active"}
    # moto still accepts the Inactive key: only what IAM lists can tell here.
    listed = case.probe(secrets=case.without("old"))
    assert (listed["new"], listed["old"], listed["method"]) == ("accepted", "refused", "metadata")

    assert case.do("destroy_old")["status"] == "done"
    assert case.do("destroy_old")["status"] == "already"
    assert case.listed() == {new: "Active"}
    said = case.probe()
    assert (said["new"], said["old"], said["old_error"]) == ("accepted", "refused", "auth")
    assert said["method"] == "login"


def test_temporary_credentials_end_by_a_deny_on_their_age(case: Case) -> None:
    case.server.client("iam").create_role(
        RoleName="reader", AssumeRolePolicyDocument=aws.EVERYTHING
    )
    case.target["roles"] = "reader"
    assert case.probe(secrets=case.without("new"))["derived"] == "unknown"
    assert case.do("kill_derived")["status"] == "done"
    assert case.do("kill_derived")["status"] == "already"
    on_user = case.iam.get_user_policy(UserName=case.user, PolicyName="LeakguardDenyOlderSessions")
    on_role = case.iam.get_role_policy(RoleName="reader", PolicyName="AWSRevokeOlderSessions")
    for document in (on_user["PolicyDocument"], on_role["PolicyDocument"]):
        assert document["Statement"]["Effect"] == "Deny"
        assert "aws:TokenIssueTime" in json.dumps(document["Statement"]["Condition"])
    assert case.probe(secrets=case.without("new"))["derived"] == "none"


def test_a_key_whose_secret_was_lost_in_a_crash_is_deleted_and_made_again(case: Case) -> None:
    case.plan()
    lost = case.do("create")["new"]["id"]  # the answer never reaches the journal
    again = case.do("create")
    assert lost not in case.listed()
    assert set(case.listed()) == {case.leaked, again["new"]["id"]}
    assert lost in again["observed"][0]


def test_a_key_that_somebody_uses_is_not_taken_for_a_lost_one(case: Case) -> None:
    case.plan()
    somebodys, value = case.make_key()
    case.server.keys["somebody"] = (somebodys, value)
    case.server.client("sts", "somebody").get_caller_identity()
    assert case.fail("create") == "conflict"
    assert somebodys in case.listed()


def test_two_keys_leave_no_room_and_the_plan_says_which_could_go(case: Case) -> None:
    other, _ = case.make_key()
    plan = case.plan()
    assert failing_checks(plan) == ["there is room for a second key"]
    assert any(other in check["detail"] for check in plan["checks"])
    assert case.fail("create") == "quota"
    assert set(case.listed()) == {case.leaked, other}


def test_the_leaked_identity_never_acts(case: Case) -> None:
    case.iam.put_user_policy(UserName=case.user, PolicyName="all", PolicyDocument=aws.EVERYTHING)
    other, value = case.make_key()
    for key, secret in ((case.leaked, case.value), (other, value)):
        case.target["admin_key_id"], case.secrets["admin"] = key, secret
        plan = case.do("plan", secrets=case.without("old"))
        assert "the acting identity is not the leaked one" in failing_checks(plan)


def test_a_missing_permission_shows_in_the_plan_and_changes_nothing(case: Case) -> None:
    admin = Case(case.server, f"{case.user}-admin")
    policy = {"Effect": "Deny", "Action": "iam:DeleteAccessKey", "Resource": "*"}
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow, policy]})
    case.iam.put_user_policy(UserName=admin.user, PolicyName="most", PolicyDocument=document)
    case.target["admin_key_id"], case.secrets["admin"] = admin.leaked, admin.value
    assert failing_checks(case.plan()) == ["may iam:DeleteAccessKey"]


def test_without_simulation_a_change_of_no_key_tells_the_permission(case: Case) -> None:
    admin = Case(case.server, f"{case.user}-admin")
    reading = ["iam:List*", "iam:GetAccessKeyLastUsed"]
    for actions, expected in (
        (reading, ["may iam:UpdateAccessKey"]),
        ([*reading, "iam:UpdateAccessKey"], []),
    ):
        allow = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = {"Version": "2012-10-17", "Statement": allow}
        case.iam.put_user_policy(
            UserName=admin.user, PolicyName="some", PolicyDocument=json.dumps(document)
        )
        case.target["admin_key_id"], case.secrets["admin"] = admin.leaked, admin.value
        assert failing_checks(case.plan()) == expected
    assert case.fail("create") == "permission"


def test_a_quarantine_that_aws_attached_is_told_and_left(case: Case) -> None:
    made = case.iam.create_policy(
        PolicyName="AWSCompromisedKeyQuarantineV3", PolicyDocument=aws.EVERYTHING
    )
    case.iam.attach_user_policy(UserName=case.user, PolicyArn=made["Policy"]["Arn"])
    said = case.plan()["observed"]
    assert any("never detach" in line for line in said)
    case.create()
    case.do("disable_old")
    case.do("destroy_old")
    attached = case.iam.list_attached_user_policies(UserName=case.user)["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["AWSCompromisedKeyQuarantineV3"]


def test_rollback_before_the_end_brings_the_old_key_back_and_removes_the_new(case: Case) -> None:
    case.plan()
    case.create()
    case.do("disable_old")
    case.do("kill_derived")
    assert len(case.do("rollback")["observed"]) == 3
    assert case.listed() == {case.leaked: "Active"}
    assert case.iam.list_user_policies(UserName=case.user)["PolicyNames"] == []
    assert case.do("rollback")["status"] == "already"
    case.do("destroy_old", new={})
    assert case.fail("rollback") == "not_found"


def test_observe_tells_the_truth_at_every_stage(case: Case) -> None:
    def state() -> tuple[str, str]:
        said = case.do("observe")["state"]
        return said["old"], said["new"]

    case.plan()
    assert state() == ("active", "unknown")
    case.create()
    assert state() == ("active", "active")
    case.do("disable_old")
    assert state() == ("disabled", "active")
    case.do("destroy_old")
    assert state() == ("absent", "active")


def test_a_server_that_is_down_is_unreachable_never_refused(case: Case) -> None:
    case.plan()
    case.create()
    case.target["endpoint"] = f"http://127.0.0.1:{free_port()}"
    said = case.probe()
    assert (said["new"], said["old"]) == ("unreachable", "unreachable")
    assert case.fail("verify_new") == "network"


def test_a_wrong_admin_secret_is_an_auth_error_and_no_quote(case: Case) -> None:
    answer = call(
        SCRIPT, "plan", target=case.target, old=case.parts["old"],
        secrets={"admin": "wrong" * 8, "old": case.value},
    )  # fmt: skip
    assert answer["error"]["class"] == "auth"
    assert case.leaked not in answer["error"]["message"]


def test_the_leaked_value_tells_which_of_the_keys_it_is(case: Case) -> None:
    other, value = case.make_key()
    case.parts["old"] = {"id": "A_NAME_IN_SOME_FILE"}
    assert case.do("plan")["old"] == {"id": case.leaked}
    case.secrets["old"] = value
    assert case.do("plan")["old"] == {"id": other}
    assert "the leaked key belongs to the user" in failing_checks(
        case.do("plan", secrets=case.without("old"))
    )
