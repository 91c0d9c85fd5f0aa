#!/usr/bin/env python3
"""Writes a new value into a Kubernetes Secret and restarts the workloads that read it.

A pod that takes a Secret as environment keeps the old value until it is replaced, so the
workloads get a new pod template, and `confirm` looks at the pods: each has to come from
that template, to be ready, and no older one may be left. Writes carry the version that was
read: when somebody else was faster the server answers 409, and nothing is overwritten.
"""

from __future__ import annotations

import base64
import email.utils
from datetime import datetime
from typing import Any
from urllib.parse import quote

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script, state_by
from leakguard.rotate.parts.web import send

rotate = script()

KINDS = {401: "auth", 403: "permission", 404: "not_found", 409: "conflict"}
WORKLOADS = {
    "deployment": "deployments",
    "statefulset": "statefulsets",
    "daemonset": "daemonsets",
}
ROTATION = "leakguard/rotation"
SINCE = "leakguard/written"
MERGE = "application/merge-patch+json"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether we may, whether the Secret is as it should be, and what a dry run says."""
    checks = _may(ask)
    more: dict[str, Any] = {"actions": _actions(ask), "known": [], "checks": checks}
    if all(check["ok"] for check in checks):
        secret = _secret(ask)
        version = secret["metadata"]["resourceVersion"]
        checks += [*_sound(ask, secret), _taken(ask, secret)]
        checks += [_restarts(ask, path, name) for path, name in _workloads(ask)]
        more |= {"known": [version], "snapshot": {"version": version}}
    return Answer(more=more)


@rotate.phase
def distribute(ask: Request) -> Answer:
    """Write the Secret, then give each workload a template that names this rotation."""
    return _put(ask, ask.secret("new"), ask.new, ask.rotation)


@rotate.phase
def confirm(ask: Request) -> Answer:
    """Whether every pod of every workload was started after the Secret was written."""
    if _value(ask, _secret(ask)) != ask.secret("new"):
        raise Fail("conflict", f"{ask.target['key']} holds another value than the new one")
    late = [why for path, name in _workloads(ask) for why in _late(ask, path, name)]
    if late:
        return Answer("pending", observed=late, more={"method": "usage"})
    if not _workloads(ask):
        seen = "the Secret holds the new value; nobody looked at who reads it"
        return Answer(observed=[seen], more={"method": "config"})
    seen = f"all pods of {ask.target['workloads']} are newer than the Secret"
    return Answer(observed=[seen], more={"method": "usage"})


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which value the Secret holds, as far as we were given values to compare with."""
    secret = _secret(ask)
    state = state_by(_value(ask, secret), ask.secrets)
    version = secret["metadata"]["resourceVersion"]
    listed = [{"id": version, "state": "active", "label": ""}]
    return Answer(more={"state": state | {"credentials": listed}})


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Write the old value again and restart the workloads once more."""
    if _value(ask, _secret(ask)) not in (ask.secret("old"), ask.secrets.get("new")):
        raise Fail("conflict", f"{ask.target['key']} holds neither the old value nor the new one")
    return _put(ask, ask.secret("old"), ask.old, f"{ask.rotation}-back")


def _put(ask: Request, value: str, public: dict[str, Any], mark: str) -> Answer:
    secret = _secret(ask)
    wanted = {ask.target["key"]: _encoded(value)}
    if ask.target.get("id_key"):
        wanted[ask.target["id_key"]] = _encoded(_public(public))
    observed = []
    written = secret["metadata"].get("annotations", {}).get(SINCE, "")
    if any(secret.get("data", {}).get(name) != one for name, one in wanted.items()):
        written = _write(ask, secret, wanted)
        observed.append(f"wrote {', '.join(wanted)} of {ask.target['secret']}")
    observed += [
        f"restarted {name}"
        for path, name in _workloads(ask)
        if _restart(ask, path, name, mark, written)
    ]
    return Answer("done" if observed else "already", observed=observed)


# The Secret


def _secret(ask: Request) -> dict[str, Any]:
    found: dict[str, Any] = _must(_call(ask, "GET", _where(ask))).json()
    return found


def _write(ask: Request, secret: dict[str, Any], data: dict[str, str]) -> str:
    """When it was written, by the server's clock."""
    version = secret["metadata"]["resourceVersion"]
    body = {"metadata": {"resourceVersion": version}, "data": data}
    response = _must(_call(ask, "PATCH", _where(ask), body))
    moment = response.headers.get("Date", "")
    written = f"{email.utils.parsedate_to_datetime(moment):%Y-%m-%dT%H:%M:%SZ}" if moment else ""
    note = {"metadata": {"annotations": {SINCE: written}}}
    _must(_call(ask, "PATCH", _where(ask), note))
    return written


def _where(ask: Request) -> str:
    name = quote(ask.target["secret"], safe="")
    return f"/api/v1/namespaces/{_namespace(ask)}/secrets/{name}"


def _namespace(ask: Request) -> str:
    return quote(ask.target.get("namespace") or "default", safe="")


def _value(ask: Request, secret: dict[str, Any]) -> str:
    held = secret.get("data", {}).get(ask.target["key"], "")
    return base64.b64decode(held).decode("utf-8", "surrogateescape")


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()


def _public(known: dict[str, Any]) -> str:
    found = known.get("user") or known.get("id")
    if not found:
        raise Fail("missing", "id_key is set, but the issuer names no public half")
    return str(found)


# Those who read it


def _workloads(ask: Request) -> list[tuple[str, str]]:
    found = []
    for word in (ask.target.get("workloads") or "").split():
        kind, _, name = word.partition("/")
        if kind not in WORKLOADS or not name:
            raise Fail("unsupported", f"{word!r} is none of {', '.join(WORKLOADS)} with a name")
        place = f"/apis/apps/v1/namespaces/{_namespace(ask)}/{WORKLOADS[kind]}"
        found.append((f"{place}/{quote(name, safe='')}", word))
    return found


def _restart(ask: Request, path: str, name: str, mark: str, written: str) -> bool:
    """Name the rotation in the pod template, unless it is named there."""
    template = _must(_call(ask, "GET", path), name).json()["spec"]["template"]
    if template.get("metadata", {}).get("annotations", {}).get(ROTATION) == mark:
        return False
    notes = {ROTATION: mark, SINCE: written}
    body = {"spec": {"template": {"metadata": {"annotations": notes}}}}
    _must(_call(ask, "PATCH", path, body), name)
    return True


def _late(ask: Request, path: str, name: str) -> list[str]:
    """Why a workload may still use the old value; nothing when it cannot."""
    workload = _must(_call(ask, "GET", path), name).json()
    status, spec = workload.get("status", {}), workload["spec"]
    notes = spec["template"].get("metadata", {}).get("annotations", {})
    if notes.get(ROTATION) != ask.rotation:
        return [f"{name} was not restarted for this rotation"]
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return [f"nobody has looked at the new template of {name} yet"]
    pods = _pods(ask, spec["selector"])
    old = [pod["metadata"]["name"] for pod in pods if not _fresh(pod, notes)]
    if old:
        return [f"{name}: {', '.join(sorted(old))} may have the old value"]
    wanted = status.get("desiredNumberScheduled", spec.get("replicas", 1))
    if sum(_ready(pod) for pod in pods) < wanted:
        return [f"{name}: {sum(_ready(pod) for pod in pods)} of {wanted} pods are ready"]
    return []


def _pods(ask: Request, selector: dict[str, Any]) -> list[dict[str, Any]]:
    if selector.get("matchExpressions"):
        raise Fail("unsupported", "a selector with expressions: look at its pods by hand")
    words = ",".join(f"{key}={value}" for key, value in selector["matchLabels"].items())
    path = f"/api/v1/namespaces/{_namespace(ask)}/pods?labelSelector={quote(words, safe='')}"
    found: list[dict[str, Any]] = _must(_call(ask, "GET", path), "pods").json()["items"]
    return [pod for pod in found if pod["status"].get("phase") not in ("Succeeded", "Failed")]


def _fresh(pod: dict[str, Any], notes: dict[str, str]) -> bool:
    """Made from the new template, after the Secret was written, and not on its way out.

    The template follows the Secret, so a pod that carries its mark cannot be older.
    """
    own = pod["metadata"].get("annotations", {})
    if pod["metadata"].get("deletionTimestamp") or own.get(ROTATION) != notes[ROTATION]:
        return False
    started, written = pod["status"].get("startTime", ""), notes.get(SINCE, "")
    return not (started and written) or _moment(started) >= _moment(written)


def _ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


# What has to hold before


def _may(ask: Request) -> list[dict[str, Any]]:
    """What the server says that we may."""
    wanted = [("", "secrets", verb, ask.target["secret"]) for verb in ("get", "patch")]
    for path, _ in _workloads(ask):
        *_, kind, name = path.split("/")
        wanted += [("apps", kind, verb, name) for verb in ("get", "patch")]
    wanted += [("", "pods", "list", "")] if _workloads(ask) else []
    return [_may_one(ask, *one) for one in wanted]


def _may_one(ask: Request, group: str, resource: str, verb: str, name: str) -> dict[str, Any]:
    which = {"namespace": _namespace(ask), "group": group, "resource": resource}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": which | {"verb": verb, "name": name}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    said = _must(_call(ask, "POST", path, body)).json()["status"]
    what = f"may {verb} {resource} {name}".rstrip()
    return check(what, said["allowed"], f"allow {verb} on {resource} to the service account")


def _sound(ask: Request, secret: dict[str, Any]) -> list[dict[str, Any]]:
    owners = [
        f"{one['kind']} {one['name']}" for one in secret["metadata"].get("ownerReferences", ())
    ]
    alone = not owners or bool(ask.target.get("managed"))
    why = f"{', '.join(owners)} would write it again: change it there, or managed=true"
    fixed = bool(secret.get("immutable"))
    there = ask.target["key"] in secret.get("data", {})
    names = ", ".join(sorted(secret.get("data", {})))
    checks = [
        check("nothing else owns the Secret", alone, why),
        check("the Secret may change", not fixed, "it is immutable: make another"),
        check("the key is there", there, f"there are: {names}"),
    ]
    if there and "old" in ask.secrets and ask.target.get("expect_old", True):
        same = _value(ask, secret) == ask.secret("old")
        why = "it holds another: the right key? if so, expect_old=false"
        checks.append(check("the key holds the value that leaked", same, why))
    return checks


def _taken(ask: Request, secret: dict[str, Any]) -> dict[str, Any]:
    """A dry run on the server: admission and quotas speak, nothing is stored."""
    body = {
        "metadata": {"resourceVersion": secret["metadata"]["resourceVersion"]},
        "data": {ask.target["key"]: _encoded("0" * 32)},
    }
    response = _call(ask, "PATCH", f"{_where(ask)}?dryRun=All", body)
    why = f"the server answered {response.status_code} to a dry run"
    return check("the server would take a new value", response.status_code == 200, why)


def _restarts(ask: Request, path: str, name: str) -> dict[str, Any]:
    """Whether the workload is there, and replaces its pods when its template changes."""
    found = _call(ask, "GET", path)
    if found.status_code != 200:
        return check(f"{name} is there", False, "name it as kind/name, in this namespace")
    spec = found.json()["spec"]
    by_hand = spec.get("updateStrategy", {}).get("type") == "OnDelete"
    why = "it is paused: resume it" if spec.get("paused") else "OnDelete: delete its pods by hand"
    return check(f"{name} restarts by itself", not (spec.get("paused") or by_hand), why)


def _actions(ask: Request) -> list[dict[str, Any]]:
    where = f"Secret {_namespace(ask)}/{ask.target['secret']}"
    undo, effect = "write the old value again", "its pods are replaced one after the other"
    written = action("distribute", "patch", where, f"{ask.target['key']} has the new value", undo)
    names = [name for _, name in _workloads(ask)]
    return [written, *(action("distribute", "restart", name, effect, undo) for name in names)]


# Talking to the API server


def _must(response: Any, what: str = "the Secret") -> Any:
    status = response.status_code
    if status < 300:
        return response
    kind = KINDS.get(status, "unsupported")
    raise Fail(kind, f"the server answered {status} for {what}")


def _call(ask: Request, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {ask.secret('token')}", "Accept": "application/json"}
    if method == "PATCH":
        headers["Content-Type"] = MERGE
    url, verify = ask.target["server"].rstrip("/") + path, ask.target.get("ca_file") or True
    return send("the API server", method, url, json=body, headers=headers, verify=verify)


if __name__ == "__main__":
    rotate.main()
