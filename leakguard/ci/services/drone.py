"""Drone.

https://docs.drone.io/pipeline/environment/reference/
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
from leakguard.errors import UnreadError


def _event(env: Environment, _payload: Payload) -> Event:
    get = env.get
    name = get("DRONE_BUILD_EVENT", "")
    head = commit(get("DRONE_COMMIT_SHA")) or "HEAD"
    default = branch(get("DRONE_REPO_BRANCH"))
    if name == "pull_request":
        return Event("drone", Kind.PULL_REQUEST, head, known(tip(get("DRONE_TARGET_BRANCH"))),
                     default=default, wanted=known(get("DRONE_COMMIT_REF", "")),
                     what=f"pull request {get('DRONE_PULL_REQUEST', '')}")  # fmt: skip
    if name == "tag":
        return Event("drone", Kind.TAG, head, default=default, what=f"tag {get('DRONE_TAG', '')}")
    if name == "push":
        moved = branch(get("DRONE_BRANCH"))
        return Event("drone", Kind.PUSH, head, known(commit(get("DRONE_COMMIT_BEFORE"))), moved,
                     default, known(tip(moved)), f"push to {moved}")  # fmt: skip
    if name in ("cron", "custom", "promote", "rollback"):
        return Event("drone", Kind.HISTORY, head, default=default, what=name)
    raise UnreadError(
        f"DRONE_BUILD_EVENT {name!r} does not say which commits it brings",
        "say it: leakguard ci --base COMMIT --head COMMIT",
    )


SERVICE = Service(
    "drone",
    "Drone",
    lambda env: env.get("DRONE") == "true",
    _event,
    "at the top of the pipeline: clone: {depth: 0}",
)
