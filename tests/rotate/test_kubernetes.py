"""A new value in a Kubernetes Secret counts when the pods that read it are new, too.

Against a kube-apiserver where one is on the PATH, and against the fake.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, kube_apiserver, kubernetes, place, until
from servers.fake import Said

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
ALL = ("get secrets", "patch secrets", "get deployments", "patch deployments", "list pods")

Server = kubernetes.Kubernetes | kube_apiserver.Cluster


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


class Cluster:
    """A Secret, a Deployment that reads it, and what a script is told of them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.old, self.new = secrets.token_hex(16), secrets.token_hex(16)
        server.secret("db", {"user": encoded("app_a"), "password": encoded(self.old)})
        server.deployment("web")
        self.token = server.account(*ALL)
        self.more: dict[str, Any] = {"workloads": "deployment/web"}

    @property
    def parts(self) -> dict[str, Any]:
        where = {"server": self.server.url, "namespace": self.server.namespace, "secret": "db",
                 "key": "password", "ca_file": self.server.ca_file} | self.more  # fmt: skip
        values = {"old": self.old, "new": self.new, "token": self.token}
        return {"target": where, "consumer": where, "secrets": values}

    def held(self, key: str = "password") -> str:
        return base64.b64decode(self.server.read("secrets", "db")["data"][key]).decode()

    def confirmed(self) -> str:
        status: str = done(SCRIPT, "confirm", **self.parts)["status"]
        return status


@pytest.fixture(scope="module")
def real() -> Iterator[kube_apiserver.Cluster]:
    if lack := kube_apiserver.available():
        pytest.skip(f"kubernetes: {lack}")
    with place() as folder, kube_apiserver.start(folder) as running:
        yield running


@pytest.fixture
def fake() -> Iterator[kubernetes.Kubernetes]:
    with kubernetes.start() as running:
        yield running


@pytest.fixture(params=["kube-apiserver", "fake"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    if request.param == "fake":
        return Cluster(request.getfixturevalue("fake"))
    return Cluster(request.getfixturevalue("real").within())


@pytest.fixture
def between(real: kube_apiserver.Cluster) -> Iterator[tuple[kube_apiserver.Between, Cluster]]:
    """A real cluster, and what stands between it and the script."""
    cluster = Cluster(real.within())
    proxy = kube_apiserver.Between(real)
    with proxy.serving():
        cluster.more |= {"server": proxy.url}
        yield proxy, cluster


def test_the_script_is_what_its_manifest_says() -> None:
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said["dry_run"] == manifest_of(SCRIPT)["dry_run"]


def test_a_plan_asks_the_server_and_changes_nothing(cluster: Cluster) -> None:
    before = cluster.server.everything()
    plan = done(SCRIPT, "plan", **cluster.parts)
    assert failing_checks(plan) == []
    assert cluster.server.everything() == before
    assert [action["target"] for action in plan["actions"]] == [
        f"Secret {cluster.server.namespace}/db", "deployment/web",
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
    cluster.server.linger()
    assert cluster.confirmed() == "pending"


def test_a_pod_that_claims_to_be_older_than_the_secret_is_not_believed(cluster: Cluster) -> None:
    hurried(SCRIPT, "distribute", **cluster.parts)
    cluster.server.roll()
    name = cluster.server.backdate()
    said = done(SCRIPT, "confirm", **cluster.parts)
    assert said["status"] == "pending"
    assert name in said["observed"][0]


def test_a_second_time_restarts_nobody(cluster: Cluster) -> None:
    hurried(SCRIPT, "distribute", **cluster.parts)
    before = cluster.server.everything()
    assert done(SCRIPT, "distribute", **cluster.parts)["status"] == "already"
    assert cluster.server.everything() == before


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
    template = cluster.server.read("deployments", "web")["spec"]["template"]
    notes = template["metadata"]["annotations"]
    assert notes["leakguard/rotation"] == f"{ROTATION}-back"
    assert hurried(SCRIPT, "rollback", **cluster.parts, **known)["status"] == "already"


def test_a_stale_version_is_a_conflict(fake: kubernetes.Kubernetes) -> None:
    cluster = Cluster(fake)
    stale = Said(200, dict(fake.read("secrets", "db")))
    fake.secret("db", {"password": encoded(cluster.old), "host": encoded("db2")})
    fake.faults = [stale]  # what we read before they wrote
    assert failed(SCRIPT, "distribute", **cluster.parts) == "conflict"
    assert cluster.held() == cluster.old


def test_somebody_elses_write_wins(between: tuple[kube_apiserver.Between, Cluster]) -> None:
    proxy, cluster = between
    theirs = {"password": encoded(cluster.old), "host": encoded("db2")}
    proxy.before["PATCH"] = lambda: cluster.server.secret("db", theirs)
    assert failed(SCRIPT, "distribute", **cluster.parts) == "conflict"
    assert (cluster.held(), cluster.held("host")) == (cluster.old, "db2")
    state = done(SCRIPT, "observe", **cluster.parts)["state"]
    assert (state["old"], state["new"]) == ("active", "absent")


def test_an_answer_lost_after_the_write_is_made_good(
    between: tuple[kube_apiserver.Between, Cluster],
) -> None:
    proxy, cluster = between
    proxy.lose = "PATCH"
    assert failed(SCRIPT, "distribute", **cluster.parts) == "network"
    assert cluster.held() == cluster.new
    assert cluster.confirmed() == "pending"  # nobody was restarted
    assert done(SCRIPT, "distribute", **cluster.parts)["status"] == "done"
    cluster.server.roll()
    assert cluster.confirmed() == "done"


@pytest.mark.parametrize("gone", ALL)
def test_each_missing_permission_is_named(cluster: Cluster, gone: str) -> None:
    cluster.token = cluster.server.account(*(one for one in ALL if one != gone))
    names = failing_checks(hurried(SCRIPT, "plan", **cluster.parts))
    assert len(names) == 1
    assert names[0].startswith(f"may {gone}")


def test_what_stands_in_the_way_is_said_before(cluster: Cluster) -> None:
    owner = {"ownerReferences": [{"apiVersion": "external-secrets.io/v1", "uid": "0-0-0",
                                  "kind": "ExternalSecret", "name": "db"}]}  # fmt: skip
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


def test_a_workload_that_does_not_restart_by_itself_is_said_before(cluster: Cluster) -> None:
    cluster.server.change("deployments", "web", {"spec": {"paused": True}})
    plan = hurried(SCRIPT, "plan", **cluster.parts)
    assert failing_checks(plan) == ["deployment/web restarts by itself"]


def test_stateful_sets_and_daemon_sets_are_restarted_alike(real: kube_apiserver.Cluster) -> None:
    server = real.within()
    cluster = Cluster(server)
    server.workload("statefulsets", "db", serviceName="db", replicas=2)
    server.workload("daemonsets", "agent")
    server.workload("daemonsets", "still", updateStrategy={"type": "OnDelete"})
    kinds = ("statefulsets", "daemonsets")
    more = [f"{verb} {kind}" for kind in kinds for verb in ("get", "patch")]
    cluster.token = server.account(*ALL, *more)
    cluster.more = {"workloads": "statefulset/db daemonset/agent daemonset/still"}
    plan = hurried(SCRIPT, "plan", **cluster.parts)
    assert failing_checks(plan) == ["daemonset/still restarts by itself"]
    cluster.more = {"workloads": "statefulset/db daemonset/agent"}
    hurried(SCRIPT, "distribute", **cluster.parts)
    assert cluster.confirmed() == "pending"
    server.roll(ready=False)
    assert cluster.confirmed() == "pending"
    server.roll()
    assert cluster.confirmed() == "done"


def test_what_admission_refuses_shows_in_the_plan(real: kube_apiserver.Cluster) -> None:
    server = real.within()
    cluster = Cluster(server)
    assert failing_checks(hurried(SCRIPT, "plan", **cluster.parts)) == []
    server.forbid()
    refused = ["the server would take a new value"]
    until(lambda: failing_checks(hurried(SCRIPT, "plan", **cluster.parts)) == refused)
    assert failed(SCRIPT, "distribute", **cluster.parts) == "unsupported"
    assert cluster.held() == cluster.old


@pytest.mark.parametrize(
    "status, kind",
    [(401, "auth"), (403, "permission"), (404, "not_found"), (409, "conflict"),
     (422, "unsupported"), (429, "quota"), (503, "network")],
)  # fmt: skip
def test_faults_have_a_class(fake: kubernetes.Kubernetes, status: int, kind: str) -> None:
    cluster = Cluster(fake)
    fake.faults = [Said(status, {})]
    with pytest.raises(AssertionError, match=f"'class': '{kind}'"):
        hurried(SCRIPT, "distribute", **cluster.parts)


def test_nobody_there_and_no_encryption(cluster: Cluster) -> None:
    cluster.more = {"server": f"http://127.0.0.1:{free_port()}"}
    assert failed(SCRIPT, "distribute", **cluster.parts) == "network"
    cluster.more = {"server": "http://10.0.0.1:6443"}
    assert failed(SCRIPT, "distribute", **cluster.parts) == "unsupported"
