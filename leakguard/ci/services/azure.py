"""Azure Pipelines.

https://learn.microsoft.com/azure/devops/pipelines/build/variables
"""

from __future__ import annotations

from leakguard.ci.event import (
    Environment,
    Event,
    Kind,
    Payload,
    Service,
    branch,
    commit,
    known,
    tip,
)

_WHOLE = ("Schedule", "Manual", "ResourceTrigger", "BuildCompletion", "UserCreated")


def _event(env: Environment, _payload: Payload) -> Event:
    get = env.get
    head = commit(get("BUILD_SOURCEVERSION")) or "HEAD"
    ref = get("BUILD_SOURCEBRANCH", "")
    if target := get("SYSTEM_PULLREQUEST_TARGETBRANCH"):
        number = get("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER") or get(
            "SYSTEM_PULLREQUEST_PULLREQUESTID", ""
        )
        head = commit(get("SYSTEM_PULLREQUEST_SOURCECOMMITID")) or head
        return Event("azure", Kind.PULL_REQUEST, head, known(tip(target)),
                     what=f"pull request {number}",
                     fork=get("SYSTEM_PULLREQUEST_ISFORK", "").lower() == "true")  # fmt: skip
    if ref.startswith("refs/tags/"):
        return Event("azure", Kind.TAG, head, what=f"tag {ref.removeprefix('refs/tags/')}")
    if get("BUILD_REASON") in _WHOLE:
        return Event("azure", Kind.HISTORY, head, what=get("BUILD_REASON", ""))
    name = branch(ref)
    return Event("azure", Kind.PUSH, head, branch=name, wanted=known(tip(name)),
                 what=f"push to {name}" if name else "")  # fmt: skip


SERVICE = Service(
    "azure",
    "Azure Pipelines",
    lambda env: env.get("TF_BUILD", "").lower() == "true",
    _event,
    "in the job's steps: - {checkout: self, fetchDepth: 0}",
    annotations="azure",
)
