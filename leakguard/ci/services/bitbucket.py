"""Bitbucket Pipelines.

https://support.atlassian.com/bitbucket-cloud/docs/variables-and-secrets/
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


def _event(env: Environment, _payload: Payload) -> Event:
    get = env.get
    head = commit(get("BITBUCKET_COMMIT")) or "HEAD"
    if number := get("BITBUCKET_PR_ID"):
        bases = known(
            commit(get("BITBUCKET_PR_DESTINATION_COMMIT")),
            tip(get("BITBUCKET_PR_DESTINATION_BRANCH")),
        )
        return Event("bitbucket", Kind.PULL_REQUEST, head, bases, what=f"pull request {number}")
    if tag := get("BITBUCKET_TAG"):
        return Event("bitbucket", Kind.TAG, head, what=f"tag {tag}")
    name = branch(get("BITBUCKET_BRANCH"))
    return Event("bitbucket", Kind.PUSH, head, branch=name, wanted=known(tip(name)),
                 what=f"push to {name}" if name else "")  # fmt: skip


SERVICE = Service(
    "bitbucket",
    "Bitbucket Pipelines",
    lambda env: bool(env.get("BITBUCKET_BUILD_NUMBER")),
    _event,
    "in the step: clone: {depth: full}",
)
