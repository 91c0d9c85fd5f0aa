"""A Kubernetes API server, as far as Secrets, workloads and their pods go: a fake.

It remembers objects and their `resourceVersion` (a write with a stale one: 409), checks
bearer tokens and what each may do at every request, takes merge patches only (else 415),
stores nothing with `dryRun=All`, and refuses changes of an immutable Secret with 422.
Pods follow a template when the test lets its controller work: `roll()`.

What it cannot prove: admission, quotas, watches, real rollouts and the kubelet's delay in
updating mounted Secrets. Its answers were compared with a kube-apiserver 1.31, which
servers/kube_apiserver.py starts where there is one; the tests run against both.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from servers.fake import Asked, Fake, Said

PACKAGES: tuple[str, ...] = ()

VERBS = {"GET": "get", "PATCH": "patch"}
MERGE = "application/merge-patch+json"


def available() -> str:
    """It always can."""
    return ""


class Kubernetes(Fake):
    """Objects by their path, and service accounts by their token."""

    namespace, ca_file = "default", ""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, dict[str, Any]] = {}
        self.pods: list[dict[str, Any]] = []
        self.accounts: dict[str, set[str]] = {}
        self._version = 100

    def account(self, *may: str) -> str:
        """A token that may this: "patch secrets" each."""
        token = secrets.token_urlsafe(24)
        self.accounts[token] = set(may)
        return token

    def secret(self, name: str, data: dict[str, str], **more: Any) -> None:
        """Make a Secret; `data` is encoded already."""
        meta = {"name": name, **more.pop("metadata", {})}
        self._store(f"/api/v1/namespaces/default/secrets/{name}", {
            "metadata": meta, "data": data, "type": "Opaque", **more})  # fmt: skip

    def deployment(self, name: str, replicas: int = 2) -> None:
        """Make a Deployment with running pods."""
        labels = {"app": name}
        self._store(f"/apis/apps/v1/namespaces/default/deployments/{name}", {
            "metadata": {"name": name, "generation": 1},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}}},
            "status": {},
        })  # fmt: skip
        self.roll()

    def roll(self, *, ready: bool = True, keep: int = 0) -> None:
        """Let the controller bring pods to their templates; `keep` old ones linger."""
        kept = self.pods[:keep]
        self.pods = list(kept)
        for path, one in self.objects.items():
            if "/deployments/" in path:
                one["status"]["observedGeneration"] = one["metadata"]["generation"]
                self.pods += [self._pod(one, ready) for _ in range(one["spec"]["replicas"])]

    def _pod(self, owner: dict[str, Any], ready: bool) -> dict[str, Any]:
        template = deepcopy(owner["spec"]["template"]["metadata"])
        name = f"{owner['metadata']['name']}-{secrets.token_hex(3)}"
        return {
            "metadata": {**template, "name": name},
            "status": {
                "phase": "Running",
                "startTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            },
        }

    def read(self, kind: str, name: str) -> dict[str, Any]:
        """One object."""
        (found,) = (one for path, one in self.objects.items() if path.endswith(f"/{kind}/{name}"))
        return found

    def change(self, kind: str, name: str, patch: dict[str, Any]) -> None:
        """Merge something into an object."""
        path = next(one for one in self.objects if one.endswith(f"/{kind}/{name}"))
        self._store(path, _merged(self.objects[path], patch))

    def everything(self) -> str:
        """All that it remembers, to compare."""
        return repr([self.objects, self.pods])

    def backdate(self) -> str:
        """Let one pod say that it started long ago; its name."""
        self.pods[0]["status"]["startTime"] = "2001-01-01T00:00:00Z"
        return str(self.pods[0]["metadata"]["name"])

    def linger(self) -> None:
        """Ask for the end of one pod, which takes its time."""
        self.pods[0]["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"

    def _store(self, path: str, one: dict[str, Any]) -> None:
        self._version += 1
        one["metadata"]["resourceVersion"] = str(self._version)
        self.objects[path] = one

    def answer(self, asked: Asked) -> Said:
        may = self.accounts.get(asked.bearer)
        if may is None:
            return _status(401, "Unauthorized")
        if asked.path.endswith("/selfsubjectaccessreviews"):
            which = asked.body["spec"]["resourceAttributes"]
            allowed = f"{which['verb']} {which['resource']}" in may
            return Said(201, {"status": {"allowed": allowed}})
        match = re.fullmatch(r".*/(secrets|deployments|statefulsets|daemonsets|pods)(/[^/]+)?",
                             asked.path)  # fmt: skip
        if match is None:
            return _status(404, "NotFound")
        verb = VERBS.get(asked.method, "other") if match[2] else "list"
        if f"{verb} {match[1]}" not in may:
            return _status(403, "Forbidden")
        return self._list(asked) if verb == "list" else self._one(asked)

    def _list(self, asked: Asked) -> Said:
        wanted = dict(one.split("=") for one in asked.query["labelSelector"].split(","))
        items = [pod for pod in self.pods if wanted.items() <= pod["metadata"]["labels"].items()]
        return Said(200, {"items": items})

    def _one(self, asked: Asked) -> Said:
        found = self.objects.get(asked.path)
        if found is None:
            return _status(404, "NotFound")
        return Said(200, found) if asked.method == "GET" else self._patch(asked, found)

    def _patch(self, asked: Asked, found: dict[str, Any]) -> Said:
        if asked.headers.get("content-type") != MERGE:
            return _status(415, "UnsupportedMediaType")
        version = asked.body.get("metadata", {}).get("resourceVersion")
        if version is not None and version != found["metadata"]["resourceVersion"]:
            return _status(409, "Conflict")
        made = _merged(found, asked.body)
        if found.get("immutable") and made.get("data") != found.get("data"):
            return _status(422, "Invalid")
        if asked.query.get("dryRun") == "All":
            return Said(200, made)
        if made.get("spec") != found.get("spec"):
            made["metadata"]["generation"] += 1
        self._store(asked.path, made)
        return Said(200, made)


def _merged(one: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    made = dict(one) if isinstance(one, dict) else {}
    for key, value in patch.items():
        made[key] = _merged(made.get(key), value)
    return deepcopy({key: value for key, value in made.items() if value is not None})


def _status(code: int, reason: str) -> Said:
    return Said(code, {"kind": "Status", "code": code, "reason": reason})


@contextmanager
def start(_: Path | None = None) -> Iterator[Kubernetes]:
    """A server without objects."""
    kubernetes = Kubernetes()
    with kubernetes.serving():
        yield kubernetes
