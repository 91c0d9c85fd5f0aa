"""A new value in a Kubernetes Secret counts when the pods that read it are new, too."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, kubernetes
from servers.github_api import Said

from rotate.drive import (
    ROTATION,
    SCRIPTS,
    call,
    done,
    failed,
    failing_checks,
    hurried,
    manifest_of,
)

SCRIPT = SCRIPTS / "kubernetes-secret"
SECRET = "/api/v1/namespaces/default/secrets/db"
ALL = ("get secrets", "patch secrets", "get deployments", "patch deployments", "list pods")


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


class Cluster:
    """A Secret, a Deployment that reads it, and what a script is told of them."""

    def __init__(self, server: kubernetes.Kubernetes) -> None:
        self.server = server
        self.old, self.new = secrets.token_hex(16), secrets.token_hex(16)
        server.secret("db", {"user": encoded("app_a"), "password": encoded(self.old)})
        server.deployment("web")
        self.token = server.account(*ALL)
        self.more: dict[str, Any] = {"workloads": "deployment/web"}

    @property
    def parts(self) -> dict[str, Any]:
        where = {"server": self.server.url, "secret": "db", "key": "password"} | self.more
        values = {"old": self.old, "new": self.new, "token": self.token}
        return {"target": where, "consumer": where, "secrets": values}

    def held(self, key: str = "password") -> str:
        return base64.b64decode(self.server.objects[SECRET]["data"][key]).decode()

    def confirmed(self) -> str:
        status: str = done(SCRIPT, "confirm", **self.parts)["status"]
        return status


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with kubernetes.start() as server:
        yield Cluster(server)


def test_the_script_is_what_its_manifest_says() -> None:
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said["dry_run"] == manifest_of(SCRIPT)["dry_run"]


def test_a_plan_asks_the_server_and_changes_nothing(cluster: Cluster) -> None:
    before = repr(cluster.server.objects)
    plan = done(SCRIPT, "plan", **cluster.parts)
    assert failing_checks(plan) == []
    assert repr(cluster.server.objects) == before
    assert [action["target"] for action in plan["actions"]] == [
        "Secret default/db", "deployment/web",
    ]  # fmt: skip


def test_it_is_confirmed_when_no_pod_is_older_than_the_secret(cluster: Cluster) -> None:
    assert done(SCRIPT, "distribute", **cluster.parts)["status"] == "done"
    assert (cluster.held(), cluster.held("user")) == (cluster.new, "app_a")
    assert cluster.confirmed() == "pending"  # the controller has done nothing yet
    cluster.server.roll(keep=1)
    assert cluster.confirmed() == "pending"  # one old pod is left
    cluster.server.roll(ready=False)
    assert cluster.confirmed() == "pending"  # the new ones are not ready
    cluster.server.roll()
    assert cluster.confirmed() == "done"
    cluster.server.pods[0]["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    assert cluster.confirmed() == "pending"


def test_a_pod_that_claims_to_be_older_than_the_secret_is_not_believed(cluster: Cluster) -> None:
    hurried(SCRIPT, "distribute", **cluster.parts)
    cluster.server.roll()
    cluster.server.pods[0]["status"]["startTime"] = "2001-01-01T00:00:00Z"
    said = done(SCRIPT, "confirm", **cluster.parts)
    assert said["status"] == "pending"
    assert cluster.server.pods[0]["metadata"]["name"] in said["observed"][0]


def test_a_second_time_restarts_nobody(cluster: Cluster) -> None:
    hurried(SCRIPT, "distribute", **cluster.parts)
    before = repr(cluster.server.objects)
    assert done(SCRIPT, "distribute", **cluster.parts)["status"] == "already"
    assert repr(cluster.server.objects) == before


def test_a_crash_between_the_secret_and_the_restart_is_made_good(cluster: Cluster) -> None:
    cluster.more = {"workloads": ""}
    hurried(SCRIPT, "distribute", **cluster.parts)
    assert hurried(SCRIPT, "confirm", **cluster.parts)["method"] == "config"
    cluster.more = {"workloads": "deployment/web"}
    assert cluster.confirmed() == "pending"
    assert hurried(SCRIPT, "distribute", **cluster.parts)["observed"] == [
        "restarted deployment/web"
    ]
    cluster.server.roll()
    assert cluster.confirmed() == "done"


def test_the_public_half_goes_along_and_comes_back(cluster: Cluster) -> None:
    cluster.more |= {"id_key": "user"}
    known = {"new": {"user": "app_b"}, "old": {"user": "app_a"}}
    hurried(SCRIPT, "distribute", **cluster.parts, **known)
    assert (cluster.held(), cluster.held("user")) == (cluster.new, "app_b")
    hurried(SCRIPT, "rollback", **cluster.parts, **known)
    assert (cluster.held(), cluster.held("user")) == (cluster.old, "app_a")
    path = "/apis/apps/v1/namespaces/default/deployments/web"
    notes = cluster.server.objects[path]["spec"]["template"]["metadata"]["annotations"]
    assert notes["leakguard/rotation"] == f"{ROTATION}-back"
    assert hurried(SCRIPT, "rollback", **cluster.parts, **known)["status"] == "already"


def test_somebody_elses_write_wins(cluster: Cluster) -> None:
    stale = Said(200, dict(cluster.server.objects[SECRET]))
    cluster.server.secret("db", {"password": encoded(cluster.old), "host": encoded("db2")})
    cluster.server.faults = [stale]  # what we read before they wrote
    answer = call(SCRIPT, "distribute", **cluster.parts)
    assert answer["error"]["class"] == "conflict"
    assert cluster.held() == cluster.old
    state = done(SCRIPT, "observe", **cluster.parts)["state"]
    assert (state["old"], state["new"]) == ("active", "absent")


@pytest.mark.parametrize("gone", ALL)
def test_each_missing_permission_is_named(cluster: Cluster, gone: str) -> None:
    cluster.token = cluster.server.account(*(one for one in ALL if one != gone))
    names = failing_checks(hurried(SCRIPT, "plan", **cluster.parts))
    assert len(names) == 1
    assert names[0].startswith(f"may {gone}")


def test_what_stands_in_the_way_is_said_before(cluster: Cluster) -> None:
    owner = {"ownerReferences": [{"kind": "ExternalSecret", "name": "db"}]}
    data = {"password": encoded(secrets.token_hex(4))}
    cluster.server.secret("db", data, immutable=True, metadata=owner)
    cluster.more = {"workloads": "deployment/web deployment/gone"}
    assert failing_checks(hurried(SCRIPT, "plan", **cluster.parts)) == [
        "nothing else owns the Secret",
        "the Secret may change",
        "the key holds the value that leaked",
        "the server would take a new value",
        "deployment/gone is there",
    ]
    cluster.more = {"workloads": "cronjob/x"}
    assert failed(SCRIPT, "plan", **cluster.parts) == "unsupported"
    cluster.more = {"key": "none"}
    assert failing_checks(hurried(SCRIPT, "plan", **cluster.parts))[2:3] == ["the key is there"]


@pytest.mark.parametrize(
    "status, kind",
    [(401, "auth"), (403, "permission"), (404, "not_found"), (409, "conflict"),
     (422, "unsupported"), (429, "quota"), (503, "network")],
)  # fmt: skip
def test_faults_have_a_class(cluster: Cluster, status: int, kind: str) -> None:
    cluster.server.faults = [Said(status, {})]
    with pytest.raises(AssertionError, match=f"'class': '{kind}'"):
        hurried(SCRIPT, "distribute", **cluster.parts)


def test_nobody_there_and_no_encryption(cluster: Cluster) -> None:
    cluster.more = {"server": f"http://127.0.0.1:{free_port()}"}
    assert failed(SCRIPT, "distribute", **cluster.parts) == "network"
    cluster.more = {"server": "http://10.0.0.1:6443"}
    assert failed(SCRIPT, "distribute", **cluster.parts) == "unsupported"
