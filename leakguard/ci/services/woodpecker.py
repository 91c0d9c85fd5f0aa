"""Woodpecker.

https://woodpecker-ci.org/docs/usage/environment

It does not tell what was there before a push: its "previous commit" is that of
the last pipeline, whatever that looked at.
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
    name = get("CI_PIPELINE_EVENT", "")
    head = commit(get("CI_COMMIT_SHA")) or "HEAD"
    default = branch(get("CI_REPO_DEFAULT_BRANCH"))
    if name.startswith("pull_request"):
        return Event("woodpecker", Kind.PULL_REQUEST, head,
                     known(tip(get("CI_COMMIT_TARGET_BRANCH"))), default=default,
                     wanted=known(get("CI_COMMIT_REF", "")),
                     what=f"pull request {get('CI_COMMIT_PULL_REQUEST', '')}")  # fmt: skip
    if name in ("tag", "release"):
        return Event("woodpecker", Kind.TAG, head, default=default,
                     what=f"tag {get('CI_COMMIT_TAG', '')}")  # fmt: skip
    if name == "push":
        moved = branch(get("CI_COMMIT_BRANCH"))
        return Event("woodpecker", Kind.PUSH, head, (), moved, default, known(tip(moved)),
                     f"push to {moved}")  # fmt: skip
    if name in ("cron", "manual", "deployment"):
        return Event("woodpecker", Kind.HISTORY, head, default=default, what=name)
    raise UnreadError(
        f"CI_PIPELINE_EVENT {name!r} does not say which commits it brings",
        "say it: leakguard ci --base COMMIT --head COMMIT",
    )


SERVICE = Service(
    "woodpecker",
    "Woodpecker",
    lambda env: env.get("CI") == "woodpecker",
    _event,
    "under clone: git: settings: {depth: 0, partial: false}",
)
