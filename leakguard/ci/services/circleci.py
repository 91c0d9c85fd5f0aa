"""CircleCI.

It does not tell a job what was there before. What it tells a pipeline
(`pipeline.git.base_revision`) is the branch's last push, whose author may be
that of the change, so it must not decide on the policy.
"""

from __future__ import annotations

from leakguard.ci.event import Environment, Event, Kind, Payload, Service, branch, commit


def _event(env: Environment, _payload: Payload) -> Event:
    get = env.get
    head = commit(get("CIRCLE_SHA1")) or "HEAD"
    if tag := get("CIRCLE_TAG"):
        return Event("circleci", Kind.TAG, head, what=f"tag {tag}")
    if get("CIRCLE_PULL_REQUEST") or get("CIRCLE_PR_NUMBER"):
        number = (get("CIRCLE_PR_NUMBER") or get("CIRCLE_PULL_REQUEST", "")).rpartition("/")[2]
        return Event("circleci", Kind.PULL_REQUEST, head, what=f"pull request {number}",
                     fork=bool(get("CIRCLE_PR_NUMBER")))  # fmt: skip
    name = branch(get("CIRCLE_BRANCH"))
    return Event("circleci", Kind.PUSH, head, branch=name, what=f"push to {name}" if name else "")


SERVICE = Service(
    "circleci",
    "CircleCI",
    lambda env: env.get("CIRCLECI") == "true",
    _event,
    "in the job's steps: - checkout: {method: full}",
)
