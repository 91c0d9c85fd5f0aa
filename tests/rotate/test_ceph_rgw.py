"""Rotating an S3 key of a Ceph RGW user: the real gateways, with a monitor and an OSD behind."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from servers import ceph, free_port, place

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

pytestmark = pytest.mark.skipif(bool(ceph.available()), reason=f"ceph: {ceph.available()}")

SCRIPT = SCRIPTS / "ceph-rgw-key"


class Case:
    """One user with a leaked key, and what a rotation of it knows so far."""

    def __init__(self, server: ceph.Server, endpoint: str) -> None:
        self.server, self.user = server, f"app-{secrets.token_hex(4)}"
        self.leaked, self.value = server.user(self.user)
        self.target = {
            "user": self.user,
            "admin_key_id": server.keys[ceph.ADMIN][0],
            "endpoint": endpoint,
        }
        self.secrets = {"admin": server.keys[ceph.ADMIN][1], "old": self.value}
        self.parts: dict[str, Any] = {"old": {"id": self.leaked}}

    def do(self, phase: str, **more: Any) -> dict[str, Any]:
        return done(SCRIPT, phase, **self._all(more))

    def fail(self, phase: str, **more: Any) -> str:
        return failed(SCRIPT, phase, **self._all(more))

    def _all(self, more: dict[str, Any]) -> dict[str, Any]:
        return {"target": self.target, "secrets": self.secrets, **self.parts, **more}

    def plan(self) -> dict[str, Any]:
        self.parts["plan"] = self.do("plan")
        return self.parts["plan"]

    def create(self) -> dict[str, Any]:
        made = self.do("create")
        self.parts["new"] = made["new"]
        self.secrets["new"] = made["secrets"]["new"]
        return made

    def acts(self, name: str) -> None:
        self.target["admin_key_id"], self.secrets["admin"] = self.server.keys[name]

    def listed(self) -> dict[str, str]:
        return self.server.listed(self.user)

    def probed(self, **more: Any) -> tuple[str, str, str]:
        said = self.do("probe", **more)["probe"]
        return said["new"], said["old"], said["derived"]

    def without(self, slot: str) -> dict[str, str]:
        return {name: value for name, value in self.secrets.items() if name != slot}


@pytest.fixture(scope="module")
def server() -> Iterator[ceph.Server]:
    with place() as folder, ceph.start(folder) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(server: ceph.Server) -> ceph.Gateway:
    return server.gateway()


@pytest.fixture(scope="module")
def with_sessions(server: ceph.Server) -> ceph.Gateway:
    return server.gateway(sts=True)


@pytest.fixture
def case(server: ceph.Server, gateway: ceph.Gateway) -> Case:
    return Case(server, gateway.url)


def test_the_script_is_what_its_manifest_says() -> None:
    manifest = manifest_of(SCRIPT)
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said == {name: manifest[name] for name in said}


def test_a_leaked_key_is_replaced_and_deleted(case: Case) -> None:
    before = case.listed()
    plan = case.plan()
    assert failing_checks(plan) == []
    assert plan["known"] == [case.leaked]
    assert case.listed() == before  # the probe of the permission deleted nothing

    case.create()
    assert case.do("verify_new")["status"] == "done"
    assert case.probed() == ("accepted", "accepted", "none")
    assert case.do("disable_old")["status"] == "done"
    assert case.do("disable_old")["status"] == "already"
    assert case.probed() == ("accepted", "refused", "none")
    assert case.do("probe")["probe"]["old_error"] == "auth"
    assert case.do("destroy_old")["status"] == "already"
    assert list(case.listed()) == [case.parts["new"]["id"]]
    assert case.fail("rollback") == "not_found"


def test_a_key_whose_answer_was_lost_is_found_again_not_made_twice(case: Case) -> None:
    case.plan()
    lost = case.do("create")  # the answer never reaches the journal
    again = case.do("create")
    assert (lost["status"], again["status"]) == ("done", "already")
    # Not ==, which would print both.
    assert (lost["secrets"]["new"] == again["secrets"]["new"]) is True
    assert set(case.listed()) == {case.leaked, again["new"]["id"]}


def test_no_value_stands_in_the_log_of_the_gateway(case: Case, gateway: ceph.Gateway) -> None:
    case.plan()
    case.create()
    case.do("verify_new")
    case.do("disable_old")
    log = gateway.said()
    assert case.parts["new"]["id"] in log  # the log does hold what is asked for
    assert sum(value in log for value in case.secrets.values()) == 0


def test_a_subusers_key_is_replaced_by_one_of_the_subuser(case: Case) -> None:
    sub = f"{case.user}:sub"
    case.server.admin("subuser", "create", f"--uid={case.user}", f"--subuser={sub}",
                      "--access=read")  # fmt: skip
    made = case.server.admin("key", "create", f"--uid={case.user}", f"--subuser={sub}",
                             "--key-type=s3", "--gen-access-key", "--gen-secret")  # fmt: skip
    mine = next(key for key in made["keys"] if key["user"] == sub)
    case.parts["old"] = {"id": mine["access_key"]}
    case.secrets["old"] = mine["secret_key"]
    case.plan()
    case.create()
    keys = case.server.admin("user", "info", f"--uid={case.user}")["keys"]
    owners = {key["access_key"]: key["user"] for key in keys}
    assert owners[case.parts["new"]["id"]] == sub
    case.do("disable_old")
    assert case.probed() == ("accepted", "refused", "none")
    assert case.leaked in case.listed()


def test_rollback_before_the_end_removes_the_new_key(case: Case) -> None:
    case.plan()
    case.create()
    assert case.do("rollback")["status"] == "done"
    assert case.do("rollback")["status"] == "already"
    assert list(case.listed()) == [case.leaked]


def test_observe_tells_the_truth_at_every_stage(case: Case) -> None:
    def state() -> tuple[str, str]:
        said = case.do("observe")["state"]
        return said["old"], said["new"]

    case.plan()
    assert state() == ("active", "unknown")
    case.create()
    assert state() == ("active", "active")
    case.server.admin("user", "suspend", f"--uid={case.user}")
    assert state() == ("disabled", "disabled")
    case.server.admin("user", "enable", f"--uid={case.user}")
    case.do("disable_old")
    assert state() == ("absent", "active")


def test_a_suspended_user_is_no_dead_key(case: Case) -> None:
    case.plan()
    case.create()
    case.server.admin("user", "suspend", f"--uid={case.user}")
    assert case.probed()[:2] == ("refused", "unknown")
    assert case.fail("verify_new") == "auth"
    assert failing_checks(case.do("plan")) == ["the user is not suspended"]


def test_without_the_leaked_value_a_wrong_one_tells_whether_the_key_lives(case: Case) -> None:
    case.plan()
    case.create()
    assert case.probed(secrets=case.without("old"))[1] == "accepted"
    case.do("disable_old")
    assert case.probed(secrets=case.without("old"))[1] == "refused"


def test_the_leaked_value_tells_which_of_the_keys_it_is(case: Case) -> None:
    case.parts["old"] = {"id": "A_NAME_IN_SOME_FILE"}
    assert case.do("plan")["old"] == {"id": case.leaked}
    failing = failing_checks(case.do("plan", secrets=case.without("old")))
    assert failing == ["the leaked key belongs to the user"]


def test_the_leaked_identity_and_one_without_permission_never_act(case: Case) -> None:
    case.acts(ceph.READER)
    assert failing_checks(case.plan()) == ["may change keys"]
    assert case.fail("create") == "permission"
    case.acts(case.user)
    assert failing_checks(case.do("plan")) == ["the admin API shows the user"]
    case.server.admin("caps", "add", f"--uid={case.user}", "--caps=users=*")
    assert failing_checks(case.do("plan")) == ["the acting identity is not the leaked one"]
    assert list(case.listed()) == [case.leaked]


def test_a_wrong_admin_key_shows_in_the_plan(case: Case) -> None:
    for key, secret in ((secrets.token_hex(10), secrets.token_hex(20)),
                        (case.target["admin_key_id"], secrets.token_hex(20))):  # fmt: skip
        case.target["admin_key_id"], case.secrets["admin"] = key, secret
        assert failing_checks(case.do("plan")) == ["the admin API shows the user"]
        assert case.fail("observe") == "auth"


def test_a_user_that_is_not_there_shows_in_the_plan(case: Case) -> None:
    case.target["user"] = "nobody"
    assert failing_checks(case.do("plan")) == ["the admin API shows the user"]
    assert case.fail("create", plan={"snapshot": {"new_id": "0" * 20}}) == "not_found"


def test_every_gateway_has_to_refuse_it(
    case: Case, gateway: ceph.Gateway, with_sessions: ceph.Gateway
) -> None:
    case.target["gateways"] = with_sessions.url
    plan = case.plan()
    assert failing_checks(plan) == []
    assert any("temporary credentials" in line for line in plan["observed"])
    case.create()
    case.do("verify_new")
    assert case.probed() == ("accepted", "accepted", "unknown")
    case.do("disable_old")
    assert case.probed() == ("accepted", "refused", "unknown")
    case.target["gateways"] = f"http://127.0.0.1:{free_port()}"
    assert case.probed() == ("unreachable", "unreachable", "unknown")


def test_a_role_that_was_assumed_outlives_the_key_and_is_never_called_dead(
    case: Case, with_sessions: ceph.Gateway
) -> None:
    case.target["endpoint"] = with_sessions.url
    session = _assumed(case, with_sessions)
    case.plan()
    case.create()
    case.do("disable_old")
    assert case.probed() == ("accepted", "refused", "unknown")
    assert session.list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200


def _assumed(case: Case, gateway: ceph.Gateway) -> Any:
    """S3 with what STS gave to the leaked key."""
    import json

    import boto3

    user = {"AWS": [f"arn:aws:iam:::user/{case.user}"]}
    trust = {"Effect": "Allow", "Principal": user, "Action": ["sts:AssumeRole"]}
    allow = {"Effect": "Allow", "Action": ["s3:*"], "Resource": "arn:aws:s3:::*"}
    role = f"--role-name={case.user}"
    for words, document in (
        (("role", "create", role, "--assume-role-policy-doc={}"), trust),
        (("role-policy", "put", role, "--policy-name=all", "--policy-doc={}"), allow),
    ):
        policy = json.dumps({"Version": "2012-10-17", "Statement": [document]})
        case.server.admin(*words[:-1], words[-1].format(policy))
    with_key = {"region_name": "us-east-1", "endpoint_url": gateway.url}
    sts = boto3.client("sts", aws_access_key_id=case.leaked, aws_secret_access_key=case.value,
                       **with_key)  # fmt: skip
    made = sts.assume_role(RoleArn=f"arn:aws:iam:::role/{case.user}", RoleSessionName="leak")
    given = made["Credentials"]
    return boto3.client(
        "s3", aws_access_key_id=given["AccessKeyId"], aws_session_token=given["SessionToken"],
        aws_secret_access_key=given["SecretAccessKey"], **with_key,
    )  # fmt: skip


def test_a_gateway_that_is_down_is_unreachable_never_refused(case: Case) -> None:
    case.plan()
    case.create()
    case.do("disable_old")
    case.target["endpoint"] = f"http://127.0.0.1:{free_port()}"
    assert case.probed() == ("unreachable", "unreachable", "unknown")
    assert case.fail("verify_new") == "network"
    assert case.fail("disable_old") == "network"
    case.target["endpoint"] = "http://10.0.0.1"
    assert case.fail("observe") == "unsupported"


def test_a_gateway_that_hangs_meanwhile_knows_of_the_end_when_it_wakes(
    case: Case, server: ceph.Server
) -> None:
    other = server.gateway()
    case.target["gateways"] = other.url
    case.plan()
    case.create()
    assert case.probed()[1] == "accepted"  # it has the key in its cache now
    other.process.send(signal.SIGSTOP)
    try:
        del case.target["gateways"]
        case.do("disable_old")  # waits for the other one, in vain
    finally:
        other.process.send(signal.SIGCONT)
    case.target["gateways"] = other.url
    assert case.probed() == ("accepted", "refused", "none")
