"""The real kube-apiserver over a real etcd, where one is on the PATH.

Nothing else of a cluster runs: no controller and no kubelet. So `deployment()` and `roll()` put the
ReplicaSets, the pods and their states in place as those would, through the same API; a pod
that is to linger has a finalizer. Whoever asks is a service account with a Role.

What it cannot prove: how long a real rollout takes, and the kubelet's delay in updating mounted
Secrets. No package has the binary; Go builds it, in half an hour on two cores: a module that
requires k8s.io/kubernetes v1.31.0, replaces each of its `./staging/src/k8s.io/*` by v0.31.0 of
that module, and runs `app.NewAPIServerCommand()` of k8s.io/kubernetes/cmd/kube-apiserver/app.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from servers import free_port, lacking, launch, listening, program, run, until
from servers.fake import Asked, Fake, Said

PACKAGES = ("etcd-server",)

MERGE = "application/merge-patch+json"
RBAC = "rbac.authorization.k8s.io"
KINDS = {"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet"}
GROUPS = dict.fromkeys(KINDS, "apps")


def available() -> str:
    """Why it cannot run here, or ""."""
    return lacking(programs=["kube-apiserver", "etcd", "openssl"])


@dataclass
class Cluster:
    """One namespace of the cluster, as its administrator sees it."""

    url: str
    ca_file: str
    admin: str = field(repr=False)
    namespace: str = "default"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A request of the administrator; a PATCH is a merge patch."""
        import requests

        headers = {"Authorization": f"Bearer {self.admin}"}
        if method == "PATCH":
            headers["Content-Type"] = MERGE
        said = requests.request(method, self.url + path, json=body, headers=headers,
                                verify=self.ca_file, timeout=60)  # fmt: skip
        assert said.ok, f"{method} {path}: {said.status_code} {said.text}"
        return said.json()

    def within(self) -> Cluster:
        """The same cluster in a namespace of its own."""
        name = f"test-{secrets.token_hex(4)}"
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return Cluster(self.url, self.ca_file, self.admin, name)

    def path(self, kind: str, name: str = "") -> str:
        """Where objects of a kind are in the namespace, or one of them."""
        group = {"roles": RBAC, "rolebindings": RBAC, "replicasets": "apps", **GROUPS}.get(kind)
        base = f"/apis/{group}/v1" if group else "/api/v1"
        return f"{base}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def read(self, kind: str, name: str) -> Any:
        """One object."""
        return self.call("GET", self.path(kind, name))

    def change(self, kind: str, name: str, patch: dict[str, Any]) -> None:
        """Merge something into an object."""
        self.call("PATCH", self.path(kind, name), patch)

    def everything(self) -> str:
        """All that a rotation could change, to compare."""
        kinds = ("secrets", "deployments", "replicasets", "pods")
        return repr([self.call("GET", self.path(kind))["items"] for kind in kinds])

    def account(self, *may: str) -> str:
        """A token of a new service account that may this: "patch secrets" each."""
        name = f"robot-{secrets.token_hex(3)}"
        self.call("POST", self.path("serviceaccounts"), {"metadata": {"name": name}})
        pairs = [one.split() for one in may]
        rules = [
            {"apiGroups": [GROUPS.get(kind, "")], "resources": [kind], "verbs": [verb]}
            for verb, kind in pairs
        ]
        self.call("POST", self.path("roles"), {"metadata": {"name": name}, "rules": rules})
        self.call("POST", self.path("rolebindings"), {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.namespace}],
        })  # fmt: skip
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        made = self.call("POST", self.path("serviceaccounts", f"{name}/token"), body)
        return str(made["status"]["token"])

    def secret(self, name: str, data: dict[str, str], **more: Any) -> None:
        """Make a Secret, or put another in its place; `data` is encoded already."""
        meta = {"name": name, **more.pop("metadata", {})}
        body = {"metadata": meta, "data": data, "type": "Opaque", **more}
        listed = self.call("GET", self.path("secrets"))["items"]
        if any(one["metadata"]["name"] == name for one in listed):
            self.call("PUT", self.path("secrets", name), body)
        else:
            self.call("POST", self.path("secrets"), body)

    def deployment(self, name: str, replicas: int = 2) -> None:
        """Make a Deployment with running pods."""
        self.workload("deployments", name, replicas=replicas)

    def workload(self, kind: str, name: str, **more: Any) -> None:
        """Make a workload of a kind with running pods; `more` of its spec."""
        labels = {"app": name}
        pod = {"containers": [{"name": "main", "image": "registry.invalid/app"}]}
        template = {"metadata": {"labels": labels}, "spec": pod}
        spec = {"selector": {"matchLabels": labels}, "template": template, **more}
        self.call("POST", self.path(kind), {"metadata": {"name": name}, "spec": spec})
        self.roll()

    def roll(self, *, ready: bool = True, keep: int = 0) -> None:
        """What the controllers and the kubelet do about new templates; `keep` old pods linger."""
        for pod in self._pods()[keep:]:
            self._remove(pod)
        for kind in GROUPS:
            for one in self.call("GET", self.path(kind))["items"]:
                self._roll(kind, one, ready)

    def _roll(self, kind: str, workload: dict[str, Any], ready: bool) -> None:
        spec, meta = workload["spec"], workload["metadata"]
        owner = _owner(workload, KINDS[kind])
        if kind == "deployments":
            owner = self._replicas(workload)
        count = spec.get("replicas", 1)
        for _ in range(count):
            self._start(spec["template"], owner, ready)
        status = {"observedGeneration": meta["generation"]}
        if kind == "daemonsets":
            status["desiredNumberScheduled"] = count
        self.call("PATCH", self.path(kind, f"{meta['name']}/status"), {"status": status})

    def _replicas(self, deployment: dict[str, Any]) -> dict[str, Any]:
        made = self.call("POST", self.path("replicasets"), {
            "metadata": {"generateName": f"{deployment['metadata']['name']}-",
                         "labels": deployment["spec"]["template"]["metadata"]["labels"],
                         "ownerReferences": [_owner(deployment, "Deployment")]},
            "spec": {name: deployment["spec"][name]
                     for name in ("replicas", "selector", "template")},
        })  # fmt: skip
        return _owner(made, "ReplicaSet")

    def _start(self, template: dict[str, Any], owner: dict[str, Any], ready: bool) -> None:
        meta = {**template["metadata"], "generateName": "pod-", "ownerReferences": [owner]}
        pod = self.call("POST", self.path("pods"), {"metadata": meta, "spec": template["spec"]})
        self._is(pod, {
            "phase": "Running",
            "startTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        })  # fmt: skip

    def _is(self, pod: dict[str, Any], status: dict[str, Any]) -> None:
        path = self.path("pods", f"{pod['metadata']['name']}/status")
        self.call("PATCH", path, {"status": status})

    def _pods(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", self.path("pods"))["items"]
        return found

    def _remove(self, pod: dict[str, Any]) -> None:
        path = self.path("pods", pod["metadata"]["name"])
        self.call("DELETE", path, {"gracePeriodSeconds": 0})

    def backdate(self) -> str:
        """Let one pod say that it started long ago; its name."""
        pod = self._pods()[0]
        self._is(pod, {"startTime": "2001-01-01T00:00:00Z"})
        return str(pod["metadata"]["name"])

    def linger(self) -> None:
        """Ask for the end of one pod, which takes its time."""
        pod = self._pods()[0]
        waits = {"metadata": {"finalizers": ["example.com/wait"]}}
        self.call("PATCH", self.path("pods", pod["metadata"]["name"]), waits)
        self._remove(pod)

    def forbid(self) -> None:
        """A policy of admission against every change of a Secret in the namespace."""
        base, name = "/apis/admissionregistration.k8s.io/v1", f"no-{self.namespace}"
        secret = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"],
                  "resources": ["secrets"]}  # fmt: skip
        here = {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}}
        self.call("POST", f"{base}/validatingadmissionpolicies", {
            "metadata": {"name": name},
            "spec": {"matchConstraints": {"resourceRules": [secret]},
                     "validations": [{"expression": "false", "message": "not here"}]},
        })  # fmt: skip
        self.call("POST", f"{base}/validatingadmissionpolicybindings", {
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"],
                     "matchResources": {"namespaceSelector": here}},
        })  # fmt: skip


def _owner(one: dict[str, Any], kind: str) -> dict[str, Any]:
    meta = one["metadata"]
    return {"apiVersion": "apps/v1", "kind": kind, "name": meta["name"], "uid": meta["uid"],
            "controller": True}  # fmt: skip


class Between(Fake):
    """Passes requests on to a cluster; what a test does `before` one comes in between."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self.cluster = cluster
        self.before: dict[str, Any] = {}  # method: what to do, once
        self.lose = ""  # method whose answer is lost, once

    def answer(self, asked: Asked) -> Said:
        import requests

        if act := self.before.pop(asked.method, None):
            act()
        names = ("authorization", "content-type", "accept")
        headers = {name: asked.headers[name] for name in names if name in asked.headers}
        said = requests.request(
            asked.method, self.cluster.url + asked.path, params=asked.query, data=asked.raw,
            headers=headers, verify=self.cluster.ca_file, timeout=60,
        )  # fmt: skip
        if asked.method == self.lose:
            self.lose = ""
            return Said(502)
        return Said(said.status_code, said.json())


@contextmanager
def start(folder: Path) -> Iterator[Cluster]:
    """An API server with role-based permissions and one administrator."""
    with ExitStack() as stack:
        etcd = _etcd(folder, stack)
        port, admin = free_port(), secrets.token_urlsafe(24)
        users = folder / "tokens.csv"
        users.write_text(f"{admin},admin,admin,system:masters\n", "utf-8")
        run(["openssl", "genrsa", "-out", folder / "accounts.key", "2048"])
        process = launch(
            [program("kube-apiserver"), f"--etcd-servers={etcd}", f"--secure-port={port}",
             "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
             f"--cert-dir={folder / 'certificates'}", f"--token-auth-file={users}",
             "--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24",
             "--service-account-issuer=https://kubernetes.invalid",
             f"--service-account-key-file={folder / 'accounts.key'}",
             f"--service-account-signing-key-file={folder / 'accounts.key'}",
             "--disable-admission-plugins=ServiceAccount"],
            log=folder / "apiserver.log", env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        )  # fmt: skip
        stack.callback(process.stop)
        cluster = Cluster(f"https://127.0.0.1:{port}",
                          str(folder / "certificates" / "apiserver.crt"), admin)  # fmt: skip
        until(lambda: _ready(cluster), process, within=180)
        yield cluster


def _etcd(folder: Path, stack: ExitStack) -> str:
    port, peers = free_port(), free_port()
    url, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peers}"
    process = launch(
        [program("etcd"), "--data-dir", folder / "etcd",
         "--listen-client-urls", url, "--advertise-client-urls", url,
         "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
         "--initial-cluster", f"default={peer}"],
        log=folder / "etcd.log",
    )  # fmt: skip
    stack.callback(process.stop)
    until(listening(port), process)
    return url


def _ready(cluster: Cluster) -> bool:
    import requests

    try:
        said = requests.get(f"{cluster.url}/readyz", verify=cluster.ca_file, timeout=5,
                            headers={"Authorization": f"Bearer {cluster.admin}"})  # fmt: skip
    except (requests.RequestException, OSError):
        return False
    return said.status_code == 200
